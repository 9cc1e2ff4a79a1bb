"""A serial line at the speed of a wire, with everything that goes wrong on one: no value that comes through is ever a wrong one.

What single frames can look like is tried by the hundred thousand in `tests/unit/drivers/modbus/test_framing.py`; here it is the whole
driver over a pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.reading import Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.units import PacedUnits, Unit, crc

pytestmark = pytest.mark.integration

ADDRESSES = (3, 4, 60, 61, 90, 91, 120, 121, 122, 123, 124, 125, 126)
"""Three blocks of one shape and a fourth: an answer to one of them would pass for an answer to another."""
TIMEOUT_S = {9600: 0.12, 115200: 0.06}


class Noise:
    """Spoils some of the answers, in a way that the seed says."""

    def __init__(self, seed: str, late_s: float, share: float) -> None:
        self._rng = random.Random(seed)
        self._late_s, self._share = late_s, share
        self.vices: Counter[str] = Counter()

    def __call__(self, frame: bytes) -> list[tuple[float, bytes]]:
        rng = self._rng
        vice = rng.choice(VICES) if rng.random() < self._share else "none"
        self.vices[vice] += 1
        at = rng.randrange(len(frame) - 1)
        if vice == "bits":
            spoiled = bytearray(frame)
            for _ in range(rng.randint(1, 3)):
                spoiled[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
            return [(0.0, bytes(spoiled))]
        if vice == "burst":
            return [(0.0, frame[:at] + bytes((frame[at] ^ rng.randint(1, 255), frame[at + 1] ^ rng.randint(0, 255))) + frame[at + 2 :])]
        if vice == "truncated":
            return [(0.0, frame[: at + 1])]
        if vice == "doubled":
            return [(0.0, frame + frame)]
        if vice == "doubled later":
            return [(0.0, frame), (rng.random() * 0.004, frame)]
        if vice == "late":
            return [(self._late_s * (1 + rng.random()), frame)]
        if vice == "noise before":
            return [(0.0, rng.randbytes(rng.randint(1, 6)) + frame)]
        if vice == "noise after":
            return [(0.0, frame + rng.randbytes(rng.randint(1, 6)))]
        if vice == "other unit":
            body = bytes((frame[0] % 247 + 1,)) + frame[1:-2]
            return [(0.0, body + crc(body))]
        return [(0.0, frame)]


VICES = ("bits", "burst", "truncated", "doubled", "doubled later", "late", "noise before", "noise after", "other unit")


LINES = 4
"""Lines polled side by side: what a test of the wire takes is waiting."""


@pytest.mark.parametrize("baud", TIMEOUT_S)
def test_no_wrong_value_comes_through(baud: int, seed: int, count: Callable[[int, int, int], int]) -> None:
    reads = count(32, 400, 4000) if baud > 9600 else count(8, 60, 600)
    results, vices = Counter[str](), Counter[str]()

    async def bounded() -> None:
        async with asyncio.timeout(1200), asyncio.TaskGroup() as tasks:
            for number in range(LINES):
                noise = Noise(f"{seed}/{baud}/{number}", TIMEOUT_S[baud], 0.3)
                tasks.create_task(read_through(baud, noise, reads // LINES, results, vices))

    asyncio.run(bounded())
    print(f"{baud} baud: {reads} reads on {LINES} lines, {dict(results)}; answers {dict(vices)}")
    assert results["good"] > reads * len(ADDRESSES) * 0.3


async def read_through(baud: int, noise: Noise, reads: int, results: Counter[str], vices: Counter[str]) -> None:
    """Read one unit over a line of its own, count what came, and let no wrong value pass."""
    unit = Unit()
    tags = tuple(Tag(n, f"t{n}", "dev", "int", "", parse_address({"address": f"holding:{a}"})) for n, a in enumerate(ADDRESSES))
    group = TagGroup(1, "dev", "g", 1000, tags)
    async with PacedUnits({5: unit}, baud) as line:
        line.spoil = noise
        options = DeviceOptions(
            transport="rtu", serial_port=line.path, baud=baud, parity="none", unit_id=5, request_timeout_s=TIMEOUT_S[baud], max_gap=2
        )
        async with ModbusDriver(options, RunningClock(), Shared()) as driver:
            for turn in range(reads):
                for address in ADDRESSES:
                    unit.words[address] = (turn * 7 + address * 31) & 0xFFFF
                try:
                    scan = await driver.read(group, 2.0)
                except DriverError as error:
                    results[error.cause] += 1
                    continue
                for place, (address, value) in enumerate(zip(ADDRESSES, scan.values, strict=True)):
                    bad = scan.statuses is not None and scan.statuses[place] != 0
                    assert bad or value == unit.words[address], (turn, address, value, scan.statuses)
                    results["bad" if bad else "good"] += 1
    vices.update(noise.vices)
