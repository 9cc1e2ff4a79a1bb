"""The door's tenants for accounts: each change of a person, a session, a token or the policy is an act, recorded with who and why.

Room: hall, accounts. `desk` makes them, `app` gives them to the door, which has checked role and freshness. They judge what they are asked,
write through `book`, and end the sessions that a change takes the ground from. No password or token stands in any outcome: what is
shown once goes back as `told`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final

from ledger_client.keys import from_cose
from runtime.accounts import people as rules
from runtime.accounts.approvals import enrolled_key
from runtime.accounts.attempts import Attempts
from runtime.accounts.book import SELF_APPROVAL, AccountBook
from runtime.accounts.claim_code import make_code
from runtime.accounts.pace import OwnPace
from runtime.accounts.passwords import Passwords
from runtime.accounts.people import ApiToken, Person, folded
from runtime.accounts.sessions import API_PREFIX, Sessions, digest_of, text_of
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import OWN, Role

DONE: Final = "done"
DAYS_MAX: Final = 366
DAY_MS: Final = 86_400_000
TOKEN_NAME_MAX: Final = 64
Perform = Callable[[Act], Awaitable[Outcome]]


class AccountActs:
    """What there is to change; `tenants` names it for the door."""

    def __init__(
        self, book: AccountBook, sessions: Sessions, passwords: Passwords, attempts: Attempts, clock: Clock, origin: Callable[[], str]
    ) -> None:
        """`origin` names the log that keys are enrolled for; `attempts` are those of the login."""
        self._origin, self._attempts, self._pace = origin, attempts, OwnPace()
        self._book, self._sessions, self._passwords, self._clock = book, sessions, passwords, clock

    def tenants(self) -> dict[str, AccountAct]:
        """Return them by action."""
        plans: dict[str, tuple[Callable[[Act], None], Perform, frozenset[str]]] = {
            "account.claim": (self._check_claim, self._claim, frozenset({"lang", "zone", "source", "roles"})),
            "account.create": (self._check_create, self._create, frozenset({"roles", "lang", "zone"})),
            "account.roles": (self._check_roles, self._roles, frozenset({"roles"})),
            "account.disable": (self._check_disable, self._disable, frozenset()),
            "account.enable": (self._check_known, self._enable, frozenset()),
            "account.password": (self._check_password, self._password, frozenset()),
            "account.key": (self._check_key, self._key, frozenset({"key", "proof"})),
            "account.language": (self._check_language, self._language, frozenset({"lang", "zone"})),
            "account.break_glass": (self._check_break_glass, self._break_glass, frozenset()),
            "session.end": (self._check_session, self._end_session, frozenset()),
            "token.create": (self._check_token, self._create_token, frozenset({"actions", "days"})),
            "token.revoke": (self._check_revoke, self._revoke_token, frozenset()),
            "policy.set": (self._check_policy, self._set_policy, frozenset({"value"})),
        }
        return {
            action: AccountAct(self._paced(check) if action in OWN else check, self._counted(perform) if action in OWN else perform, params)
            for action, (check, perform, params) in plans.items()
        }

    # ------------------------------------------------------------------------------------------ people
    def _check_claim(self, act: Act) -> None:
        if self._book.claimed:
            raise RequestRefusedError("account_claimed")
        rules.checked_name(act.target)
        rules.checked_language(act.params.get("lang", ""), act.params.get("zone", ""))
        rules.checked_roles(act.params.get("roles", Role.ADMIN.value))

    async def _claim(self, act: Act) -> Outcome:
        self._check_claim(act)
        roles = rules.checked_roles(act.params.get("roles", Role.ADMIN.value)) | {Role.ADMIN}
        person = self._new(act, roles, act.secrets["hash"])
        if not await self._book.claim(person):
            raise RequestRefusedError("account_claimed")
        return Outcome(DONE, {"name": person.name, "roles": _words(person.roles)})

    def _check_create(self, act: Act) -> None:
        name = rules.checked_name(act.target)
        if folded(name) in self._book.people:
            raise RequestRefusedError("account_exists", name=self._book.people[folded(name)].name)
        if len(self._book.people) >= rules.PEOPLE_MAX:
            raise RequestRefusedError("accounts_full", most=rules.PEOPLE_MAX)
        rules.checked_roles(act.params.get("roles"))
        rules.checked_language(act.params.get("lang", ""), act.params.get("zone", ""))
        if "password" in act.secrets:
            rules.checked_password(act.secrets["password"], name)

    async def _create(self, act: Act) -> Outcome:
        """A password that another person knows is good for one login: it must be changed then."""
        self._check_create(act)
        password = act.secrets.get("password") or one_time_password()
        hashed = await self._passwords.hash(rules.normal_password(password))
        person = replace(self._new(act, rules.checked_roles(act.params.get("roles")), hashed), must_change=True)
        await self._book.put(person)
        told = {} if "password" in act.secrets else {"password": password}
        return Outcome(DONE, {"name": person.name, "roles": _words(person.roles)}, told=told)

    def _check_roles(self, act: Act) -> None:
        self._check_local(act)
        roles = rules.checked_roles(act.params.get("roles"))
        self._keep_an_admin(replace(rules.find(self._book.people, act.target), roles=roles))

    async def _roles(self, act: Act) -> Outcome:
        self._check_roles(act)
        before = rules.find(self._book.people, act.target)
        after = replace(before, roles=rules.checked_roles(act.params.get("roles")))
        await self._book.put(after)
        ended = self._sessions.end_of(folded(after.name)) if after.roles != before.roles else 0
        return Outcome(DONE, {"name": after.name, "was": _words(before.roles), "roles": _words(after.roles), "sessions_ended": ended})

    def _check_disable(self, act: Act) -> None:
        self._keep_an_admin(replace(rules.find(self._book.people, act.target), enabled=False))

    async def _disable(self, act: Act) -> Outcome:
        self._check_disable(act)
        person = rules.find(self._book.people, act.target)
        await self._book.put(replace(person, enabled=False))
        return Outcome(DONE, {"name": person.name, "sessions_ended": self._sessions.end_of(folded(person.name))})

    def _check_known(self, act: Act) -> None:
        rules.find(self._book.people, act.target)

    async def _enable(self, act: Act) -> Outcome:
        person = rules.find(self._book.people, act.target)
        await self._book.put(replace(person, enabled=True))
        return Outcome(DONE, {"name": person.name})

    def _check_password(self, act: Act) -> None:
        self._check_local(act)
        person, own = rules.find(self._book.people, act.target), self._is_own(act)
        if not own and not (act.actor.kind == "local" or (Role.ADMIN in act.actor.roles and act.actor.has_account)):
            raise RequestRefusedError("permission_denied", action=act.action)
        if not own and act.actor.must_change:
            raise RequestRefusedError("password_must_change", action=act.action)
        if not own and not act.actor.fresh:
            raise RequestRefusedError("fresh_needed", action=act.action)
        if own and ("old_password" not in act.secrets or "password" not in act.secrets):
            raise RequestRefusedError("password_old_needed")
        if own and len(act.secrets["old_password"]) > rules.PASSWORD_MAX:
            raise RequestRefusedError("password_old_wrong")
        wait_ms = self._attempts.wait_ms(folded(person.name), self._source(act), self._clock.mono_ms()) if own else 0
        if wait_ms > 0:  # guessing at an open session is as slow as at the door
            raise RequestRefusedError("again_refused", retry_after_s=-(-wait_ms // 1_000))
        if "password" in act.secrets:
            rules.checked_password(act.secrets["password"], person.name)

    async def _password(self, act: Act) -> Outcome:
        """One's own: the old one shows who asks. Another's: one that is good for one login, made here unless it was given."""
        self._check_password(act)
        person, own = rules.find(self._book.people, act.target), self._is_own(act)
        if own and not await self._passwords.holds(rules.normal_password(act.secrets["old_password"]), person.password, ""):
            self._attempts.failed(folded(person.name), self._source(act), self._clock.mono_ms())
            raise RequestRefusedError("password_old_wrong")
        password = act.secrets.get("password") or one_time_password()
        if own and password == act.secrets["old_password"]:
            raise RequestRefusedError("password_same")
        hashed = await self._passwords.hash(rules.normal_password(password))
        person = rules.find(self._book.people, act.target)  # as it is now: hashing took its time
        await self._book.put(replace(person, password=hashed, must_change=not own))
        ended = self._sessions.end_of(folded(person.name), but=act.actor.session_id if own else "")
        told = {} if "password" in act.secrets else {"password": password}
        return Outcome(DONE, {"name": person.name, "own": own, "sessions_ended": ended}, told=told)

    def _check_key(self, act: Act) -> None:
        if not self._is_own(act):
            raise RequestRefusedError("permission_denied", action=act.action)
        key = self._key_of(act)
        if key is not None and any(each.key == key and folded(each.name) != folded(act.target) for each in self._book.people.values()):
            raise RequestRefusedError("approval_key_taken")

    async def _key(self, act: Act) -> Outcome:
        """One's own key, of the tablet at hand; an empty one takes it back."""
        self._check_key(act)
        key = self._key_of(act)
        await self._book.put(replace(rules.find(self._book.people, act.target), key=key))
        return Outcome(DONE, {"key": from_cose(bytes.fromhex(key)).kid.hex() if key is not None else ""})

    def _key_of(self, act: Act) -> str | None:
        """Return the key that is enrolled, as COSE in hexadecimal digits; None: none any more. The name must be the very name."""
        if rules.find(self._book.people, act.target).name != act.target:
            raise RequestRefusedError("account_unknown")
        if act.params.get("key") == "":
            return None
        return enrolled_key(act.target, self._origin(), act.params.get("key"), act.params.get("proof")).cose.hex()

    def _check_language(self, act: Act) -> None:
        if not self._is_own(act):
            raise RequestRefusedError("permission_denied", action=act.action)
        asked = rules.checked_language(act.params.get("lang", ""), act.params.get("zone", ""))
        person = rules.find(self._book.people, act.target)
        if asked == (person.lang, person.zone):  # nothing would change, so there is nothing to record
            raise RequestRefusedError("account_language_same")

    async def _language(self, act: Act) -> Outcome:
        lang, zone = rules.checked_language(act.params.get("lang", ""), act.params.get("zone", ""))
        await self._book.put(replace(rules.find(self._book.people, act.target), lang=lang, zone=zone))
        return Outcome(DONE, {"lang": lang, "zone": zone})

    def _check_break_glass(self, act: Act) -> None:
        rules.checked_name(act.target)

    async def _break_glass(self, act: Act) -> Outcome:
        """At the machine itself: an admin, whatever became of the others; a file that cannot be used is set aside."""
        anew = self._book.fault is not None
        if anew:
            await self._book.begin_anew()
        password = one_time_password()
        hashed = await self._passwords.hash(password)
        found = self._book.people.get(folded(act.target)) or self._new(act, frozenset(), hashed)
        person = replace(found, password=hashed, enabled=True, must_change=True, roles=found.roles | {Role.ADMIN})
        await self._book.put(person)
        self._sessions.end_of(folded(person.name))
        return Outcome(DONE, {"name": person.name, "roles": _words(person.roles), "set_aside": anew}, told={"password": password})

    # ------------------------------------------------------------------------------------------ sessions, tokens, policy
    def _check_session(self, act: Act) -> None:
        if self._sessions.by_id(act.target) is None:
            raise RequestRefusedError("session_unknown")

    async def _end_session(self, act: Act) -> Outcome:
        session = self._sessions.by_id(act.target)
        if session is None:
            raise RequestRefusedError("session_unknown")
        self._sessions.end(act.target)
        return Outcome(DONE, {"name": self._book.people[session.account].name if session.account in self._book.people else ""})

    def _check_token(self, act: Act) -> None:
        days = act.params.get("days")
        if type(days) is not int or not 1 <= days <= DAYS_MAX:
            raise RequestRefusedError("token_days", most=DAYS_MAX)
        if len(self._book.tokens) >= rules.TOKENS_MAX:
            raise RequestRefusedError("tokens_full", most=rules.TOKENS_MAX)
        rules.checked_name(act.target)
        rules.checked_scope(act.params.get("actions"))

    async def _create_token(self, act: Act) -> Outcome:
        self._check_token(act)
        scope, days, now_ms = rules.checked_scope(act.params.get("actions")), act.params["days"], self._clock.wall_ms()
        assert isinstance(days, int)
        shown = API_PREFIX + text_of(os.urandom(32))
        token_id = f"t{os.urandom(4).hex()}"
        token = ApiToken(token_id, rules.checked_name(act.target), digest_of(shown), scope, act.actor.text, now_ms, now_ms + days * DAY_MS)
        await self._book.put_token(token)
        return Outcome(DONE, {"token_id": token_id, "actions": _words(scope), "expires_ms": token.expires_ms}, told={"token": shown})

    def _check_revoke(self, act: Act) -> None:
        self._book.token_by_id(act.target)

    async def _revoke_token(self, act: Act) -> Outcome:
        token = self._book.token_by_id(act.target)
        await self._book.drop_token(token)
        return Outcome(DONE, {"name": token.name})

    def _check_policy(self, act: Act) -> None:
        if act.target != SELF_APPROVAL or type(act.params.get("value")) is not bool:
            raise RequestRefusedError("policy_unknown", known=SELF_APPROVAL)

    async def _set_policy(self, act: Act) -> Outcome:
        before = self._book.self_approval()
        await self._book.put_policy(SELF_APPROVAL, "yes" if act.params["value"] else "no")
        return Outcome(DONE, {"was": before, "value": act.params["value"]})

    # ------------------------------------------------------------------------------------------ what they share
    def _new(self, act: Act, roles: frozenset[Role], hashed: str) -> Person:
        lang, zone = rules.checked_language(act.params.get("lang", ""), act.params.get("zone", ""))
        return Person(rules.checked_name(act.target), roles, hashed, lang=lang, zone=zone, made_ms=self._clock.wall_ms())

    def _keep_an_admin(self, changed: Person) -> None:
        if not rules.keeps_an_admin(self._book.people.values(), changed):
            raise RequestRefusedError("account_last_admin", name=changed.name)

    def _check_local(self, act: Act) -> None:
        """Refuse what a directory decides about its people."""
        person = rules.find(self._book.people, act.target)
        if person.directory:
            raise RequestRefusedError("directory_decides", name=person.name)

    def _source(self, act: Act) -> str:
        session = self._sessions.by_id(act.actor.session_id)
        return session.source if session is not None else ""

    def _paced(self, check: Callable[[Act], None]) -> Callable[[Act], None]:
        """Return a check that refuses what somebody does to themselves too often."""

        def paced(act: Act) -> None:
            if self._is_own(act):
                self._pace.require(folded(act.actor.name), act.action, self._clock.mono_ms())
            check(act)

        return paced

    def _counted(self, perform: Perform) -> Perform:
        async def counted(act: Act) -> Outcome:
            if self._is_own(act):
                self._pace.note(folded(act.actor.name), act.action, self._clock.mono_ms())
            return await perform(act)

        return counted

    def _is_own(self, act: Act) -> bool:
        return act.actor.has_account and folded(act.actor.name) == folded(act.target)


class AccountAct:
    """One kind of act, as the door wants it. `account.break_glass` alone works on a file that cannot be used."""

    def __init__(self, check: Callable[[Act], None], perform: Perform, params: frozenset[str]) -> None:
        self._check, self._perform, self._params = check, perform, params

    async def check(self, act: Act) -> None:
        """See Tenant. Raises RequestRefusedError, `act_shape` for a parameter that it does not have."""
        if not set(act.params) <= self._params:
            raise RequestRefusedError("act_shape")
        self._check(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        return await self._perform(act)


def one_time_password() -> str:
    """Return a password that a person reads out once: 80 random bits."""
    return make_code(secrets.token_bytes(13))[:17].lower()


def _words(words: Iterable[str]) -> str:
    return " ".join(sorted(words))
