"""Alarms in a whole core on virtual time: from a scan to the ledger and back after a restart, acts of people, floods, a failing ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.reading import Scan, Tag, TagGroup, Value
from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody, read_alarms
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import Session
from tests.rigs.core import STATE, Plant, Running, config_text, payloads, prepare, running, verified
from tests.rigs.field import ScriptedDriver, after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

HIGH = """[[alarms]]
name = "high"
condition = "above"
tag = "a/fast0"
limit = 80
deadband = 5
priority = "high"
action = "Close the steam valve"
consequence = "The product burns"
"""


class SetDriver(ScriptedDriver):
    """Answers what a test sets, for all tags or each by its name."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.values: dict[str, Any] = {}
        self.value: Any = 0

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        scan = await super().read(group, deadline_s)
        scan.values = [self.values.get(tag.name, self.value) for tag in group.tags]
        return scan

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        await super().write(tag, value, deadline_s)
        self.values[tag.name] = value


Day = Callable[[ShimDisk, VirtualClock, SetDriver], Awaitable[None]]


def lived(text: str, day: Day) -> ShimDisk:
    """Live a day on a disk with this configuration; return the disk."""

    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, config_text(device_toml("a", {"fast": (100, 4)})) + text)
        await day(disk, clock, SetDriver(clock))
        return disk

    return run(program, seed=1)


def core_with(disk: ShimDisk, clock: VirtualClock, driver: SetDriver, first_act: int = 1) -> AbstractAsyncContextManager[Running]:
    return running(disk, clock, Plant(clock, {"a": driver}), first_act=first_act)


async def one_waits_and_other_is_shelved(core: Running, clock: VirtualClock, driver: SetDriver) -> None:
    """Raise what is above 80, and shelve `other` of it."""
    driver.value = 81
    await after(clock, 2)
    assert (await core.act("alarm.shelve", "other", params={"minutes": 60}))["code"] == "done"
    await after(clock, 1)


def recorded(disk: ShimDisk) -> list[AlarmRow]:
    """Every transition of the ledger, entry by entry."""
    return [row for body in bodies(disk) for row in body.rows]


def bodies(disk: ShimDisk) -> list[AlarmsBody]:
    reader, found = LedgerReader(disk, STATE, 1), []
    for payload in payloads(disk):
        if payload.kind == Kind.EVENT and payload.detail[0] == ALARMS:
            body = reader.body(payload.seq)
            assert body is not None
            told = read_alarms(payload.detail[1], body)
            assert told is not None
            found.append(told)
    return found


def state_of(core: Running, name: str = "high") -> str:
    return core.core.alarms.engine.alarms[name].state.shown.value


def summary(core: Running) -> dict[str, Any]:
    return core.core.alarms.view.frame()["summary"]


def test_an_alarm_from_scan_to_entry_and_a_person_who_answers() -> None:
    text = HIGH

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 1)
            assert (state_of(core), summary(core)["waiting"]) == ("normal", {"high": 0, "medium": 0, "low": 0})
            driver.value = 81
            await after(clock, 2)
            assert summary(core)["newest"]["name"] == "high"
            assert core.core.alarms.view.frame()["rows"][0]["recorded"] == "recorded"
            done = await core.act("alarm.ack", "high")
            assert (done["code"], done["params"], state_of(core)) == ("done", {"changed": 1, "skipped": 0}, "acked")
            driver.value = 76  # inside the deadband
            await after(clock, 1)
            assert state_of(core) == "acked"
            driver.value = 75
            await after(clock, 1)
            assert state_of(core) == "normal"
            assert (await core.act("alarm.ack", "high"))["code"] == "alarm_nothing_to_do"
            assert (await core.act("alarm.ack", "none"))["refused"] == "alarm_unknown"
            assert (await core.act("alarm.ack", "high", session=Session("web", 33)))["refused"] == "permission_denied"

    disk = lived(text, day)
    rows = recorded(disk)
    assert [(row.what, row.before, row.after, row.value, row.limit) for row in rows] == [
        ("raised", "normal", "unacked", 81, 80), ("acked", "unacked", "acked", 81, 80), ("cleared", "acked", "normal", 75, 80),
    ]  # fmt: skip
    assert (rows[1].by, rows[1].note, len(rows[1].act or b"")) == ("cli uid 0", "test", 16)
    assert verified(disk).claims["content"].status == "holds"


