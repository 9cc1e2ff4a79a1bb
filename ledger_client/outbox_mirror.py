"""One mirror's lane in the outbox: brings it the entries that its server has cosigned, and looks whether it still has them.

Room: ground. Only `outbox` makes and runs it, beside the anchor's own lane and never in its way. It takes nothing but durable
entries under a checkpoint that this server cosigned in this run, checks them against our own tree before they leave, and never
sends while the epoch is quarantined. A mirror's word is no evidence: what counts outside is the cosignature, and what it serves
when somebody reads it.

What an answer means (`next` is the first entry that it says it lacks, N is our durable size):
  next > N, a larger size   it holds more than we have: we are an older copy, Rollback
  next elsewhere            it lost its data, or we lost our cursor: go on from there, counted in `resumed`
  422, or another entry     read that entry back: signed by our key it is a Fork, else the mirror is damaged
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from ledger_client.anchors.anchor import Clock, ForkError, QuarantineError, RollbackError
from ledger_client.anchors.mirror import EntriesRefusedError, MirrorClient, Progress
from ledger_client.errors import AnchorError, KeyFaultError, LedgerError
from ledger_client.mirror_cursor import MirrorCursor
from ledger_client.outbox_lane import Cursor, Fault, retry_delay_s, wait_for
from ledger_client.outbox_needs import Entries, Ledger, Pace
from ledger_client.outbox_package import PACKAGE_BYTES_MAX, Parcel, is_signed_by_us, next_parcel

T = TypeVar("T")
PARCEL_BYTES_MIN: Final = 16 << 10
CONFLICTS_MAX: Final = 2
SAMPLE_ROOM: Final = 256
"""Bytes of a mirror's answer around one entry and its body."""


@dataclass(frozen=True, slots=True)
class Links:
    """What the outbox lends: what the server cosigned in this run, whether the epoch is stopped, how to stop it, how to save a cursor."""

    confirmed: Callable[[], Cursor | None]
    is_stopped: Callable[[], bool]
    stop: Callable[[QuarantineError], Awaitable[None]]
    save: Callable[[MirrorCursor], Awaitable[bool]]


