"""From scans to durable entries: the open batch, its sealing, gaps, clock steps, and what happens when the disk fails.

Room: hall, acquisition. The pipeline adds, `app` runs it. One flush is in flight while the next batch grows; over the memory cap the oldest
pending batch becomes a counted gap. Adding never waits. Nothing is called recorded before `append` has returned, which is after its
fdatasync. When the store fails, evidence stops, loudly: what comes is counted as missing until appending works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from drivers.reading import Scan, TagGroup
from ledger_client.body import BatchBuilder
from ledger_client.errors import LedgerError, SignerError
from ledger_client.float_columns import CodecHints
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from runtime.acquisition.batch import OpenBatch, leaf_span
from runtime.acquisition.gaps import GapTally
from runtime.acquisition.live import Live
from runtime.clock import Clock, Step, StepWatch

GAP_ROWS_MAX: Final = 500
STEPS_KEPT_MAX: Final = 64
"""Beyond so many clock steps that wait, those with no batch between them become one."""
SEAL_SHARE: Final = 0.5
"""Sealing that takes longer than this part of the time between two seals, or for which the next batch waits, is behind."""
SIGNER_RETRY_S: Final = 0.2
RESUME_S_MIN: Final = 2.0
RESUME_S_MAX: Final = 15.0
"""Longest rest between two tries while the store fails: evidence goes on this soon after there is space again, at four tries a minute."""
QUIET_S: Final = 240.0
"""After so long without a reading an empty batch says that there was none: whoever verifies takes a silence of 300 s for a question."""
LOOK_S: Final = 0.5
"""How often the wall clock is looked at besides: one that is set and set back between two looks, with no scan between, goes unseen."""
BEHIND: Final = "evidence_behind"
FAILED: Final = "evidence_failed"
UNUSABLE: Final = "scan_unusable"
"""A driver gave a value that no body can hold, such as an integer beyond 64 bits."""


class Appended(Protocol):
    """What an append gives back."""

    @property
    def seq(self) -> int:
        """The entry's number."""
        ...

    @property
    def size(self) -> int:
        """Bytes of entry and body."""
        ...


class Ledger(Protocol):
    """The part of `ledger_client.chain.Chain` that evidence uses."""

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """Make an entry durable. Raises LedgerError; then nothing was acknowledged."""
        ...

    async def append_schema(self, new: SchemaState) -> Appended | None:
        """Bring the schema in force to `new`; None when it is already. Raises as `append`."""
        ...


class EvidenceCounts:
    """What health shows; counts since the start. `batch_bytes`: batches as stored, entry, body and framing."""

    def __init__(self) -> None:
        self.readings = self.entries = self.batch_bytes = self.dropped = self.unrecorded = 0
        self.sealed_ms: int | None = None