def test_states_survive_a_restart_with_and_without_the_book() -> None:
    text = HIGH + HIGH.replace('"high"\ncond', '"other"\ncond').replace("fast0", "fast1")

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await one_waits_and_other_is_shelved(core, clock, driver)
        for start in range(2):
            disk.restart()
            driver.fault = DriverError("no_answer")  # nothing of the field can say it again
            async with core_with(disk, clock, driver, 100 * (start + 1)) as core:
                await after(clock, 1)
                engine = core.core.alarms.engine
                assert (state_of(core), state_of(core, "other")) == ("unacked", "shelved")
                left = engine.alarms["other"].state.shelved_until_ms
                assert left is not None
                assert 3_590_000 < left - clock.mono_ms() < 3_600_000
                assert [told.row.what for told in engine.journal.history] == ["raised", "raised", "shelved"]
            book = STATE / "index" / "alarms.cbor"
            assert disk.image().get(book) is not None
            disk.unlink(book)

    lived(text, day)


def test_a_shelf_needs_a_reason_and_ends_by_itself() -> None:
    text = HIGH.replace("deadband", "shelve_max_h = 1\ndeadband")

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.value = 81
            await after(clock, 2)
            assert (await core.act("alarm.shelve", "high", params={"minutes": 61}))["refused"] == "alarm_shelf_too_long"
            assert (await core.act("alarm.shelve", "high", params={"minutes": 0}))["refused"] == "alarm_minutes_invalid"
            request = {"id": b"x" * 16, "action": "alarm.shelve", "target": "high", "params": {"minutes": 10}, "reason": " "}
            with pytest.raises(Exception, match="alarm_reason_missing"):
                await core.core.door.ask(Session("cli", 0), request)
            request |= {"id": b"y" * 16, "action": "alarm.out_of_service"}
            with pytest.raises(Exception, match="alarm_reason_missing"):
                await core.core.door.ask(Session("cli", 0), request)
            assert (await core.act("alarm.shelve", "high", params={"minutes": 10}))["code"] == "done"
            driver.value = 0
            await after(clock, 60)
            driver.value = 90
            await after(clock, 60)
            assert (state_of(core), summary(core)["waiting"]["high"]) == ("shelved", 0)
            await after(clock, 600)
            assert (state_of(core), summary(core)["waiting"]["high"]) == ("unacked", 1)

    disk = lived(text, day)
    assert [(row.what, row.hidden, row.after) for row in recorded(disk)] == [
        ("raised", 0, "unacked"), ("shelved", 0, "shelved"), ("cleared", 1, "shelved"), ("raised", 1, "shelved"),
        ("shelf_ended", 0, "unacked"),
    ]  # fmt: skip


def test_five_hundred_alarms_in_ten_seconds_are_few_entries_and_none_is_lost() -> None:
    text = "".join(
        f'[[alarms]]\nname = "n{n}"\ncondition = "above"\ntag = "a/fast{n % 4}"\nlimit = {n}\naction = "look"\n'
        + (f'text = "Number {n}"\n' if n else "")
        for n in range(500)
    )

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 1)
            for second in range(10):
                driver.value = 50 * (second + 1)
                await after(clock, 1)
            await core.core.alarms.engine.journal.idle()
            assert sum(summary(core)["waiting"].values()) == 500
            assert len(core.core.alarms.view.frame()["rows"]) == 50
            names = "\n".join(core.core.alarms.engine.alarms)
            done = await core.act("alarm.ack", params={"names": names, "seen_ms": clock.wall_ms()})
            assert done["params"] == {"changed": 500, "skipped": 0}
            assert core.core.alarms.view.metrics({})["most"] == 500
            told = core.core.alarms.answer("alarm_titles", {"offset": 0})
            assert told == {"titles": {f"n{n}": f"Number {n}" for n in range(1, 500)}, "next": None}, "the first has no sentence"

    disk = lived(text, day)
    raised = [row for row in recorded(disk) if row.what == "raised"]
    assert sorted(row.name for row in raised) == sorted(f"n{n}" for n in range(500))
    assert len(bodies(disk)) < 40
    assert sum(row.what == "acked" for row in recorded(disk)) == 500


