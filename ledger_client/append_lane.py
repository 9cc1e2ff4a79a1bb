"""The chain's fast lane: ordinary entries one behind the other, the next ones being signed while one is flushed.

Room: ground. Only `chain` puts entries in, on the loop, while nothing else is being asked of it. The loop asks the signer for a few
entries ahead; `_work` runs in the evidence thread, takes their signatures in order and does, between one flush and the next, nothing
that can be done during one. Each entry has a write and a flush of its own, one flush is under way at a time, and nothing of an
entry is written before the one before it is durable.

It never makes room, never rolls over, never tries again. The first fault closes it: entries that were only signed are discarded
unseen, and whoever still waits gets None and asks in the slow line, which knows what to do about the fault.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import get_ident
from time import perf_counter
from typing import Any, Protocol

from ledger_client import cbor
from ledger_client.chain_disk import ChainDisk
from ledger_client.chain_seams import Appended, Clock, Signer
from ledger_client.entry import NextEntry, Payload, assemble
from ledger_client.errors import SignerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.records import record_size
from ledger_client.segments import SegmentStore

WAITING_MAX = 64
AHEAD_MAX = 16
"""Entries asked of the signer and not taken: enough that a signature is there when a flush ends, even while the loop is busy."""
DETAIL_BYTES_MAX = 4096
"""Longer details are for the slow line: what is asked ahead must fit into the signer's line, since the loop does not wait for room."""
FAST_S = 0.0005
"""A flush shorter than this does not delay by much the telling of an entry before it."""
ENVELOPE_BYTES = 320
"""What COSE and the payload's other fields add to a detail, generously."""
SLOW_KINDS = frozenset({Kind.GENESIS, Kind.BOOT, Kind.ROTATE, Kind.SCHEMA, Kind.RECEIPTS})
"""Kinds that change what later entries say besides seq, prev and time, or need more than a write."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the first entry of a run follows on: the durable size, head and mono time, and what all entries of the run repeat."""

    size: int
    head_hash: bytes
    boot: int
    last_mono_ms: int
    seen: bytes | None


@dataclass(slots=True)
class _Asked:
    """An entry that somebody waits for. `fields` once its signature is asked for; `error` when that could not even be sent."""

    kind: int
    detail: tuple[Any, ...]
    detail_raw: bytes
    body: bytes
    room: int
    answer: asyncio.Future[Appended | None]
    fields: NextEntry | None = None
    error: SignerError | None = None


@dataclass(slots=True)
class _Done:
    """A durable entry, or why it is not one."""

    asked: _Asked
    prev: bytes = b""
    entry: bytes = b""
    error: SignerError | OSError | None = None


class LaneOwner(Protocol):
    """The chain, as the lane sees it; called on the loop."""

    def count(self, payload: Payload, entry: bytes, body_len: int) -> Appended:
        """Take in a durable entry and tell its subscribers."""
        ...

    def stop(self, error: SignerError | OSError) -> SignerError | StoreError:
        """Note what went wrong; return what to tell who asked for the entry."""
        ...


