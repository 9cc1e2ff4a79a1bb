"""A loop that is asked for more than it can do, on virtual time: fast groups give way, all is counted, and it is over when it is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from drivers.reading import Scan, TagGroup
from runtime.acquisition.field import Field
from runtime.acquisition.governor import BUSY_SHARE_MIN, LOOKS, SATURATED_MS, SPACING_MS_MAX, SPACING_MS_MIN, Governor
from runtime.acquisition.grid import TOGETHER_MAX, WAKE_MS, Slot
from runtime.loop_stall import CLOSE_S, EVERY_S, LoopStall
from runtime.points import DevicePoints
from runtime.supervisor import Supervisor
from tests.rigs.field import KeptScans, ScriptedDriver, after, device_toml, points_of
from tests.simulation.loop import VirtualClock, VirtualLoop, run

DEVICES, PERIOD_MS, READ_S = 40, 20, 0.002
"""4 s of work a second."""
OVERLOAD_S, AFTER_S = 18, 4


@dataclass
class Costly:
    """Reads of all devices keep the loop for `read_s` each."""

    loop: VirtualLoop
    read_s: float

    def driver(self, clock: VirtualClock, line: str) -> ScriptedDriver:
        costs = self

        class Driver(ScriptedDriver):
            line_key = (line,)

            async def read(self, group: TagGroup, deadline_s: float) -> Scan:
                costs.loop.block(costs.read_s)
                return await super().read(group, deadline_s)

        return Driver(clock)


@dataclass
class Seen:
    """What an overload left behind."""

    sink: KeptScans = field(default_factory=KeptScans)
    ran_ms: int = 0
    relieved_wall_ms: int = 0
    late_ms: list[float] = field(default_factory=list)
    """Of the last third of the overload."""


@cache
def overloaded(*, governed: bool) -> Seen:
    """Poll forty fast devices and a slow one, four times what the loop can do, then let it off."""

    async def program(clock: VirtualClock) -> Seen:
        loop, seen, governor = asyncio.get_running_loop(), Seen(), Governor()
        assert isinstance(loop, VirtualLoop)
        costly = Costly(loop, READ_S)

        def note(late_ms: float, busy_share: float) -> bool:
            if 2 * OVERLOAD_S / 3 < loop.now_s < OVERLOAD_S:
                seen.late_ms.append(late_ms)
            return governed and governor.note(late_ms, busy_share)

        stall = LoopStall(note, loop.time, lambda: loop.stalled_s)
        texts = [device_toml(f"d{n}", {f"d{n}": (PERIOD_MS, 1)}) for n in range(DEVICES)] + [device_toml("slow", {"slow": (1000, 1)})]
        points = points_of(*texts)
        part = Field(seen.sink, clock, lambda device: costly.driver(clock, device.name), Supervisor(), governor)
        part.apply(points, part.prepare(points))
        began = clock.mono_ms()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(stall.run())
            group.create_task(part.run())
            await after(clock, OVERLOAD_S)
            costly.read_s, seen.relieved_wall_ms = 0.0, clock.wall_ms()
            await after(clock, AFTER_S)
            part.stop()
            watch.cancel()
        seen.ran_ms = clock.mono_ms() - began
        return seen

    return run(program, seed=1, for_s=1e6)


def test_fast_groups_give_way_in_time_and_every_due_is_a_scan_or_a_counted_miss() -> None:
    seen = overloaded(governed=True)
    for n in range(DEVICES):
        assert abs(seen.sink.accounted(f"d{n}") - seen.ran_ms // PERIOD_MS) <= 1
    assert abs(seen.sink.accounted("slow") - seen.ran_ms // 1000) <= 1
    assert not [miss for miss in seen.sink.misses if miss[0] == "slow"], "who asks seldom loses nothing"
    thinned = sum(count for _, cause, count, _, _ in seen.sink.misses if cause == "core_overloaded")
    missed = sum(count for _, cause, count, _, _ in seen.sink.misses if cause != "poll_stopping")
    assert thinned > 0.6 * missed
    shares = [sum(1 for scan in seen.sink.scans if scan.group.name == f"d{n}") for n in range(DEVICES)]
    assert max(shares) < 1.3 * min(shares), "all fast groups alike"


def test_the_governed_loop_keeps_its_time_and_most_of_its_work() -> None:
    governed, left_alone = overloaded(governed=True), overloaded(governed=False)
    late, late_alone = sorted(governed.late_ms), sorted(left_alone.late_ms)
    assert late_alone[len(late_alone) // 2] > 2 * SATURATED_MS
    assert late[len(late) // 2] < SATURATED_MS
    assert len(governed.sink.scans) > 0.7 * len(left_alone.sink.scans)


def test_a_hundred_slow_groups_that_are_due_together_are_neither_thinned_nor_missed() -> None:
    """Of 4 ms each: what falls on one wake-up keeps the loop for a fifth of a second, and that twice a second."""

    async def program(clock: VirtualClock) -> tuple[KeptScans, int, list[int]]:
        loop, sink, governor = asyncio.get_running_loop(), KeptScans(), Governor()
        assert isinstance(loop, VirtualLoop)
        costly = Costly(loop, 2 * READ_S)
        stall = LoopStall(governor.note, loop.time, lambda: loop.stalled_s)
        points = points_of(*(device_toml(f"d{n}", {f"d{n}": (1000, 1)}, port=n + 1) for n in range(TOGETHER_MAX)))
        drivers: list[ScriptedDriver] = []

        def make(device: DevicePoints) -> ScriptedDriver:
            drivers.append(costly.driver(clock, device.name))
            return drivers[-1]

        part = Field(sink, clock, make, Supervisor(), governor)
        part.apply(points, part.prepare(points))
        began = clock.mono_ms()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(stall.run())
            group.create_task(part.run())
            await after(clock, 60)
            part.stop()
            watch.cancel()
        return sink, clock.mono_ms() - began, [at for driver in drivers for at, _ in driver.reads]

    sink, ran_ms, reads_ms = run(program, seed=1, for_s=1e6)
    assert all(at % WAKE_MS < TOGETHER_MAX * 4 * 0.6 for at in reads_ms)
    assert {cause for _, cause, _, _, _ in sink.misses} <= {"poll_stopping"}
    assert all(abs(sink.accounted(f"d{n}") - ran_ms // 1000) <= 1 for n in range(TOGETHER_MAX))


def test_nothing_is_missed_any_more_two_seconds_after_the_load_is_gone() -> None:
    seen = overloaded(governed=True)
    ends = [to_ms for _, cause, _, _, to_ms in seen.sink.misses if cause != "poll_stopping"]
    assert max(ends) < seen.relieved_wall_ms + 2_000


@given(st.lists(st.floats(0, 1e4), max_size=300))
@example([1e4] * 300)
@example([*([1e4] * LOOKS * 20), *([0.0] * LOOKS + [1e4] * LOOKS) * 9])
def test_the_spacing_stays_in_its_bounds_and_goes_when_the_loop_is_well(samples: list[float]) -> None:
    governor = Governor()
    for late_ms in samples:
        governor.note(late_ms, 1.0)
        assert governor.spacing_ms == 0 or SPACING_MS_MIN <= governor.spacing_ms <= SPACING_MS_MAX
    for _ in range(round(3 / CLOSE_S)):
        governor.note(0, 0.5)
    assert governor.spacing_ms == 0


def test_one_late_waking_is_no_overload() -> None:
    governor = Governor()
    for n in range(10 * LOOKS):
        governor.note(5_000 if n % LOOKS == 0 else 1, 1.0)
        assert governor.spacing_ms == 0


def test_a_machine_that_is_busy_with_others_is_no_reason_to_read_less() -> None:
    governor = Governor()
    for _ in range(10 * LOOKS):
        governor.note(500, BUSY_SHARE_MIN / 2)
        assert governor.spacing_ms == 0


def test_after_an_edit_all_begins_anew() -> None:
    governor = Governor()
    for _ in range(10 * LOOKS):
        governor.note(500, 1.0)
    assert governor.spacing_ms > 0
    governor.begin_anew()
    assert governor.spacing_ms == 0


@given(st.integers(20, 5_000), st.integers(0, SPACING_MS_MAX), st.integers(0, 10**9))
def test_a_thinned_slot_stays_on_its_grid_and_loses_no_due(period: int, spacing: int, now: int) -> None:
    group = points_of(device_toml("d", {"a": (period, 1)}))["d"].groups[0]
    slot = Slot.starting(group, now)
    first = slot.due_ms
    slot.served(spacing)
    assert slot.due_ms == first + period
    assert (slot.attempt_ms - first) % period == 0
    assert slot.attempt_ms - first >= spacing
    assert slot.attempt_ms - first < max(spacing, 1) + period
    assert slot.is_thinned == (spacing > period)
    count, _, _ = slot.skip_to(slot.attempt_ms)
    assert count == (slot.attempt_ms - first) // period - 1


def test_within_a_minute_every_part_of_the_time_between_two_wake_ups_is_looked_at() -> None:
    """What is due together takes the loop for the same part of each 500 ms: a measure at like times would see all of it or nothing."""

    async def program(clock: VirtualClock) -> Counter[int]:
        seen: Counter[int] = Counter()

        def note(_late_ms: float, _busy_share: float) -> bool:
            seen[clock.mono_ms() % WAKE_MS // 10] += 1
            return False

        async with asyncio.TaskGroup() as group:
            watch = group.create_task(LoopStall(note, asyncio.get_running_loop().time, lambda: 0.0).run())
            await after(clock, 60)
            watch.cancel()
        return seen

    seen = run(program, seed=1, for_s=1e6)
    assert len(seen) == WAKE_MS // 10
    assert max(seen.values()) < 3 * 60 / EVERY_S / (WAKE_MS / 10)
