"""The Modbus driver against a real pymodbus server: values, holes, silence, refusal, restart, two units on one line, RTU."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pymodbus.constants import ExcCodes

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.reading import Scan, Status, Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock, StillClock
from tests.rigs.modbus import ModbusPlant, SerialCable

pytestmark = pytest.mark.integration


def group_of(*addresses: str | dict[str, object], uid: int = 1) -> TagGroup:
    tags = []
    for n, entry in enumerate(addresses):
        raw = {"address": entry} if isinstance(entry, str) else entry
        tags.append(Tag(n, f"t{n}", "dev", "int", "", parse_address(raw), writable=True))
    return TagGroup(uid, "dev", "g", 1000, tuple(tags))


@asynccontextmanager
async def plant_and_driver(**options: object) -> AsyncIterator[tuple[ModbusPlant, ModbusDriver]]:
    plant = ModbusPlant()
    await plant.start()
    try:
        made = DeviceOptions.model_validate({"host": "127.0.0.1", "port": plant.port, **options})
        async with ModbusDriver(made, StillClock(), Shared()) as driver:
            yield plant, driver
    finally:
        await plant.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


def test_a_group_over_all_tables_comes_back_in_tag_order() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            await plant.set_registers(10, [0x0000, 0x41AC])  # 21.5 as CDAB
            group = group_of(
                "input:5",
                "coil:3",
                {"address": "holding:10", "data": "float32", "word_order": "little"},
                "discrete:4",
                {"address": "holding:7", "data": "int16", "scale": 0.1},
                "holding:2",
            )
            scan = await driver.read(group, 1.0)
            assert scan.values == [5, True, 21.5, False, 0.7, 2]
            assert scan.statuses is None
            assert scan.cause is None
            assert scan.group is group
            for _ in range(2):  # until the holes are proven
                plant.requests.clear()
                await driver.read(group, 1.0)
            assert sorted(plant.requests) == [(1, 3, 1), (2, 4, 1), (3, 2, 10), (4, 5, 1)]

    run(test)


def test_a_hole_costs_only_the_tags_inside_it_and_is_learned() -> None:
    async def test() -> None:
        async with plant_and_driver(max_gap=30) as (plant, driver):
            group = group_of("holding:98", "holding:99", "holding:110", "holding:120", "holding:121")
            scan = await driver.read(group, 1.0)
            assert scan.values == [98, 99, None, 120, 121]
            assert scan.statuses == [0, 0, Status.BAD_CONFIGURATION_ERROR, 0, 0]
            plant.requests.clear()
            again = await driver.read(group, 1.0)
            assert (again.values, again.statuses) == (scan.values, scan.statuses)
            assert plant.requests == [(3, 98, 2), (3, 120, 2)]

    run(test)


def test_what_was_refused_is_not_asked_again_after_a_reconnect_or_a_day() -> None:
    async def test() -> None:
        async with plant_and_driver(max_gap=0) as (plant, driver):
            clock = driver._clock
            assert isinstance(clock, StillClock)
            group = group_of("holding:99", "holding:110")
            await driver.read(group, 1.0)
            assert plant.requests.count((3, 110, 1)) == 1
            plant.requests.clear()
            await driver.read(group, 1.0)
            clock.advance(86_400_000)
            await plant.stop()
            await plant.start()
            for _ in range(3):
                await driver.read(group, 1.0)
            assert set(plant.requests) == {(3, 99, 1)}

    run(test)


def test_a_group_of_nothing_readable_still_says_so() -> None:
    async def test() -> None:
        async with plant_and_driver() as (_, driver):
            group = group_of("holding:110", "holding:111")
            for _ in range(2):
                scan = await driver.read(group, 1.0)
                assert scan.statuses == [Status.BAD_CONFIGURATION_ERROR] * 2

    run(test)


def test_a_silent_block_loses_its_own_tags_and_does_not_starve_the_others() -> None:
    async def test() -> None:
        async with plant_and_driver(max_gap=0, request_timeout_s=0.1) as (plant, driver):
            plant.silent_at = {5}
            group = group_of("holding:5", "holding:50", "holding:80")
            scan = await driver.read(group, 1.0)
            assert scan.values == [None, 50, 80]
            assert scan.statuses == [Status.BAD_TIMEOUT, 0, 0]
            scan = await driver.read(group, 0.1)  # no time to wait for the silent one twice
            assert scan.values == [None, 50, 80]

    run(test)


def test_a_slow_device_misses_the_deadline_and_its_late_answer_is_not_taken_for_the_next() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            first, second = group_of("holding:1"), group_of("holding:2", uid=2)
            plant.delay_s = 0.15
            started = time.monotonic()
            with pytest.raises(DriverError, match="no_answer") as caught:
                await driver.read(first, 0.1)
            assert time.monotonic() - started < 0.2
            assert caught.value.status == Status.BAD_TIMEOUT
            plant.delay_s = 0.1
            scan = await driver.read(second, 1.0)
            assert scan.values == [2]  # pymodbus' server would have answered 1 here, under the new number

    run(test)


def test_a_peer_that_went_dead_is_dropped_and_found_again() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            group = group_of("holding:1")
            plant.delay_s = 60
            for _ in range(3):
                with pytest.raises(DriverError, match="no_answer"):
                    await driver.read(group, 0.05)
            plant.delay_s = 0
            assert (await driver.read(group, 1.0)).values == [1]
            assert plant.connections == 4

    run(test)


def test_a_server_restart_costs_one_read_and_needs_nobody() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            group = group_of("holding:1")
            await driver.read(group, 1.0)
            plant.delay_s = 5
            with pytest.raises(ExceptionGroup) as caught:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(driver.read(group, 4.0))
                    await asyncio.sleep(0.05)
                    started = time.monotonic()
                    await plant.stop()
            assert caught.group_contains(DriverError, match="connection_lost")
            assert time.monotonic() - started < 1.0  # the close is noticed, not waited out
            plant.delay_s = 0
            await plant.start()
            assert (await driver.read(group, 1.0)).values == [1]

    run(test)


def test_a_closed_port_is_tried_with_pauses_not_at_every_read() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            clock = driver._clock
            assert isinstance(clock, StillClock)
            await plant.stop()
            group = group_of("holding:1")
            causes = []
            for _ in range(40):
                with pytest.raises(DriverError) as caught:
                    await driver.read(group, 1.0)
                causes.append(caught.value.cause)
                clock.advance(100)
            assert 3 <= causes.count("connect_failed") <= 6  # after 0, 0.25, 0.75, 1.75, 3.75 s
            await plant.start()
            clock.advance(5000)
            assert (await driver.read(group, 1.0)).values == [1]

    run(test)


def test_refusals_that_say_that_the_unit_is_away_fail_the_whole_read() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            plant.refuse = ExcCodes.GATEWAY_NO_RESPONSE
            with pytest.raises(DriverError, match="unit_unreachable") as caught:
                await driver.read(group_of("holding:1"), 1.0)
            assert caught.value.status == Status.BAD_NO_COMMUNICATION
            plant.refuse = ExcCodes.DEVICE_BUSY
            assert (await driver.read(group_of("holding:1"), 1.0)).statuses == [Status.BAD_COMMUNICATION_ERROR]

    run(test)


def test_writes_are_confirmed_refused_or_unknown() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            group = group_of(
                {"address": "holding:20", "data": "int16", "scale": 0.1},
                {"address": "holding:21", "data": "float32", "word_order": "little"},
                "coil:7",
                {"address": "holding:30", "data": "bits", "bit": 4, "bit_count": 3},
                "holding:110",
                "input:3",
            )
            tenth, real, coil, bits, hole, fixed = group.tags
            await driver.write(tenth, -21.5, 1.0)
            await driver.write(real, 21.5, 1.0)
            await driver.write(coil, True, 1.0)
            await plant.set_registers(30, [0xFFFF])
            await driver.write(bits, 2, 1.0)
            assert await plant.get_registers(30, 1) == [0xFFAF]
            assert (await driver.read(TagGroup(9, "dev", "w", 1000, group.tags[:4]), 1.0)).values == [-21.5, 21.5, True, 2]
            with pytest.raises(DriverError, match="write_refused") as caught:
                await driver.write(hole, 1, 1.0)
            assert caught.value.params == {"code": 2}
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(fixed, 1, 1.0)
            with pytest.raises(DriverError, match="write_out_of_range"):
                await driver.write(tenth, 1e9, 1.0)
            plant.delay_s = 1
            with pytest.raises(DriverError, match="write_unknown"):
                await driver.write(tenth, 3.0, 0.1)
            plant.delay_s = 0
            plant.refuse = ExcCodes.DEVICE_FAILURE
            with pytest.raises(DriverError, match="write_unknown"):
                await driver.write(tenth, 3.0, 1.0)
            plant.refuse = None
            await plant.stop()
            with pytest.raises(DriverError) as away:
                await driver.write(tenth, 3.0, 1.0)
                await driver.write(tenth, 3.0, 1.0)
            assert away.value.cause in ("write_unknown", "connect_failed")

    run(test)


def test_units_behind_one_gateway_share_one_connection_and_take_turns() -> None:
    async def test() -> None:
        plant = ModbusPlant()
        await plant.start()
        shared, clock = Shared(), RunningClock()
        try:
            one, two = (DeviceOptions(host="127.0.0.1", port=plant.port, unit_id=unit) for unit in (1, 2))
            async with ModbusDriver(one, clock, shared) as first, ModbusDriver(two, clock, shared) as second:
                await plant.set_registers(1, [11], unit=1)
                await plant.set_registers(1, [22], unit=2)
                plant.delay_s = 0.02
                group = group_of("holding:1")

                async def ask(driver: ModbusDriver) -> Scan:
                    return await driver.read(group, 2.0)

                async with asyncio.TaskGroup() as tasks:
                    asked = [tasks.create_task(ask(d)) for d in (first, second) * 5]
                assert [t.result().values for t in asked] == [[11], [22]] * 5
                assert plant.connections == 1
                plant.delay_s = 0.3
                with pytest.raises(ExceptionGroup) as caught:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(first.read(group, 0.5))
                        tasks.create_task(second.read(group, 0.2))
                assert caught.group_contains(DriverError, match="line_busy")
            assert not shared._kept
            async with ModbusDriver(one, clock, shared) as alone:
                with pytest.raises(ExceptionGroup) as caught:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(alone.read(group, 0.5))
                        tasks.create_task(alone.read(group_of("holding:2"), 0.2))
                assert caught.group_contains(DriverError, match="unit_busy"), "there are no other units"
        finally:
            await plant.stop()

    run(test)


def test_cancelling_a_read_leaves_the_driver_usable() -> None:
    async def test() -> None:
        async with plant_and_driver() as (plant, driver):
            await driver.read(group_of("holding:1"), 1.0)
            plant.delay_s = 0.1
            for _ in range(3):
                async with asyncio.TaskGroup() as tasks:
                    reading = tasks.create_task(driver.read(group_of("holding:3"), 1.0))
                    await asyncio.sleep(0.02)
                    reading.cancel()
                assert reading.cancelled()
            assert (await driver.read(group_of("holding:2"), 1.0)).values == [2]

    run(test)


def test_garbage_on_the_wire_is_a_fault_of_the_device_not_of_the_driver() -> None:
    answers = [
        b"\x00\x01\x00\x00\x00\x05\x01\x03\x04\x00\x07",  # byte count beyond the frame
        b"\x00\x01\x00\x00\x00\x07\x01\x03\x04\x00\x07\x00\x08",  # two registers instead of one
        b"\x00\x01\x00\x00\x00\x05\x01\x04\x02\x00\x07",  # another function
        b"\x00\x01\x00\x00\x00\x03\x01\x2b\x00",  # a function nobody asked for
        b"\x00\x01\x00\x00\x00\x02\x01\x83",  # an exception without a code
        b"\xff" * 300,
        b"\x00\x01\x00\x00\x00",
        b"",
    ]

    async def test() -> None:
        for answer in answers:
            gone = asyncio.Event()

            async def reply(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = answer, gone: asyncio.Event = gone
            ) -> None:
                await reader.read(100)
                writer.write(answer)
                while await reader.read(100):
                    pass
                writer.close()
                gone.set()

            server = await asyncio.start_server(reply, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with ModbusDriver(DeviceOptions(host="127.0.0.1", port=port), RunningClock(), Shared()) as driver:
                with pytest.raises(DriverError):
                    await driver.read(group_of("holding:1"), 0.2)
            await gone.wait()
            server.close()
            await server.wait_closed()

    run(test)


def test_rtu_over_a_serial_line_with_two_units_a_cut_and_a_mend() -> None:
    async def test() -> None:
        plant = ModbusPlant()
        with SerialCable() as cable:
            await plant.start_serial(cable.ends[1])
            shared, clock = Shared(), RunningClock()
            one, two = (
                DeviceOptions(transport="rtu", serial_port=cable.ends[0], parity="none", unit_id=unit, request_timeout_s=0.2)
                for unit in (1, 2)
            )
            odd = DeviceOptions(transport="rtu", serial_port=cable.ends[0], parity="none", baud=9600, unit_id=3)
            try:
                async with ModbusDriver(one, clock, shared) as first, ModbusDriver(two, clock, shared) as second:
                    with pytest.raises(DriverError, match="line_settings_differ"):
                        async with ModbusDriver(odd, clock, shared):
                            pass
                    await plant.set_registers(1, [11], unit=1)
                    await plant.set_registers(1, [22], unit=2)
                    group = group_of("holding:1", "holding:3", "coil:3", "holding:110")
                    assert (await first.read(group, 2.0)).values == [11, 3, True, None]
                    assert (await second.read(group, 2.0)).values == [22, 3, True, None]
                    await second.write(group.tags[1], 33, 1.0)
                    assert (await second.read(group, 2.0)).values == [22, 33, True, None]
                    cable.cut = True
                    with pytest.raises(DriverError, match="no_answer"):
                        await first.read(group, 1.0)
                    cable.cut = False
                    await asyncio.sleep(0.3)
                    assert (await first.read(group, 2.0)).values == [11, 3, True, None]
            finally:
                await plant.stop()

    run(test)
