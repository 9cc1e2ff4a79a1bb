"""One device's polling: every due becomes a scan, a failed scan or a counted miss. Never silence.

Room: hall, acquisition. `field` runs one per device. It reads a device's groups one after another on their grids, keeps
subscriptions up, gives a failing device bounded rest, and comes back by itself. It never queues up missed dues, never waits for
whoever takes the scans, and never touches another device.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Container, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from drivers.driver import Driver, DriverError
from drivers.reading import Quality, Scan, Status, Tag, TagGroup, failed_scan
from runtime.acquisition.governor import Governor
from runtime.acquisition.grid import Slot
from runtime.clock import Clock
from runtime.points import DevicePoints

REST_MS_MIN: Final = 250
REST_MS_MAX: Final = 5_000
GRACE_S: Final = 0.25
"""What a driver may take beyond its deadline before its read is cut off."""
LATENESS_KEPT: Final = 512
WAITING: Final = "connect_waiting"
STOPPING: Final = "poll_stopping"
LATELY_MS: Final = 60_000
THINNED: Final = "core_overloaded"
"""Dues that were given up in time, because the governor said so."""

line_causes: Final = frozenset({"connect_failed", "name_unknown", WAITING, "connection_lost"})
"""Causes that speak of the whole device: its other groups rest as well, and are bad at once."""
others_causes: Final = frozenset({"line_busy", "unit_busy"})
"""Causes that speak of other requests than the read's own: to rest from them would only lose more."""


class ScanSink(Protocol):
    """Who takes what the field gives. Every call returns at once."""

    def take(self, scan: Scan) -> None:
        """A scan came, good or failed."""
        ...

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """`count` scans that were due between these wall times did not come."""
        ...

    def alive(self, group: TagGroup, read_ms: int) -> None:
        """A subscription had nothing new at this wall time: its last values still hold."""
        ...


@dataclass(slots=True)
class DeviceCounts:
    """What health shows of a device. Times are wall ms.

    `failed` has the dues that were served and brought nothing, `missed` those that nobody served: together they are in its gaps.
    """

    state: str = "starting"
    cause: str | None = None
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    since_ms: int | None = None
    last_good_ms: int | None = None
    polls: int = 0
    failed: int = 0
    missed: int = 0
    missed_cause: str | None = None
    """Why dues were missed when some were last, at `missed_at_ms` (mono)."""
    missed_at_ms: int = 0
    late_ms: deque[int] = field(default_factory=lambda: deque(maxlen=LATENESS_KEPT))


@dataclass(frozen=True, slots=True)
class BadGroup:
    """A group that could not be read (`cause`, a message code), or that was read with bad tags: (name, OPC UA status) of each."""

    group: str
    cause: str | None
    params: Mapping[str, str | int | float]
    tags: tuple[tuple[str, int], ...]


