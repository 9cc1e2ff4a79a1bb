"""Readings outside their range, and of instruments that are overdue: marked from the right moment on, and nothing else touched."""

from __future__ import annotations

import math
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Scan, Status, Value, failed_scan, nothing_new, quality_of
from ledger_client.body import read_body
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.acquisition.checks import checks_of
from runtime.config import parse_config
from runtime.tag_checks import DAY_MS, Instrument, TagCheck
from tests.rigs.core import STATE, Plant, config_text, payloads, prepare, running, verified
from tests.rigs.field import after, device_toml, points_of, pushing_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import START_WALL_MS, VirtualClock, run

GROUP = points_of(device_toml("d", {"a": (100, 3)}))["d"].groups[0]
EXCEEDED, OUT, OVERDUE = (
    int(each) for each in (Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED, Status.BAD_OUT_OF_RANGE, Status.UNCERTAIN_SENSOR_CALIBRATION)
)
PUSH = "devices.a.groups.push.tags.push0"
FIRST_DAY = date(1970, 1, 2)
"""Overdue from 2 * DAY_MS on."""

values = st.one_of(st.none(), st.booleans(), st.text(max_size=2), st.integers(-5, 15), st.floats())
bounds = st.none() | st.integers(-2, 12).map(float)
checks = st.builds(
    TagCheck, bounds, bounds, st.sampled_from([Status.BAD_OUT_OF_RANGE, Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED]),
    st.builds(Instrument, due=st.none() | st.just(FIRST_DAY)),
)  # fmt: skip
some = st.sampled_from([0, 0, int(Status.BAD_NO_DATA), int(Status.UNCERTAIN_LAST_USABLE_VALUE)])
statuses = st.none() | st.lists(some, min_size=3, max_size=3)


def plainly(check: TagCheck, value: Value, status: int, read_ms: int, *, knows_time: bool) -> int:
    """The rule of one tag, written down as slowly as possible."""
    if quality_of(status) != 0:
        return status
    if isinstance(value, int | float):
        if check.low is not None and (math.isnan(value) or value < check.low):
            return int(check.outside)
        if check.high is not None and (math.isnan(value) or value > check.high):
            return int(check.outside)
    return OVERDUE if check.instrument.due and knows_time and read_ms >= 2 * DAY_MS else status


@given(
    st.lists(checks, min_size=3, max_size=3), st.lists(values, min_size=3, max_size=3), statuses,
    st.sampled_from([0, 2 * DAY_MS - 1, 2 * DAY_MS, 9 * DAY_MS]), st.booleans(),
)  # fmt: skip
def test_marks_are_the_plain_rules_and_no_value_changes(
    each: list[TagCheck], row: list[Value], status_row: list[int] | None, read_ms: int, knows_time: bool
) -> None:
    scan = Scan(GROUP, row, read_ms, status_row)
    before = list(status_row) if status_row else [0, 0, 0]
    found = checks_of(each, lambda: knows_time)
    wanted = [plainly(c, v, s, read_ms, knows_time=knows_time) for c, v, s in zip(each, row, before, strict=True)]
    marked = scan if found is None else found.marked(scan)
    assert (marked.statuses or [0, 0, 0]) == wanted
    assert marked.values is row
    assert scan.statuses == status_row, "a driver's own list stays"
    assert found is not None or wanted == before


def test_a_failed_scan_stays_what_it_is() -> None:
    found = checks_of([TagCheck(low=0.0)] * 3, lambda: True)
    failed = failed_scan(GROUP, 1, Status.BAD_TIMEOUT, "no_answer")
    assert found is not None
    assert found.marked(failed) is failed


def test_the_descriptor_says_what_is_known_of_the_instrument() -> None:
    days, spread = 'calibrated = "2026-03-31", due = 2027-03-31', "uncertainty = 0.2, uncertainty_percent = 0.1, coverage = 2"
    more = f'unit = "°C"\ncalibration = "in place"\ninstrument = {{ serial = "PT-1", {days}, {spread} }}\n'
    tag = points_of(device_toml("d", {"a": (100, 1)}, more=more))["d"].groups[0].tags[0]
    assert tag.calibration == "serial=PT-1; calibrated=2026-03-31; due=2027-03-31; uncertainty=0.2 °C + 0.1 %; k=2; in place"


