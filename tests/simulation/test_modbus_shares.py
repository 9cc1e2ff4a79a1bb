"""What one trouble of a Modbus unit takes from the others: production's driver, lines and framing on a network of virtual time."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.reading import TagGroup
from drivers.shared import Shared
from tests.rigs.field import after
from tests.rigs.modbus_unit import registers, scattered
from tests.simulation.loop import VirtualClock, run
from tests.simulation.network import Host, Network

IDENTITY = b"\x2b\x0e\x01\x01\x00\x00\x03" + b"".join(bytes((at, len(text))) + text for at, text in enumerate((b"Acme", b"X1", b"1.0")))


@dataclass
class Plant:
    """Units behind one address: (unit, register) that are silent, those that are refused, and which firmware runs."""

    silent: set[tuple[int, int]] = field(default_factory=set)
    refused: set[tuple[int, int]] = field(default_factory=set)
    firmware: int = 1

    def heard(self, data: bytes) -> bytes:
        """See tests.simulation.network.Speaker. Requests come whole."""
        unit, pdu = data[6], data[7:]
        if pdu[0] == 0x2B:
            answer = IDENTITY
        else:
            start, count = struct.unpack(">HH", pdu[1:5])
            wanted = {(unit, at) for at in range(start, start + count)}
            if wanted & self.silent:
                return b""
            words = [self.firmware if at == 1000 else scattered("holding", at) & 0xFFFF for at in range(start, start + count)]
            answer = struct.pack(f">BB{count}H", 3, 2 * count, *words)
            if wanted & self.refused:
                answer = b"\x83\x02"
        return data[:4] + struct.pack(">HB", len(answer) + 1, unit) + answer


def plant() -> tuple[Plant, Host]:
    made, network = Plant(), Network(1)
    asyncio.get_running_loop().network = network  # type: ignore[attr-defined]
    return made, network.host("plc", 502, lambda: made)


class Poll:
    """Reads one group of a device each second, and counts what came."""

    def __init__(self, driver: ModbusDriver, group: TagGroup, clock: VirtualClock, timeout_s: float = 1.0) -> None:
        self._driver, self._group, self._clock, self._timeout_s = driver, group, clock, timeout_s
        self.came: Counter[int] = Counter()
        self.causes: Counter[str] = Counter()

    async def read(self, times: int) -> None:
        time = asyncio.get_running_loop().time
        for _ in range(times):
            began = time()
            try:
                scan = await self._driver.read(self._group, self._timeout_s)
            except DriverError as error:
                self.causes[error.cause] += 1
            else:
                self.came.update(at for at, value in enumerate(scan.values) if value is not None)
            await after(self._clock, max(0.001, began + 1.0 - time()))

    def again(self) -> None:
        self.came.clear()
        self.causes.clear()


@asynccontextmanager
async def three_units(options: DeviceOptions, clock: VirtualClock, shared: Shared) -> AsyncIterator[list[ModbusDriver]]:
    """Units 1 to 3 of one line."""
    async with AsyncExitStack() as stack:
        made = [ModbusDriver(options.model_copy(update={"unit_id": unit}), clock, shared, f"unit{unit}") for unit in (1, 2, 3)]
        yield [await stack.enter_async_context(driver) for driver in made]


async def together(clock: VirtualClock, polls: Sequence[Poll], times: int, apart_s: float) -> None:
    async def begin(at: int, poll: Poll) -> None:
        await after(clock, 0.001 + apart_s * at)
        await poll.read(times)

    async with asyncio.TaskGroup() as tasks:
        for at, poll in enumerate(polls):
            tasks.create_task(begin(at, poll))


@pytest.mark.parametrize("single", [False, True], ids=["two connections", "one connection"])
@pytest.mark.parametrize("limit_s", [0.3, 1.0])
def test_a_register_that_never_answers_leaves_the_line_to_the_other_units(limit_s: float, *, single: bool) -> None:
    async def program(clock: VirtualClock) -> list[Poll]:
        made, _ = plant()
        options, shared = DeviceOptions(host="plc", request_timeout_s=limit_s, single_connection=single), Shared()
        groups = registers(range(10), period_ms=1000), registers([0], period_ms=1000), registers([0], period_ms=1000)
        async with three_units(options, clock, shared) as drivers:
            polls = [Poll(driver, group, clock) for driver, group in zip(drivers, groups, strict=True)]
            await together(clock, polls, 20, 0.31)
            made.silent = {(1, 5)}
            await together(clock, polls, 60, 0.31)
            for poll in polls:
                poll.again()
            await together(clock, polls, 600, 0.31)
        return polls

    first, *others = run(program, seed=1)
    assert min(first.came[at] for at in range(10) if at != 5) >= 590
    assert [poll.came[0] >= 590 for poll in others] == [True, True], [poll.causes for poll in others]


@pytest.mark.parametrize(("limit_s", "timeout_s"), [(1.0, 1.0), (1.0, 0.5), (2.0, 1.0), (3.0, 1.0)])
def test_units_that_wait_for_each_other_are_read_whatever_their_limits(limit_s: float, timeout_s: float) -> None:
    async def program(clock: VirtualClock) -> list[Poll]:
        plant()
        async with three_units(DeviceOptions(host="plc", request_timeout_s=limit_s), clock, Shared()) as drivers:
            polls = [Poll(driver, registers([0], period_ms=1000), clock, timeout_s) for driver in drivers]
            await together(clock, polls, 100, 0.003)
        return polls

    assert [poll.came[0] for poll in run(program, seed=1)] == [100, 100, 100]


@pytest.mark.parametrize("firmware", ["", "identification", "holding:1000+1"])
@pytest.mark.parametrize("answer_s", [0.4, 0.6, 0.95])
def test_each_value_of_a_slow_unit_comes_over_one_connection(answer_s: float, firmware: str) -> None:
    async def program(clock: VirtualClock) -> tuple[Poll, int]:
        _, host = plant()
        driver = ModbusDriver(DeviceOptions(host="plc", firmware=firmware), clock, Shared(), "slow")
        async with driver:
            poll = Poll(driver, registers([0, 300, 600], period_ms=1000), clock)
            await poll.read(5)
            host.takes_s = answer_s
            await poll.read(5)
            poll.again()
            await poll.read(300)
        return poll, host.connections

    poll, connections = run(program, seed=1)
    assert min(poll.came[at] for at in range(3)) >= 90
    assert connections <= 6, "a request that has no time left is not begun"


@pytest.mark.parametrize("answer_s", [0.01, 0.22, 0.3, 0.4])
def test_a_value_that_was_refused_for_a_while_comes_back_also_of_a_slow_unit(answer_s: float) -> None:
    async def program(clock: VirtualClock) -> Poll:
        made, host = plant()
        driver = ModbusDriver(DeviceOptions(host="plc"), clock, Shared(), "slow")
        async with driver:
            poll = Poll(driver, registers([*range(10), 300, 600, 900], period_ms=1000), clock)
            await poll.read(5)
            made.refused = {(1, 5)}
            await poll.read(20)
            made.refused, host.takes_s = set(), answer_s
            await poll.read(100)
            poll.again()
            await poll.read(200)
        return poll

    assert min(run(program, seed=1).came[at] for at in range(13)) >= 80


@pytest.mark.parametrize("refused", [range(3, 6), [*range(10), 300]], ids=["some", "all"])
@pytest.mark.parametrize("away_s", [5, 90])
def test_what_a_unit_refuses_while_another_firmware_starts_comes_back(refused: Sequence[int], away_s: int) -> None:
    async def program(clock: VirtualClock) -> Poll:
        made, host = plant()
        driver = ModbusDriver(DeviceOptions(host="plc", firmware="holding:1000+1"), clock, Shared(), "new")
        async with driver:
            poll = Poll(driver, registers([*range(10), 300], period_ms=1000), clock)
            await poll.read(10)
            host.refuses = True
            host.drop()
            await poll.read(away_s)
            host.refuses, made.firmware, made.refused = False, 2, {(1, at) for at in refused}
            await poll.read(20)
            made.refused = set()
            await poll.read(120)
            poll.again()
            await poll.read(10)
        return poll

    assert run(program, seed=1).came == Counter(dict.fromkeys(range(11), 10))
