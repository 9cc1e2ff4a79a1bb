"""What a real asyncua server holds, as tags: limits of ten nodes, indexes that change, arrays, structures, times, writes, methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field

from drivers.driver import DriverError
from drivers.opcua.config import DeviceOptions, parse_address
from drivers.opcua.driver import OpcUaDriver
from drivers.reading import Tag, TagGroup
from tests.integration.drivers.test_opcua_driver import BAD_NODE_ID_UNKNOWN, group_of, read_again, run
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import PLANT, OpcUaPlant

pytestmark = pytest.mark.integration

BAD_NO_ELEMENT = 0x80370000
BAD_ENCODING_LIMITS = 0x80080000
BAD_DECODING = 0x80070000


@asynccontextmanager
async def plant_and_driver(
    *values: object, rig: dict[str, Any] | None = None, **options: object
) -> AsyncIterator[tuple[OpcUaPlant, OpcUaDriver]]:
    plant = OpcUaPlant(*values, **(rig or {}))
    await plant.start()
    try:
        async with OpcUaDriver(DeviceOptions.model_validate({"endpoint": plant.endpoint, **options}), RunningClock()) as driver:
            yield plant, driver
    finally:
        await plant.stop()


def tags_of(*raws: dict[str, object], uid: int = 1) -> TagGroup:
    made = [parse_address(raw) for raw in raws]
    tags = tuple(Tag(n, f"t{n}", "dev", address.type, "", address, writable=True) for n, address in enumerate(made))
    return TagGroup(uid, "dev", "g", 50, tags)


def test_a_limit_of_ten_nodes_is_kept_from_the_first_request() -> None:
    async def test() -> None:
        async with plant_and_driver(*[float(n) for n in range(25)], rig={"read_max": 10}) as (plant, driver):
            for _ in range(3):
                assert (await driver.read(group_of(*["float64"] * 25), 5.0)).values == [float(n) for n in range(25)]
            assert max(plant.reads) <= 10
            assert plant.reads.count(10) == 6
            assert plant.reads.count(5) == 3

    run(test)


def test_a_limit_that_the_server_does_not_tell_is_found_by_halving_and_remembered() -> None:
    async def test() -> None:
        rig = {"read_max": 10, "tells": False}
        async with plant_and_driver(*[float(n) for n in range(25)], rig=rig) as (plant, driver):
            group = group_of(*["float64"] * 25)
            assert (await driver.read(group, 5.0)).values == [float(n) for n in range(25)]
            refused = sum(count > 10 for count in plant.reads)
            plant.reads.clear()
            assert (await driver.read(group, 5.0)).values == [float(n) for n in range(25)]
            assert refused <= 3
            assert max(plant.reads) <= 10

    run(test)


def test_an_index_that_changed_is_looked_up_again_and_a_node_that_is_gone_is_said_alone() -> None:
    async def test() -> None:
        async with plant_and_driver(1.0, 2.0) as (plant, driver):
            named = [{"node": f"nsu={PLANT};s=t{n}"} for n in range(2)]
            group = tags_of(*named, {"node": "ns=2;s=t0"}, {"node": "nsu=urn:nobody;s=t0"})
            scan = await driver.read(group, 5.0)
            assert (scan.values, scan.statuses) == ([1.0, 2.0, 1.0, None], [0, 0, 0, BAD_NODE_ID_UNKNOWN])
            await plant.stop()
            plant.namespaces, plant.values = ("urn:new", "urn:newer", PLANT), [5.0]
            await plant.start()
            scan = await read_again(driver, group, "connect_waiting", "connect_failed", "connection_lost", "no_answer")
            assert scan.values == [5.0, None, None, None]
            assert scan.statuses == [0, BAD_NODE_ID_UNKNOWN, BAD_NODE_ID_UNKNOWN, BAD_NODE_ID_UNKNOWN]
            await driver.write(group.tags[0], 6.0, 2.0)
            assert await plant.get(0) == 6.0

    run(test)


def test_each_tag_keeps_its_own_source_time_and_the_servers_time_is_there() -> None:
    async def test() -> None:
        async with plant_and_driver(1.0, 2.0) as (plant, driver):
            for n, year in ((0, 2024), (1, 2025)):
                stamp = datetime(year, 1, 1, tzinfo=UTC)
                made = ua.DataValue(ua.Variant(float(n)), ua.StatusCode(0), SourceTimestamp=stamp, ServerTimestamp=stamp)
                await plant.server.write_attribute_value(ua.NodeId(f"t{n}", 2), made)
            group = group_of("float64", "float64")
            wanted = [1_704_067_200_000, 1_735_689_600_000]
            scan = await driver.read(group, 5.0)
            assert [reading.source_ms for reading in scan.readings()] == wanted
            assert scan.source_ms == wanted[1]
            assert scan.server_ms is not None
            async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                async for pushed in scans:
                    assert [reading.source_ms for reading in pushed.readings()] == wanted
                    break

    run(test)


async def furnish(server: Server, index: int) -> None:
    """A motor with limits, a mode and an optional text, in an array; a union; a matrix; a method."""
    mode = await new_enum(server, index, "Mode", ["Off", "Auto"])
    limits, _ = await new_struct(
        server, index, "Limits", [new_struct_field("Low", ua.VariantType.Double), new_struct_field("High", ua.VariantType.Double)]
    )
    await new_struct(server, index, "Motor", [
        new_struct_field("Speed", ua.VariantType.Int32),
        new_struct_field("Limits", limits),
        new_struct_field("Mode", mode),
        new_struct_field("Steps", ua.VariantType.UInt16, array=True),
        new_struct_field("Note", ua.VariantType.String, optional=True),
    ])  # fmt: skip
    await server.load_data_type_definitions()
    motors = [
        ua.Motor(Speed=10 * n, Limits=ua.Limits(Low=0.5, High=n + 0.25), Mode=ua.Mode.Auto, Steps=[1, 2, n], Note="fine" if n else None)  # type: ignore[attr-defined]
        for n in range(3)
    ]
    objects = server.nodes.objects
    await objects.add_variable(ua.NodeId("motors", index), "motors", ua.Variant(motors, ua.VariantType.ExtensionObject))
    await objects.add_variable(ua.NodeId("motor", index), "motor", ua.Variant(motors[1], ua.VariantType.ExtensionObject))
    grid = ua.Variant([[1, 2, 3], [4, 5, 6]], ua.VariantType.Int32, Dimensions=[2, 3], is_array=True)
    await objects.add_variable(ua.NodeId("grid", index), "grid", grid)
    await objects.add_variable(
        ua.NodeId("empty", index), "empty", ua.Variant(None, ua.VariantType.Null), datatype=ua.NodeId(ua.ObjectIds.Int16)
    )
    await server.get_node(ua.NodeId("empty", index)).set_writable()

    async def add(_: Any, first: ua.Variant, second: ua.Variant) -> Any:
        if first.Value < 0:
            return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
        return [ua.Variant(first.Value + second.Value, ua.VariantType.Int32)]

    arguments = [ua.VariantType.Int32, ua.VariantType.Int32]
    await objects.add_method(ua.NodeId("add", index), "add", add, arguments, [ua.VariantType.Int32])


def test_elements_and_fields_are_tags_and_what_is_not_there_is_said() -> None:
    async def test() -> None:
        async with plant_and_driver([1.5, 2.5], [7] * 70_000, rig={"furnish": furnish}) as (plant, driver):
            rows: list[tuple[dict[str, object], object, int]] = [
                ({"node": "ns=2;s=t0", "part": "[1]"}, 2.5, 0),
                ({"node": "ns=2;s=t0", "part": "[2]"}, None, BAD_NO_ELEMENT),
                ({"node": "ns=2;s=t0"}, None, BAD_DECODING),
                ({"node": "ns=2;s=t1", "part": "[0]", "data": "int"}, None, BAD_ENCODING_LIMITS),
                ({"node": "ns=2;s=grid", "part": "[1,2]", "data": "int"}, 6, 0),
                ({"node": "ns=2;s=motor", "part": "Speed", "data": "int"}, 10, 0),
                ({"node": "ns=2;s=motors", "part": "[2].Limits.High"}, 2.25, 0),
                ({"node": "ns=2;s=motors", "part": "[2].Mode", "data": "int"}, 1, 0),
                ({"node": "ns=2;s=motors", "part": "[2].Steps[2]", "data": "int"}, 2, 0),
                ({"node": "ns=2;s=motors", "part": "[2].Note", "data": "text"}, "fine", 0),
                ({"node": "ns=2;s=motors", "part": "[0].Note", "data": "text"}, None, BAD_NO_ELEMENT),
                ({"node": "ns=2;s=motors", "part": "[0].Nothing", "data": "text"}, None, BAD_NO_ELEMENT),
            ]
            group = tags_of(*[raw for raw, _, _ in rows])
            scan = await driver.read(group, 5.0)
            assert list(zip(scan.values, scan.statuses or [], strict=True)) == [(value, status) for _, value, status in rows]
            asked = len(plant.reads)
            await driver.read(group, 5.0)
            assert len(plant.reads) == asked + 1  # the definitions are known, and a node is read once for all its tags
            async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                held: dict[str, object] = {}
                async for pushed in scans:
                    held |= {reading.tag.name: reading.value for reading in pushed.readings()}
                    if len(held) == len(rows):
                        break
            assert held == {f"t{n}": value for n, (_, value, _) in enumerate(rows)}
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(group.tags[0], 3.0, 2.0)

    run(test)


def test_a_node_without_a_value_is_written_in_the_type_that_it_is_declared_with() -> None:
    async def test() -> None:
        async with plant_and_driver(1.0, [1, 2], rig={"furnish": furnish}) as (plant, driver):
            group = tags_of({"node": "ns=2;s=empty", "data": "int"}, {"node": "ns=2;s=t1", "data": "int"})
            await driver.write(group.tags[0], -5, 2.0)
            written = await plant.server.get_node("ns=2;s=empty").read_data_value()
            assert (written.Value.Value, written.Value.VariantType) == (-5, ua.VariantType.Int16)
            with pytest.raises(DriverError, match="write_out_of_range"):
                await driver.write(group.tags[0], 40_000, 2.0)
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(group.tags[1], 5, 2.0)

    run(test)


def test_methods_are_called_with_typed_arguments_when_the_device_allows_it() -> None:
    async def test() -> None:
        async with plant_and_driver(rig={"furnish": furnish}, method_calls=True) as (_, driver):
            method = f"nsu={PLANT};s=add"
            assert await driver.call("i=85", method, ["int32:2", "int32:40"], 2.0) == [42]
            for arguments, cause in (
                (["int32:-1", "int32:0"], "write_refused"),
                (["int32:1"], "write_unknown"),  # the method fails inside the server: nobody knows how far it came
                (["int32:x", "int32:1"], "call_unusable"),
                (["int32:3000000000", "int32:1"], "call_unusable"),
            ):
                with pytest.raises(DriverError) as refused:
                    await driver.call("i=85", method, arguments, 2.0)
                assert refused.value.cause == cause
            with pytest.raises(DriverError, match="write_refused"):
                await driver.call("i=85", "ns=2;s=nothing", [], 2.0)
        async with plant_and_driver(rig={"furnish": furnish}) as (_, driver):
            with pytest.raises(DriverError, match="call_not_allowed"):
                await driver.call("i=85", "ns=2;s=add", ["int32:2", "int32:40"], 2.0)

    run(test)


def test_a_server_deadband_is_asked_for_only_where_the_tag_says_so() -> None:
    async def test() -> None:
        async with plant_and_driver(10.0, 10.0, subscription_interval_ms=50) as (plant, driver):
            group = tags_of({"node": "ns=2;s=t0", "server_deadband": 1.0}, {"node": "ns=2;s=t1"})
            seen: dict[str, list[object]] = {"t0": [], "t1": []}
            async with asyncio.timeout(10), aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                async for scan in scans:
                    for reading in scan.readings():
                        seen[reading.tag.name].append(reading.value)
                    if seen["t1"] == [10.0]:
                        await plant.set(0, 10.4)
                        await plant.set(1, 10.4)
                    elif seen["t1"] == [10.0, 10.4]:
                        await plant.set(0, 15.0)
                        await plant.set(1, 15.0)
                    elif len(seen["t1"]) == 3 and len(seen["t0"]) == 2:
                        break
            assert seen == {"t0": [10.0, 15.0], "t1": [10.0, 10.4, 15.0]}

    run(test)
