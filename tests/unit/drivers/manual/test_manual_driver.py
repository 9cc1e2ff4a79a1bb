"""The station: what is due and late, values of the past, what a restart knows, and the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.conformance import check_all
from drivers.driver import Driver, DriverError
from drivers.manual.config import DeviceOptions, parse_address
from drivers.manual.driver import ManualDriver
from drivers.memory import ShortMemory
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from runtime.config import parse_config
from tests.rigs.clock import RunningClock
from tests.rigs.field import after
from tests.simulation.loop import VirtualClock, run

LAST, NONE = int(Status.UNCERTAIN_LAST_USABLE_VALUE), int(Status.BAD_NO_DATA)


def tag(n: int, kind: str = "float64", **raw: object) -> Tag:
    return Tag(n, f"t{n}", "lab", kind, "", parse_address({"data": kind, **raw}))


HOURLY = TagGroup(1, "lab", "rounds", 60_000, (tag(0, every_s=3600.0), tag(1), tag(2, "text")), "subscribe")


def rows(scan: Scan) -> list[tuple[str, Value, int, int | None]]:
    return [(reading.tag.name, reading.value, reading.status, reading.source_ms) for reading in scan.readings()]


def follow(driver: ManualDriver, kept: list[Scan], tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
    """Keep what a subscription says, but for scans without news."""

    async def keep() -> None:
        async with aclosing(cast(AsyncGenerator[Scan, None], driver.subscribe(HOURLY))) as scans:
            async for scan in scans:
                if scan.present is None or any(scan.present):
                    kept.append(scan)

    return tasks.create_task(keep())


def test_what_is_overdue_is_said_once_keeps_its_time_and_is_good_again_when_entered() -> None:
    async def program(clock: VirtualClock) -> None:
        driver, said = ManualDriver(DeviceOptions(), clock, ShortMemory()), list[Scan]()
        async with asyncio.TaskGroup() as tasks:
            task = follow(driver, said, tasks)
            await after(clock, 3590)
            assert said == []
            await after(clock, 20)
            assert rows(said.pop()) == [("t0", None, NONE, None)], "never entered: expected and missing"
            taken = clock.wall_ms()
            assert rows(driver.enter(HOURLY, HOURLY.tags[0], 21.5, None)[0]) == [("t0", 21.5, 0, None)]
            await after(clock, 3595)
            assert said == []
            await after(clock, 15)
            assert rows(said.pop()) == [("t0", 21.5, LAST, taken)]
            await after(clock, 9000)
            assert said == [], "said once"
            driver.enter(HOURLY, HOURLY.tags[0], 22.0, None)
            await after(clock, 3610)
            assert [row[2] for scan in said for row in rows(scan)] == [LAST]
            task.cancel()

    run(program, seed=1)


def test_a_value_of_the_past_has_its_time_and_does_not_become_the_newest() -> None:
    async def program(clock: VirtualClock) -> None:
        driver, one = ManualDriver(DeviceOptions(), clock, ShortMemory()), HOURLY.tags[1]
        begun = clock.wall_ms()
        await after(clock, 600)
        late = driver.enter(HOURLY, one, 1.0, begun + 60_000)
        assert [rows(scan) for scan in late] == [[("t1", 1.0, 0, begun + 60_000)]]
        assert late[0].read_ms == clock.wall_ms()
        driver.enter(HOURLY, one, 3.0, None)
        older = driver.enter(HOURLY, one, 2.0, begun + 120_000)
        assert [rows(scan) for scan in older] == [[("t1", 2.0, 0, begun + 120_000)], [("t1", 3.0, 0, begun + 600_000)]]
        assert [scan.past for scan in (*late, *older)] == [False, True, False], "shown to nobody where the newest follows"
        assert [scan.read_ms - clock.wall_ms() for scan in older] == [0, 1], "each has a time by which it can be proved"
        assert (await driver.read(HOURLY, 1.0)).values == [None, 3.0, None]

    run(program, seed=1)


@pytest.mark.parametrize("restart", [False, True])
def test_a_value_entered_while_the_clock_was_ahead_is_older_than_any_and_becomes_overdue(restart: bool) -> None:
    async def program(clock: VirtualClock) -> None:
        memory, one = ShortMemory(), HOURLY.tags[0]
        clock.step(10 * 365 * 86_400_000)
        driver, said = ManualDriver(DeviceOptions(), clock, memory), list[Scan]()
        driver.enter(HOURLY, one, 10.0, None)
        ahead = clock.wall_ms()
        clock.step(-10 * 365 * 86_400_000)
        if restart:
            driver = ManualDriver(DeviceOptions(), clock, memory)
        async with asyncio.TaskGroup() as tasks:
            task = follow(driver, said, tasks)
            await after(clock, 3590)
            assert [rows(scan) for scan in said] == [[("t0", 10.0, LAST if restart else 0, ahead)]]
            said.clear()
            await after(clock, 20)
            assert [rows(scan) for scan in said] == ([] if restart else [[("t0", 10.0, LAST, ahead)]]), "a restart has said so"
            taken = clock.wall_ms() - 60_000
            assert [rows(scan) for scan in driver.enter(HOURLY, one, 20.0, taken)] == [[("t0", 20.0, 0, taken)]]
            assert driver.due(one) == taken + 3_600_000
            assert [rows(scan) for scan in driver.enter(HOURLY, one, 15.0, taken - 1)][1] == [("t0", 20.0, 0, taken)]
            task.cancel()

    run(program, seed=1)


def test_after_a_restart_the_last_values_are_there_uncertain_and_with_their_times() -> None:
    async def program(clock: VirtualClock) -> None:
        memory, said = ShortMemory(), list[Scan]()
        first = ManualDriver(DeviceOptions(), clock, memory)
        first.enter(HOURLY, HOURLY.tags[0], 21.5, None)
        first.enter(HOURLY, HOURLY.tags[2], "LOT-1", None)
        taken = clock.wall_ms()
        await after(clock, 100)
        async with asyncio.TaskGroup() as tasks:
            again = ManualDriver(DeviceOptions(), clock, memory)
            task = follow(again, said, tasks)
            await after(clock, 7200)
            assert [rows(scan) for scan in said] == [[("t0", 21.5, LAST, taken), ("t2", "LOT-1", LAST, taken)]]
            memory.forgotten += 1
            assert (await again.read(HOURLY, 1.0)).values == [None, None, None]
            task.cancel()

    run(program, seed=1)


@pytest.mark.parametrize(
    "facts",
    [{}, {"version": 2}, {"version": 1, "last": [1]}, {"version": 1, "last": {"x": [1, 2]}}, {"version": 1, "last": {"1": [[], 2]}}],
)
def test_a_memory_that_makes_no_sense_is_set_aside(facts: dict[str, object]) -> None:
    memory = ShortMemory()
    memory.keep(facts)

    async def program(clock: VirtualClock) -> list[Value]:
        return (await ManualDriver(DeviceOptions(), clock, memory).read(HOURLY, 1.0)).values

    assert run(program, seed=1) == [None, None, None]


def test_only_those_who_may_enter_do_and_somebody_is_always_named() -> None:
    clock, one = RunningClock(), HOURLY.tags[1]
    everyone = ManualDriver(DeviceOptions(), clock, ShortMemory())
    some = ManualDriver(DeviceOptions(people=["Ana", "Bo"]), clock, ShortMemory())
    assert everyone.judge(one, "1,5", "anybody", None) == some.judge(one, 1.5, "Ana", None) == 1.5
    for written in ("1,234", "-1,234", " 12,500 "):  # a thousand and more, or one and a little
        with pytest.raises(DriverError, match="enter_comma"):
            everyone.judge(one, written, "anybody", None)
    assert everyone.judge(replace(one, exponent=-3), "1,234", "anybody", None) == 1.234, "its decimals say which"
    assert everyone.judge(one, "0,234", "anybody", None) == 0.234
    for driver, by in ((everyone, ""), (everyone, " "), (everyone, "a\nb"), (everyone, "x" * 65), (some, "ana"), (some, "Eve")):
        with pytest.raises(DriverError, match="enter_by"):
            driver.judge(one, 1.5, by, None)


class ManualRig:
    """A station whose tags all have values; `set` enters another."""

    features = frozenset({"set"})
    writable: Tag | None = None
    written: Value = None

    def __init__(self) -> None:
        self.memory = ShortMemory()
        tags = (tag(0), tag(1, "int"), tag(2, "text"), tag(3, "bool"))
        self.group = TagGroup(1, "lab", "g", 1000, tags, "subscribe")

    def make(self) -> Driver:
        self.driver = ManualDriver(DeviceOptions(), RunningClock(), self.memory)
        for one, value in zip(self.group.tags, (21.5, 7, "LOT-1", True), strict=True):
            self.driver.enter(self.group, one, value, None)
        return self.driver

    async def set_value(self, tag: Tag, value: Value) -> None:
        self.driver.enter(self.group, tag, self.driver.judge(tag, value, "Ana", None), None)

    async def get_value(self, tag: Tag) -> Value:
        return (await self.driver.read(self.group, 1.0)).values[tag.uid]

    async def break_link(self) -> None: ...

    async def stall(self) -> None: ...

    async def heal(self) -> None: ...

    def connections(self) -> int:
        return 0


def test_a_manual_station_conforms() -> None:
    """Without a link there is nothing to break: five of the checks apply."""
    findings = asyncio.run(check_all(ManualRig()))
    assert [finding for finding in findings if finding.verdict == "failed"] == []
    assert sum(finding.verdict == "passed" for finding in findings) == 5


LINES = TagGroup(2, "lab", "gauge", 60_000, (tag(0, line=r"([\d.,+-]+)\s*mm", min=0.0, max=50.0), tag(1, "int", line="#(.*)")), "subscribe")


@given(st.text(max_size=40) | st.from_regex(r"[0-9.,+ -]{1,8}mm|#[0-9a-f-]{0,22}", fullmatch=True))
def test_any_line_of_a_gauge_is_readings_with_values_that_fit_or_bad_ones(line: str) -> None:
    driver = ManualDriver(DeviceOptions(), RunningClock(), ShortMemory())
    found = list(driver._measured(LINES, 1000, line).readings())
    assert driver._memory.recall() is None, "a gauge's values are not written to flash besides"
    assert found, "no line is passed over"
    for each in found:
        if each.status == 0:
            assert type(each.value) is {"t0": float, "t1": int}[each.tag.name]
            assert each.tag.name == "t1" or 0 <= float(each.value or 0) <= 50
        else:
            assert (each.value, each.status in {int(Status.BAD_DECODING_ERROR), int(Status.BAD_OUT_OF_RANGE)}) == (None, True)


def test_a_gauge_s_login_stands_in_the_signed_descriptor() -> None:
    text = """[gateway]
name = "g"
[devices.caliper]
type = "manual"
gauge = { serial_port = "/dev/ttyS9", by = "station 3" }
[[devices.caliper.groups]]
name = "g"
tags = [{ name = "d", line = "(.*) mm" }]
"""
    assert parse_config(text).devices[0].groups[0].tags[0].source == "manual by=station 3 line=(.*) mm"
