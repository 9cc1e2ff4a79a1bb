"""A serial gauge and a scanner over pseudo-terminals: lines become readings, noise is said, a cable that is pulled is a fault and mends."""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self, cast

import pytest

from drivers.driver import DriverError
from drivers.manual.config import DeviceOptions, Gauge, parse_address
from drivers.manual.driver import ManualDriver
from drivers.manual.gauge_port import GaugePort, lines_kept_max
from drivers.manual.line_framer import line_bytes_max, long_pause_ms, pause_ms
from drivers.memory import ShortMemory
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from tests.rigs.clock import RunningClock

pytestmark = pytest.mark.integration

DECODING, RANGE = int(Status.BAD_DECODING_ERROR), int(Status.BAD_OUT_OF_RANGE)
PAUSE_S, LONG_PAUSE_S = pause_ms / 1000 + 0.1, (pause_ms + long_pause_ms) / 1000 + 0.1


class Cable:
    """A gauge at the other end of a pseudo-terminal, under a name that stays when it is pulled and plugged in again."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "gauge"

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()

    def plug(self) -> None:
        self._near, far = os.openpty()
        tty.setraw(far)
        self.port.symlink_to(os.ttyname(far))
        self._far = far

    def pull(self) -> None:
        if self.port.is_symlink():
            self.port.unlink()
            os.close(self._near)
            os.close(self._far)

    def send(self, data: bytes) -> None:
        os.write(self._near, data)


def tag(n: int, kind: str, exponent: int | None = None, **raw: object) -> Tag:
    return Tag(n, f"t{n}", "gauge", kind, "mm", parse_address({"data": kind, **raw}), exponent)


CALIPER = TagGroup(1, "gauge", "g", 60_000, (tag(0, "float64", -2, line=r"^\s*([+-]?[\d. ,]+)\s*mm", min=0.0, max=50.0),), "subscribe")
SCANS = (tag(0, "text", line="^(LOT-.*)", pattern="LOT-[0-9]{6}"), tag(1, "text", line="^(ORDER-.*)"))
SCANNER = TagGroup(1, "scanner", "g", 60_000, SCANS, "subscribe")


@asynccontextmanager
async def listening(
    cable: Cable, group: TagGroup, driver: ManualDriver | None = None, *, rest_s: float = PAUSE_S
) -> AsyncIterator[AsyncGenerator[Scan, None]]:
    """Subscribe; the port is open when this is entered, for as long as nobody is faster who puts a part on an instrument."""
    async with asyncio.timeout(20), driver or station(cable) as entered:
        async with aclosing(cast("AsyncGenerator[Scan, None]", entered.subscribe(group))) as scans:
            await anext(scans)
            await asyncio.sleep(rest_s)
            yield scans


def station(cable: Cable, **more: Any) -> ManualDriver:
    gauge = Gauge(serial_port=str(cable.port), by="station 3", **more)
    return ManualDriver(DeviceOptions(gauge=gauge), RunningClock(), ShortMemory())


async def next_rows(scans: AsyncGenerator[Scan, None]) -> list[tuple[str, Value, int]]:
    """Return the next scan that holds anything."""
    async for scan in scans:
        if scan.present is None or any(scan.present):
            assert abs(scan.read_ms - RunningClock().wall_ms()) < 10_000
            return [(each.tag.name, each.value, each.status) for each in scan.readings()]
    raise AssertionError("the stream ended without a fault")


@pytest.mark.parametrize(
    ("sent", "rows"),
    [
        (b"12.34 mm\r\n", [("t0", 12.34, 0)]),
        (b"  + 12,3 mm\r", [("t0", 12.3, 0)]),
        (b"\r\n\r\n0 mm\n", [("t0", 0.0, 0)]),
        (b"50.01 mm\n", [("t0", None, RANGE)]),
        (b"12.345 mm\n", [("t0", None, RANGE)]),
        (b"1.2.3 mm\n", [("t0", None, DECODING)]),
        (b"Lo BAT\n", [("t0", None, DECODING)]),
        (b"\xff\xfe12.34 mm\n", [("t0", None, DECODING)]),
        (b"9" * (line_bytes_max + 1), [("t0", None, DECODING)]),
    ],
)
def test_lines_of_a_gauge(tmp_path: Path, sent: bytes, rows: list[tuple[str, Value, int]]) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, CALIPER) as scans:
                cable.send(sent)
                assert await next_rows(scans) == rows

    asyncio.run(test())


def test_a_line_that_comes_in_pieces_and_several_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, SCANNER) as scans:
                cable.send(b"LOT-000")
                async with asyncio.TaskGroup() as tasks:
                    waiting = tasks.create_task(next_rows(scans))
                    await asyncio.sleep(0.05)
                    cable.send(b"123\nORDER-7\nLOT-12\nGARBAGE\n")
                assert waiting.result() == [("t0", "LOT-000123", 0)]
                assert await next_rows(scans) == [("t1", "ORDER-7", 0)]
                assert await next_rows(scans) == [("t0", None, RANGE)]
                assert await next_rows(scans) == [("t0", None, DECODING), ("t1", None, DECODING)], "nobody knows which it was about"

    asyncio.run(test())


README_CALIPER = TagGroup(1, "gauge", "g", 60_000, (tag(0, "float64", line=r"^\s*([+-]?[\d.]+)\s*mm"),), "subscribe")
ANY_NUMBER = TagGroup(1, "gauge", "g", 60_000, (tag(0, "float64", line=r"([\d.]+)"),), "subscribe")
ANY_TEXT = TagGroup(1, "gauge", "g", 60_000, (tag(0, "text", line=".+"),), "subscribe")
BAD = [("t0", None, DECODING)]


def good(value: Value) -> list[tuple[str, Value, int]]:
    return [("t0", value, 0)]


@pytest.mark.parametrize(
    ("group", "rest_s", "sent", "told"),
    [
        (README_CALIPER, 0, [b"3.4 mm\r\n", b"123.4 mm\r\n"], [BAD, good(123.4)]),
        (README_CALIPER, 0, [b"\r\n", b"123.4 mm\r\n"], [good(123.4)]),
        (README_CALIPER, 0, [b"3.4 mm", PAUSE_S, b"\r\n123.4 mm\r\n"], [BAD, good(123.4)]),
        (README_CALIPER, PAUSE_S, [b"45", LONG_PAUSE_S, b"123.4 mm\r\n"], [BAD, good(123.4)]),
        (README_CALIPER, PAUSE_S, [b"12", PAUSE_S, b"3.4 mm\r\n", b"123.4 mm\r\n"], [BAD, good(123.4)]),
        (README_CALIPER, PAUSE_S, [b"\x01" * 256 + b"1", b"23.4 mm\r\n", b"123.5 mm\r\n"], [BAD, good(123.5)]),
        (README_CALIPER, PAUSE_S, [b"\x01" * 1_000, LONG_PAUSE_S, b"123.4 mm\r\n"], [BAD, good(123.4)]),
        (ANY_NUMBER, PAUSE_S, [b" " * 253 + b"123456.7 mm\r\n1 mm\r\n"], [BAD, good(1.0)]),
        (ANY_TEXT, PAUSE_S, [b"LOT-\xe9\xe9\r\n", b"LOT-\xe8\xff\r\n", b"LOT-7\r\n"], [BAD, BAD, good("LOT-7")]),
    ],
)
def test_halves_of_lines_and_what_is_no_text_are_told_and_never_a_value(
    tmp_path: Path, group: TagGroup, rest_s: float, sent: list[bytes | float], told: list[list[tuple[str, Value, int]]]
) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, group, rest_s=rest_s) as scans, asyncio.TaskGroup() as tasks:
                heard = tasks.create_task(anything_of(scans, len(told)))
                for each in sent:
                    if isinstance(each, bytes):
                        cable.send(each)
                        await asyncio.sleep(0.03)
                    else:
                        await asyncio.sleep(each)
            assert heard.result() == told

    asyncio.run(test())


async def anything_of(scans: AsyncGenerator[Scan, None], count: int) -> list[list[tuple[str, Value, int]]]:
    return [await next_rows(scans) for _ in range(count)]


def test_a_slow_line_is_one_value_and_an_instrument_of_another_alphabet_is_read_in_it(tmp_path: Path) -> None:
    degrees = TagGroup(1, "gauge", "g", 60_000, (tag(0, "float64", line="^([0-9.]+) °C"),), "subscribe")

    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, degrees, station(cable, encoding="windows-1252", baud=300)) as scans, asyncio.TaskGroup() as tasks:
                heard = tasks.create_task(anything_of(scans, 1))
                for byte in b"123.4 \xb0C\r\n":
                    cable.send(bytes([byte]))
                    await asyncio.sleep(10 / 300)
            assert heard.result() == [good(123.4)]

    asyncio.run(test())


def test_a_cable_that_is_pulled_is_a_fault_and_mends_with_the_last_value_still_known(tmp_path: Path) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            driver = station(cable)
            async with listening(cable, CALIPER, driver) as scans:
                cable.send(b"12.34 mm\n")
                assert await next_rows(scans) == [("t0", 12.34, 0)]
                cable.pull()
                with pytest.raises(DriverError, match="connection_lost"):
                    await next_rows(scans)
            with pytest.raises(DriverError, match="connect_failed") as caught:
                async with listening(cable, CALIPER, driver):
                    pass
            assert caught.value.params == {"serial_port": str(cable.port), "because": "port_missing"}
            cable.plug()
            async with listening(cable, CALIPER, driver) as scans:
                assert (await driver.read(CALIPER, 1.0)).values == [12.34]
                cable.send(b"12.35 mm\n")
                assert await next_rows(scans) == [("t0", 12.35, 0)]

    asyncio.run(test())


def test_a_port_is_used_by_one_at_a_time_and_free_afterwards(tmp_path: Path) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, CALIPER):
                with pytest.raises(DriverError, match="connect_failed"):
                    async with listening(cable, CALIPER):
                        pass
            async with listening(cable, CALIPER):
                pass

    asyncio.run(test())


class HangingPort(GaugePort):
    """An adapter that answers when it likes."""

    answers = threading.Event()

    def _open(self) -> Any:
        self.answers.wait(20)
        return super()._open()


def test_a_port_that_hangs_while_it_is_opened_holds_up_nobody_and_is_free_when_it_comes(tmp_path: Path) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable, ThreadPoolExecutor(1) as thread:
            options = Gauge(serial_port=str(cable.port), by="station 3")
            HangingPort.answers.clear()
            for _ in range(3):
                with pytest.raises(DriverError, match="connect_failed"):
                    async with asyncio.timeout(10), HangingPort(options, RunningClock(), thread, 0.02):
                        pass
            HangingPort.answers.set()
            async with asyncio.timeout(10), GaugePort(options, RunningClock(), thread) as port:
                await asyncio.sleep(PAUSE_S)
                cable.send(b"1 mm\n")
                assert await port.line(5) is not None

    asyncio.run(test())


def test_a_flood_is_told_and_bounded(tmp_path: Path) -> None:
    async def test() -> None:
        with Cable(tmp_path) as cable:
            async with listening(cable, CALIPER) as scans:
                cable.send(b"1 mm\n" * (lines_kept_max + 1))
                with pytest.raises(DriverError, match="overflow"):
                    while True:
                        await next_rows(scans)

    asyncio.run(test())
