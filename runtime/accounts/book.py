"""All accounts in memory, and each change of them on disk first.

Room: hall, accounts. `desk` and `tenants` share it. Reading it never waits; a change is durable before it counts. It decides nothing: who
may change what is the door's and the tenants' business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import structlog

from runtime.accounts.people import ApiToken, Person, folded
from runtime.accounts.store import Store, Stored, StoreFaultError
from runtime.faces.feed import RequestRefusedError

SELF_APPROVAL: Final = "self_approval"
Result = TypeVar("Result")


class AccountBook:
    """`people` by folded name, `tokens` by digest. `fault` says why the file cannot be used; then nobody can log in."""

    def __init__(self, path: Path, work: Executor) -> None:
        """`work` is one thread. Call `open` first."""
        self._store, self._work = Store(path), work
        self.people: dict[str, Person] = {}
        self.tokens: dict[bytes, ApiToken] = {}
        self.policy: dict[str, str] = {}
        self.fault: str | None = None

    def open(self) -> None:
        """Read the file; what is wrong with it is kept in `fault` and logged: the core starts without accounts. Blocking."""
        try:
            self._take(self._store.open())
            self.fault = None
        except StoreFaultError as error:
            self.fault = error.reason
            structlog.get_logger("accounts").warning("accounts_damaged", reason=error.reason)

    def close(self) -> None:
        """Close the file. Blocking."""
        self._store.close()

    @property
    def claimed(self) -> bool:
        """Whether somebody owns this gateway; one whose accounts cannot be read counts as owned."""
        return bool(self.people) or self.fault is not None

    def self_approval(self) -> bool:
        """Whether the site's policy lets a person approve what they asked for themselves."""
        return self.policy.get(SELF_APPROVAL) == "yes"

    async def claim(self, person: Person) -> bool:
        """Add the first person; False when there is one already. Raises RequestRefusedError, as all that follow."""
        if not await self._write(lambda: self._store.claim(person)):
            return False
        self.people[folded(person.name)] = person
        return True

    async def put(self, person: Person) -> None:
        """Add a person, or replace the one of this name."""
        await self._write(lambda: self._store.put_person(person))
        self.people[folded(person.name)] = person

    async def renew_password(self, name: str, was: str, now: str) -> None:
        """Replace a hash by a better one of the same password, unless it was changed meanwhile."""
        if await self._write(lambda: self._store.renew_password(name, was, now)):
            self.people[folded(name)] = replace(self.people[folded(name)], password=now)

    async def note_login(self, name: str, at_ms: int) -> None:
        """Remember when somebody logged in last."""
        await self._write(lambda: self._store.note_login(name, at_ms))
        person = self.people.get(folded(name))
        if person is not None:
            self.people[folded(name)] = replace(person, login_ms=at_ms)

    async def put_token(self, token: ApiToken) -> None:
        """Add an API token."""
        await self._write(lambda: self._store.put_token(token))
        self.tokens[token.digest] = token

    async def drop_token(self, token: ApiToken) -> None:
        """Remove an API token."""
        await self._write(lambda: self._store.drop_token(token.id))
        self.tokens.pop(token.digest, None)

    async def put_policy(self, name: str, value: str) -> None:
        """Set one switch of the site's policy."""
        await self._write(lambda: self._store.put_policy(name, value))
        self.policy[name] = value

    async def begin_anew(self) -> None:
        """Set a file that cannot be used aside and begin an empty one; for whoever sits at the machine."""
        await self._in_work(self._store.set_aside)
        await self._in_work(self.open)

    def token_by_id(self, token_id: str) -> ApiToken:
        """Return an API token. Raises RequestRefusedError `token_unknown`."""
        found = next((each for each in self.tokens.values() if each.id == token_id), None)
        if found is None:
            raise RequestRefusedError("token_unknown")
        return found

    async def _write(self, call: Callable[[], Result]) -> Result:
        if self.fault is not None:
            raise RequestRefusedError("accounts_damaged", reason=self.fault)
        return await self._in_work(call)

    async def _in_work(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._work, self._refusing, call)

    @staticmethod
    def _refusing(call: Callable[[], Result]) -> Result:
        try:
            return call()
        except StoreFaultError as error:
            raise RequestRefusedError("accounts_unwritable", reason=error.reason) from error

    def _take(self, stored: Stored) -> None:
        self.people = {folded(person.name): person for person in stored.people}
        self.tokens = {token.digest: token for token in stored.tokens}
        self.policy = dict(stored.policy)
