"""The chain's fast lane: ordinary entries one behind the other in the evidence thread, the next being signed while one is flushed.

Room: ground. Only `chain` puts entries in, on the loop, while nothing else is being asked of it; `_work` runs in the evidence
thread and takes what waits without a hop to the loop in between. Each entry has a write and a flush of its own, one flush is
under way at a time, and nothing of an entry is written before the one before it is durable and told.

It never makes room, never rolls over, never tries again. The first fault closes it: an entry that was only signed is discarded
unseen, and whoever still waits gets None and asks in the slow line, which knows what to do about the fault.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import get_ident
from typing import Any, Protocol

from ledger_client import cbor
from ledger_client.chain_disk import ChainDisk
from ledger_client.chain_seams import Appended, Clock, Signer
from ledger_client.entry import ENTRY_SIZE_MAX, Payload, assemble
from ledger_client.errors import SignerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.records import record_size
from ledger_client.segments import SegmentStore

WAITING_MAX = 64
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
    kind: int
    detail: tuple[Any, ...]
    detail_raw: bytes
    body: bytes
    room: int
    answer: asyncio.Future[Appended | None]


@dataclass(slots=True)
class _Signing:
    """An entry whose signature has been asked for; `error` when that could not even be sent."""

    asked: _Asked
    payload: Payload
    raw: bytes
    error: SignerError | None = None


@dataclass(slots=True)
class _Done:
    """A durable entry, or why it is not one."""

    asked: _Asked
    payload: Payload
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
        self._ahead: _Signing | None = None
        self._store: SegmentStore | None = None
        self._at = Start(0, b"", 0, 0, None)
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
        if len(detail_raw) + ENVELOPE_BYTES > ENTRY_SIZE_MAX:
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
            self._begin()
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

    def _begin(self) -> None:
        self._pen.run(self._work).add_done_callback(self._ended)

    def _ended(self, work: asyncio.Future[_Done]) -> None:
        """On the loop: the thread has run dry, met a fault, or gives way."""
        bug = None if work.cancelled() else work.exception()
        if work.cancelled() or bug is not None:
            self._give_back(StoreError("store_closed"))
            if bug is not None and self._over is not None and not self._over.done():
                self._over.set_exception(bug)
            return
        done = work.result()
        self._tell(done)
        if done.error is not None:
            self._give_back(None)
        elif self._ahead is not None or self._waiting:
            self._begin()
        else:
            self._idle.set()

    def _tell(self, done: _Done) -> None:
        asked, answer = done.asked, done.asked.answer
        self._room -= asked.room
        self._count -= 1
        if done.error is not None:
            error = self._owner.stop(done.error)
            if not answer.done():
                answer.set_exception(error)
            return
        appended = self._owner.count(done.payload, done.entry, len(asked.body))
        if not answer.done():
            answer.set_result(appended)

    def _give_back(self, error: StoreError | None) -> None:
        """Send everybody who waits to the slow line, in their order, or refuse them."""
        ahead, self._ahead = self._ahead, None
        for asked in ([] if ahead is None else [ahead.asked]) + list(self._waiting):
            if asked.answer.done():
                continue
            if error is None:
                asked.answer.set_result(None)
            else:
                asked.answer.set_exception(error)
        self._waiting.clear()
        self._room = self._count = 0
        self._idle.set()

    # ------------------------------------------------------------------------------------------ the evidence thread

    def _work(self) -> _Done:
        """Sign, write and flush what waits; return the last entry, which the loop has yet to be told of."""
        store, loop = self._store, self._loop
        if store is None or loop is None:
            raise RuntimeError("nothing was put in")
        untold: _Done | None = None
        while True:
            current = self._ahead or self._ask_next()
            self._ahead = None
            if current is None:
                raise RuntimeError("nothing waits")
            try:
                signature = self._signature(current, wait=untold is None)
                if signature is None and untold is not None:
                    # The loop is told as late as it may be: its turn then falls into the next flush, not between two. But not later.
                    loop.call_soon_threadsafe(self._tell, untold)
                    untold = None
                    signature = self._signature(current, wait=True)
                if signature is None:
                    raise SignerError("signer_answer_invalid")
                entry = assemble(self._signer.public, current.raw, signature)
                self._at = Start(
                    current.payload.seq + 1, sha256(entry).digest(), current.payload.boot, current.payload.mono_ms, current.payload.seen
                )
                self._ahead = self._ask_next()
                if untold is not None:
                    loop.call_soon_threadsafe(self._tell, untold)
                    untold = None
                self._pen.put(store, entry, current.asked.body)
            except (SignerError, OSError) as error:
                if untold is not None:
                    loop.call_soon_threadsafe(self._tell, untold)
                return _Done(current.asked, current.payload, error=error)
            done = _Done(current.asked, current.payload, entry)
            # An executor that runs calls on the loop's own thread cannot tell anybody before the next flush: one entry a call.
            if get_ident() == self._loop_thread or not (self._ahead or self._waiting):
                return done
            untold = done

    def _ask_next(self) -> _Signing | None:
        """Build the next entry, if one waits, and send its signing request."""
        if not self._waiting:
            return None
        asked, at, clock = self._waiting.popleft(), self._at, self._clock
        mono_ms = max(clock.mono_ms(), at.last_mono_ms)
        payload = Payload(asked.kind, at.size, at.head_hash, at.boot, mono_ms, clock.wall_ms(), clock.state(), at.seen, asked.detail)
        raw = payload.encode(asked.detail_raw)
        try:
            self._signer.ask_entry(raw)
        except SignerError as error:
            return _Signing(asked, payload, raw, error)
        return _Signing(asked, payload, raw)

    def _signature(self, current: _Signing, *, wait: bool) -> bytes | None:
        if current.error is not None:
            raise current.error
        return self._signer.take_entry(wait=wait)
