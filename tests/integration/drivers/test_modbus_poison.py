"""A unit that spoils the answer after a read over a hole, as two devices of a configuration: neither ever has a wrong value."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.planner import Block
from drivers.modbus.request import read_request
from drivers.reading import Scan
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.modbus_unit import registers
from tests.rigs.units import TcpUnits, Unit, answered, cause_of

pytestmark = pytest.mark.integration


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
        async with asyncio.timeout(120), TcpUnits({1: unit}) as units, AsyncExitStack() as stack:
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
                    async with asyncio.timeout(0.0005 * (turn % 40) * (1 + turn // 80)):  # later on a slower machine
                        await drivers[0].read(learning, 1.0)
                left += unit.spoiled
                assert await answered(drivers[1], quick) == [40]

    asyncio.run(test())


def test_a_control_read_that_found_no_turn_takes_no_other_unit_its_answer() -> None:
    """Units behind one gateway share a connection: what one of them still has to be asked is no reason to end it."""

    async def test() -> None:
        shared, unit, other = Shared(), Poisoned(), Unit(delay_s=0.1)
        async with TcpUnits({1: unit, 2: other}) as units, AsyncExitStack() as stack:
            place = {"host": "127.0.0.1", "port": units.port}
            options = {name: DeviceOptions.model_validate(place | {"unit_id": number}) for name, number in (("a", 1), ("b", 2))}
            drivers = [await stack.enter_async_context(ModbusDriver(each, RunningClock(), shared, name)) for name, each in options.items()]
            learning = registers((*range(4), *range(7, 12)))
            ask, cut = drivers[0]._reader._ask._ask, []

            async with asyncio.TaskGroup() as tasks:

                async def no_turn_after_the_crossing(block: Block, until: float) -> bytes:
                    if unit.spoiled and not cut:
                        cut.append(tasks.create_task(drivers[1].read(registers([40], uid=2), 5.0)))
                        while not any(number == 2 for number, _ in units.requests):
                            await asyncio.sleep(0.001)
                        raise DriverError("line_busy")
                    return await ask(block, until)

                drivers[0]._reader._ask._ask = no_turn_after_the_crossing
                while not cut:
                    await drivers[0].read(learning, 5.0)
            assert list(cut[0].result().values) == [40]
            assert units.connections == 1
            for _ in range(3):
                assert await answered(drivers[0], learning) == [*range(4), *range(7, 12)]

    asyncio.run(test())


def test_a_write_is_tried_at_once_also_where_a_control_read_is_owed_to_a_unit_that_is_left_alone() -> None:
    """A unit fell silent while a hole was read over, and its breaker keeps reads away: a person who writes does not wait for it."""

    async def test() -> None:
        shared, unit = Shared(), Unit()
        async with TcpUnits({1: unit, 2: Unit()}) as units, AsyncExitStack() as stack:
            place = {"host": "127.0.0.1", "port": units.port}
            options = {name: DeviceOptions.model_validate(place | {"unit_id": number}) for name, number in (("a", 1), ("b", 2))}
            drivers = [await stack.enter_async_context(ModbusDriver(each, RunningClock(), shared, name)) for name, each in options.items()]
            line, now = drivers[0]._joined(), asyncio.get_running_loop().time()
            for ago in (60, 30, 0):
                line._breakers[1].failed(now - ago)
            line.owe(1, read_request(1, "holding", 3, 1))
            group = registers([40])
            with pytest.raises(DriverError, match="breaker_open"):
                await drivers[0].read(group, 1.0)
            assert not unit.asked
            await drivers[0].write(replace(group.tags[0], writable=True), 7, 1.0)
            assert unit.words[40] == 7
            assert unit.asked == 2, "what was owed went first"

    asyncio.run(test())


class SilentOnce(Unit):
    def respond(self, pdu: bytes) -> bytes | None:
        self.dead = not self.asked
        return super().respond(pdu)


def test_a_write_goes_out_also_where_what_was_owed_before_it_got_no_answer() -> None:
    """Some units answer nothing right after a read over a hole. A write that was never sent is not to end as unknown for that."""

    async def test() -> None:
        unit = SilentOnce()
        async with TcpUnits({1: unit}) as units:
            option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": units.port, "request_timeout_s": 0.1})
            async with ModbusDriver(option, RunningClock(), Shared(), "a") as driver:
                driver._joined().owe(1, read_request(1, "holding", 3, 1))
                await driver.write(replace(registers([40]).tags[0], writable=True), 7, 2.0)
                assert unit.words[40] == 7
                assert [pdu[0] for _, pdu in units.requests] == [3, 6]

    asyncio.run(test())


@pytest.mark.parametrize("is_kept_open", [True, False])
def test_what_is_owed_to_a_unit_outlives_the_device_that_owes_it_and_a_driver_that_left_asks_nothing(is_kept_open: bool) -> None:
    """An edit of the configuration cuts a read off, ends the driver and makes another, on a line that other devices keep open, or none."""

    async def test() -> None:
        shared, unit = Shared(), Poisoned()
        async with TcpUnits({1: unit, 2: Unit()}) as units, AsyncExitStack() as stack:
            place = {"host": "127.0.0.1", "port": units.port}
            if is_kept_open:
                other = DeviceOptions.model_validate(place | {"unit_id": 2})
                await stack.enter_async_context(ModbusDriver(other, RunningClock(), shared, "b"))
            option = DeviceOptions.model_validate(place)
            async with ModbusDriver(option, RunningClock(), shared, "a") as before:
                assert await answered(before, registers([40])) == [40]
                line = before._joined()
                unit.spoiled = True  # as a read over its hole leaves it that was cut off before the control read
                before._owe(Block("holding", 7, 1, ()))
            with pytest.raises(DriverError, match="connect_failed"):
                await line.exchange(read_request(1, "holding", 3, 1), 1.0, asyncio.get_running_loop().time() + 1.0)
            async with ModbusDriver(option, RunningClock(), shared, "a") as after:
                assert await answered(after, registers([40])) == [40]

    asyncio.run(test())


@pytest.mark.parametrize("others", [[], [2, 3]])
def test_who_waits_for_a_unit_that_an_edit_takes_away_is_told_so_and_leaves_no_connection(others: list[int]) -> None:
    async def test() -> None:
        shared = Shared()
        async with TcpUnits({1: Unit()}) as units, AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:

            def driver_of(number: int) -> ModbusDriver:
                option = DeviceOptions.model_validate({"host": "127.0.0.1", "port": units.port, "unit_id": number})
                return ModbusDriver(option, RunningClock(), shared, f"d{number}")

            for number in others:
                await stack.enter_async_context(driver_of(number))
            is_held = asyncio.Event()

            async def prove(driver: ModbusDriver) -> None:
                async with driver._alone(asyncio.get_running_loop().time() + 5.0):
                    is_held.set()
                    await asyncio.Event().wait()

            async with driver_of(1) as driver:
                line = driver._joined()
                proving = tasks.create_task(prove(driver))
                await is_held.wait()
                look = tasks.create_task(cause_of(driver.registers("holding", 0, 1, 5.0)))
                while not line._alone[1]._queued:
                    await asyncio.sleep(0)
            proving.cancel()
            assert await look == "connect_failed"
            assert (line._main.is_open, units.requests) == (False, [])

    asyncio.run(test())


@pytest.mark.parametrize("is_single", [True, False])
def test_who_looks_for_a_unit_while_the_last_device_of_its_line_goes_leaves_no_connection(is_single: bool) -> None:
    async def test() -> None:
        async with TcpUnits({1: Unit(delay_s=0.2), 9: Unit(delay_s=0.2)}) as units, asyncio.TaskGroup() as tasks:
            place = {"host": "127.0.0.1", "port": units.port, "single_connection": is_single}
            async with ModbusDriver(DeviceOptions.model_validate(place), RunningClock(), Shared()) as driver:
                line = driver._joined()
                reading = tasks.create_task(driver.read(registers([40]), 5.0))
                while not units.requests:
                    await asyncio.sleep(0)
                seeking = tasks.create_task(driver.probe(9, "holding", 0, 1, 5.0))
                while line._side is None and line._main.turns.is_free:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
            reading.cancel()
            with contextlib.suppress(DriverError):
                await seeking
            assert (line._main.is_open, line._side) == (False, None)
            with pytest.raises(DriverError, match="connect_failed"):
                await line.probe(read_request(9, "holding", 0, 1), 1.0, asyncio.get_running_loop().time() + 1.0)

    asyncio.run(test())