def test_what_was_raised_after_the_screen_was_drawn_is_not_acknowledged() -> None:
    text = HIGH

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 1)
            seen = clock.wall_ms()
            driver.value = 99
            await after(clock, 1)
            outcome = await core.act("alarm.ack", "high", params={"seen_ms": seen})
            assert (outcome["code"], state_of(core)) == ("alarm_nothing_to_do", "unacked")

    lived(text, day)


def test_while_the_ledger_fails_alarms_show_and_are_marked() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 2)
            disk.faults.capacity_bytes = sum(len(data) for data in disk.image().values() if data is not None)
            while core.health()["evidence"]["state"] != "stopped":
                await after(clock, 1)
            driver.value = 99
            await after(clock, 4)
            frame = core.core.alarms.view.frame()
            assert (frame["rows"][0]["state"], frame["rows"][0]["recorded"]) == ("unacked", "unrecorded")
            assert (frame["summary"]["unrecorded"], frame["summary"]["cause"]) == (1, "disk_full")
            raised_ms = frame["rows"][0]["raised_ms"]
            disk.faults.capacity_bytes = None
            await after(clock, 30)
            assert core.core.alarms.view.frame()["rows"][0]["recorded"] == "recorded"
            assert core.core.alarms.view.frame()["rows"][0]["raised_ms"] == raised_ms

    disk = lived(HIGH, day)
    assert [row.what for row in recorded(disk)] == ["raised"]


def test_conditions_that_are_no_limit() -> None:
    text = """[[alarms]]
name = "away"
condition = "device_down"
device = "a"
on_delay_s = 3
action = "look at the cable"
[[alarms]]
name = "bad"
condition = "bad_quality"
tag = "a/fast1"
action = "look"
[[alarms]]
name = "old"
condition = "stale"
tag = "a/fast2"
limit = 20
action = "look"
[[alarms]]
name = "hidden"
condition = "above"
tag = "a/fast3"
limit = 10
suppress = { tag = "a/fast0", values = [7] }
action = "look"
"""

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.values = {"fast0": 7, "fast3": 11}
            await after(clock, 2)
            assert [state_of(core, name) for name in ("away", "bad", "old", "hidden")] == ["normal", "normal", "normal", "suppressed"]
            driver.values["fast0"] = 8
            await after(clock, 1)
            assert state_of(core, "hidden") == "unacked"
            driver.fault = DriverError("no_answer")
            await after(clock, 3)
            assert [state_of(core, name) for name in ("away", "bad", "old")] == ["normal", "unacked", "normal"]
            await after(clock, 25)
            assert [state_of(core, name) for name in ("away", "bad", "old")] == ["unacked", "unacked", "unacked"]
            driver.fault = None
            await after(clock, 10)
            assert [state_of(core, name) for name in ("away", "bad", "old")] == ["returned", "returned", "returned"]

    lived(text, day)


def test_an_edit_keeps_states_and_says_what_is_removed() -> None:
    text = HIGH + HIGH.replace('"high"\ncond', '"other"\ncond')

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.value = 99
            await after(clock, 2)
            text = config_text(device_toml("a", {"fast": (100, 4)})) + HIGH.replace("limit = 80", "limit = 85")
            assert (await core.act("config.edit", params={"text": text}, expected_revision=1))["code"] == "done"
            await after(clock, 1)
            assert state_of(core) == "unacked"
            assert list(core.core.alarms.engine.alarms) == ["high"]

    disk = lived(text, day)
    assert [(row.name, row.what) for row in recorded(disk)] == [("high", "raised"), ("other", "raised"), ("other", "removed")]