class AppendLane:
    """`put` and `drained` are for the loop; `watch` ends with what must never happen."""

    def __init__(self, owner: LaneOwner, signer: Signer, clock: Clock, pen: ChainDisk) -> None:
        self._owner = owner
        self._signer = signer
        self._clock = clock
        self._pen = pen
        self._waiting: deque[_Asked] = deque()
        self._ahead: deque[_Asked] = deque()
        """Asked of the signer; the loop adds, the evidence thread takes."""
        self._untold: deque[_Done] = deque()
        """Durable; the evidence thread adds, the loop takes."""
        self._telling = self._asking = False
        self._store: SegmentStore | None = None
        self._at = Start(0, b"", 0, 0, None)
        """Where the next entry to be asked for stands (its head_hash: of the run's start)."""
        self._prev = b""
        """Hash of the newest entry written; the evidence thread's while it works."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._room = 0
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._over: asyncio.Future[None] | None = None

    def put(
        self, store: SegmentStore, start: Callable[[], Start], kind: int, detail: tuple[Any, ...], body: bytes,
    ) -> asyncio.Future[Appended | None] | None:  # fmt: skip
        """Line an entry up; None when it does not fit here. The answer is None when the lane was closed before its turn.

        `start` is asked when the lane was idle. The detail's shape has been checked.
        """
        if kind in SLOW_KINDS or store.is_unprepared or self._count >= WAITING_MAX:
            return None
        detail_raw = cbor.encode(detail)
        if len(detail_raw) > DETAIL_BYTES_MAX:
            return None
        room = record_size(len(detail_raw) + ENVELOPE_BYTES, len(body))
        if not store.fits(self._room + room, reserve=False, entries=self._count + 1):
            return None
        loop = asyncio.get_running_loop()
        asked = _Asked(kind, detail, detail_raw, body, room, loop.create_future())
        self._room += room
        self._count += 1
        self._waiting.append(asked)
        if self._idle.is_set():
            self._idle.clear()
            self._store, self._at, self._loop, self._loop_thread = store, start(), loop, get_ident()
            self._prev = self._at.head_hash
            self._ask_ahead()
            self._begin()
        else:
            self._ask_soon(loop)
        return asked.answer

    async def drained(self) -> None:
        """Return when everything that was put in has been told."""
        await self._idle.wait()

    async def watch(self) -> None:
        """Run beside the chain until `close`; raises what no fault of disk or signer explains, loudly."""
        self._over = asyncio.get_running_loop().create_future()
        await self._over

    def close(self) -> None:
        """Let `watch` end."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _ask_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask at the end of this turn of the loop: those who are told of their entries together then ask for the next ones together."""
        if not self._asking:
            self._asking = True
            loop.call_soon(self._ask_ahead)

    def _ask_ahead(self) -> None:
        """Ask the signer for the next entries that wait. It knows what they follow on: it has signed that, or is about to."""
        self._asking = False
        asking: list[_Asked] = []
        while self._waiting and len(self._ahead) + len(asking) < AHEAD_MAX:
            asked, at, clock = self._waiting.popleft(), self._at, self._clock
            mono_ms = max(clock.mono_ms(), at.last_mono_ms)
            asked.fields = NextEntry(asked.kind, at.size, at.boot, mono_ms, clock.wall_ms(), clock.state(), at.seen, asked.detail_raw)
            self._at = Start(at.size + 1, b"", at.boot, mono_ms, at.seen)
            asking.append(asked)
        if asking:
            try:
                self._signer.ask_next([asked.fields for asked in asking if asked.fields is not None])
            except SignerError as error:
                asking[0].error = error
            self._ahead.extend(asking)

    def _begin(self) -> None:
        self._pen.run(self._work).add_done_callback(self._ended)

    def _ended(self, work: asyncio.Future[_Done]) -> None:
        """On the loop: the thread has run dry, met a fault, or gives way."""
        bug = None if work.cancelled() else work.exception()
        self._drain()
        if work.cancelled() or bug is not None:
            self._give_back(StoreError("store_closed"))
            if bug is not None and self._over is not None and not self._over.done():
                self._over.set_exception(bug)
            return
        done = work.result()
        self._tell(done)
        if done.error is not None:
            self._give_back(None)
            return
        self._ask_ahead()
        if self._ahead:
            self._begin()
        else:
            self._idle.set()

    def _tell_all(self) -> None:
        """On the loop: tell what has become durable, in order, and ask for what may be asked now."""
        self._telling = False
        self._drain()
        if self._waiting and self._loop is not None:
            self._ask_soon(self._loop)

    def _drain(self) -> None:
        while self._untold:
            self._tell(self._untold.popleft())

    def _tell(self, done: _Done) -> None:
        asked, answer = done.asked, done.asked.answer
        self._room -= asked.room
        self._count -= 1
        if done.error is not None:
            error = self._owner.stop(done.error)
            if not answer.done():
                answer.set_exception(error)
            return
        if asked.fields is None:
            raise RuntimeError("an entry that was never asked for")
        appended = self._owner.count(asked.fields.payload(done.prev, asked.detail), done.entry, len(asked.body))
        if not answer.done():
            answer.set_result(appended)

    def _give_back(self, error: StoreError | None) -> None:
        """Send everybody who waits to the slow line, in their order, or refuse them."""
        for asked in (*self._ahead, *self._waiting):
            if asked.answer.done():
                continue
            if error is None:
                asked.answer.set_result(None)
            else:
                asked.answer.set_exception(error)
        self._ahead.clear()
        self._waiting.clear()
        self._room = self._count = 0
        self._idle.set()

    # ------------------------------------------------------------------------------------------ the evidence thread

    def _work(self) -> _Done:
        """Write and flush what was asked for; return the last entry, which the loop has yet to be told of."""
        store = self._store
        if store is None or not self._ahead:
            raise RuntimeError("nothing was put in")
        ready = False  # whether there is a durable entry that the loop has not been woken for
        fast = False
        while True:
            asked = self._ahead.popleft()
            try:
                signed = self._signature(asked, wait=not ready)
                if signed is None:
                    # The loop is told as late as it may be: its turn then falls into the next flush, not between two. But not later.
                    self._wake()
                    ready = False
                    signed = self._signature(asked, wait=True)
                if signed is None:
                    raise SignerError("signer_answer_invalid")
                entry = self._entry(asked, signed)
                # On a fast disk waking the loop costs as much as a flush: it is then told of a few at a time, as long as others are ahead.
                if ready and not (fast and len(self._untold) <= len(self._ahead)):
                    self._wake()
                    ready = False
                began_s = perf_counter()
                self._pen.put(store, entry, asked.body)
                fast = perf_counter() - began_s < FAST_S
            except (SignerError, OSError) as error:
                return _Done(asked, error=error)
            done = _Done(asked, self._prev, entry)
            self._prev = signed[1]
            # An executor that runs calls on the loop's own thread cannot tell anybody before the next flush: one entry a call.
            if not self._ahead or get_ident() == self._loop_thread:
                return done
            self._untold.append(done)
            ready = True

    def _wake(self) -> None:
        """Let the loop take in what is durable; once is enough until it has."""
        if self._loop is not None and not self._telling:
            self._telling = True
            self._loop.call_soon_threadsafe(self._tell_all)

    def _signature(self, asked: _Asked, *, wait: bool) -> tuple[bytes, bytes] | None:
        if asked.error is not None:
            raise asked.error
        return self._signer.take_next(wait=wait)

    def _entry(self, asked: _Asked, signed: tuple[bytes, bytes]) -> bytes:
        """Put the entry together behind the one written last. Raises SignerError when that is not what the signer has signed."""
        if asked.fields is None:
            raise RuntimeError("an entry that was never asked for")
        entry = assemble(self._signer.public, asked.fields.after(self._prev), signed[0])
        if sha256(entry).digest() != signed[1]:
            raise SignerError("signer_answer_invalid")
        return entry