def recorded(disk: ShimDisk) -> list[tuple[int, int, Value, int]]:
    """Return (uid, time, value, status) of every reading in the ledger."""
    reader, rows = LedgerReader(disk, STATE, 1), []
    for payload in payloads(disk):
        if payload.kind == Kind.BATCH:
            body = read_body(reader.body(payload.seq) or b"", payload.detail, reader.schema_at(payload.seq))
            rows += [(r.descriptor.uid, r.time_ms, r.value, r.status) for r in body.readings()]
    return rows


def test_an_instrument_turns_overdue_at_midnight_and_an_edit_ends_it() -> None:
    midnight_ms = (START_WALL_MS // DAY_MS + 1) * DAY_MS
    today = (date(1970, 1, 1) + timedelta(days=START_WALL_MS // DAY_MS)).isoformat()

    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        due = f'instrument = {{ serial = "PT-1", due = {today} }}\nreport = {{ heartbeat_s = 0 }}\n'
        text = config_text(pushing_toml("a", "push", 1, more=due), device_toml("b", {"slow": (1000, 1)}))
        prepare(disk, text)
        async with running(disk, clock, plant) as now:
            group, pushed = now.core._field.pollers["a"].points.groups[0], plant.drivers["a"].pushed
            await pushed.put(Scan(group, [7], clock.wall_ms()))
            await after(clock, 5)
            assert now.health()["calibrations"] == [{"tag": "a/push0", "serial": "PT-1", "due": today, "days_left": 0}]
            clock.step(midnight_ms - 10_000 - clock.wall_ms())
            for _ in range(30):
                await pushed.put(nothing_new(group, clock.wall_ms()))
                await after(clock, 1)
            assert [(v.value, v.status) for v in now.core.live.values() if v.device == "a"] == [(7, OVERDUE)]
            assert now.core.live.known("a/push0").is_good, "an interlock goes on relying on it"  # type: ignore[union-attr]
            assert now.health()["calibrations"][0]["days_left"] == -1
            edit = await now.act("config.edit", params={f"{PUSH}.instrument.due": "2099-12-31"}, expected_revision=1)
            assert edit["code"] == "done"
            await pushed.put(Scan(now.core._field.pollers["a"].points.groups[0], [7], clock.wall_ms()))
            await after(clock, 3)
            assert now.health()["calibrations"] == []
        return disk

    disk = run(program, seed=1)
    uid = 1
    found = [(at >= midnight_ms, value, status) for each, at, value, status in recorded(disk) if each == uid]
    assert found == [(False, 7, 0), (True, 7, OVERDUE), (True, 7, 0)], "said once, though the value never changed"
    assert verified(disk).verdict != "fails"


def test_a_clock_that_was_never_set_calls_nothing_overdue() -> None:
    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        prepare(disk, config_text(device_toml("a", {"slow": (1000, 1)}, more="instrument = { due = 2001-01-01 }\n")))
        clock.step(0, state=0)
        async with running(disk, clock) as now:
            await after(clock, 5)
            assert [v.status for v in now.core.live.values()] == [0]
            assert now.health()["calibrations"] == []
            clock.step(0, state=2)
            await after(clock, 5)
            assert [v.status for v in now.core.live.values()] == [OVERDUE]

    run(program, seed=1)


def test_check_warns_before_and_after_the_day() -> None:
    from runtime.calibrations import Calibrations

    text = '[gateway]\nname = "g"\n' + device_toml("a", {"slow": (1000, 1)}, more='instrument = { serial = "PT-1", due = 1970-03-01 }\n')
    found = Calibrations(parse_config(text))
    codes = {day: [(fault.code, fault.params["days"]) for fault in found.advice(day * DAY_MS + 5)] for day in (0, 29, 30, 59, 60, 61)}
    assert codes == {
        0: [], 29: [], 30: [("calibration_due", 29)], 59: [("calibration_due", 0)], 60: [("calibration_overdue", 1)],
        61: [("calibration_overdue", 2)],
    }  # fmt: skip
