"""The acts about people whom a directory vouches for: that one came or has other roles now, and that a name is free for another person.

Room: hall, accounts. `directory_desk` asks for the first by itself, once a directory has vouched; an admin for the second. No face can ask
for the first: its actor is nobody that a token stands for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from runtime.accounts import people as rules
from runtime.accounts.book import AccountBook
from runtime.accounts.directory import DIRECTORIES, SUBJECT_MAX
from runtime.accounts.people import Person, directory_of, folded
from runtime.accounts.sessions import Sessions
from runtime.accounts.tenants import DONE, AccountAct
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.faces.feed import RequestRefusedError

VOUCHED: Final = "account.vouched"
RELEASE: Final = "account.release"


class DirectoryActs:
    """What there is to change; `tenants` names it for the door."""

    def __init__(self, book: AccountBook, sessions: Sessions, clock: Clock) -> None:
        self._book, self._sessions, self._clock = book, sessions, clock

    def tenants(self) -> dict[str, AccountAct]:
        """Return them by action."""
        return {
            VOUCHED: AccountAct(self._check_vouched, self._vouched, frozenset({"directory", "label", "roles", "source"})),
            RELEASE: AccountAct(self._check_release, self._release, frozenset()),
        }

    def _check_vouched(self, act: Act) -> None:
        directory, subject = act.params.get("directory"), act.secrets.get("subject", "")
        if act.actor.kind != "directory" or directory not in DIRECTORIES or not 0 < len(subject) <= SUBJECT_MAX:
            raise RequestRefusedError("permission_denied", action=act.action)
        if directory_of(act.target) != directory:
            raise RequestRefusedError("account_unknown")
        rules.checked_roles(act.params.get("roles"))
        found = self._book.people.get(folded(act.target))
        if found is None and len(self._book.people) >= rules.PEOPLE_MAX:
            raise RequestRefusedError("accounts_full", most=rules.PEOPLE_MAX)
        if found is not None and (found.directory != directory or found.subject not in {"", subject}):
            raise RequestRefusedError("directory_name_taken", name=found.name)

    async def _vouched(self, act: Act) -> Outcome:
        self._check_vouched(act)
        roles, found = rules.checked_roles(act.params.get("roles")), self._book.people.get(folded(act.target))
        directory, subject = str(act.params["directory"]), act.secrets["subject"]
        if found is None:
            after = Person(act.target, roles, "", made_ms=self._clock.wall_ms(), directory=directory, subject=subject)
        else:
            after = replace(found, roles=roles, subject=subject)
        await self._book.put(after)
        changed = found is not None and (found.roles, found.subject) != (after.roles, after.subject)
        ended = self._sessions.end_of(folded(after.name)) if changed else 0
        was = " ".join(sorted(found.roles)) if found is not None else ""
        return Outcome(DONE, {"name": after.name, "was": was, "roles": " ".join(sorted(roles)), "sessions_ended": ended})

    def _check_release(self, act: Act) -> None:
        if not rules.find(self._book.people, act.target).directory:
            raise RequestRefusedError("directory_not_from", name=act.target)

    async def _release(self, act: Act) -> Outcome:
        """Whoever comes next under this name is another person: nothing of the one before is theirs, neither key nor session."""
        self._check_release(act)
        person = rules.find(self._book.people, act.target)
        await self._book.put(replace(person, subject="", key=None))
        return Outcome(DONE, {"name": person.name, "sessions_ended": self._sessions.end_of(folded(person.name))})
