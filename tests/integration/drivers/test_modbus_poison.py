"""A unit that spoils the answer after a read over a hole, as two devices of a configuration: neither ever has a wrong value."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.reading import Scan, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.modbus_unit import registers
from tests.rigs.units import TcpUnits, Unit

pytestmark = pytest.mark.integration


async def answered(driver: ModbusDriver, group: TagGroup) -> list[object]:
    while True:
        try:
            return list((await driver.read(group, 1.0)).values)
        except DriverError:
            await asyncio.sleep(0)


class Poisoned(Unit):
    """Answers a read over register 5 as it should, and the next one with other registers."""

    spoiled = False

    def read(self, table: str, start: int, count: int) -> list[int]:
        shift, self.spoiled = int(self.spoiled), start <= 5 < start + count
        return super().read(table, start + shift, count)


def test_a_second_device_of_one_unit_never_gets_the_answer_that_a_hole_spoiled() -> None:
    """A plant splits one unit into two devices, for two periods: while one reads over a hole, the other asks something else."""

    async def test() -> None:
        shared, unit = Shared(), Poisoned(delay_s=0.001)
        async with TcpUnits({1: unit}) as units, AsyncExitStack() as stack:
            option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": units.port})
            drivers = [await stack.enter_async_context(ModbusDriver(option, RunningClock(), shared, name)) for name in "ab"]
            learning = registers((*range(4), *range(7, 12)))
            quick = registers([40], uid=2)

            async def read_on(until: asyncio.Task[Scan]) -> set[object]:
                seen: set[object] = set()
                while not until.done():
                    seen |= set((await drivers[1].read(quick, 1.0)).values)
                return seen

            for _ in range(20):
                async with asyncio.TaskGroup() as group:
                    reading = group.create_task(drivers[0].read(learning, 1.0))
                    assert await read_on(reading) == {40}
                assert list(reading.result().values) == [*range(4), *range(7, 12)]
            assert drivers[0]._reader.learned.barriers["holding"], "the hole was tried and convicted"

    asyncio.run(test())


def test_what_a_read_that_was_cut_off_left_behind_reaches_no_second_device_of_the_unit() -> None:
    async def test() -> None:
        shared, unit = Shared(), Poisoned(delay_s=0.001)
        async with TcpUnits({1: unit}) as units, AsyncExitStack() as stack:
            option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": units.port})
            drivers = [await stack.enter_async_context(ModbusDriver(option, RunningClock(), shared, name)) for name in "ab"]
            learning, quick = registers((*range(4), *range(7, 12))), registers([40], uid=2)
            left = turn = 0
            while turn < 80 or not left:  # some are cut off right after the read over the hole
                turn += 1
                drivers[0]._reader._memory.forgotten += 1  # it learns anew, and is cut off somewhere
                with contextlib.suppress(TimeoutError, DriverError):
                    async with asyncio.timeout(0.0005 * (turn % 40)):
                        await drivers[0].read(learning, 1.0)
                left += unit.spoiled
                assert await answered(drivers[1], quick) == [40]

    asyncio.run(test())
