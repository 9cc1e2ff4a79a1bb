"""The one way in for everything that changes anything: check, record the intent, act, record the outcome.

Room: hall. Faces reach it through the feed's `act` request; `app` runs it. One act at a time, in its own task, so that a face that hangs
up cannot leave an act half recorded; what can only prevent harm (`AtOnce`) takes effect before its turn. The authority (`accounts.desk`)
says who acts, when it is asked and again when it begins. An id that was answered gets the same answer again. After a crash, an intent
without an outcome gets the outcome `unknown`, and is shown. No act starts unless its outcome can be recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import structlog

from ledger_client.entry import Payload, parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.kinds import INTENT, OUTCOME, Kind
from runtime.acts import UNKNOWN, Act, ActJournal, Outcome, command_detail, parse_act
from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import ACTIONS, FRESH, REASONED, Actor
from runtime.supervisor import UnforeseenError, foreseen

QUEUE_MAX: Final = 16
FIRST_MAX: Final = 16
"""Acts that go before those that wait."""
OUTCOME_BYTES: Final = 8_192
"""Space that must be in reserve before an act starts."""
ACT_S_MAX: Final = 60.0
ASK_S_MAX: Final = 120.0
"""How long whoever asks is kept waiting, for acts before theirs as well."""
DETAIL_MAX: Final = 200
LOOK_BACK: Final = 20_000
"""Entries looked through for acts when the journal is damaged: at one a second, the last five hours."""
Result = TypeVar("Result")


class Tenant(Protocol):
    """One kind of act."""

    async def check(self, act: Act) -> None:
        """Refuse what cannot be done, before anything is recorded. Raises RequestRefusedError; waits for no device and no peer."""
        ...

    async def perform(self, act: Act) -> Outcome:
        """Do it; the intent is durable. Every fault that belongs to the act is an outcome, not an exception."""
        ...


@runtime_checkable
class ApprovesOthers(Protocol):
    """A tenant whose act approves what somebody asked for before."""

    def approves_own(self, act: Act) -> bool:
        """Whether that was the very person who approves it. Raises RequestRefusedError."""
        ...


@runtime_checkable
class AtOnce(Protocol):
    """A tenant some of whose acts take effect before their turn, because waiting could only do harm."""

    def at_once(self, act: Act) -> bool:
        """Let an act take effect that is not recorded yet; True: it goes before those that wait. Raises RequestRefusedError."""
        ...

    def take_back(self, act: Act) -> None:
        """It could not be recorded: as if it had never been asked for."""
        ...


class Authority(Protocol):
    """Who finds out who acts."""

    def actor(self, session: Session, token: Any) -> Actor:
        """Return who a request comes from. Raises RequestRefusedError `session_gone` for a token that is none (any more)."""
        ...

    def current(self, actor: Actor) -> Actor:
        """Return the same one as of now. Raises RequestRefusedError `session_gone` when they were shut out since."""
        ...

    def with_approval(self, act: Act, raw: Any, *, own: bool) -> Act:
        """Return an act with the signature that came with it, checked; `own`: who approves it asked for it. Raises RequestRefusedError."""
        ...


class Appended(Protocol):
    """What an append gives back."""

    @property
    def seq(self) -> int:
        """The entry's number."""
        ...


class Ledger(Protocol):
    """The part of `ledger_client.chain.Chain` that the door uses."""

    @property
    def state(self) -> Any:
        """`ok`, `read_only` or `failed`."""
        ...

    @property
    def disk_full(self) -> bool:
        """Whether only reserve entries have space."""
        ...

    @property
    def size(self) -> int:
        """Durable entries."""
        ...

    @property
    def reserve_left(self) -> int:
        """Bytes that reserve entries surely have."""
        ...

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """Make an entry durable. Raises LedgerError."""
        ...


