"""The poller on virtual time: phases, misses, rest, coming back, hot changes, subscriptions."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.reading import Scan, Status, TagGroup
from runtime.acquisition.field import Field
from runtime.acquisition.grid import Slot, next_due, phase_ms
from runtime.acquisition.poller import BadGroup, DevicePoller
from runtime.health import BAD_GROUPS_NAMED, device_row, device_rows
from runtime.supervisor import Supervisor
from tests.rigs.field import KeptScans, ScriptedDriver, after, device_toml, fresh_ids, points_of
from tests.simulation.loop import VirtualClock, run

Script = Callable[[VirtualClock, ScriptedDriver, KeptScans], Awaitable[None]]


def polled(groups: dict[str, tuple[int, int]], script: Script, *, mode: str = "poll") -> tuple[ScriptedDriver, KeptScans, int]:
    """Poll one device while a script runs; return driver, sink and how long it ran in ms."""

    async def program(clock: VirtualClock) -> tuple[ScriptedDriver, KeptScans, int]:
        driver, sink = ScriptedDriver(clock), KeptScans()
        poller = DevicePoller(points_of(device_toml("d", groups, mode=mode))["d"], driver, sink, clock)
        began = clock.mono_ms()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await script(clock, driver, sink)
            task.cancel()
        assert poller.counts.failed + poller.counts.missed == sum(count for _, _, count, *_ in sink.misses), "what health says is in gaps"
        return driver, sink, clock.mono_ms() - began

    return run(program, seed=1, for_s=1e6)


async def for_10_s(clock: VirtualClock, driver: ScriptedDriver, sink: KeptScans) -> None:
    await after(clock, 10)


def test_groups_are_read_on_their_grids_and_spread() -> None:
    driver, sink, _ = polled({"a": (100, 2), "b": (100, 2), "c": (1000, 1)}, for_10_s)
    for name, period in (("a", 100), ("b", 100), ("c", 1000)):
        starts = [at for at, group in driver.reads if group == name]
        assert {at % period for at in starts} == {phase_ms("d", name, period)}
        assert len(starts) == 10_000 // period
    assert phase_ms("d", "a", 100) != phase_ms("d", "b", 100)
    assert sink.misses == []


def test_a_slow_device_counts_the_dues_it_was_busy_through() -> None:
    async def script(clock: VirtualClock, driver: ScriptedDriver, sink: KeptScans) -> None:
        driver.takes_s = 0.35
        await after(clock, 10)

    _, sink, _ = polled({"a": (100, 1)}, script)
    assert {cause for _, cause, *_ in sink.misses} - {"poll_stopping"} == {"device_busy"}
    assert 98 <= sink.accounted("a") <= 101
    assert 27 <= len(sink.scans) <= 29, "it is read again at once, never queued up"


def test_a_dead_device_is_counted_completely_and_rests() -> None:
    async def script(clock: VirtualClock, driver: ScriptedDriver, sink: KeptScans) -> None:
        await after(clock, 5)
        before = len(driver.reads)
        driver.fault = DriverError("connect_failed")
        await after(clock, 60)
        attempts = len(driver.reads) - before
        assert {scan.group.name for scan in sink.scans if scan.cause} == {"a", "b"}
        driver.fault = None
        await after(clock, 10)
        assert attempts < 40, "a dead device is not hammered at 10 Hz"
        assert sink.scans[-1].cause is None

    _, sink, ran_ms = polled({"a": (100, 1), "b": (200, 1)}, script)
    assert {cause for _, cause, *_ in sink.misses} == {"connect_failed"}
    assert abs(sink.accounted("a") - ran_ms // 100) <= 1
    assert abs(sink.accounted("b") - ran_ms // 200) <= 1


def test_a_hanging_driver_is_cut_off() -> None:
    async def script(clock: VirtualClock, driver: ScriptedDriver, sink: KeptScans) -> None:
        driver.takes_s = 3600
        await after(clock, 3)

    _, sink, _ = polled({"a": (1000, 1)}, script)
    assert sink.scans
    assert all(scan.cause == "no_answer" for scan in sink.scans)


def test_a_driver_that_cannot_be_entered_is_said_for_every_group() -> None:
    async def program(clock: VirtualClock) -> KeptScans:
        driver, sink = ScriptedDriver(clock), KeptScans()
        driver.enter_fault = DriverError("line_settings_differ")
        poller = DevicePoller(points_of(device_toml("d", {"a": (100, 1), "b": (1000, 1)}))["d"], driver, sink, clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await after(clock, 21)
            driver.enter_fault = None
            await after(clock, 9)
            assert poller.counts.state == "ok"
            task.cancel()
        assert poller.counts.failed == 0, "nothing was read that could fail"
        assert poller.counts.missed == sum(count for _, _, count, *_ in sink.misses)
        return sink

    sink = run(program, seed=1)
    assert {cause for _, cause, *_ in sink.misses} == {"line_settings_differ"}
    assert 298 <= sink.accounted("a") <= 302
    assert {scan.group.name for scan in sink.scans if scan.cause} == {"a", "b"}


def test_a_broken_subscription_is_a_gap_and_comes_back() -> None:
    async def script(clock: VirtualClock, driver: ScriptedDriver, sink: KeptScans) -> None:
        group = points_of(device_toml("d", {"a": (500, 1)}, mode="subscribe"))["d"].groups[0]
        scan = Scan(group, [1], clock.wall_ms())
        await driver.pushed.put(scan)
        await after(clock, 1)
        await driver.pushed.put(DriverError("connection_lost"))
        await after(clock, 10)
        await driver.pushed.put(scan)
        await after(clock, 1)

    _, sink, _ = polled({"a": (500, 1)}, script, mode="subscribe")
    assert [scan.cause for scan in sink.scans] == [None, "connection_lost", None]
    assert sum(count for _, _, count, _, _ in sink.misses) == 1 + 20


def test_hot_changes_leave_others_alone() -> None:
    async def program(clock: VirtualClock) -> None:
        ids, sink, made = fresh_ids(), KeptScans(), []

        def make(points: object) -> ScriptedDriver:
            made.append(ScriptedDriver(clock))
            return made[-1]

        first = points_of(device_toml("x", {"a": (100, 1)}), device_toml("y", {"a": (100, 1)}), ids=ids)
        field = Field(sink, clock, make, Supervisor())
        field.apply(first, field.prepare(first))
        async with asyncio.TaskGroup() as group:
            group.create_task(field.run())
            await after(clock, 5)
            x, y = made
            text = device_toml("x", {"a": (100, 1), "b": (50, 1)})
            second = points_of(text, device_toml("y", {"a": (100, 1)}), device_toml("z", {"a": (100, 1)}), ids=ids)
            second["y"] = first["y"]
            field.apply(second, field.prepare(second))
            await after(clock, 5)
            assert [driver.entered for driver in made] == [1, 1, 1], "groups change without a reconnect"
            assert len([r for r in x.reads if r[1] == "b"]) == 100
            assert len(y.reads) == 100
            third = points_of(device_toml("x", {"a": (100, 1)}, port=503), ids=ids)
            field.apply(third, field.prepare(third))
            await after(clock, 5)
            assert len(y.reads) == 100
            assert made[3].entered == 1
            field.stop()
        assert sink.misses == []

    run(program, seed=1)


@settings(max_examples=100)
@given(st.integers(0, 10**9), st.integers(20, 100_000), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_slot_never_loses_or_repeats_a_due(now: int, period: int, delay: int, rest: int) -> None:
    group = points_of(device_toml("d", {"a": (period, 1)}))["d"].groups[0]
    slot = Slot.starting(group, now)
    first = slot.due_ms
    assert now <= first < now + period
    slot.rest_until(now + rest)
    assert slot.attempt_ms >= max(first, now + rest - 0)
    assert (slot.attempt_ms - first) % period == 0
    at = slot.attempt_ms + delay
    count, start, end = slot.skip_to(at)
    assert slot.due_ms == first + count * period
    assert slot.due_ms <= at < slot.due_ms + period
    assert not count or (start, end) == (first, slot.due_ms - period)
    slot.served()
    assert slot.due_ms > at
    assert next_due(at + 1, period, phase_ms("d", "a", period)) == slot.due_ms


class ByPeriod(KeptScans):
    """Counts what is accounted for by the period that it was due at."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[int] = Counter()
        self.causes: dict[int, set[str]] = defaultdict(set)

    def take(self, scan: Scan) -> None:
        self.counted[scan.group.period_ms] += scan.cause is None

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        assert to_ms - from_ms == (count - 1) * group.period_ms
        self.counted[group.period_ms] += count
        self.causes[group.period_ms].add(cause)


