"""Alarms that change while they stand, flicker or say much: in a whole core on virtual time. None may be lost or get stuck by that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger_client.disk import write_atomically
from runtime.alarms.engine import Who
from runtime.alarms.machine import Plain, Rules
from runtime.faces.feed import FRAME_SIZE_MAX, encode_frame
from runtime.layout import Layout
from tests.rigs.core import STATE, Running, config_text
from tests.rigs.field import after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock
from tests.unit.runtime.alarms.test_in_the_core import (
    HIGH,
    SetDriver,
    core_with,
    lived,
    one_waits_and_other_is_shelved,
    recorded,
    state_of,
    summary,
)


def redefine(core: Running, **changes: Any) -> None:
    engine = core.core.alarms.engine
    engine.set_up([replace(alarm.definition, **changes) for alarm in engine.alarms.values()], engine._devices)


def test_an_alarm_whose_on_delay_becomes_longer_is_raised_all_the_same() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.value = 81
            await after(clock, 2)
            redefine(core, rules=Rules(on_delay_ms=20_000))
            await after(clock, 15)
            assert state_of(core) == "normal"
            await after(clock, 10)
            assert state_of(core) == "unacked"

    lived(HIGH.replace("limit", "on_delay_s = 10\nlimit"), day)


def test_what_suppressed_an_alarm_is_gone_and_so_is_the_suppression() -> None:
    text = HIGH.replace("limit", 'suppress = {tag = "a/fast1", values = [90]}\nlimit')

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.value = 90
            await after(clock, 2)
            assert state_of(core) == "suppressed"
            redefine(core, suppression=None)
            await after(clock, 1)
            assert state_of(core) == "unacked"

    assert recorded(lived(text, day))[-1].what == "unsuppressed"


def test_an_alarm_that_becomes_an_advisory_waits_for_nobody() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            driver.value = 81
            await after(clock, 2)
            redefine(core, rules=Rules(advisory=True), priority="advisory")
            await after(clock, 1)
            assert (state_of(core), summary(core)["advisories"]) == ("acked", 1)

    lived(HIGH, day)


@pytest.mark.parametrize("with_book", [True, False])
def test_what_is_taken_out_of_the_file_while_the_core_is_stopped_is_said_to_be_removed_once(*, with_book: bool) -> None:
    """`high` waits, `other` is shelved, `quiet` is normal; a person deletes all three from the file of a stopped gateway."""
    other, quiet = (HIGH.replace('"high"\ncond', f'"{name}"\ncond') for name in ("other", "quiet"))

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await one_waits_and_other_is_shelved(core, clock, driver)
        for start in range(2):
            disk.restart()
            write_atomically(disk, Layout(STATE).config, config_text(device_toml("a", {"fast": (100, 4)})).encode())
            if not with_book:
                disk.unlink(STATE / "index" / "alarms.cbor")
            async with core_with(disk, clock, driver, 100 * (start + 1)) as core:
                await after(clock, 2)
                assert core.core.alarms.engine.alarms == {}

    disk = lived(HIGH + other + quiet.replace("limit = 80", "limit = 95"), day)
    removed = [(row.name, row.before, row.after, row.priority) for row in recorded(disk) if row.what == "removed"]
    assert sorted(removed) == [("high", "unacked", "normal", "high"), ("other", "shelved", "normal", "high")]


def test_a_condition_that_flickers_on_the_shelf_fills_no_memory() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 1)
            assert (await core.act("alarm.shelve", "high", params={"minutes": 60}))["code"] == "done"
            for turn in range(300):
                driver.value = 81 if turn % 2 == 0 else 0
                await after(clock, 0.2)
            assert len(recorded(disk)) > 200
            assert len(core.core.alarms.engine._dues) < 100

    lived(HIGH, day)


def test_the_book_is_not_written_again_for_nothing() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            engine, written = core.core.alarms.engine, []
            save = engine.keeper.book.save
            engine.keeper.book.save = lambda *said: written.append(clock.mono_ms()) or save(*said)  # type: ignore[method-assign,func-returns-value]
            driver.value = 81
            await after(clock, 300)
            assert len(written) == 1
            driver.value = 0
            await after(clock, 60)
            assert len(written) == 2

    lived(HIGH, day)


def test_answers_fit_into_a_frame_whatever_people_write() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 1)
            engine, said = core.core.alarms.engine, {"action": "阀" * 500, "consequence": "烧" * 500, "text": "高" * 120}
            first = engine.alarms["high"].definition
            engine.set_up([replace(first, name=f"high{n}", **said) for n in range(500)], engine._devices)
            driver.value = 81
            await after(clock, 5)
            for number in range(500):
                engine.do([f"high{number}"], Plain.ACK, Who("alice", "因" * 500))
            view = core.core.alarms.view
            page, past = view.page({"limit": 500}), view.history({"limit": 500})
            assert (page["total"], len(past["rows"]) > 100, len(page["rows"]) > 100) == (500, True, True)
            assert max(len(encode_frame(["response", 1, True, each])) for each in (page, past)) < FRAME_SIZE_MAX
            rest = view.page({"offset": len(page["rows"])})["rows"]
            assert rest[0]["name"] not in {row["name"] for row in page["rows"]}

    lived(HIGH, day)
