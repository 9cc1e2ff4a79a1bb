"""The core's side of accounts: who asks (the door's authority), and the feed's requests `account.*`.

Room: hall, accounts. `app` makes it, opens it, gives its tenants to the door and its requests here. A face holds nothing but the token that
a person's request carries; names, roles and freshness are found out here at every request. Passwords, tokens and codes are never logged,
recorded or part of an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import structlog

from ledger_client.access_events import AGAIN_FAILED, CLAIM_FAILED, LOGIN, LOGIN_FAILED, LOGOUT
from ledger_client.disk import Disk
from ledger_client.kinds import ClockState
from runtime.accounts import people as rules
from runtime.accounts.access_log import AccessLog, Ledger
from runtime.accounts.approvals import with_approval
from runtime.accounts.attempts import Attempts
from runtime.accounts.audit_review import AuditReview
from runtime.accounts.book import AccountBook
from runtime.accounts.claim_code import RANDOM_BYTES, forget_code, keep_code, same_code
from runtime.accounts.directory import LDAP, OIDC
from runtime.accounts.directory_acts import DirectoryActs
from runtime.accounts.directory_desk import Directories, LdapDesk
from runtime.accounts.oidc_desk import OidcDesk
from runtime.accounts.passwords import Passwords
from runtime.accounts.people import ApiToken, Person, folded
from runtime.accounts.sessions import API_PREFIX, FRESH_S, TOKEN_BYTES, LoggedIn, Sessions, digest_of, is_over
from runtime.accounts.tenants import AccountActs
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.door import Tenant, refuse_unless_may
from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import Actor, Role, local_actor
from runtime.syslog.teller import SyslogTeller

SOURCE_MAX: Final = 64
TOKEN_TEXT_MAX: Final = 64
CLAIM: Final = "claim code"
Asked = Callable[[Session, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class AccountDesk:
    """Of every account. `directories.carry_out` is the door's, given once the door exists."""

    def __init__(self, path: Path, private: Path, disk: Disk, clock: Clock, config: Callable[[], Config], ledger: Ledger) -> None:
        """`path` is the accounts' file, `private` the folder of the claim code."""
        self._work = ThreadPoolExecutor(1, thread_name_prefix="accounts")
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._private, self._disk, self._clock, self._config = private, disk, clock, config
        self._book = AccountBook(path, self._work)
        self._sessions, self._attempts, self.passwords = Sessions(), Attempts(), Passwords(self._hashing)
        self._acts = AccountActs(self._book, self._sessions, self.passwords, self._attempts, clock, lambda: ledger.origin)
        self._ledger = ledger
        self.log = AccessLog(ledger, clock)
        self.syslog = SyslogTeller(config, clock)
        self.log.heard = self.syslog.access
        self.directories = Directories(config, clock, self._book, self._sessions, self._attempts, self.log, self._let_in)
        self._ldap, self._oidc = LdapDesk(self.directories), OidcDesk(self.directories, self._person_actor, self._describe)
        self._code: str | None = None
        self._answers: Mapping[str, Asked] = {
            "account.state": self._state, "account.claim": self._claim, "account.login": self._login, "account.who": self._who,
            "account.again": self._again, "account.logout": self._logout, "account.list": self._list, "account.sso": self._sso,
            "account.sso_back": self._sso_back,
        }  # fmt: skip

    def open(self) -> None:
        """Read the accounts; a gateway without an owner gets a claim code. Blocking. What fails is logged, never raised."""
        self._book.open()
        try:
            if self._book.claimed:
                forget_code(self._disk, self._private)
            else:
                self._code = keep_code(self._disk, self._private, os.urandom(RANDOM_BYTES))
        except OSError as error:
            structlog.get_logger("accounts").warning("claim_code_unwritable", detail=str(error))

    def close(self) -> None:
        """Close the file. Blocking."""
        self.directories.asks.close()
        for threads in (self._work, self._hashing):
            threads.shutdown(cancel_futures=True)
        self.syslog.close()
        self._book.close()

    async def run(self) -> None:
        """Record who comes and goes, until cancelled."""
        await self.log.run()

    def heard(self, act: Act, outcome: Outcome) -> None:
        """Hear of an act that was carried out: tell syslog, and forget the claim code once somebody has an account."""
        self.syslog.act(act, outcome)
        if self._code is not None and self._book.claimed:
            self._code = None
            try:
                forget_code(self._disk, self._private)
            except OSError as error:  # the next start forgets it; it opens nothing any more
                structlog.get_logger("accounts").warning("claim_code_unwritable", detail=str(error))

    def tenants(self) -> dict[str, Tenant]:
        """Return the acts that change accounts, and the sign-off of what people did, by action."""
        vouched = DirectoryActs(self._book, self._sessions, self._clock).tenants()
        return {**self._acts.tenants(), **vouched, "audit.review": AuditReview(lambda: self._ledger.size)}

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request `account.*` of the feed. Raises RequestRefusedError."""
        asked = self._answers.get(method)
        if asked is None:
            raise RequestRefusedError("method_unknown", method=method)
        return await asked(session, params)

    @property
    def methods(self) -> Iterable[str]:
        """The requests that `answer` answers."""
        return self._answers

    # ------------------------------------------------------------------------------------------ the door's authority
    def actor(self, session: Session, token: Any, *, quiet: bool = False) -> Actor:
        """See door.Authority. A request counts as use of its session, unless it is `quiet`: one that a page makes by itself."""
        if token is None:
            return local_actor(session.face, session.uid, own_uid=os.getuid(), open_view=self._config().web.open_view)
        if not isinstance(token, str) or len(token) > TOKEN_TEXT_MAX:
            raise RequestRefusedError("session_gone")
        if token.startswith(API_PREFIX):
            return self._token_actor(self._book.tokens.get(digest_of(token)))
        found = self._sessions.by_token(token)
        actor = self._person_actor(found)
        if found is not None and not quiet:
            found.seen_ms = self._clock.mono_ms()
        return actor

    def with_approval(self, act: Act, raw: Any, *, own: bool) -> Act:
        """See door.Authority."""
        now_ms = None if self._clock.state() == ClockState.UNSET else self._clock.wall_ms()
        return with_approval(act, raw, self._ledger.origin, now_ms, own=own, self_approval=self._book.self_approval())

    def self_approval(self) -> bool:
        """Tell whether the site's policy lets people approve what they asked for."""
        return self._book.self_approval()

    def refuse_unless_may(self, session: Session, params: Mapping[str, Any], action: str) -> None:
        """Raise RequestRefusedError unless whoever sent a request may do an action: for requests that change nothing, and are no act."""
        refuse_unless_may(self.actor(session, params.get("token")), action)

    def current(self, actor: Actor) -> Actor:
        """See door.Authority."""
        if actor.kind == "person":
            return self._person_actor(self._sessions.by_id(actor.session_id))
        if actor.kind == "token":
            return self._token_actor(next((each for each in self._book.tokens.values() if each.id == actor.session_id), None))
        return actor

    def is_gone(self, actor: Actor) -> bool:
        """Tell whether somebody may not even ask any more: disabled, the session over, the token revoked or expired."""
        try:
            self.current(actor)
        except RequestRefusedError as refused:
            return refused.code == "session_gone"
        return False

    def _person_actor(self, session: LoggedIn | None) -> Actor:
        person = self._book.people.get(session.account) if session is not None else None
        if session is None or person is None:
            raise RequestRefusedError("session_gone")
        now_ms = self._clock.mono_ms()
        gone = bool(person.directory) and person.directory not in self.directories.ways()  # nobody vouches for them any more
        if gone or not person.enabled or is_over(session, now_ms, *self._limits_ms(person)):
            self._sessions.end(session.id)
            raise RequestRefusedError("session_gone")
        fresh = now_ms < session.fresh_until_ms
        return Actor(person.name, person.roles, session.id, fresh, "person", must_change=person.must_change, key=person.key)

    def _token_actor(self, token: ApiToken | None) -> Actor:
        if token is None:
            raise RequestRefusedError("session_gone")
        if self._clock.state() == ClockState.UNSET:  # nobody can tell whether it has expired
            raise RequestRefusedError("token_clock_unset")
        if self._clock.wall_ms() >= token.expires_ms:
            raise RequestRefusedError("session_gone")
        maker = token.made_by.rpartition(" (")[0]
        return Actor(token.name, frozenset(), token.id, fresh=False, kind="token", scope=token.actions, made_by=maker)

    def _limits_ms(self, person: Person) -> tuple[int, int]:
        """Idle and longest time of a session: a person who only views may have a screen on the wall."""
        options = self._config().accounts
        idle_min, longest_min = options.idle_min, options.longest_h * 60
        if person.roles == {Role.VIEWER} and options.kiosk_idle_min and not person.directory:
            idle_min, longest_min = options.kiosk_idle_min, max(longest_min, options.kiosk_idle_min)
        return idle_min * 60_000, longest_min * 60_000

    # ------------------------------------------------------------------------------------------ requests
    async def _state(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "claimed": self._book.claimed,
            "people": len(self._book.people),
            "open_view": self._config().web.open_view,
            "origin": self._ledger.origin,
            "ways": self.directories.ways(),
        }

    async def _claim(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        source, now_ms = _source(params), self._clock.mono_ms()
        if self._book.claimed or self._code is None:
            raise RequestRefusedError("account_claimed")
        self._wait(CLAIM, source)
        if not same_code(params.get("code"), self._code):
            self._attempts.failed(CLAIM, source, now_ms)
            self.log.note(CLAIM_FAILED, "", "", source, session.face)
            raise RequestRefusedError("claim_code_wrong")
        name = rules.checked_name(params.get("name"))
        password = rules.checked_password(params.get("password"), name)
        lang, zone = rules.checked_language(params.get("lang", ""), params.get("zone", ""))
        roles = " ".join(sorted(rules.checked_roles(params.get("roles", Role.ADMIN.value)) | {Role.ADMIN}))
        hashed = await self.passwords.hash(password)
        if self.directories.carry_out is None:
            raise RequestRefusedError("acts_refused_stopped")
        claimer = Actor("", frozenset(), f"{CLAIM} from {source}", fresh=True, kind="claim")
        said = {"lang": lang, "zone": zone, "source": source, "roles": roles}
        act = Act(os.urandom(16), session.face, claimer, "account.claim", name, said, None, "first admin", {"hash": hashed})
        outcome = await self.directories.carry_out(act)
        if outcome.code != "done":
            raise RequestRefusedError(outcome.code, **{key: value for key, value in outcome.params.items() if not isinstance(value, bytes)})
        let_in = self._let_in(self._book.people[folded(name)], source, session.face)
        with contextlib.suppress(RequestRefusedError):
            await self._book.note_login(name, self._clock.wall_ms())
        return let_in

    async def _login(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        source, name, password = _source(params), params.get("name"), params.get("password")
        if not isinstance(name, str) or not isinstance(password, str) or len(name) > rules.NAME_MAX or len(password) > rules.PASSWORD_MAX:
            raise RequestRefusedError("login_refused", retry_after_s=0)
        if params.get("via") == LDAP:
            return await self._ldap.login(name, password, source, session.face)
        account = folded(name)
        self._wait(account, source)
        if self._book.fault is not None:
            raise RequestRefusedError("accounts_damaged", reason=self._book.fault)
        person = self._book.people.get(account)
        hashed = person.password if person is not None and person.enabled and not person.directory else None
        password = rules.normal_password(password)
        holds = await self.passwords.holds(password, hashed, source)
        person = self._book.people.get(account)  # as it is now: the hash took its time
        if not holds or person is None or hashed is None or not person.enabled or person.password != hashed:
            self._attempts.failed(account, source, self._clock.mono_ms())
            known = self._book.people.get(account)  # a name that is nobody's may be a password typed into the wrong field
            self.log.note(LOGIN_FAILED, known.name if known is not None else "", "", source, session.face)
            wait_ms = self._attempts.wait_ms(account, source, self._clock.mono_ms())
            raise RequestRefusedError("login_refused", retry_after_s=-(-wait_ms // 1_000))
        self._attempts.succeeded(account, source)
        let_in = self._let_in(person, source, session.face)  # before anything is awaited, so that whatever ends sessions ends this one too
        with contextlib.suppress(RequestRefusedError):  # a disk that refuses keeps nobody out
            if self.passwords.is_dated(hashed):
                await self._book.renew_password(person.name, hashed, await self.passwords.hash(password))
            await self._book.note_login(person.name, self._clock.wall_ms())
        return let_in

    async def _who(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        actor = self.actor(session, params.get("token") or "", quiet=params.get("quiet") is True)
        return self._describe(actor)

    async def _again(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        """Give the password once more; a wrong one waits and counts as at the login, and the session stays as it is."""
        actor, password = self.actor(session, params.get("token") or ""), params.get("password")
        found = self._sessions.by_id(actor.session_id)
        if found is None or not isinstance(password, str) or len(password) > rules.PASSWORD_MAX:
            raise RequestRefusedError("again_refused", retry_after_s=0)
        person = self._book.people[found.account]
        if person.directory == OIDC:
            raise RequestRefusedError("again_elsewhere", label=self.directories.ways()[OIDC])
        if person.directory:
            await self._ldap.again(found, person, password, session.face)
            return self._describe(self.current(actor))
        self._wait(found.account, found.source, "again_refused")
        hashed = self._book.people[found.account].password
        if not await self.passwords.holds(rules.normal_password(password), hashed, found.source):
            self._attempts.failed(found.account, found.source, self._clock.mono_ms())
            self.log.note(AGAIN_FAILED, actor.name, actor.session_id, found.source, session.face)
            wait_ms = self._attempts.wait_ms(found.account, found.source, self._clock.mono_ms())
            raise RequestRefusedError("again_refused", retry_after_s=-(-wait_ms // 1_000))
        self._attempts.succeeded(found.account, found.source)
        found.fresh_until_ms = self._clock.mono_ms() + FRESH_S * 1_000
        return self._describe(self.current(actor))

    async def _sso(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        actor = self.actor(session, params["token"]) if params.get("token") is not None else None
        return await self._oidc.begin(actor, params, _source(params))

    async def _sso_back(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._oidc.finish(params, _source(params), session.face)

    async def _logout(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        token = params.get("token")
        found = self._sessions.by_token(token) if isinstance(token, str) and len(token) <= TOKEN_TEXT_MAX else None
        if found is not None:
            person = self._book.people.get(found.account)
            self.log.note(LOGOUT, person.name if person is not None else "", found.id, found.source, session.face)
            self._sessions.end(found.id)
        return {}

    async def _list(self, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
        actor = self.actor(session, params.get("token"))
        if not actor.may("view.accounts"):
            raise RequestRefusedError("permission_denied", action="view.accounts")
        now_ms, wall_ms = self._clock.mono_ms(), self._clock.wall_ms()
        sessions = [
            {
                "session": each.id, "name": person.name, "source": each.source, "since_ms": each.wall_ms,
                "seen_ms": wall_ms - (now_ms - each.seen_ms), "own": each.id == actor.session_id,
            }
            for each in self._sessions
            if (person := self._book.people.get(each.account)) and not is_over(each, now_ms, *self._limits_ms(person))
        ]  # fmt: skip
        return {
            "people": [person.plain() for _, person in sorted(self._book.people.items())],
            "sessions": sorted(sessions, key=lambda row: (row["name"], row["since_ms"])),
            "tokens": [token.plain() for token in sorted(self._book.tokens.values(), key=lambda token: token.name)],
            "self_approval": self._book.self_approval(),
            "directories": self.directories.snapshot(),
            "syslog": self.syslog.snapshot(),
            "unrecorded": self.log.unrecorded,
        }

    # ------------------------------------------------------------------------------------------ what they share
    def _wait(self, account: str, source: str, code: str = "login_refused") -> None:
        wait_ms = self._attempts.wait_ms(account, source, self._clock.mono_ms())
        if wait_ms > 0:
            raise RequestRefusedError(code, retry_after_s=-(-wait_ms // 1_000))

    def _let_in(self, person: Person, source: str, face: str, fresh_ms: int = FRESH_S * 1_000) -> dict[str, Any]:
        secret = os.urandom(TOKEN_BYTES + 24)
        now_ms, wall_ms = self._clock.mono_ms(), self._clock.wall_ms()
        token, session = self._sessions.open(secret, folded(person.name), source, now_ms, wall_ms, fresh_ms)
        self.log.note(LOGIN, person.name, session.id, source, face)
        return {"token": token, "who": self._describe(self._person_actor(session))}

    def _describe(self, actor: Actor) -> dict[str, Any]:
        found = self._sessions.by_id(actor.session_id) if actor.kind == "person" else None
        person = self._book.people[found.account] if found is not None else None
        fresh_ms = found.fresh_until_ms - self._clock.mono_ms() if found is not None else 0
        return {
            "name": actor.name, "roles": sorted(actor.roles), "session": actor.session_id, "kind": actor.kind,
            "csrf": found.csrf if found is not None else "", "fresh_until_ms": self._clock.wall_ms() + fresh_ms if fresh_ms > 0 else None,
            "idle_s": self._limits_ms(person)[0] // 1_000 if person is not None else 0, "lang": person.lang if person is not None else "",
            "zone": person.zone if person is not None else "", "key": actor.key, "must_change": actor.must_change,
            "actions": sorted(actor.scope), "directory": person.directory if person is not None else "",
        }  # fmt: skip


def _source(params: Mapping[str, Any]) -> str:
    """Return where a face says that a request comes from, as it may be recorded."""
    source = params.get("source")
    return (
        "".join(char for char in source if char.isascii() and (char.isalnum() or char in ".:%-_"))[:SOURCE_MAX]
        if isinstance(source, str)
        else ""
    )