class Upload:
    """`run()` until cancelled; `wake` after each cosignature; `catch_up` before the end; `close` at last."""

    def __init__(
        self, mirror: MirrorClient, chain: Ledger, entries: Entries, links: Links, clock: Clock, pace: Pace, random: Random,
        executor: Executor | None = None,
    ) -> None:  # fmt: skip
        self.resumed = 0
        self._mirror, self._chain, self._entries, self._links = mirror, chain, entries, links
        self._clock, self._pace, self._random = clock, pace, random
        self._thread = None if executor else ThreadPoolExecutor(1, thread_name_prefix="mirror")
        self._executor = executor or self._thread
        self._held = self._bodies = 0
        self._known: MirrorCursor | None = None
        self._checked = self._answered = False
        self._budget = PACKAGE_BYTES_MAX
        self._conflicts = self._failures = 0
        self._fault: Fault | None = None
        self._retry_mono_ms: int | None = None
        self._sampled_mono_ms: int | None = None
        self._sampled_wall_ms: int | None = None
        self._saved_mono_ms: int | None = None
        self._wake, self._hurry, self._lock = asyncio.Event(), asyncio.Event(), asyncio.Lock()

    def resume(self, cursor: MirrorCursor | None) -> None:
        """Take up where an earlier run of this gateway stopped."""
        self._known = cursor
        if cursor is not None:
            self._held, self._bodies = cursor.held, cursor.bodies

    def wake(self) -> None:
        """The server has cosigned a checkpoint: there may be something to bring."""
        self._wake.set()

    def nudge(self) -> None:
        """Ask now, whatever went wrong before."""
        self._failures = 0
        self._hurry.set()
        self._wake.set()

    async def run(self) -> None:
        """Bring what there is, with patience, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._is_owed():
                self._hurry.clear()
                await self._try()
                if self._fault is None:
                    await asyncio.sleep(self._pace.upload_rest_s)
                elif not self._links.is_stopped():
                    await self._back_off(self._fault)

    async def catch_up(self) -> None:
        """Bring what is left, without rest or second tries: the gateway is about to stop."""
        while self._is_owed(sample=False):
            await self._try()
            if self._fault is not None:
                return

    async def close(self) -> None:
        """Keep the cursor."""
        await self._save(at_once=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def status(self) -> dict[str, Any]:
        """Return plain data: how far it holds us, and what is wrong. `held` is its own word, checked by samples (`sampled_ms`)."""
        target, retry = self._links.confirmed(), self._retry_mono_ms
        return {
            "state": self._state(target),
            "held": self._held if self._answered or self._known else None,
            "wanted": target.size if target else None,
            "bodies": self._bodies if self._mirror.bodies else None,
            "sampled_ms": self._sampled_wall_ms,
            "cause": self._fault.code if self._fault else None,
            "params": dict(self._fault.params) if self._fault else {},
            "retry_ms": None if retry is None else max(0, retry - self._clock.mono_ms()),
            "resumed": self.resumed,
        }

    def _state(self, target: Cursor | None) -> str:
        if self._links.is_stopped():
            return "quarantined"
        if self._fault is not None:
            return "failing" if self._fault.transient else "refused"
        if target is None or not self._answered:
            return "waiting"
        return "sending" if self._is_behind(target) else "ok"

    def _is_owed(self, *, sample: bool = True) -> bool:
        target = self._links.confirmed()
        if target is None or self._links.is_stopped():
            return False
        return self._is_behind(target) or (sample and self._is_sample_due())

    def _is_behind(self, target: Cursor) -> bool:
        return self._held < target.size or (self._mirror.bodies and self._bodies < min(self._held, target.size))

    def _is_sample_due(self) -> bool:
        last = self._sampled_mono_ms
        return self._held > 0 and (last is None or self._clock.mono_ms() - last >= self._pace.sample_every_s * 1000)

    # ------------------------------------------------------------------------------------------ one question at a time

    async def _try(self) -> None:
        """Do one step; every outcome is kept here."""
        async with self._lock:
            target = self._links.confirmed()
            if target is None or self._links.is_stopped():
                return
            try:
                await self._step(target)
            except QuarantineError as error:
                await self._links.stop(error)
            except LedgerError as error:
                self._failed(Fault(error.code, error.params, getattr(error, "transient", not isinstance(error, KeyFaultError))))
            except (OSError, ValueError, IndexError) as error:
                self._failed(Fault("outbox_store_failed", {"reason": type(error).__name__}, transient=True))
            else:
                self._fault = None
                self._failures = self._failures if self._conflicts else 0

    async def _step(self, target: Cursor) -> None:
        await self._blocking(self._mirror.load_token)
        if not self._checked:
            await self._check_cursor()
        if not self._is_behind(target):
            if self._is_sample_due():
                await self._sample(self._random.randrange(self._held))
            return
        parcel = await self._blocking(self._make(target))
        self._bodies = max(self._bodies, parcel.bodies_from) if parcel.is_backfill else self._bodies
        if not parcel.raw or self._links.is_stopped():
            return
        try:
            progress = await self._mirror.add(self._chain.origin, parcel.raw)
        except EntriesRefusedError:
            if self._held:
                await self._sample(self._held - 1)
            raise
        except AnchorError as error:
            if error.transient:
                self._budget = max(PARCEL_BYTES_MIN, self._budget // 2)
            raise
        self._take(parcel, progress)
        await self._save()

    def _make(self, target: Cursor) -> Callable[[], Parcel]:
        return partial(next_parcel, self._chain.subtree, self._entries, target, self._held, self._bodies, self._budget, self._mirror.bodies)

    def _take(self, parcel: Parcel, progress: Progress) -> None:
        """Believe an answer as far as it can be true. Raises RollbackError, AnchorError."""
        claimed = max(progress.next_seq, progress.size)
        if claimed > self._chain.size:
            raise RollbackError("mirror_holds_more", anchor=self._mirror.name, size=self._chain.size, witness_size=claimed)
        after = max(self._held, parcel.end)
        if progress.taken and progress.next_seq != after:
            raise AnchorError("anchor_reply_invalid", reason="next entry", anchor=self._mirror.name)
        self._answered = True
        if progress.taken or (parcel.is_backfill and (progress.size, progress.next_seq) == (parcel.size, self._held)):
            # The second: everything of these was there already.
            self._held, self._conflicts = after, 0
            if parcel.with_bodies and parcel.start <= self._bodies:
                self._bodies = max(self._bodies, parcel.end)
            self._budget = min(PACKAGE_BYTES_MAX, self._budget * 2)
            return
        self._conflicts += 1
        useless = progress.next_seq == self._held or self._conflicts > CONFLICTS_MAX
        self.resumed += progress.next_seq != self._held
        self._held, self._bodies = progress.next_seq, min(self._bodies, progress.next_seq)
        if useless:
            raise AnchorError("anchor_resync_unsettled", anchor=self._mirror.name)

    async def _sample(self, seq: int) -> None:
        """Read one entry back. Raises ForkError, AnchorError: it is not served, or it is another."""
        raw, body, key = await self._blocking(lambda: (self._entries.entry(seq), self._entries.body(seq), self._entries.heads(seq).key[0]))
        room = len(raw) + len(body or b"") + SAMPLE_ROOM
        held = await self._mirror.read(self._chain.origin, seq, 1, size_max=room)
        if not held:
            raise AnchorError("mirror_does_not_serve", transient=False, anchor=self._mirror.name, seq=seq)
        theirs, their_body = held[0]
        if theirs != raw:
            if await self._blocking(lambda: is_signed_by_us(theirs, key)):
                raise ForkError("mirror_holds_other", anchor=self._mirror.name, seq=seq)
            raise AnchorError("mirror_damaged", transient=False, anchor=self._mirror.name, seq=seq)
        self._answered = True
        self._sampled_mono_ms, self._sampled_wall_ms = self._clock.mono_ms(), self._clock.wall_ms()
        if body and their_body is None and seq < self._bodies:
            self._bodies = seq
            raise AnchorError("mirror_does_not_serve", transient=False, anchor=self._mirror.name, seq=seq)

    async def _check_cursor(self) -> None:
        """Compare what the mirror was brought earlier with what we have now. Raises QuarantineError as for a witness's cursor."""
        known, size = self._known, self._chain.size
        if known is not None and known.held > size:
            raise QuarantineError("outbox_cursor_ahead", anchor=self._mirror.name, size=size, witness_size=known.held)
        if known is not None and await self._blocking(lambda: known.root_in(self._chain.subtree)) != known.root:
            raise QuarantineError("outbox_cursor_fork", anchor=self._mirror.name, size=known.held)
        self._checked = True

    # ------------------------------------------------------------------------------------------ patience, and the cursor

    async def _back_off(self, fault: Fault) -> None:
        most = self._pace.retry_max_s if fault.transient else self._pace.refused_max_s
        delay_s = retry_delay_s(max(self._failures, 1), self._pace.retry_first_s, most, self._random)
        self._retry_mono_ms = self._clock.mono_ms() + int(delay_s * 1000)
        await wait_for(self._hurry, delay_s)
        self._retry_mono_ms = None

    def _failed(self, fault: Fault) -> None:
        self._fault = fault
        self._failures += 1

    async def _save(self, *, at_once: bool = False) -> None:
        """Write the cursor, now and then; an older one costs nothing but a resend of what the mirror refuses as known."""
        now, last = self._clock.mono_ms(), self._saved_mono_ms
        if not self._answered or (not at_once and last is not None and now - last < self._pace.cursor_every_s * 1000):
            return
        if self._known is not None and (self._known.held, self._known.bodies) == (self._held, self._bodies):
            return
        try:
            make = partial(MirrorCursor.of, self._chain.origin, self._chain.subtree, self._held, self._bodies, self._clock.wall_ms())
            cursor = await self._blocking(make)
        except (LedgerError, OSError, ValueError):
            return
        if await self._links.save(cursor):
            self._known, self._saved_mono_ms = cursor, now

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
