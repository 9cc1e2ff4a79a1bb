"""Signing in by a directory: the core asks it, decides what it means here, and opens the session. Local accounts never wait for it.

Room: hall, accounts. `desk` makes it and sends it what is not for a local account. A face brings a name and a password, or the code that a
browser came back with; whether that is somebody, who, and with which roles is found out here, by children of the core (`directory_asks`).
A password is given to the child that asks and kept nowhere.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import structlog

from ledger_client.access_events import AGAIN_FAILED, ENDED, LOGIN_FAILED
from runtime.accounts import people as rules
from runtime.accounts.access_log import AccessLog
from runtime.accounts.attempts import Attempts
from runtime.accounts.book import AccountBook
from runtime.accounts.directory import AWAY, LDAP, OIDC, REFUSED, DirectoryError, LdapServer, Vouched, read_vouched, roles_of
from runtime.accounts.directory_acts import VOUCHED
from runtime.accounts.directory_asks import DirectoryAsks
from runtime.accounts.people import SUFFIXES, Person, folded
from runtime.accounts.sessions import FRESH_S, LoggedIn, Sessions
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.config_signin import Ldap
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor, Role

LetIn = Callable[[Person, str, str, int], dict[str, Any]]
"""(person, source, face, ms for which what they showed counts as shown just now) -> {token, who}: opens a session at once."""


class Directories:
    """What sign-ins by LDAP and by OpenID have in common: who is let in as whom. `carry_out` is the door's, given once it exists."""

    def __init__(
        self, config: Callable[[], Config], clock: Clock, book: AccountBook, sessions: Sessions, attempts: Attempts, log: AccessLog,
        let_in: LetIn,
    ) -> None:  # fmt: skip
        self.config, self.clock, self.book, self.sessions = config, clock, book, sessions
        self.attempts, self.log, self.let_in = attempts, log, let_in
        self.asks = DirectoryAsks()
        self.carry_out: Callable[[Act], Awaitable[Outcome]] | None = None
        self._state: dict[str, tuple[str, str]] = {}

    def ways(self) -> dict[str, str]:
        """Return the directories that are on, each with its label: what a login page offers. None before somebody here has an account."""
        config = self.config()
        if not self.book.claimed:
            return {}
        found = {LDAP: config.ldap.label if config.ldap.url else "", OIDC: config.oidc.label if config.oidc.issuer else ""}
        return {name: label for name, label in found.items() if label}

    def snapshot(self) -> dict[str, dict[str, str]]:
        """Return {state, cause} of each that is on: `unasked`, `ok`, or `away` with the reason, for admins."""
        found = {name: self._state.get(name, ("unasked", "")) for name in self.ways()}
        return {name: {"state": state, "cause": cause} for name, (state, cause) in found.items()}

    def heard(self, directory: str, fault: DirectoryError | None) -> None:
        """Note how a directory answered; one that refuses somebody is well."""
        away = fault is not None and fault.code == AWAY
        if fault is not None and away:
            structlog.get_logger("accounts").warning("directory_away", directory=directory, reason=fault.reason)
        self._state[directory] = ("away", fault.reason) if fault is not None and away else ("ok", "")

    async def vouched(self, directory: str, server: Mapping[str, Any], timeout_s: float, source: str, **question: Any) -> Vouched:
        """Ask a directory who somebody is, and note how it answered. Raises DirectoryError, or RequestRefusedError `login_busy`."""
        try:
            found = read_vouched(directory, await self.asks.ask(directory, server, timeout_s, source, **question))
        except DirectoryError as error:
            self.heard(directory, error)
            raise
        self.heard(directory, None)
        return found

    def wait(self, account: str, source: str, code: str = "login_refused") -> None:
        """Refuse who has to wait, by the rules of local passwords. Raises RequestRefusedError."""
        wait_ms = self.attempts.wait_ms(account, source, self.clock.mono_ms())
        if wait_ms > 0:
            raise RequestRefusedError(code, retry_after_s=-(-wait_ms // 1_000))

    def refused(self, account: str, source: str, code: str = "login_refused") -> RequestRefusedError:
        """Count what failed, and return the refusal with the wait that follows from it."""
        self.attempts.failed(account, source, self.clock.mono_ms())
        wait_ms = self.attempts.wait_ms(account, source, self.clock.mono_ms())
        return RequestRefusedError(code, retry_after_s=-(-wait_ms // 1_000))

    async def admit(self, vouched: Vouched, source: str, face: str) -> dict[str, Any]:
        """Open a session for whom a directory vouches. Raises RequestRefusedError: no role here, disabled here, the name is another's."""
        account = folded(name_here(vouched))
        try:
            await self._remember(vouched, source, face)
            person = self.book.people.get(account)  # as it is now: recording took its time
            if person is None or person.subject != vouched.subject or not person.enabled:
                raise RequestRefusedError("directory_disabled", name=name_here(vouched))
        except RequestRefusedError:
            known = self.book.people.get(account)
            self.log.note(LOGIN_FAILED, known.name if known is not None else "", "", source, face)
            raise
        opened = self.let_in(person, source, face, self._fresh_ms(vouched))
        with contextlib.suppress(RequestRefusedError):  # a disk that refuses keeps nobody out
            await self.book.note_login(person.name, self.clock.wall_ms())
        return opened

    def _fresh_ms(self, vouched: Vouched) -> int:
        """An LDAP server was just given a password. OpenID may vouch for who showed it hours ago: it counts from when it says that was."""
        if vouched.directory == LDAP:
            return FRESH_S * 1_000
        if vouched.auth_s is None:
            return 0
        return FRESH_S * 1_000 - min(FRESH_S * 1_000, max(0, self.clock.wall_ms() - vouched.auth_s * 1_000))

    async def renew(self, found: LoggedIn, vouched: Vouched, face: str) -> None:
        """Let a session be fresh again for whom the directory vouches once more; other roles end it. Raises RequestRefusedError."""
        person = self.book.people.get(found.account)
        if person is None or (person.directory, person.subject) != (vouched.directory, vouched.subject):
            self.log.note(AGAIN_FAILED, person.name if person is not None else "", found.id, found.source, face)
            raise self.refused(found.account, found.source, "again_refused")
        self.attempts.succeeded(found.account, found.source)
        await self._remember(vouched, found.source, face)
        if self.sessions.by_id(found.id) is None:  # the roles are others now, and recording them has ended it
            raise RequestRefusedError("session_gone")
        found.fresh_until_ms = self.clock.mono_ms() + FRESH_S * 1_000

    async def _remember(self, vouched: Vouched, source: str, face: str) -> None:
        """Have it recorded that somebody is new here, or has other roles: an act, or they do not come in. Who has none left is put out."""
        name, roles = name_here(vouched), frozenset(Role(role) for role in roles_of(vouched.groups, self._wanted(vouched.directory)))
        known = self.book.people.get(folded(name))
        if known is not None and (known.directory != vouched.directory or known.subject not in {"", vouched.subject}):
            raise RequestRefusedError("directory_name_taken", name=name)
        if known is not None and not known.enabled:
            raise RequestRefusedError("directory_disabled", name=name)
        if not roles:
            if known is not None and self.sessions.end_of(folded(name)):
                self.log.note(ENDED, known.name, "", source, face)
            raise RequestRefusedError("directory_no_role", name=name)
        if known is not None and (known.roles, known.subject) == (roles, vouched.subject):
            return
        if self.carry_out is None:
            raise RequestRefusedError("acts_refused_stopped")
        actor = Actor("", frozenset(), f"{vouched.directory} from {source}", fresh=True, kind="directory")
        label = self.ways().get(vouched.directory, "")
        said = {"directory": vouched.directory, "label": label, "roles": " ".join(sorted(roles)), "source": source}
        act = Act(os.urandom(16), face, actor, VOUCHED, name, said, None, "signed in", {"subject": vouched.subject})
        outcome = await self.carry_out(act)
        if outcome.code != "done":
            raise RequestRefusedError(outcome.code, **{key: value for key, value in outcome.params.items() if not isinstance(value, bytes)})

    def _wanted(self, directory: str) -> dict[str, tuple[str, ...]]:
        config = self.config()
        return (config.ldap.roles if directory == LDAP else config.oidc.roles).groups()


class LdapDesk:
    """Name and password, asked of an LDAP server."""

    def __init__(self, all_of_them: Directories) -> None:
        self._all = all_of_them

    async def login(self, name: str, password: str, source: str, face: str) -> dict[str, Any]:
        """Sign in. Raises RequestRefusedError; it touches no local account, whatever the name."""
        both = self._all
        if LDAP not in both.ways():
            raise RequestRefusedError("directory_off")
        name = without_suffix(name, LDAP)
        account = folded(name + SUFFIXES[LDAP])
        both.wait(account, source)
        if both.book.fault is not None:
            raise RequestRefusedError("accounts_damaged", reason=both.book.fault)
        try:
            vouched = await self._ask(name, password, source)
        except DirectoryError as error:
            if error.code != REFUSED:
                raise RequestRefusedError(AWAY, label=both.ways().get(LDAP, "")) from error
            known = both.book.people.get(account)
            both.log.note(LOGIN_FAILED, known.name if known is not None else "", "", source, face)
            raise both.refused(account, source) from error
        both.attempts.succeeded(account, source)
        opened = await both.admit(vouched, source, face)
        session = both.sessions.by_id(str(opened["who"]["session"]))
        if session is not None:
            session.login = name
        return opened

    async def again(self, found: LoggedIn, person: Person, password: str, face: str) -> None:
        """Ask for the password once more. Raises RequestRefusedError."""
        both = self._all
        both.wait(found.account, found.source, "again_refused")
        try:
            vouched = await self._ask(found.login, password, found.source)
        except DirectoryError as error:
            if error.code != REFUSED:
                raise RequestRefusedError(AWAY, label=both.ways().get(LDAP, "")) from error
            both.log.note(AGAIN_FAILED, person.name, found.id, found.source, face)
            raise both.refused(found.account, found.source, "again_refused") from error
        await both.renew(found, vouched, face)

    async def _ask(self, name: str, password: str, source: str) -> Vouched:
        options = self._all.config().ldap
        if not name or not name.isprintable() or not 0 < len(password) <= rules.PASSWORD_MAX or "\0" in password:
            raise DirectoryError(REFUSED)
        return await self._all.vouched(LDAP, ldap_server(options), options.timeout_s, source, name=name, password=password)


def ldap_server(options: Ldap) -> dict[str, Any]:
    """Return how the server is asked, for the child."""
    plain: Mapping[str, Any] = options.model_dump(exclude={"label", "roles"})
    return asdict(LdapServer(**plain, groups=options.roles.all_groups()))


def name_here(vouched: Vouched) -> str:
    """Return what somebody from a directory is called here: no local account can have such a name. Raises RequestRefusedError."""
    suffix: Final = SUFFIXES[vouched.directory]
    name = rules.checked_name(vouched.name)
    if len(name) + len(suffix) > rules.NAME_MAX:
        raise RequestRefusedError("account_name_length", most=rules.NAME_MAX - len(suffix))
    return name + suffix


def without_suffix(name: str, directory: str) -> str:
    """Return a name as its directory knows it, however it was typed."""
    plain = unicodedata.normalize("NFC", name).strip()
    suffix = SUFFIXES[directory]
    return plain[: -len(suffix)] if folded(plain).endswith(suffix) and len(plain) > len(suffix) else plain
