"""Signing in by an OpenID provider: sending a browser there, and finding out whom it came back as.

Room: hall, accounts. `desk` makes it. The web process carries an address away and a code back; state, nonce and the proof of the code are
the core's, and so is the word on who it is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from ledger_client.access_events import AGAIN_FAILED, LOGIN_FAILED
from ledger_client.kinds import ClockState
from runtime.accounts.directory import AWAY, OIDC, DirectoryError, Provider, Vouched
from runtime.accounts.directory_desk import Directories
from runtime.accounts.oidc_pending import RANDOM_BYTES, Pending, PendingSignIns, address
from runtime.accounts.sessions import LoggedIn
from runtime.config_signin import Oidc
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor

PLACE: Final = "@oidc"
"""The account that codes which stand for nobody are counted for."""
DISCOVERY_MS: Final = 300_000
AWAY_MS: Final = 5_000
"""So long a provider that could not be asked is not asked again, whoever knocks."""
CODE_MAX: Final = 4_096
NEXT_MAX: Final = 500
Describe = Callable[[Actor], dict[str, Any]]
Who = Callable[[LoggedIn | None], Actor]


class OidcDesk:
    """`begin` sends a browser away, `finish` takes what it brings back."""

    def __init__(self, all_of_them: Directories, who: Who, describe: Describe) -> None:
        """`who` finds out whose session it is, or raises `session_gone`; `describe` says it to a face."""
        self._all, self._who, self._describe = all_of_them, who, describe
        self._pending = PendingSignIns()
        self._asking = asyncio.Lock()
        self._known: tuple[int, Oidc, dict[str, str]] | None = None
        self._away: tuple[int, Oidc] | None = None

    async def begin(self, actor: Actor | None, params: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Return {url, binding}; `actor`: who is signed in and is to prove it once more. Raises RequestRefusedError."""
        options, target = self._options(), params.get("next", "/")
        self._all.wait(PLACE, source, "directory_wait")
        if not isinstance(target, str) or len(target) > NEXT_MAX:
            raise RequestRefusedError("query_invalid", detail="next")
        if actor is not None:
            found = self._all.sessions.by_id(actor.session_id)
            person = self._all.book.people.get(found.account) if found is not None else None
            if person is None or person.directory != OIDC:
                raise RequestRefusedError("directory_not_from", name=actor.name)
        endpoints = await self._endpoints(options)
        session = actor.session_id if actor is not None else ""
        clock = self._all.clock
        state, binding, pending = self._pending.begin(
            os.urandom(4 * RANDOM_BYTES), source, target, session, clock.mono_ms(), clock.wall_ms() // 1_000, endpoints, options,
        )  # fmt: skip
        return {"url": address(pending, state, options.client_id, options.redirect_uri, options.scopes), "binding": binding}

    async def finish(self, params: Mapping[str, Any], source: str, face: str) -> dict[str, Any]:
        """Return {token, who, next, again: false}, or {who, next, again: true} of a session that is fresh again."""
        options, both = self._options(), self._all
        state, binding, code = (str(params.get(name) or "") for name in ("state", "binding", "code"))
        pending = self._pending.take(state, binding, both.clock.mono_ms()) if len(binding) <= NEXT_MAX else None
        if pending is None or pending.provider != options:
            raise RequestRefusedError("sso_state")
        if params.get("iss") not in {None, "", options.issuer}:
            raise RequestRefusedError("sso_state")
        if not 0 < len(code) <= CODE_MAX:
            raise RequestRefusedError("sso_denied", label=options.label)
        if both.book.fault is not None:
            raise RequestRefusedError("accounts_damaged", reason=both.book.fault)
        try:
            vouched = await self._redeem(options, pending, code, source)
        except DirectoryError as error:
            found = both.sessions.by_id(pending.session)
            person = both.book.people.get(found.account) if found is not None else None
            name, what = (person.name, AGAIN_FAILED) if person is not None else ("", LOGIN_FAILED)
            both.log.note(what, name, pending.session, source, face)
            both.attempts.failed(PLACE, source, both.clock.mono_ms())
            raise RequestRefusedError(AWAY, label=options.label) from error
        both.attempts.succeeded(PLACE, source)
        if pending.session:
            return {"who": await self._prove(pending, vouched, options, face), "next": pending.next, "again": True}
        return {**await both.admit(vouched, source, face), "next": pending.next, "again": False}

    async def _prove(self, pending: Pending, vouched: Vouched, options: Oidc, face: str) -> dict[str, Any]:
        """Make a session fresh when its own person has just shown who they are; a login of before is none."""
        found = self._all.sessions.by_id(pending.session)
        self._who(found)
        assert found is not None  # `who` raises for none
        if vouched.auth_s is None or vouched.auth_s < pending.wall_s - options.skew_s:
            self._all.log.note(AGAIN_FAILED, self._all.book.people[found.account].name, found.id, found.source, face)
            raise RequestRefusedError("sso_not_again", label=options.label)
        await self._all.renew(found, vouched, face)
        return self._describe(self._who(found))

    def _options(self) -> Oidc:
        """Return the provider in force. Raises RequestRefusedError; without a clock nobody could tell whether a token holds."""
        options = self._all.config().oidc
        if not options.issuer:
            raise RequestRefusedError("directory_off")
        if self._all.clock.state() == ClockState.UNSET:
            raise RequestRefusedError("sso_clock_unset")
        return options

    async def _endpoints(self, options: Oidc) -> dict[str, str]:
        """Return the provider's addresses, asked for now and then; who comes meanwhile waits for the same answer."""
        async with self._asking:
            now_ms = self._all.clock.mono_ms()
            if self._known is not None and self._known[1] == options and now_ms - self._known[0] < DISCOVERY_MS:
                return self._known[2]
            if self._away is not None and self._away[1] == options and now_ms - self._away[0] < AWAY_MS:
                raise RequestRefusedError(AWAY, label=options.label)
            try:
                said = await self._ask("discover", options, "")
                if not said or not all(isinstance(url, str) for url in said.values()):
                    raise RequestRefusedError(AWAY, label=options.label)
            except RequestRefusedError as refused:
                if refused.code == AWAY:
                    self._away = self._all.clock.mono_ms(), options
                raise
            self._known, self._away = (now_ms, options, said), None
            return said

    async def _redeem(self, options: Oidc, pending: Pending, code: str, source: str) -> Vouched:
        now_s = self._all.clock.wall_ms() // 1_000
        question = {"code": code, "verifier": pending.verifier, "nonce": pending.nonce, "asked_s": pending.wall_s, "now_s": now_s}
        return await self._all.vouched(OIDC, provider(options), options.timeout_s, source, endpoints=pending.endpoints, **question)

    async def _ask(self, what: str, options: Oidc, source: str) -> dict[str, Any]:
        try:
            return await self._all.asks.ask(what, provider(options), options.timeout_s, source)
        except DirectoryError as error:
            self._all.heard(OIDC, error)
            raise RequestRefusedError(AWAY, label=options.label) from error


def provider(options: Oidc) -> dict[str, Any]:
    """Return how the provider is asked, for the child."""
    plain: Mapping[str, Any] = options.model_dump(exclude={"label", "roles", "scopes"})
    return asdict(Provider(**plain, groups=options.roles.all_groups()))
