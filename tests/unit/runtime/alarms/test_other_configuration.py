"""Alarms whose definition changes while they stand: in a whole core on virtual time. None may be lost or get stuck by that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runtime.alarms.machine import Rules
from tests.rigs.core import Running
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock
from tests.unit.runtime.alarms.test_in_the_core import HIGH, SetDriver, core_with, lived, recorded, state_of, summary


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
            save = engine._book.save
            engine._book.save = lambda *said: written.append(clock.mono_ms()) or save(*said)  # type: ignore[method-assign,func-returns-value]
            driver.value = 81
            await after(clock, 300)
            assert len(written) == 1
            driver.value = 0
            await after(clock, 60)
            assert len(written) == 2

    lived(HIGH, day)