def dues(period: int, began_ms: int, ended_ms: int) -> int:
    """Return how many dues of group a lie between two times, both included."""
    return len(range(next_due(began_ms, period, phase_ms("d", "a", period)), ended_ms + 1, period))


@settings(max_examples=100)
@given(
    st.integers(100, 5_000), st.integers(5_001, 9_000), st.integers(0, 12_000), st.integers(0, 20_000), st.integers(0, 900), st.booleans()
)
def test_at_an_edit_and_at_a_stop_every_due_is_read_or_missed(
    period: int, other: int, well_ms: int, then_ms: int, takes_ms: int, is_dead: bool
) -> None:
    """Wherever the device stands when its period is edited, and later when it is stopped: resting, in the midst of a read, or well."""

    async def program(clock: VirtualClock) -> None:
        driver, sink = ScriptedDriver(clock), ByPeriod()
        driver.takes_s = takes_ms / 1000
        poller = DevicePoller(points_of(device_toml("d", {"a": (period, 1)}))["d"], driver, sink, clock)
        began = clock.mono_ms()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await after(clock, well_ms / 1000)
            driver.fault = DriverError("connect_failed") if is_dead else None
            await after(clock, then_ms / 1000)
            poller.replace(points_of(device_toml("d", {"a": (other, 1)}))["d"])
            under_way = [at + takes_ms for at, _ in driver.reads[-1:]]
            edited = max([clock.mono_ms(), *under_way])
            await after(clock, then_ms / 1000 + 10)
            stopped = clock.mono_ms()
            task.cancel()
        assert sink.counted[period] == dues(period, began, edited)
        assert sink.counted[other] == dues(other, edited, stopped)
        if is_dead and sum(at > began + well_ms for at, _ in driver.reads) > 1:
            assert "poll_stopping" not in sink.causes[period] | sink.causes[other], (
                "what kept it from being read is said, not that it was stopped"
            )

    run(program, seed=1, for_s=1e6)