class DevicePoller:
    """Polls one device until cancelled; `run` may be called again after it failed and goes on. `is_entered`: its driver is."""

    def __init__(
        self, points: DevicePoints, driver: Driver, sink: ScanSink, clock: Clock, governor: Governor | None = None,
        together: Container[int] = (),
    ) -> None:  # fmt: skip
        """Without a governor nothing is ever thinned. `together`: uids of the groups that are due together with others (`grid`)."""
        self.points, self.driver = points, driver
        self._sink, self._clock = sink, clock
        self._governor, self._together = governor or Governor(), together
        self.counts = DeviceCounts()
        self._slots: dict[int, Slot] = {}
        self._silent_since: dict[int, tuple[int, str]] = {}
        """Group uid -> since when (mono ms) a subscription that is not up now has been silent without being counted, and why."""
        self.is_entered = self._changed = False
        self._waiting: Future[None] | None = None
        self._busy_until_ms = 0
        self._causes: dict[int, tuple[str, Mapping[str, str | int | float]] | None] = {}
        """Group uid -> cause and params of its last read, None after a good one. Never the error, whose traceback keeps much."""
        self._bad_tags: dict[int, tuple[tuple[Tag, int], ...]] = {}
        """Group uid -> the tags that were bad when they came last, each with its status; none for a group whose tags are well."""

    def replace(self, points: DevicePoints) -> None:
        """Go on with other groups from the next scan boundary; the connection stays."""
        self.points = points
        self._changed = True
        if self._waiting is not None:
            _let_go(self._waiting)

    def bad_groups(self) -> Iterator[BadGroup]:
        """Yield the groups that make the device degraded or down, in the order of the configuration. There may be very many."""
        for group in self.points.groups:
            fault = self._causes.get(group.uid)
            if fault is not None:
                yield BadGroup(group.name, *fault, ())
            elif group.uid in self._bad_tags:
                yield BadGroup(group.name, None, {}, tuple((tag.name, status) for tag, status in self._bad_tags[group.uid]))

    @property
    def bad_group_count(self) -> int:
        """How many groups `bad_groups` yields."""
        return len({uid for uid, fault in self._causes.items() if fault is not None} | self._bad_tags.keys())

    @property
    def bad_tag_count(self) -> int:
        """How many tags were bad when they came last."""
        return sum(map(len, self._bad_tags.values()))

    @property
    def missed_lately(self) -> str | None:
        """Why dues were missed, where some were within LATELY_MS."""
        return self.counts.missed_cause if self._clock.mono_ms() - self.counts.missed_at_ms <= LATELY_MS else None

    @property
    def is_none_read(self) -> bool:
        """Whether the device answers and no tag has a value: every group that was asked came, and all its tags were bad."""
        asked = [group for group in self.points.groups if group.uid in self._causes]
        bad = self._bad_tags
        return bool(asked) and all(self._causes[g.uid] is None and len(bad.get(g.uid, ())) == len(g.tags) for g in asked)

    def give(self, scan: Scan) -> None:
        """Take a scan that came neither by a read nor by a subscription: somebody entered it."""
        self.counts.polls += 1
        self._good(scan)

    async def run(self) -> None:
        """Poll until cancelled. Lets through only what is a fault of ours."""
        try:
            while True:
                try:
                    async with self.driver:
                        await self._serve()
                except DriverError as error:  # only entering the driver raises it plainly
                    await self._without_driver(error)
        finally:
            for slot in self._slots.values():
                self._account_end(slot)

    async def _serve(self) -> None:
        streams: dict[int, tuple[TagGroup, asyncio.Task[None]]] = {}
        self.is_entered = True
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    self._changed = False
                    wanted = {g.uid: g for g in self.points.groups if g.mode == "subscribe"}
                    for uid, (known, task) in list(streams.items()):
                        if wanted.get(uid) != known:
                            self._silent_since.setdefault(uid, (self._clock.mono_ms(), STOPPING))
                            if uid not in wanted:  # not a subscription any more: what it was silent for ends here
                                self._count_silence(known)
                                del self._silent_since[uid]
                            task.cancel()
                            del streams[uid]
                    for uid, tag_group in wanted.items():
                        if uid not in streams:
                            name = f"stream {tag_group.device}/{tag_group.name}"
                            streams[uid] = tag_group, group.create_task(self._stream(tag_group), name=name)
                    self._plan()
                    await self._poll_until_changed()
            finally:  # all streams end now: what they miss until they are up again is counted then
                self.is_entered = False
                now = self._clock.mono_ms()
                for uid in streams:
                    self._silent_since.setdefault(uid, (now, STOPPING))

    def _plan(self) -> None:
        """Keep the slots of groups that stayed; account for those that go."""
        now = self._clock.mono_ms()
        polled = {g.uid: g for g in self.points.groups if g.mode == "poll"}
        for uid, slot in list(self._slots.items()):
            group = polled.get(uid)
            if group is None or group.period_ms != slot.group.period_ms:
                self._account_end(slot)
                del self._slots[uid]
            else:
                slot.group = group
        for uid, group in polled.items():
            self._slots.setdefault(uid, Slot.starting(group, now, together=uid in self._together))
        present = {g.uid for g in self.points.groups}
        self._causes = {uid: cause for uid, cause in self._causes.items() if uid in present}
        self._bad_tags = {uid: bad for uid, bad in self._bad_tags.items() if uid in present}
        self._silent_since = {uid: since for uid, since in self._silent_since.items() if uid in present}

    async def _poll_until_changed(self) -> None:
        while not self._changed:
            if not self._slots:
                await self._wait(None)
                return
            slot = min(self._slots.values(), key=lambda each: each.attempt_ms)
            if (wait_ms := slot.attempt_ms - self._clock.mono_ms()) > 0:
                await self._wait(wait_ms)
            else:
                await self._poll(slot)

    async def _wait(self, wait_ms: int | None) -> None:
        """Wait for a change, `wait_ms` at most. Every due passes here: a timer of the loop costs a third of `asyncio.timeout`."""
        loop = asyncio.get_running_loop()
        self._waiting = waiting = loop.create_future()
        timer = None if wait_ms is None else loop.call_later(wait_ms / 1000, _let_go, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    async def _poll(self, slot: Slot) -> None:
        now = self._clock.mono_ms()
        late_cause = THINNED if slot.is_thinned else "device_busy" if slot.due_ms < self._busy_until_ms else "poll_late"
        self._account(slot, slot.cause or late_cause)
        self.counts.late_ms.append(now - slot.due_ms)
        self.counts.polls += 1
        deadline_s = self.points.config.timeout_s
        fault: DriverError | None = None
        try:
            async with asyncio.timeout(deadline_s + GRACE_S):
                scan = await self.driver.read(slot.group, deadline_s)
        except DriverError as error:
            fault = self._failed(slot, error)
        except TimeoutError:
            fault = self._failed(slot, DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(deadline_s * 1000)))
        else:
            slot.failures, slot.cause = 0, None
            self._good(scan)
        self._busy_until_ms = self._clock.mono_ms()
        slot.served(self._governor.spacing_ms)
        if fault is not None and slot.failures > 1 and fault.cause not in others_causes:
            self._rest(slot, fault)

    def _failed(self, slot: Slot, error: DriverError) -> DriverError:
        """Say that a group's read failed, and return what is said of it."""
        if error.cause == WAITING and slot.cause is not None:
            # The driver rests by itself: why is what it said before.
            known = self._causes.get(slot.group.uid)
            error = DriverError(slot.cause, error.status, **(known[1] if known is not None else {}))
        slot.failures, slot.cause = slot.failures + 1, error.cause
        self._bad(slot.group, error, self._wall(slot.due_ms), self._wall(slot.due_ms), 1)
        return error

    def _rest(self, slot: Slot, fault: DriverError) -> None:
        """Give a failing device time, doubling from REST_MS_MIN to REST_MS_MAX; its dues go on being counted."""
        rest_ms = min(REST_MS_MIN << min(slot.failures - 2, 10), REST_MS_MAX)
        until = self._clock.mono_ms() + rest_ms
        slot.rest_until(until)
        if fault.cause in line_causes:
            now = self._clock.wall_ms()
            for other in self._slots.values():
                other.rest_until(until)
                if other.cause is None:
                    other.cause = fault.cause
                    self._bad(other.group, fault, now, now, 0)

    def _account(self, slot: Slot, cause: str, *, is_end: bool = False) -> None:
        """Count the dues that are over and were not served; at an end, also the one that would be served now."""
        count, first, last = slot.skip_to(self._clock.mono_ms(), is_end=is_end)
        if count:
            self._missed(slot.group, first, last, cause, count)

    def _account_end(self, slot: Slot) -> None:
        """Count what a slot still owes where nobody serves it any more, the due whose read was cut off too. A failing device is why."""
        self._account(slot, slot.cause or (THINNED if slot.is_thinned else STOPPING), is_end=True)

    async def _without_driver(self, error: DriverError) -> None:
        """The driver cannot even be entered: say so for every group, rest, let the caller try again."""
        self._plan()
        now = self._clock.mono_ms()
        for group in self.points.groups:
            if (slot := self._slots.get(group.uid)) is not None:
                self._account(slot, error.cause)
                slot.cause = error.cause
            else:
                self._silent_since.setdefault(group.uid, (now, error.cause))
                self._count_silence(group, error.cause)
            self._bad(group, error, self._wall(now), self._wall(now), 0)
        await self._clock.sleep_until_mono(now + REST_MS_MAX)

    async def _stream(self, group: TagGroup) -> None:
        """Keep one subscription up. From a break to the first scan after it, periods count as missed, whatever ends this task meanwhile."""
        failures = 0
        try:
            while True:
                try:
                    # Drivers write `subscribe` as a generator: closing it here releases the subscription at once.
                    async with aclosing(cast("Any", self.driver.subscribe(group))) as scans:
                        async for scan in scans:
                            if scan.present is not None and not any(scan.present):
                                if group.uid not in self._silent_since:
                                    self._sink.alive(group, scan.read_ms)
                                continue
                            if not scan.past:
                                self._count_silence(group)
                                self._silent_since.pop(group.uid, None)
                                failures = 0
                            self.counts.polls += 1
                            self._good(scan)
                    error = DriverError("connection_lost")
                except DriverError as caught:
                    error = caught
                now = self._clock.mono_ms()
                self._bad(group, error, self._wall(now), self._wall(now), 0 if group.uid in self._silent_since else 1)
                self._silent_since.setdefault(group.uid, (now, error.cause))
                self._count_silence(group, error.cause)
                failures += 1
                await self._clock.sleep_until_mono(now + min(REST_MS_MIN << min(failures - 1, 10), REST_MS_MAX))
        finally:
            self._count_silence(group)

    def _count_silence(self, group: TagGroup, cause: str | None = None) -> None:
        """Count the whole periods in which a subscription has been silent, up to now; what is left of one stays for the next count."""
        if (silent := self._silent_since.get(group.uid)) is None:
            return
        since_ms, known = silent
        count = (self._clock.mono_ms() - since_ms) // group.period_ms
        to_ms = since_ms + count * group.period_ms
        self._silent_since[group.uid] = to_ms, cause or known
        if count:
            self._missed(group, since_ms, to_ms, cause or known, count)

    def _missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        counts, counts.missed = self.counts, self.counts.missed + count
        counts.missed_cause, counts.missed_at_ms = cause, self._clock.mono_ms()
        self._sink.missed(group, self._wall(from_ms), self._wall(to_ms), cause, count)

    def _good(self, scan: Scan) -> None:
        counts, uid = self.counts, scan.group.uid
        if not scan.past and (scan.statuses is None or any(reading.quality is not Quality.BAD for reading in scan.readings())):
            counts.last_good_ms = scan.read_ms
        if not scan.past and (scan.statuses is not None or uid in self._bad_tags):
            self._note_tags(scan)
        if not scan.past and (counts.state != "ok" or self._bad_tags or self._causes.get(uid, "") is not None):
            self._causes[uid] = None
            self._judge(scan.read_ms)
        self._sink.take(scan)

    def _note_tags(self, scan: Scan) -> None:
        """Remember which tags came bad. One that a pushed scan does not hold is what it was before."""
        bad = {reading.tag.uid: reading.status for reading in scan.readings() if reading.quality is Quality.BAD}
        if scan.present is not None:
            held = {tag.uid for tag, here in zip(scan.group.tags, scan.present, strict=True) if here}
            bad |= {tag.uid: status for tag, status in self._bad_tags.get(scan.group.uid, ()) if tag.uid not in held}
        if found := tuple((tag, bad[tag.uid]) for tag in scan.group.tags if tag.uid in bad):
            self._bad_tags[scan.group.uid] = found
        else:
            self._bad_tags.pop(scan.group.uid, None)

    def _bad(self, group: TagGroup, error: DriverError, from_ms: int, to_ms: int, count: int) -> None:
        self.counts.failed += count
        self._causes[group.uid] = error.cause, dict(error.params)
        self._judge(self._clock.wall_ms())
        if count:
            self._sink.missed(group, from_ms, to_ms, error.cause, count)
        self._sink.take(failed_scan(group, self._clock.wall_ms(), error.status, error.cause))

    def _judge(self, now_ms: int) -> None:
        """Set the device's state from its groups': ok, degraded (some fail, or some tags are bad), down (all fail)."""
        causes = [fault for fault in self._causes.values() if fault is not None]
        counts = self.counts
        down = causes and len(causes) == len(self._causes)
        state = "down" if down else "degraded" if causes or self._bad_tags else "ok"
        if state != counts.state:
            counts.state, counts.since_ms = state, now_ms
        counts.cause, counts.params = causes[0] if causes else (None, {})

    def _wall(self, mono_ms: int) -> int:
        return mono_ms + self._clock.wall_ms() - self._clock.mono_ms()


def _let_go(waiting: Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
