"""Every type that can be written, through a real server: what one tag writes, it reads back, and its neighbours keep what they had."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import pytest

from drivers.driver import DriverError
from drivers.modbus.address import part_kinds, time_kinds, value_type
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import Kind, parse_address
from drivers.reading import Status, Tag, TagGroup, Value
from drivers.shared import Shared
from tests.rigs.clock import StillClock
from tests.rigs.modbus import ModbusPlant

pytestmark = pytest.mark.integration

orders = [("big", "big"), ("big", "little"), ("little", "big"), ("little", "little")]
setpoints: dict[str, Value] = {"bool": True, "bits": 5, "string": "Rezept 7", "float16": -1.5, "float32": 21.5, "float64": 1e-9}
not_written = ("bits32", "bits64")


def tag_of(n: int, start: int, kind: str, order: tuple[str, str]) -> Tag:
    raw: dict[str, Any] = {"address": f"holding:{start}", "data": kind, "byte_order": order[0], "word_order": order[1]}
    raw |= (
        {"bit": 3, "bit_count": 4}
        if kind == "bits"
        else {"length": 5}
        if kind == "string"
        else {"parts": "YMDhms"}
        if kind in part_kinds
        else {}
    )
    address = parse_address(raw)
    return Tag(n, f"t{n}", "dev", value_type(address), "", address, writable=True)


@pytest.mark.parametrize("order", orders)
def test_what_is_written_is_read_back(order: tuple[str, str]) -> None:
    async def test() -> None:
        plant = ModbusPlant()
        await plant.start()
        try:
            options = DeviceOptions.model_validate({"host": "127.0.0.1", "port": plant.port})
            async with ModbusDriver(options, StillClock(), Shared()) as driver:
                for kind in get_args(Kind):
                    tag = tag_of(0, 10, kind, order)
                    count = tag.address.count  # type: ignore[attr-defined]
                    await plant.set_registers(9, list(range(100, 102 + count)))
                    if kind in not_written:
                        with pytest.raises(DriverError, match="write_not_supported"):
                            await driver.write(tag, 1, 1.0)
                        continue
                    wanted = "2026-03-01T12:30:07.000Z" if kind in ("cp56", "s7_datetime", "unix_ms64") else "2026-03-01T12:30:07Z"
                    value = wanted if kind in time_kinds else setpoints.get(kind, 97)
                    await driver.write(tag, value, 1.0)
                    scan = await driver.read(TagGroup(1, "dev", kind, 1000, (tag,)), 1.0)
                    assert (kind, scan.values, scan.statuses) == (kind, [value], None)
                    assert (await plant.get_registers(9, 1), await plant.get_registers(10 + count, 1)) == ([100], [101 + count])
        finally:
            await plant.stop()

    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_block_of_sunspec_with_its_factor_and_marks() -> None:
    async def test() -> None:
        plant = ModbusPlant()
        await plant.start()
        try:
            options = DeviceOptions.model_validate({"host": "127.0.0.1", "port": plant.port})
            raws: list[dict[str, Any]] = [
                {"address": "holding:10", "data": "int16", "scale_factor": "holding:12", "missing": "sunspec"},
                {"address": "holding1:12", "data": "uint16", "scale_factor": "400013", "missing": "sunspec"},
                {"address": "4x14", "data": "uint32", "missing": "sunspec"},
            ]
            tags = tuple(Tag(n, f"t{n}", "dev", "float64", "", parse_address(raw)) for n, raw in enumerate(raws))
            group = TagGroup(1, "dev", "g", 1000, tags)
            async with ModbusDriver(options, StillClock(), Shared()) as driver:
                for registers, values in (
                    ([215, 7, 0xFFFF, 1, 2], [21.5, 0.7, 65538]),
                    ([0x8000, 7, 1, 0xFFFF, 0xFFFF], [None, 70.0, None]),
                    ([215, 7, 0x8000, 0, 2], [None, None, 2]),
                ):
                    await plant.set_registers(10, registers)
                    scan = await driver.read(group, 1.0)
                    assert scan.values == values
                    statuses = [Status.BAD_NO_DATA if value is None else 0 for value in values]
                    assert (scan.statuses or [0, 0, 0]) == statuses
                assert len(plant.requests) == 3  # one request a scan
        finally:
            await plant.stop()

    asyncio.run(asyncio.wait_for(test(), 30))
