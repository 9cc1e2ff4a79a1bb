"""A file of what was left over that is damaged or cannot be read now, and an opening that is cut off: all of it told, nothing twice."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from drivers.driver import DriverError
from ledger_client.alarm_bodies import AlarmsBody, read_alarms
from ledger_client.disk import read_whole, write_atomically
from runtime.alarms.book import AlarmBook
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.engine import AlarmEngine
from runtime.alarms.journal import Journal
from runtime.alarms.keeper import Keeper
from runtime.alarms.leftover import FILE_NAME, Left, Leftover
from tests.rigs.core import STATE, config_text, prepare
from tests.rigs.field import after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run
from tests.unit.runtime.alarms.test_in_the_core import HIGH, SetDriver, bodies, core_with, lived, recorded
from tests.unit.runtime.alarms.test_journal import SlowLedger
from tests.unit.runtime.alarms.test_left_over import FILE, ends_with_a_failed_ledger, names, row


class Nothing:
    """An empty ledger, and an outlook on nothing."""

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        return iter(())

    def body(self, seq: int) -> bytes | None:
        return None

    def holds(self, definition: AlarmDefinition, before: bool) -> bool:
        return False


class SickDisk(ShimDisk):
    """Cannot read the file that is kept while `sick`."""

    sick = False

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        if self.sick and path == FILE and not write:
            raise OSError(errno.EIO, "Input/output error")
        return super().open(path, create=create, write=write)


def test_a_damaged_file_is_a_loss_that_the_ledger_tells_though_no_alarm_moves() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        await ends_with_a_failed_ledger(disk, clock, driver)
        disk.restart()
        data = bytearray(read_whole(disk, FILE, 1 << 16) or b"")
        data[len(data) // 2] ^= 0x80
        write_atomically(disk, FILE, bytes(data))
        driver.fault = DriverError("no_answer")
        for start in (100, 200):
            async with core_with(disk, clock, driver, start):
                await after(clock, 32)
            assert FILE_NAME not in names(disk), "the ledger says it"
            disk.restart()

    assert [(body.rows, body.lost) for body in bodies(lived(HIGH, day))] == [((), 1)], "once"


def test_a_loss_stays_in_the_file_until_the_ledger_tells_it() -> None:
    async def program(clock: VirtualClock) -> None:
        disk, ledger = ShimDisk(), SlowLedger(clock, full=True)
        disk.mkdir(STATE)
        write_atomically(disk, STATE / FILE_NAME, b"torn")
        book, journal, kept = AlarmBook(disk, STATE, 1, lambda: 0), Journal(ledger, clock, lambda: None), Leftover(disk, STATE)
        keeper = Keeper(book, kept, journal, clock, ThreadPoolExecutor(1), list)
        _, left = await keeper.load(Nothing())
        journal.note_lost(left.lost)
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(journal.run())
            for full, flush_ms in ((True, 0), (False, 60_000)):  # it cannot be, it is being recorded
                ledger.full, ledger.flush_ms = full, flush_ms
                await clock.sleep_until_mono(clock.mono_ms() + 10_000)
                await keeper.save()
                assert kept.load() == Left((), 1)
            await journal.idle()
            await keeper.save()
            assert kept.load() is None
            recording.cancel()
        (body,) = [read_alarms(1, body) for body in ledger.bodies]
        assert body == AlarmsBody((), 1)

    run(program, seed=1)


@pytest.mark.parametrize("heals", ["in the run", "at its end", "after it"])
def test_a_file_that_cannot_be_read_now_is_left_and_recorded_when_it_can(heals: str) -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, driver = SickDisk(), SetDriver(clock)
        prepare(disk, config_text(device_toml("a", {"fast": (100, 4)})) + HIGH)
        await ends_with_a_failed_ledger(disk, clock, driver)
        disk.restart()
        disk.sick, driver.fault = True, DriverError("no_answer")
        with capture_logs() as log:
            async with core_with(disk, clock, driver, 100):
                await after(clock, 40)
                assert FILE_NAME in names(disk)
                assert recorded(disk) == []
                if heals == "in the run":
                    disk.sick = False
                    await after(clock, 40)
                    assert len(recorded(disk)) == 2
                elif heals == "at its end":
                    disk.sick = False
                    driver.fault = None
                    disk.faults.fail_sync_at = 1
                    driver.value = 50
                    await after(clock, 3)
                    driver.value = 99
                    await after(clock, 3)
        assert next(line["event"] for line in log if line["event"].startswith("alarm_rows")) == "alarm_rows_unread"
        disk.restart()
        disk.sick, driver.fault = False, DriverError("no_answer")
        async with core_with(disk, clock, driver, 200):
            await after(clock, 40)
            assert FILE_NAME not in names(disk)
        return disk

    told = bodies(run(program, seed=1))
    assert sum(body.lost for body in told) == 0
    expected = {("raised", "unacked"): 1, ("cleared", "returned"): 1}
    if heals == "at its end":
        expected[("raised", "unacked")] += 1
    assert Counter((row.what, row.after) for body in told for row in body.rows) == expected


def test_opening_that_was_cancelled_and_is_done_again_tells_nothing_twice() -> None:
    """Between any two of its steps."""

    async def program(clock: VirtualClock) -> None:
        disk = ShimDisk()
        disk.mkdir(STATE)
        left = Left(tuple(row(number, what="cleared", after="normal") for number in range(50)), 3)
        Leftover(disk, STATE).save(left)
        book, work = AlarmBook(disk, STATE, 1, lambda: 0), ThreadPoolExecutor(1)
        engine = AlarmEngine(SlowLedger(clock), Nothing(), book, Leftover(disk, STATE), clock, Nothing(), lambda _: None, work)
        cancelled = 0
        while not engine.ready:
            async with asyncio.TaskGroup() as group:
                opening = group.create_task(engine.open())
                pending = engine.journal.pending
                while not opening.done() and engine.journal.pending == pending:
                    await asyncio.sleep(0)
                cancelled += opening.cancel()
        assert cancelled > 1
        assert engine.journal.left() == (left.rows, 3)
        assert engine.journal.lost == 3

    run(program, seed=1)
