"""Units of one line that spoil the answer after a read over some of their holes, and have other troubles: no value is ever wrong.

Production's driver, lines and framing on a network of virtual time. What is spoiled is the next answer of that unit over the same
connection, as where a gateway in between numbers its answers itself.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random

from drivers.driver import DriverError
from drivers.modbus.address import Address
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.reading import TagGroup
from drivers.shared import Shared
from tests.rigs.field import after
from tests.rigs.modbus_unit import registers
from tests.simulation.loop import VirtualClock, run
from tests.simulation.network import Network

TABLES = {1: "coil", 3: "holding", 4: "input"}
READS = 60


def held(unit: int, table: str, address: int) -> int:
    """What a register, or a coil, holds."""
    value = (address * 7919 + unit * 101 + len(table) * 1117) % 64_997 + 1
    return value & 1 if table == "coil" else value


@dataclass
class Plant:
    """What the units of a line do now: registers (unit, address) that are silent or refused, and those that spoil what comes next."""

    poison: set[tuple[int, int]]
    silent: set[tuple[int, int]] = field(default_factory=set)
    refused: set[tuple[int, int]] = field(default_factory=set)


class Connection:
    """The far end of one connection, and which units' next answers over it are spoiled. See tests.simulation.network.Speaker."""

    def __init__(self, plant: Plant) -> None:
        self._plant, self._spoiled = plant, set[int]()

    def heard(self, data: bytes) -> bytes:
        """Answer a request, which comes whole."""
        unit, (function, start, count) = data[6], struct.unpack(">BHH", data[7:12])
        wanted = {(unit, at) for at in range(start, start + count)}
        was_spoiled = unit in self._spoiled
        self._spoiled.discard(unit)
        if wanted & self._plant.silent:
            return b""
        if wanted & self._plant.poison:
            self._spoiled.add(unit)
        values = [held(unit, TABLES[function], at + was_spoiled) for at in range(start, start + count)]
        if wanted & self._plant.refused:
            answer = bytes((function | 0x80, 2))
        elif function == 1:
            packed = sum(value << at for at, value in enumerate(values)).to_bytes((count + 7) // 8, "little")
            answer = bytes((1, len(packed))) + packed
        else:
            answer = struct.pack(f">BB{count}H", function, 2 * count, *values)
        return data[:4] + struct.pack(">HB", len(answer) + 1, unit) + answer


def some_groups(random: Random) -> list[TagGroup]:
    found = []
    for number, (table, room, most) in enumerate([("holding", 150, 20), ("input", 200, 8), ("coil", 100, 8)][: random.randint(1, 3)]):
        starts = sorted(random.sample(range(room), random.randint(2, most)))
        found.append(registers(starts, uid=number, table=table, period_ms=random.choice((500, 1000, 2000))))
    return found


async def wrong_values(clock: VirtualClock, random: Random) -> tuple[list[object], int]:
    """Return the values that were good and wrong, and how many were good."""
    network, units = Network(1), {unit: some_groups(random) for unit in range(1, random.randint(2, 4))}
    asyncio.get_running_loop().network = network  # type: ignore[attr-defined]
    wanted = {(unit, tag.address.start) for unit, groups in units.items() for group in groups for tag in group.tags}  # type: ignore[attr-defined]
    plant = Plant({(unit, at) for unit in units for at in random.sample(range(300), random.choice((0, 10, 40)))} - wanted)
    host = network.host("plc", 502, partial(Connection, plant))
    options = DeviceOptions(host="plc", request_timeout_s=random.choice((0.2, 0.5, 1.0)), single_connection=random.random() < 0.3)
    wrong: list[object] = []
    good = 0

    async def poll(driver: ModbusDriver, unit: int, group: TagGroup, offset_s: float) -> None:
        nonlocal good
        await after(clock, 0.001 + offset_s)
        for _ in range(READS):
            try:
                scan = await driver.read(group, 1.0)
            except DriverError:
                pass
            else:
                for reading in scan.readings():
                    address = reading.tag.address
                    assert isinstance(address, Address)
                    good += reading.value is not None
                    if reading.value is not None and reading.value != held(unit, address.table, address.start):
                        wrong.append((unit, address.table, address.start, reading.value))
            await after(clock, group.period_ms / 1000)

    async def trouble() -> None:
        for _ in range(12):
            await after(clock, 5.0)
            some = [(unit, at) for unit in units for at in random.sample(range(300), random.choice((0, 0, 2, 20)))]
            plant.silent, plant.refused = set(some[::2]), set(some[1::2])
            host.takes_s = random.choice((0.005, 0.005, 0.1, 0.3))
            if random.random() < 0.3:
                host.drop()

    async with AsyncExitStack() as stack:
        shared = Shared()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(trouble())
            for unit, groups in units.items():
                device = ModbusDriver(options.model_copy(update={"unit_id": unit}), clock, shared, f"u{unit}")
                driver = await stack.enter_async_context(device)
                for group in groups:
                    tasks.create_task(poll(driver, unit, group, random.random()))
    return wrong, good


def test_whatever_units_of_a_line_do_no_value_is_wrong(seed: int, count: Callable[[int, int, int], int]) -> None:
    values = 0
    for number in range(count(4, 40, 400)):
        wrong, good = run(partial(wrong_values, random=Random(f"{seed}/{number}")), seed=1)
        assert wrong == [], f"seed {seed}/{number}"
        values += good
    assert values
    print(f"{values} good values, none wrong")
