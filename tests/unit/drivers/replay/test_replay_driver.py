"""The replay driver: order, relative times, faults and missing tags of a capture, played by another group of the same name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.capture import ScanWriter
from drivers.driver import DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, failed_scan
from drivers.replay.config import DeviceOptions, parse_address
from drivers.replay.driver import ReplayDriver
from tests.rigs.clock import StillClock

captured = TagGroup(7, "press", "fast", 100, (Tag(0, "a", "press", "int", "", None), Tag(1, "b", "press", "int", "", None)))
asked = TagGroup(
    1,
    "other",
    "fast",
    100,
    (
        Tag(10, "beta", "other", "int", "", parse_address({"captured": "b", "data": "int"})),
        Tag(11, "alpha", "other", "int", "", parse_address({"captured": "a", "data": "int"})),
        Tag(12, "gamma", "other", "int", "", parse_address({"captured": "c", "data": "int"})),
    ),
)


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "press.capture"
    with path.open("wb") as file:
        writer = ScanWriter(file)
        writer.write(Scan(captured, [1, 2], 5000, source_ms=4990))
        writer.write(failed_scan(captured, 5100, Status.BAD_TIMEOUT, "no_answer"))
        writer.write(Scan(captured, [3, None], 5200, [0, Status.BAD_DEVICE_FAILURE], present=[True, False]))
    return str(path)


def test_scans_come_in_order_with_their_distances_and_faults(capture: str) -> None:
    async def test() -> None:
        clock = StillClock()
        start = clock.wall_ms()
        async with ReplayDriver(DeviceOptions(file=capture, speed=2.0), clock) as driver:
            first = await driver.read(asked, 1.0)
            assert first.values == [2, 1, None]
            assert first.statuses == [0, 0, Status.BAD_CONFIGURATION_ERROR]
            assert (first.read_ms, first.source_ms) == (start, start - 10)
            with pytest.raises(DriverError, match="no_answer") as caught:
                await driver.read(asked, 1.0)
            assert caught.value.status == Status.BAD_TIMEOUT
            third = await driver.read(asked, 1.0)
            assert third.values == [None, 3, None]
            assert third.statuses == [Status.BAD_DEVICE_FAILURE, 0, Status.BAD_CONFIGURATION_ERROR]
            assert third.present == [False, True, True]
            assert third.read_ms == start + 100
            with pytest.raises(DriverError, match="capture_ended"):
                await driver.read(asked, 1.0)
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(asked.tags[0], 1, 1.0)

    asyncio.run(test())


def test_a_loop_goes_on_in_time(capture: str) -> None:
    async def test() -> None:
        async with ReplayDriver(DeviceOptions(file=capture, loop=True), StillClock()) as driver:
            times = []
            for _ in range(2):
                times.append((await driver.read(asked, 1.0)).read_ms)
                with pytest.raises(DriverError):
                    await driver.read(asked, 1.0)
                times.append((await driver.read(asked, 1.0)).read_ms)
            assert [t - times[0] for t in times] == [0, 200, 1200, 1400]

    asyncio.run(test())


def test_a_missing_or_damaged_file_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "damaged").write_bytes(b"\x01\x02")
        for name in ("missing", "damaged"):
            with pytest.raises(DriverError, match="capture_unreadable"):
                async with ReplayDriver(DeviceOptions(file=str(tmp_path / name)), StillClock()):
                    pass

    asyncio.run(test())


def test_a_read_besides_the_polls_sees_the_last_scan_played_and_passes_over_none(capture: str) -> None:
    async def test() -> None:
        beside = TagGroup(-2, "other", "fast", 100, asked.tags)
        async with ReplayDriver(DeviceOptions(file=capture), StillClock()) as driver:
            assert (await driver.read(beside, 1.0)).values == [2, 1, None], "of one that has not begun, the first"
            assert (await driver.read(asked, 1.0)).values == [2, 1, None]
            assert (await driver.read(beside, 1.0)).values == [2, 1, None]
            with pytest.raises(DriverError, match="no_answer"):
                await driver.read(asked, 1.0)
            assert (await driver.read(asked, 1.0)).values == [None, 3, None]
            assert (await driver.read(beside, 1.0)).values == [None, 3, None], "also at its end"
            with pytest.raises(DriverError, match="capture_ended"):
                await driver.read(TagGroup(-3, "other", "none", 100, asked.tags), 1.0)

    asyncio.run(test())
