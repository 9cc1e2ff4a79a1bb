"""What happened to alarms and could not be recorded before the end: kept for the next start, recorded once, and never a start's undoing."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from drivers.driver import DriverError
from ledger_client import cbor
from ledger_client.alarm_bodies import AlarmRow
from ledger_client.disk import RealDisk, write_atomically
from runtime.alarms import leftover as leftover_module
from runtime.alarms.leftover import FILE_NAME, Left, Leftover
from runtime.layout import Layout
from tests.rigs.core import STATE, config_text, prepare
from tests.rigs.field import after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, VirtualLoop, run
from tests.unit.runtime.alarms.test_in_the_core import HIGH, SetDriver, core_with, lived, recorded, state_of

FILE = Layout(STATE).private / FILE_NAME


def row(number: int, **more: Any) -> AlarmRow:
    return replace(AlarmRow(f"n{number}", "raised", "normal", "unacked", number, 0, "low"), **more)


async def ends_with_a_failed_ledger(disk: ShimDisk, clock: VirtualClock, driver: SetDriver, first: int = 50) -> int:
    """Live until the ledger has failed for good, an alarm was raised and has gone; the end is in order. Return when it was raised.

    `first`: the value with which it fails; with 99 the alarm itself is what the failed flush may have left there all the same.
    """
    async with core_with(disk, clock, driver) as core:
        await after(clock, 2)
        disk.faults.fail_sync_at = 1
        driver.value = first
        await after(clock, 3)
        assert core.core._chain.state == "failed"
        driver.value = 99
        await after(clock, 3)
        raised_ms = core.core.alarms.engine.alarms["high"].raised_ms
        driver.value = 0
        await after(clock, 3)
        assert (state_of(core), core.core.alarms.engine.journal.pending) == ("returned", 2)
    assert raised_ms is not None
    return raised_ms


def names(disk: ShimDisk) -> list[str]:
    return disk.names(FILE.parent)


def test_what_a_failed_ledger_could_not_take_is_recorded_after_the_next_start_with_its_times() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        with capture_logs() as log:
            raised_ms = await ends_with_a_failed_ledger(disk, clock, driver)
        assert [(line["event"], line["count"]) for line in log if line["event"].startswith("alarm_rows")] == [("alarm_rows_kept", 2)]
        disk.restart()
        assert recorded(disk) == []
        driver.fault = DriverError("no_answer")  # nothing of the field can say it again
        with capture_logs() as log:
            async with core_with(disk, clock, driver, 100) as core:
                await after(clock, 2)
                assert state_of(core) == "returned"
                assert core.core.alarms.view.frame()["rows"][0]["recorded"] == "recorded"
                assert FILE_NAME in names(disk)
                await after(clock, 30)
                assert FILE_NAME not in names(disk)
        assert [(line["event"], line["count"]) for line in log if line["event"].startswith("alarm_rows")] == [("alarm_rows_found", 2)]
        assert [(each.what, each.after, each.at_ms == raised_ms) for each in recorded(disk)] == [
            ("raised", "unacked", True), ("cleared", "returned", False),
        ]  # fmt: skip

    lived(HIGH, day)


def test_what_the_flush_that_failed_has_left_there_all_the_same_is_recorded_once() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        await ends_with_a_failed_ledger(disk, clock, driver, 99)
        assert [each.what for each in recorded(disk.restart())] == ["raised"]
        driver.fault = DriverError("no_answer")
        async with core_with(disk, clock, driver, 100) as core:
            await after(clock, 2)
            assert state_of(core) == "returned"

    assert [each.what for each in recorded(lived(HIGH, day))] == ["raised", "cleared"]


def test_what_failed_again_waits_for_the_start_after_that() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        await ends_with_a_failed_ledger(disk, clock, driver)
        disk.restart()
        driver.fault = DriverError("no_answer")
        async with core_with(disk, clock, driver, 100) as core:
            disk.faults.fail_sync_at = 1
            await after(clock, 3)
            assert (core.core._chain.state, core.core.alarms.engine.journal.pending) == ("failed", 2)
        disk.restart()
        async with core_with(disk, clock, driver, 200) as core:
            await after(clock, 2)
            assert state_of(core) == "returned"
        assert FILE_NAME not in names(disk), "an end in order does not leave it there"

    assert [each.what for each in recorded(lived(HIGH, day))] == ["raised", "cleared"]


@pytest.mark.parametrize("with_book", [True, False])
def test_a_power_cut_at_any_moment_of_the_next_run_has_each_recorded_once(*, with_book: bool) -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        await ends_with_a_failed_ledger(disk, clock, driver)
        disk.restart()
        driver.fault = DriverError("no_answer")
        first = disk.position
        async with core_with(disk, clock, driver, 100):
            await after(clock, 32)
        for number, crash in enumerate(disk.crash_states(seed=5, count=40, first=first)):
            again = ShimDisk.from_image(crash.image)
            if not with_book and "alarms.cbor" in again.names(Layout(STATE).index):
                again.unlink(Layout(STATE).index / "alarms.cbor")
            async with core_with(again, clock, driver, 1_000 * (number + 1)) as core:
                await after(clock, 2)
                assert state_of(core) == "returned", crash.seed
            assert [each.what for each in recorded(again)] == ["raised", "cleared"], crash.seed

    lived(HIGH, day)


def test_an_append_that_the_end_cut_off_is_not_made_again() -> None:
    """The flush takes longer than the end has; what it was to make durable is there at the next start, and in the file as well."""

    async def program(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        disk = ShimDisk(loop.block)
        prepare(disk, config_text(device_toml("a", {"fast": (100, 4)})) + HIGH)
        driver = SetDriver(clock)
        async with core_with(disk, clock, driver) as core:
            await after(clock, 2)
            disk.faults.flush_s = 60
            driver.value = 99
            await after(clock, 0.5)
            assert core.core.alarms.engine.journal.pending == 1
        assert FILE_NAME in names(disk)
        disk.faults.flush_s = 0
        disk.restart()
        assert [each.what for each in recorded(disk)] == ["raised"]
        driver.fault = DriverError("no_answer")
        async with core_with(disk, clock, driver, 100) as core:
            await after(clock, 2)
            assert (state_of(core), core.core.alarms.engine.journal.pending) == ("unacked", 0)
        assert [each.what for each in recorded(disk)] == ["raised"]
        assert FILE_NAME not in names(disk)

    run(program, seed=1)


def test_an_alarm_that_is_taken_out_of_the_file_meanwhile_is_removed_after_what_was_left_over() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        await ends_with_a_failed_ledger(disk, clock, driver)
        disk.restart()
        write_atomically(disk, Layout(STATE).config, config_text(device_toml("a", {"fast": (100, 4)})).encode())
        for start in (100, 200):
            async with core_with(disk, clock, driver, start):
                await after(clock, 2)
            disk.restart()

    assert [(each.what, each.before, each.after) for each in recorded(lived(HIGH, day))] == [
        ("raised", "normal", "unacked"), ("cleared", "unacked", "returned"), ("removed", "returned", "normal"),
    ]  # fmt: skip


def test_where_it_cannot_be_kept_either_the_log_says_how_many() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        async with core_with(disk, clock, driver):
            await after(clock, 2)
            disk.faults.read_only = True
            await after(clock, 3)
            driver.value = 99
            await after(clock, 3)

    with capture_logs() as log:
        lived(HIGH, day)
    (line,) = [line for line in log if line["event"].startswith("alarm_rows")]
    assert (line["event"], line["count"]) == ("alarm_rows_not_kept", 1)
    assert "Read-only file system" in line["reason"]


GOOD = [1, 0, [["n", "raised", "normal", "unacked", 1, 0, "low", None, None, "", "", None, None]]]
BAD: dict[str, bytes] = {
    "empty": b"",
    "no CBOR": b"\xff\x00rubbish",
    "cut off": cbor.encode(GOOD)[:-1],
    "something after it": cbor.encode(GOOD) + b"\x00",
    "another version": cbor.encode([2, *GOOD[1:]]),
    "a version that is true": cbor.encode([True, *GOOD[1:]]),
    "lost beyond belief": cbor.encode([1, 1 << 62, GOOD[2]]),
    "lost less than none": cbor.encode([1, -1, GOOD[2]]),
    "a row that is none": cbor.encode([1, 0, [["n", "exploded", *GOOD[2][0][2:]]]]),  # type: ignore[index]
    "a name that is a list": cbor.encode([1, 0, [[[], *GOOD[2][0][1:]]]]),  # type: ignore[index]
    "a text without end": cbor.encode([1, 0, [[*GOOD[2][0][:10], "x" * 5_000, None, None]]]),  # type: ignore[index]
    "too many rows": cbor.encode([1, 0, GOOD[2] * 20_001]),  # type: ignore[operator]
    "too long": bytes(leftover_module.SIZE_MAX + 1),
    "nested": b"\x81" * 1_000 + b"\x00",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_file_that_makes_no_sense_is_set_aside_and_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with capture_logs() as log:
        assert Leftover(RealDisk(), tmp_path).load() == Left((), 1)
        assert Leftover(RealDisk(), tmp_path).load() == Left((), 1), "until somebody removes it: a power cut does not make it forget"
    assert [line["event"] for line in log] == ["alarm_rows_set_aside"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [FILE_NAME, FILE_NAME + ".damaged"]
    assert (tmp_path / (FILE_NAME + ".damaged")).read_bytes() == data


def test_a_folder_or_a_link_in_its_place_is_set_aside_too(tmp_path: Path) -> None:
    for make in ((tmp_path / FILE_NAME).mkdir, lambda: (tmp_path / FILE_NAME).symlink_to("/dev/zero")):
        make()
        with capture_logs() as log:
            assert Leftover(RealDisk(), tmp_path).load() == Left((), 1)
        assert [line["event"] for line in log] == ["alarm_rows_set_aside"]
        Leftover(RealDisk(), tmp_path).remove()


def test_a_core_starts_whatever_is_in_the_file() -> None:
    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        for number, data in enumerate(BAD.values()):
            write_atomically(disk, FILE, data)
            driver.value = 0
            async with core_with(disk, clock, driver, 100 * (number + 1)) as core:
                await after(clock, 1)
                driver.value = 99
                await after(clock, 1)
                assert state_of(core) == "unacked"
                assert (await core.act("alarm.ack", "high"))["code"] == "done"
                driver.value = 0
                await after(clock, 1)
            disk.restart()

    assert [each.what for each in recorded(lived(HIGH, day))] == ["raised", "acked", "cleared"] * len(BAD)


def test_a_start_with_very_many_rows_holds_up_nobody_and_calls_nobody_before_all_are_read() -> None:
    many = 2_000

    async def day(disk: ShimDisk, clock: VirtualClock, driver: SetDriver) -> None:
        raised = replace(row(1, limit=80), name="high")
        rows = [raised, *map(row, range(many)), replace(raised, what="acked", before="unacked", after="acked")]
        Leftover(disk, FILE.parent).save(Left(tuple(rows)))
        driver.fault = DriverError("no_answer")
        async with core_with(disk, clock, driver, 100) as core:
            engine, turns = core.core.alarms.engine, 0
            while not engine.journal.pending:
                await asyncio.sleep(0)
            while not engine.ready:
                assert engine.not_normal() == []
                await asyncio.sleep(0)
                turns += 1
            assert turns > 50
            assert (state_of(core), len(engine.not_normal())) == ("acked", 1)
            await after(clock, 60)
        assert len(recorded(disk)) > many

    lived(HIGH, day)


def test_the_file_says_what_it_was_told(tmp_path: Path) -> None:
    left = Left(tuple(row(n, value=n / 2, limit="é" * 90, note="原因", act=bytes(16)) for n in range(500)), 7)
    assert Leftover(RealDisk(), tmp_path).load() is None
    assert Leftover(RealDisk(), tmp_path).save(left) == 500
    assert Leftover(RealDisk(), tmp_path).load() == left
    Leftover(RealDisk(), tmp_path).remove()
    Leftover(RealDisk(), tmp_path).remove()
    assert list(tmp_path.iterdir()) == []


def test_of_more_than_fits_the_newest_are_kept_and_the_others_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row(n, note="x" * (n % 50)) for n in range(1_000))
    whole = Leftover(RealDisk(), tmp_path).save(Left(rows, 3))
    size = (tmp_path / FILE_NAME).stat().st_size
    for size_max in (size + leftover_module.HEAD_BYTES, size - 200, size // 2, leftover_module.HEAD_BYTES):
        monkeypatch.setattr(leftover_module, "SIZE_MAX", size_max)
        kept = Leftover(RealDisk(), tmp_path).save(Left(rows, 3))
        assert (tmp_path / FILE_NAME).stat().st_size <= size_max
        assert Leftover(RealDisk(), tmp_path).load() == Left(rows[len(rows) - kept :], 3 + len(rows) - kept)
        whole, before = kept, whole
        assert kept == len(rows) if size_max > size else kept < before


def test_without_what_the_ledger_has_row_by_row() -> None:
    same = row(1)
    left = Left((same, same, row(2), row(3)), 4)
    assert left.without([]) == left
    assert left.without([row(9), row(2)]) == Left((same, same, row(3)), 4)
    assert left.without([same]) == Left((same, row(2), row(3)), 0), "lost is told with the first"
    assert left.without([same, row(3), same, same, row(2)]) == Left((), 0)
    assert Counter(left.without([same, row(2)]).rows) == Counter([same, row(3)])