def test_a_subscription_that_ends_for_another_reason_has_its_silence_counted() -> None:
    """A break is followed by a fault of ours in a polled group of the same device: the supervisor starts the device again, later."""

    async def program(clock: VirtualClock) -> KeptScans:
        driver, sink = ScriptedDriver(clock), KeptScans()
        text = device_toml("d", {"s": (500, 1)}, mode="subscribe") + device_toml("d", {"p": (1000, 1)}).split("port = 502\n")[1]
        group = next(g for g in points_of(text)["d"].groups if g.name == "s")
        poller = DevicePoller(points_of(text)["d"], driver, sink, clock)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(Supervisor().keep("d", poller.run))
            driver.pushed.put_nowait(Scan(group, [1], clock.wall_ms()))
            await after(clock, 5)
            fault, driver.fault = ValueError("a fault of ours"), None
            driver.fault = fault  # type: ignore[assignment]
            await after(clock, 20)
            driver.fault = None
            await after(clock, 40)
            driver.pushed.put_nowait(Scan(group, [2], clock.wall_ms()))
            await after(clock, 30)
            driver.pushed.put_nowait(Scan(group, [3], clock.wall_ms()))
            await after(clock, 1)
            task.cancel()
        return sink

    sink = run(program, seed=1, for_s=1e6)
    counts = [count for name, _, count, *_ in sink.misses if name == "s"]
    assert 110 <= sum(counts) <= 122, "from the fault to the first scan after it, and not the quiet time that follows"


