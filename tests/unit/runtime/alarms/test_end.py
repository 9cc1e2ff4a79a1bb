"""The end of a core in order: no alarm is raised because it ends, and its files are written one after the other."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from structlog.testing import capture_logs

from runtime.alarms.book import AlarmBook
from runtime.alarms.journal import Journal
from runtime.alarms.keeper import SAVE_MS, Keeper
from runtime.alarms.leftover import Leftover
from runtime.app import DRAIN_S
from tests.rigs.core import STATE
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, VirtualLoop, run
from tests.unit.runtime.alarms.test_in_the_core import HIGH, SetDriver, core_with, lived, recorded, state_of
from tests.unit.runtime.alarms.test_journal import SlowLedger, row

OLD = """[[alarms]]
name = "old"
condition = "stale"
tag = "a/fast1"
limit = 3
action = "look"
[[alarms]]
name = "away"
condition = "device_down"
device = "a"
action = "look at the cable"
"""


class SlowToLeave(SetDriver):
    """A device that takes a while to hang up on, and one last scan of which is under way."""

    leaves_s = DRAIN_S - 1

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await after(self._clock, self.leaves_s)


def test_nothing_is_raised_because_the_core_ends() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, _: SetDriver) -> None:
        heard: list[str] = []
        async with core_with(disk, clock, SlowToLeave(clock)) as core:
            await after(clock, 5)
            core.core.alarms.engine.listen(lambda alarm, _: heard.append(alarm.definition.name))
            began_ms = clock.mono_ms()
        assert clock.mono_ms() - began_ms > 10_000, "long enough for what is stale after 3 s"
        assert heard == []

    assert recorded(lived(OLD, day)) == []


def test_what_turned_in_the_last_scan_is_recorded() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver) as core:
            await after(clock, 2)
            driver.value = 99
            seen = len(driver.reads)
            while len(driver.reads) == seen:
                await asyncio.sleep(0.001)
        assert state_of(core) == "unacked"

    assert [row.what for row in recorded(lived(HIGH, day))] == ["raised"]


def test_the_last_book_is_written_when_the_one_before_has_been() -> None:
    """Two threads at one draft file would leave half of each; a write goes on although the task that began it was cancelled."""

    async def program(clock: VirtualClock) -> None:
        loop, spans = asyncio.get_running_loop(), list[tuple[int, int]]()
        assert isinstance(loop, VirtualLoop)
        disk, ledger = ShimDisk(), SlowLedger(clock)
        disk.mkdir(STATE)
        book, journal = AlarmBook(disk, STATE, 1, lambda: len(ledger.bodies)), Journal(ledger, clock, lambda: None)
        save = book.save

        def slow(*said: Any) -> None:
            spans.append((clock.mono_ms(), clock.mono_ms() + 4_000))
            save(*said)
            loop.block(4)

        book.save = slow  # type: ignore[method-assign]
        keeper = Keeper(book, Leftover(disk, STATE), journal, clock, ThreadPoolExecutor(2), list)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(keeper.run())
            await clock.sleep_until_mono(clock.mono_ms() + SAVE_MS + 1_000)
            running.cancel()
        assert len(spans) == 1, "it is still at it"
        journal.note(row(1))
        await journal.flush(5)
        await keeper.close(5)
        assert len(spans) == 2
        assert spans[1][0] >= spans[0][1]

    run(program, seed=1)


def test_a_disk_that_hangs_does_not_hold_the_end_up() -> None:
    async def program(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        disk, ledger = ShimDisk(loop.block), SlowLedger(clock, full=True)
        disk.mkdir(STATE)
        book, journal = AlarmBook(disk, STATE, 1, lambda: 0), Journal(ledger, clock, lambda: None)
        keeper = Keeper(book, Leftover(disk, STATE), journal, clock, ThreadPoolExecutor(2), list)
        journal.note(row(1))
        disk.faults.flush_s = 1_000
        began_ms = clock.mono_ms()
        with capture_logs() as log:
            await keeper.close(5)
        assert clock.mono_ms() - began_ms == 5_000
        assert [(line["event"], line["count"], line["reason"]) for line in log] == [("alarm_rows_not_kept", 1, "TimeoutError")]

    run(program, seed=1)
