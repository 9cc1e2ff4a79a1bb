"""Writes to units that lack the functions for one coil or one register, of a real pymodbus server."""

from __future__ import annotations

import asyncio

import pytest

from drivers.driver import DriverError
from tests.rigs.conforming import ModbusRig, modbus_tag

pytestmark = pytest.mark.integration


def test_a_unit_without_function_6_is_written_with_function_16() -> None:
    async def test() -> None:
        async with asyncio.timeout(20), ModbusRig() as rig, rig.make() as driver:
            rig.plant.refused_functions = {6}
            await driver.write(modbus_tag(0, "int", address="holding:20"), 77, 1.0)
            assert await rig.plant.get_registers(20, 1) == [77]

    asyncio.run(test())


def test_a_unit_without_function_5_is_written_with_function_15() -> None:
    async def test() -> None:
        async with asyncio.timeout(20), ModbusRig() as rig, rig.make() as driver:
            coil, plant = modbus_tag(0, "bool", address="coil:20"), rig.plant
            await driver.write(coil, True, 1.0)
            plant.refused_functions = {5}
            await driver.write(coil, False, 1.0)
            assert await plant.get_coils(19, 3) == [False, False, True]  # 21 is set from the start: only the one coil changed
            await driver.write(coil, True, 1.0)
            assert await plant.get_coils(19, 3) == [False, True, True]
            assert [function for function, *_ in plant.requests] == [5, 5, 15, 5, 15]

    asyncio.run(test())


def test_a_unit_without_either_refuses_and_a_refusal_of_another_kind_is_not_asked_twice() -> None:
    async def test() -> None:
        async with asyncio.timeout(20), ModbusRig() as rig, rig.make() as driver:
            coil, hole, plant = modbus_tag(0, "bool", address="coil:20"), modbus_tag(1, "bool", address="coil:500"), rig.plant
            with pytest.raises(DriverError) as away:
                await driver.write(hole, True, 1.0)
            assert (away.value.cause, away.value.params) == ("write_refused", {"code": 2})
            plant.refused_functions = {5, 15}
            with pytest.raises(DriverError) as refused:
                await driver.write(coil, True, 1.0)
            assert (refused.value.cause, refused.value.params) == ("write_refused", {"code": 1})
            assert [function for function, *_ in plant.requests] == [5, 5, 15]
            assert await plant.get_coils(20, 1) == [False]

    asyncio.run(test())