def test_a_degraded_device_says_which_groups_and_tags_are_bad() -> None:
    async def program(clock: VirtualClock) -> tuple[list[BadGroup], list[BadGroup], list[BadGroup]]:
        driver, sink = ScriptedDriver(clock), KeptScans()
        points = points_of(device_toml("d", {"a": (1000, 1), "b": (1000, 3)}))["d"]
        poller = DevicePoller(points, driver, sink, clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await after(clock, 3)
            well = list(poller.bad_groups())
            poller.give(
                Scan(points.groups[1], [1, None, None], clock.wall_ms(), [0, int(Status.BAD_OUT_OF_RANGE), int(Status.BAD_NO_DATA)])
            )
            assert poller.counts.state == "degraded"
            some_tags = list(poller.bad_groups())
            row = device_row(poller)
            bad = {"count": 2, "tags": "b1 (BadOutOfRange), b2 (BadNoData)", "statuses": "BadOutOfRange BadNoData"}
            assert (row["cause"], row["params"]) == ("device_tags_bad", bad)
            driver.fault = DriverError("no_answer", timeout_ms=7)
            await after(clock, 3)
            assert poller.counts.state == "down"
            both = list(poller.bad_groups())
            task.cancel()
        return well, some_tags, both

    well, some_tags, both = run(program, seed=1)
    assert well == []
    assert some_tags == [BadGroup("b", None, {}, (("b1", int(Status.BAD_OUT_OF_RANGE)), ("b2", int(Status.BAD_NO_DATA))))]
    assert both == [BadGroup(name, "no_answer", {"timeout_ms": 7}, ()) for name in ("a", "b")]


def test_the_cause_that_is_shown_has_its_own_params() -> None:
    class Two(ScriptedDriver):
        async def read(self, group: TagGroup, deadline_s: float) -> Scan:
            raise DriverError("no_answer", timeout_ms=7) if group.name == "a" else DriverError("bad_answer", detail=group.name)

    async def program(clock: VirtualClock) -> DevicePoller:
        poller = DevicePoller(points_of(device_toml("d", {"a": (1000, 1), "b": (1000, 1)}))["d"], Two(clock), KeptScans(), clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await after(clock, 20)
            task.cancel()
        return poller

    poller = run(program, seed=1)
    assert (poller.counts.cause, poller.counts.params) in (("no_answer", {"timeout_ms": 7}), ("bad_answer", {"detail": "b"}))
    assert [(each.cause, each.params) for each in poller.bad_groups()] == [
        ("no_answer", {"timeout_ms": 7}),
        ("bad_answer", {"detail": "b"}),
    ]


def test_a_tag_that_a_pushed_scan_does_not_hold_is_as_bad_as_it_was() -> None:
    async def program(clock: VirtualClock) -> list[tuple[str, list[str]]]:
        driver, seen = ScriptedDriver(clock), []
        points = points_of(device_toml("d", {"a": (1000, 3)}, mode="subscribe"))["d"]
        tags = points.groups[0]
        poller = DevicePoller(points, driver, KeptScans(), clock)
        bad, sick = int(Status.BAD_NO_DATA), int(Status.BAD_DEVICE_FAILURE)
        pushes: list[tuple[list[int] | None, list[bool] | None]] = [
            ([0, bad, 0], None),
            (None, [True, False, False]),  # a0 says nothing of a1
            ([0, 0, sick], [False, False, True]),
            (None, [False, True, False]),
            (None, [False, False, True]),
        ]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            for statuses, present in pushes:
                driver.pushed.put_nowait(Scan(tags, [1, 1, 1], clock.wall_ms(), statuses, present=present))
                await after(clock, 1)
                seen.append((poller.counts.state, [name for each in poller.bad_groups() for name, _ in each.tags]))
            task.cancel()
        return seen

    assert run(program, seed=1) == [
        ("degraded", ["a1"]),
        ("degraded", ["a1"]),
        ("degraded", ["a1", "a2"]),
        ("degraded", ["a2"]),
        ("ok", []),
    ]


def test_health_names_some_bad_groups_of_very_many_and_counts_all() -> None:
    async def program(clock: VirtualClock) -> list[dict[str, Any]]:
        texts = [device_toml(f"d{n}", {f"g{k}": (1000, 1) for k in range(20)}) for n in range(50)]
        pollers = [DevicePoller(points, ScriptedDriver(clock), KeptScans(), clock) for points in points_of(*texts).values()]
        for poller in pollers:
            for group in poller.points.groups:
                poller.give(Scan(group, [None], clock.wall_ms(), [int(Status.BAD_NO_DATA)]))
        pollers[-1].replace(replace(pollers[-1].points, groups=()))  # an edit takes them away before it was judged anew
        return device_rows(pollers)

    rows = run(program, seed=1)
    assert [len(row["bad_groups"]) for row in rows] == [BAD_GROUPS_NAMED] * 32 + [0] * 18
    assert {row["bad_group_count"] for row in rows[:-1]} == {20}
    assert rows[40]["params"] == {"count": 20, "tags": "g00 (BadNoData), …", "statuses": "BadNoData"}
    assert rows[-1]["cause"] is None


def test_a_device_that_refuses_every_tag_was_not_read_well_and_says_so() -> None:
    """Such as with a wrong unit number: it answers, so it is not down, and no answer was a good one."""

    async def program(clock: VirtualClock) -> list[tuple[Any, ...]]:
        points = points_of(device_toml("d", {"a": (1000, 2), "b": (1000, 1)}))["d"]
        poller = DevicePoller(points, ScriptedDriver(clock), KeptScans(), clock)
        refused, doubtful = int(Status.BAD_DEVICE_FAILURE), int(Status.UNCERTAIN)
        said = []
        for group, statuses in ((0, [refused] * 2), (1, [refused]), (1, [doubtful]), (0, [0, refused]), (0, [refused] * 2), (1, [refused])):
            values = [None if status == refused else 1 for status in statuses]
            poller.give(Scan(points.groups[group], list(values), len(said), list(statuses)))
            row = device_row(poller)
            said.append((row["state"], row["cause"], row["last_good_ms"], row["params"].get("statuses")))
        return said

    none_read, some_bad = ("degraded", "device_none_read"), ("degraded", "device_tags_bad")
    assert run(program, seed=1) == [
        (*none_read, None, "BadDeviceFailure"), (*none_read, None, "BadDeviceFailure"), (*some_bad, 2, "BadDeviceFailure"),
        (*some_bad, 3, "BadDeviceFailure"), (*some_bad, 3, "BadDeviceFailure"), (*none_read, 3, "BadDeviceFailure"),
    ]  # fmt: skip