def test_a_stack_light_is_written_through_the_door() -> None:
    lamp = device_toml("b", {"slow": (200, 1)}, more="writable = true\nwrite = { min = 0, max = 1 }\n")
    light = '[[notify.targets]]\nname = "lamp"\ntype = "light"\ntag = "b/slow0"\non = 1\noff = 0\n'

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        plant = Plant(clock, {"a": driver, "b": SetDriver(clock)})
        async with running(disk, clock, plant) as core:
            await after(clock, 3)
            driver.value = 99
            await after(clock, 3)
            assert plant.drivers["b"].written == [("slow0", 0), ("slow0", 1)]
            assert (await core.act("alarm.ack", "high"))["code"] == "done"
            await after(clock, 3)
            assert plant.drivers["b"].written[2:] == [("slow0", 0)]
            assert (await core.act("alarm.test", "none"))["refused"] == "alarm_target_unknown"
            assert (await core.act("alarm.test", "lamp"))["code"] == "done"
            await after(clock, 6)
            assert plant.drivers["b"].written[3:] == [("slow0", 1), ("slow0", 0)]
            (row,) = summary(core)["notify"]
            assert (row["name"], row["sent"], row["failed"], row["test_cause"]) == ("lamp", 5, 0, None)

    disk = lived(HIGH + lamp + light, day)
    intents = [payload.detail[2] for payload in payloads(disk) if payload.kind == Kind.COMMAND and payload.detail[1] == 0]
    assert intents.count("device.write") == 5


class RoundingDriver(SetDriver):
    """An output that knows tens only: it keeps what fits."""

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        await super().write(tag, value, deadline_s)
        assert isinstance(value, int)
        self.values[tag.name] = round(value, -1)


def test_a_light_of_a_scaled_value_is_not_written_again_and_again() -> None:
    lamp = device_toml("b", {"slow": (200, 1)}, more="writable = true\nwrite = { min = 0, max = 100, read_back = false }\n")
    light = '[[notify.targets]]\nname = "lamp"\ntype = "light"\ntag = "b/slow0"\non = 77\noff = 2\n'

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        output = RoundingDriver(clock)
        async with running(disk, clock, Plant(clock, {"a": driver, "b": output})) as core:
            await after(clock, 120)
            assert output.written == [("slow0", 2)] * 2, "once more, since it might have been lost"
            driver.value = 99
            await after(clock, 120)
            assert output.written[2:] == [("slow0", 77)] * 2
            output.values["slow0"] = 10  # the device was started again
            await after(clock, 120)
            assert output.written[4:] == [("slow0", 77)]
            output.values["slow0"] = 40
            await after(clock, 40)
            assert output.written[5:] == [("slow0", 77)]
            assert summary(core)["notify"][0]["failed"] == 0

    lived(HIGH + lamp + light, day)


def test_a_light_that_does_not_come_on_is_tried_again() -> None:
    lamp = device_toml("b", {"slow": (200, 1)}, more="writable = true\nwrite = { min = 0, max = 1, read_back = false }\n")
    light = '[[notify.targets]]\nname = "lamp"\ntype = "light"\ntag = "b/slow0"\non = 1\noff = 0\n'

    class DeadDriver(SetDriver):
        async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
            await super().write(tag, value, deadline_s)
            self.values[tag.name] = 0

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        output = DeadDriver(clock)
        async with running(disk, clock, Plant(clock, {"a": driver, "b": output})):
            driver.value = 99
            await after(clock, 120)
            assert output.written.count(("slow0", 1)) >= 6

    lived(HIGH + lamp + light, day)