class Entries(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that the door uses after a restart. Blocking."""

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored entries."""
        ...


class Door:
    """`ask` from the feed, `run` under the supervisor. `unknown` lists the ids of acts whose effect nobody knows."""

    def __init__(
        self, ledger: Ledger, entries: Entries, journal: ActJournal, tenants: Mapping[str, Tenant], work: Executor, authority: Authority
    ) -> None:
        """`work` reads and writes its small files."""
        self._authority = authority
        self._ledger, self._entries, self._journal, self._tenants, self._work = ledger, entries, journal, tenants, work
        self._queue: asyncio.PriorityQueue[tuple[bool, int, Act, asyncio.Future[Outcome]]] = asyncio.PriorityQueue(QUEUE_MAX + FIRST_MAX)
        self._numbers = itertools.count()
        self._unrecorded: dict[bytes, Outcome] = {}
        self._acting = asyncio.Lock()
        self._finished = False
        self._loaded = False
        self._serving: bytes | None = None
        self.heard: Callable[[Act, Outcome], None] = lambda _act, _outcome: None
        """Told of every act that was begun, with its outcome; it neither waits nor raises."""

    @property
    def actions(self) -> frozenset[str]:
        """What can be asked of it."""
        return frozenset(self._tenants)

    @property
    def unknown(self) -> list[str]:
        """Ids (hex) of acts that were interrupted."""
        return [act_id.hex() for act_id, (_, outcome) in self._journal.answered.items() if outcome.code == UNKNOWN]

    async def ask(self, session: Session, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one act and return its outcome. Raises RequestRefusedError when nothing was done and nothing recorded."""
        act = parse_act(session, self._authority.actor(session, raw.get("token")), raw)
        if act.action not in ACTIONS or act.action not in self._tenants:
            raise RequestRefusedError("act_unknown", action=act.action)
        refuse_unless_may(act.actor, act.action)
        if act.action in REASONED and not act.reason.strip():
            raise RequestRefusedError("reason_missing", field="reason")
        if (approval := raw.get("approval")) is not None:
            tenant = self._tenants[act.action]
            own = not isinstance(tenant, ApprovesOthers) or tenant.approves_own(act)
            act = self._authority.with_approval(act, approval, own=own)
        return (await self.carry_out(act)).plain()

    async def carry_out(self, act: Act) -> Outcome:
        """Carry out an act that was allowed, when its turn comes. Raises RequestRefusedError when nothing was done and nothing recorded."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._queue.full():
            raise RequestRefusedError("acts_busy")
        first = self._at_once(act)
        if not first and self._queue.qsize() >= QUEUE_MAX:
            raise RequestRefusedError("acts_busy")
        self._queue.put_nowait((not first, next(self._numbers), act, answer))
        try:
            async with asyncio.timeout(ASK_S_MAX):
                return await answer
        except TimeoutError as error:
            if not first and self._serving != act.id:  # it has not begun, and will not: the answer is cancelled
                raise RequestRefusedError("acts_busy") from error
            # Under way, or in effect already and recorded later. Asked again with the same id, it says what became of it.
            return Outcome(UNKNOWN, {"timeout_s": ASK_S_MAX})

    async def run(self) -> None:
        """Settle what a crash interrupted, then serve until cancelled."""
        if not self._loaded:
            await self._load()
            self._loaded = True
        while True:
            await self._settle()
            waits, _, act, answer = await self._queue.get()
            if waits and answer.done():  # whoever asked gave up before it began: it does not happen behind their back
                continue
            try:
                async with self._acting:
                    self._serving = act.id
                    if self._unrecorded:
                        await self._settle()
                    outcome = await self._serve(act)
            except RequestRefusedError as refusal:
                self._take_back(act)
                if not answer.done():
                    answer.set_exception(refusal)
            except (LedgerError, OSError) as error:
                self._take_back(act)
                if not answer.done():
                    answer.set_exception(RequestRefusedError("act_failed", detail=str(error)))
            else:
                if not answer.done():
                    answer.set_result(outcome)
            finally:
                self._serving = None
                if not answer.done():
                    answer.set_exception(RequestRefusedError("act_failed", detail="interrupted"))

    def _at_once(self, act: Act) -> bool:
        """Let an act take effect before its turn where its tenant has such: one that is new, and can be recorded."""
        tenant = self._tenants[act.action]
        known = not self._loaded or act.id in self._journal.answered or act.id in self._journal.under_way
        if not isinstance(tenant, AtOnce) or known or self._unrecorded:
            return False
        self.require_recordable()
        return tenant.at_once(act)

    def _take_back(self, act: Act) -> None:
        tenant = self._tenants[act.action]
        if isinstance(tenant, AtOnce):
            tenant.take_back(act)

    async def finish(self, deadline_s: float) -> None:
        """Take no further act and wait for the one under way; one that takes longer becomes `unknown` at the next start."""
        self._finished = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s), self._acting:
                return

    async def _load(self) -> None:
        """Read the journal. One that is damaged is set aside, and what the newest entries of the ledger tell takes its place."""
        try:
            await self._blocking(self._journal.load)
        except FormatError:
            structlog.get_logger("door").warning("acts_file_invalid")
            with contextlib.suppress(OSError):
                await self._blocking(self._journal.set_aside)
            for payload in await self._blocking(lambda: self._commands(max(0, self._ledger.size - LOOK_BACK))):
                act_id, phase, code, _, digest = payload.detail
                if phase == INTENT:
                    self._journal.under_way[act_id] = (digest, payload.seq, code)
                elif act_id in self._journal.under_way:
                    self._journal.answer(act_id, Outcome(code, {}, payload.seq))

    async def _serve(self, act: Act) -> Outcome:
        known = self._journal.answered.get(act.id)
        if known is not None:
            if known[0] != act.request_hash:
                raise RequestRefusedError("act_id_reused")
            return known[1]
        act = replace(act, actor=self._authority.current(act.actor))  # it may have waited behind one that took the role or the key away
        refuse_unless_may(act.actor, act.action)
        if any(each.key.cose.hex() != act.actor.key for each in act.approvals):
            raise RequestRefusedError("approval_no_key")
        self.require_recordable()
        tenant = self._tenants[act.action]
        await _checked(tenant, act)
        self._journal.begin(act, self._ledger.size)
        await self._blocking(self._journal.save)
        body = act.intent_body()
        try:
            await self._ledger.append(Kind.COMMAND, command_detail(act.id, INTENT, act.action, body), body)
        except LedgerError:
            if self._ledger.state == "ok":  # a failed flush may have left it there all the same: the next start finds that out
                self._journal.forget(act.id)
                await self._save_later()
            raise
        try:
            async with asyncio.timeout(ACT_S_MAX):
                outcome = await tenant.perform(act)
        except TimeoutError:
            outcome = Outcome(UNKNOWN, {"timeout_s": ACT_S_MAX})
        except RequestRefusedError as refusal:
            outcome = Outcome(refusal.code, refusal.params)
        except (LedgerError, OSError) as error:
            outcome = Outcome("act_failed", {"detail": str(error)})
        recorded = await self._record(act.id, outcome)
        self.heard(act, recorded)
        return recorded

    async def _record(self, act_id: bytes, outcome: Outcome) -> Outcome:
        """Record an outcome; when that fails it is kept, told as it is, and recorded before the next act."""
        body = outcome.body()
        try:
            appended = await self._ledger.append(Kind.COMMAND, command_detail(act_id, OUTCOME, outcome.code, body), body, reserve=True)
        except LedgerError:
            self._unrecorded[act_id] = outcome
            return outcome
        self._unrecorded.pop(act_id, None)
        self._journal.answer(act_id, Outcome(outcome.code, outcome.params, appended.seq))
        await self._save_later()
        return Outcome(outcome.code, outcome.params, appended.seq, outcome.told)

    async def _save_later(self) -> None:
        """Write the journal; where the disk refuses, the ledger says the same at the next start."""
        with contextlib.suppress(OSError):
            await self._blocking(self._journal.save)

    async def _settle(self) -> None:
        """Give every act under way its outcome: the one that could not be recorded yet, or `unknown`."""
        for act_id, (_, size_before, _) in list(self._journal.under_way.items()):
            if act_id in self._unrecorded:
                await self._record(act_id, self._unrecorded[act_id])
                continue
            phases = await self._blocking(lambda: self._phases(act_id, size_before))  # noqa: B023  awaited before the next
            if INTENT not in phases:
                if self._ledger.state == "ok":
                    self._journal.forget(act_id)
                    await self._save_later()
            elif OUTCOME in phases:
                code, seq = phases[OUTCOME]
                self._journal.answer(act_id, Outcome(code, {}, seq))
                await self._save_later()
            else:
                await self._record(act_id, Outcome(UNKNOWN))

    def _phases(self, act_id: bytes, size_before: int) -> dict[int, tuple[str, int]]:
        """Return phase -> (code, seq) of what the ledger says about an act."""
        commands = self._commands(min(size_before, self._ledger.size))
        return {payload.detail[1]: (payload.detail[2], payload.seq) for payload in commands if payload.detail[0] == act_id}

    def _commands(self, start: int) -> list[Payload]:
        """Return the command entries from an entry on. Blocking."""
        found: list[Payload] = []
        for raw in self._entries.entries(start, self._ledger.size):
            with contextlib.suppress(FormatError):
                payload = parse(raw).payload
                if payload.kind == Kind.COMMAND:
                    found.append(payload)
        return found

    def require_recordable(self) -> None:
        """Refuse while no act can be recorded. Raises RequestRefusedError."""
        if self._finished or self._ledger.state != "ok":
            raise RequestRefusedError("acts_refused_stopped")
        if self._unrecorded:
            raise RequestRefusedError("act_outcome_unrecorded")
        if self._ledger.disk_full or self._ledger.reserve_left < OUTCOME_BYTES:
            raise RequestRefusedError("acts_refused_no_space")

    async def _blocking(self, call: Callable[[], Result]) -> Result:
        """Small files, rarely: off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._work, call)


async def _checked(tenant: Tenant, act: Act) -> None:
    """Let a tenant refuse. What else it raises is a fault of ours: logged, and a refusal too, for nothing was done and nothing recorded."""
    try:
        await foreseen(tenant.check(act), (RequestRefusedError, LedgerError, OSError), f"check of {act.action}")
    except UnforeseenError as error:
        raise RequestRefusedError("act_failed", detail=str(error)[:DETAIL_MAX]) from error


def refuse_unless_may(actor: Actor, action: str) -> None:
    """Raise RequestRefusedError unless the actor may do the action now: `permission_denied`, `password_must_change`, `fresh_needed`."""
    if not actor.may(action):
        raise RequestRefusedError("password_must_change" if actor.must_change else "permission_denied", action=action)
    if action in FRESH and not actor.fresh:
        raise RequestRefusedError("fresh_needed", action=action)