class Evidence:
    """Implements `pipeline.Collector`. `run` until `close` has been called and everything is written, or cannot be."""

    def __init__(
        self, ledger: Ledger, live: Live, clock: Clock, schema: SchemaState, *, seal_every_s: float, memory_max_bytes: int,
        make_secret: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:  # fmt: skip
        self._ledger, self._live, self._clock = ledger, live, clock
        self._schema, self._seal_every_s, self._memory_max = schema, seal_every_s, memory_max_bytes
        self._make_secret = make_secret
        self._watch = StepWatch(clock)
        self.gaps = GapTally(round(seal_every_s * 1000))
        self.counts = EvidenceCounts()
        self._schema_written: SchemaState | None = None
        self._open: OpenBatch | None = None
        self._waiting: deque[OpenBatch | Step] = deque()
        self._in_flight: OpenBatch | None = None
        self._hints = CodecHints()
        self._tickets = 0
        self._opened_ms = clock.mono_ms()
        """When the newest batch was opened."""
        self._unsaid_dropped = 0
        self.fault: LedgerError | None = None
        self.away: LedgerError | None = None
        self._retry_s = RESUME_S_MIN
        self._wake, self._closing = asyncio.Event(), asyncio.Event()

    @property
    def state(self) -> str:
        """`recording`, `slow` (a flush or the signer is behind) or `stopped`."""
        if self.fault is not None:
            return "stopped"
        return "slow" if self.away is not None or len(self._waiting) > 1 else "recording"

    @property
    def steps(self) -> int:
        """Clock steps seen."""
        return self._watch.steps

    @property
    def open_readings(self) -> int:
        """Readings that are not durable yet."""
        batches = [self._open, self._in_flight, *self._waiting]
        return sum(batch.readings for batch in batches if isinstance(batch, OpenBatch))

    def set_schema(self, schema: SchemaState) -> None:
        """Seal what is open and go on with another schema; its entry is written before the first batch that needs it."""
        self._rotate()
        self._schema = schema

    def add(self, scan: Scan) -> tuple[int, str | None]:
        """See Collector."""
        stepped = self._look_at_clock()
        if self.fault is not None:
            self._not_recorded(scan, self.fault.code)
            return 0, self.fault.code
        batch = self._open
        if batch is None:
            batch = self._open = self._new_batch(self._watch.offset_ms if stepped else self._watch.renew())
        try:
            batch.add(scan)
        except ValueError:
            self._not_recorded(scan, UNUSABLE)
            return 0, UNUSABLE
        if batch.full:
            self._rotate()
        return batch.ticket, None

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """See Collector."""
        self.gaps.add(group.uid, from_ms, to_ms, cause, count, self._clock.mono_ms())

    def came_back(self, group_uid: int) -> None:
        """See Collector."""
        self.gaps.came_back(group_uid)

    async def run(self) -> None:
        """Seal and write until closed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick(), name="evidence tick")
            group.create_task(self._watch_clock(), name="evidence clock")
            group.create_task(self._write(), name="evidence write")

    def seal(self) -> None:
        """Write what is open as soon as the disk can: somebody waits for it."""
        self._rotate()

    def close(self) -> None:
        """Seal what is open; `run` returns when it is written. Scans that still come are counted as missing."""
        self._look_at_clock()  # one set in the last second has its entry too, or the end would look back-dated
        self._rotate()
        self._closing.set()
        self._wake.set()

    async def _tick(self) -> None:
        """Seal every `seal_every_s`, whatever the disk is doing."""
        due = self._clock.mono_ms()
        while not self._closing.is_set():
            due += round(self._seal_every_s * 1000)
            wait_s = max(0, due - self._clock.mono_ms()) / 1000
            try:
                async with asyncio.timeout(wait_s):
                    await self._closing.wait()
            except TimeoutError:
                self._end_silence()
                self._rotate()
                self._keep_in_memory()
                self._wake.set()

    def _end_silence(self) -> None:
        """Open a batch that stays empty when there has been none for long."""
        if self._open is None and self.fault is None and self._schema.groups and self._clock.mono_ms() - self._opened_ms >= QUIET_S * 1000:
            self._open = self._new_batch(self._watch.offset_ms if self._look_at_clock() else self._watch.renew())

    async def _watch_clock(self) -> None:
        """See every set of the wall clock, also while nothing is scanned and however long a batch is."""
        loop, timers = asyncio.get_running_loop(), deque[asyncio.TimerHandle](maxlen=1)

        def to_next_wake_s() -> float:  # when groups are due: the loop wakes then as it is
            return LOOK_S - self._clock.mono_ms() / 1000 % LOOK_S

        def look() -> None:  # a timer that sets itself: what an idle core does is counted
            timers.append(loop.call_later(to_next_wake_s(), look))  # first, so that a fault of this look is not the end of looking
            if self._look_at_clock():
                self._wake.set()

        timers.append(loop.call_later(to_next_wake_s(), look))
        try:
            await self._closing.wait()
        finally:
            timers[0].cancel()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            closing = self._closing.is_set()
            if self.fault is not None and not await self._resumed(patient=not closing):
                if closing:
                    return
                continue
            try:
                await self._write_waiting()
                await self._write_gaps(everything=closing)
            except SignerError as error:
                self.away = error  # it starts again by itself; nothing is given up meanwhile but by the memory cap
                await asyncio.sleep(SIGNER_RETRY_S)
                self._wake.set()
            except LedgerError as error:
                self._stop(error)
                with contextlib.suppress(LedgerError):  # a full disk has a reserve to say so
                    await self._write_gaps(everything=True)
            else:
                self.away = None
                if closing and not self._waiting:
                    return

    async def _write_waiting(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Step):
                detail = (first.wall_before_ms, first.wall_after_ms, first.state_before, first.state_after)
                self._waiting.popleft()  # steps that wait may be merged meanwhile
                try:
                    await self._append(Kind.CLOCK, detail)
                except LedgerError:
                    self._waiting.appendleft(first)
                    raise
            else:
                self._waiting.popleft()
                self._in_flight = first  # from here on the memory cap cannot take it
                lost_by: str | None = FAILED  # unless the write says otherwise, also when it fails by a fault of ours
                try:
                    await self._write_batch(first)
                    lost_by = None
                except SignerError:
                    self._waiting.appendleft(first)
                    lost_by = None
                    raise
                except LedgerError as error:
                    lost_by = error.code
                    raise
                finally:
                    self._in_flight = None
                    if lost_by is not None:
                        self._lose(first, lost_by)

    async def _write_batch(self, batch: OpenBatch) -> None:
        await self._write_schema(batch.schema)
        urgent_ms = self._clock.mono_ms() + round(self._seal_every_s * 1000 * SEAL_SHARE)
        sealed = await batch.seal(
            self._unsaid_dropped, self._clock.mono_ms, lambda: bool(self._waiting) or self._clock.mono_ms() >= urgent_ms
        )
        appended = await self._append(Kind.BATCH, sealed.detail, sealed.body)
        self._unsaid_dropped -= batch.dropped
        self.counts.readings += batch.readings
        self.counts.batch_bytes += appended.size
        self.counts.sealed_ms = self._clock.wall_ms()
        self._live.recorded(batch.ticket, appended.seq)

    async def _write_schema(self, schema: SchemaState) -> None:
        if self._schema_written is not schema:
            appended = await self._ledger.append_schema(schema)
            self._schema_written = schema
            if appended is not None:
                self._count(appended)

    async def _write_gaps(self, *, everything: bool = False, reserve: bool = True) -> None:
        rows = self.gaps.due(self._clock.mono_ms(), everything=everything)
        while rows:
            try:
                await self._write_schema(self._schema)
                await self._append(Kind.GAP, tuple(rows[:GAP_ROWS_MAX]), reserve=reserve)
            except LedgerError:
                self.gaps.restore(rows, self._clock.mono_ms())
                raise
            rows = rows[GAP_ROWS_MAX:]

    async def _append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        appended = await self._ledger.append(kind, detail, body, reserve=reserve)
        self._count(appended)
        return appended

    def _count(self, appended: Appended) -> None:
        self.counts.entries += 1

    async def _resumed(self, *, patient: bool) -> bool:
        """Try whether the store takes entries again; say what was missed. `patient`: wait first, ever longer."""
        if patient:
            try:
                async with asyncio.timeout(self._retry_s):
                    await self._closing.wait()
            except TimeoutError:
                pass
            self._retry_s = min(self._retry_s * 2, RESUME_S_MAX)
        try:
            await self._write_gaps(everything=True, reserve=not patient)
        except LedgerError as error:
            self.fault = error
            self._wake.set()
            return False
        self.fault, self._retry_s = None, RESUME_S_MIN
        return True

    def _stop(self, error: LedgerError) -> None:
        """The store failed: nothing that is pending will be recorded."""
        self.fault = error
        self._rotate()
        steps = [each for each in self._waiting if isinstance(each, Step)]
        for each in self._waiting:
            if isinstance(each, OpenBatch):
                self._lose(each, error.code)
        self._waiting.clear()
        self._waiting.extend(_merged(steps))
        self._wake.set()

    def _lose(self, batch: OpenBatch, cause: str) -> None:
        lost = batch.give_up(self.gaps, cause, self._clock.mono_ms())
        self.counts.unrecorded += lost
        self.counts.dropped += lost
        self._unsaid_dropped += lost
        self._live.unrecorded(batch.ticket, cause)

    def _not_recorded(self, scan: Scan, cause: str) -> None:
        self.gaps.add(scan.group.uid, scan.read_ms, scan.read_ms, cause, 1, self._clock.mono_ms())
        lost = len(scan.values) if scan.present is None else sum(scan.present)
        self.counts.unrecorded += lost
        self._unsaid_dropped += lost

    def _keep_in_memory(self) -> None:
        """Over the cap the oldest waiting batch is let go, and counted."""
        batches = [each for each in self._waiting if isinstance(each, OpenBatch)]
        size = sum(batch.memory_bytes for batch in batches)
        for batch in batches:
            if size <= self._memory_max:
                return
            size -= batch.memory_bytes
            self._waiting.remove(batch)
            self._lose(batch, BEHIND)

    def _new_batch(self, offset_ms: int) -> OpenBatch:
        self._tickets += 1
        self._opened_ms = self._clock.mono_ms()
        span = leaf_span(self._schema, self._seal_every_s)
        return OpenBatch(self._tickets, BatchBuilder(self._make_secret(), offset_ms, span, self._schema, self._hints), self._schema)

    def _look_at_clock(self) -> bool:
        """Close the batch when the wall clock was stepped: no batch holds both times."""
        step = self._watch.look()
        if step is not None:
            self._rotate()
            self._waiting.append(step)
            if sum(isinstance(each, Step) for each in self._waiting) > STEPS_KEPT_MAX:
                self._waiting = deque(_merged(self._waiting))
        return step is not None

    def _rotate(self) -> None:
        """Close the open batch, if there is one, and queue it."""
        if self._open is not None:
            self._waiting.append(self._open)
            self._open = None
            self._keep_in_memory()
            self._wake.set()


def _merged(waiting: Iterable[OpenBatch | Step]) -> list[OpenBatch | Step]:
    """Make one step of those that follow one another: as large as all of them, at the time of the last. None is left unsaid."""
    found: list[OpenBatch | Step] = []
    for each in waiting:
        last = found[-1] if found else None
        if isinstance(each, Step) and isinstance(last, Step):
            before_ms = each.wall_before_ms - (last.wall_after_ms - last.wall_before_ms)
            found[-1] = Step(before_ms, each.wall_after_ms, last.state_before, each.state_after)
        else:
            found.append(each)
    return found
