"""The OPC UA driver against a real asyncua server: values and statuses, pushed scans, silence, restart, writes, no leaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from asyncua import ua

from drivers.driver import DriverError
from drivers.opcua.config import DeviceOptions, parse_address
from drivers.opcua.driver import OpcUaDriver
from drivers.reading import Scan, Tag, TagGroup
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import OpcUaPlant
from tests.rigs.wire import Wire

pytestmark = pytest.mark.integration

BAD_NODE_ID_UNKNOWN = 0x80340000
BAD_SENSOR_FAILURE = 0x808C0000
UNCERTAIN = 0x40900000


def group_of(*types: str, period_ms: int = 50, uid: int = 1) -> TagGroup:
    tags = tuple(
        Tag(n, f"t{n}", "dev", kind, "", parse_address({"node": f"ns=2;s=t{n}", "data": kind}), writable=True)
        for n, kind in enumerate(types)
    )
    return TagGroup(uid, "dev", "g", period_ms, tags)


@asynccontextmanager
async def plant_wire_driver(*values: object, **options: object) -> AsyncIterator[tuple[OpcUaPlant, Wire, OpcUaDriver]]:
    plant = OpcUaPlant(*values)
    await plant.start()
    try:
        async with Wire(plant.port) as wire:
            before = asyncio.all_tasks()
            made = DeviceOptions.model_validate({"endpoint": f"opc.tcp://127.0.0.1:{wire.port}/plant", **options})
            async with OpcUaDriver(made, RunningClock()) as driver:
                yield plant, wire, driver
            await wire.mend()
            while wire.open:
                await asyncio.sleep(0.005)
            left = {t for t in asyncio.all_tasks() - before if "asyncua/client" in str(t.get_coro().cr_code)}  # type: ignore[union-attr]
            assert not left, "a task of the client outlived the driver"
    finally:
        await plant.stop()


async def read_again(driver: OpcUaDriver, group: TagGroup, *causes: str) -> Scan:
    """Read until the device is back; only the named causes may come before."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await driver.read(group, 2.0)
            except DriverError as error:
                if error.cause not in causes:
                    raise
                await asyncio.sleep(0.05)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(40):
            await test()

    asyncio.run(bounded())


def test_polled_values_statuses_and_source_time() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.5, 7, "Riegel", True, 2) as (plant, _, driver):
            group = group_of("float64", "int", "text", "bool", "float64", "float64")
            scan = await driver.read(group, 2.0)
            assert scan.values == [1.5, 7, "Riegel", True, 2.0, None]
            assert scan.statuses == [0, 0, 0, 0, 0, BAD_NODE_ID_UNKNOWN]
            await plant.set(0, 2.5, UNCERTAIN)
            await plant.set(1, 8, BAD_SENSOR_FAILURE)
            before_ms = time.time_ns() // 1_000_000
            await plant.set(3, False)
            scan = await driver.read(group, 2.0)
            assert scan.values[0] == 2.5
            assert scan.statuses is not None
            assert scan.statuses[:2] == [UNCERTAIN, BAD_SENSOR_FAILURE]
            assert scan.source_ms is not None
            assert 0 <= scan.source_ms - before_ms + 1 < 2000
            good = await driver.read(group_of("float64", "int", "text", uid=2), 2.0)
            assert good.statuses == [UNCERTAIN, BAD_SENSOR_FAILURE, 0]
            assert (await driver.read(TagGroup(3, "dev", "ok", 50, (group.tags[2],)), 2.0)).statuses is None

    run(test)


def test_the_channel_is_renewed_and_an_expired_session_replaced_without_a_failed_read() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0) as (_, wire, driver):
            group = group_of("float64")
            await driver.read(group, 2.0)
            for _ in range(3):
                link = driver._link
                assert link is not None
                session = link.session
                session._renew_at = 0.0
                assert (await driver.read(group, 2.0)).values == [1.0]
                assert session._renew_at > 0.0
            assert wire.connections == 1
            await session._client.uaclient.session.close_session(True)
            assert (await driver.read(group, 2.0)).values == [1.0]
            assert wire.connections == 2

    run(test)


def test_many_nodes_are_read_in_the_chunks_that_the_server_takes() -> None:
    async def test() -> None:
        async with plant_wire_driver(*[float(n) for n in range(25)], max_nodes=4) as (_, _, driver):
            scan = await driver.read(group_of(*["float64"] * 25), 2.0)
            assert scan.values == [float(n) for n in range(25)]

    run(test)


def test_a_stalled_server_misses_the_deadline_is_dropped_and_found_again() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0) as (_, wire, driver):
            group = group_of("float64")
            await driver.read(group, 2.0)
            wire.stall()
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(DriverError):
                    await driver.read(group, 0.2)
                assert time.monotonic() - started < 0.4
            await wire.mend()
            assert (await read_again(driver, group, "connect_waiting", "no_answer")).values == [1.0]

    run(test)


def test_a_server_restart_is_noticed_at_once_and_needs_nobody() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0) as (plant, wire, driver):
            group = group_of("float64")
            await driver.read(group, 2.0)
            await wire.cut()
            await plant.stop()
            with pytest.raises(DriverError):
                await driver.read(group, 2.0)
            await plant.start()
            await wire.mend()
            assert (await read_again(driver, group, "connect_waiting", "connect_failed", "connection_lost")).values == [1.0]

    run(test)


def test_pushed_scans_hold_what_changed_and_keep_double_changes() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0, 10, 5.0, subscription_interval_ms=50) as (plant, _, driver):
            group = group_of("float64", "int", "float64", "float64")
            seen: list[Scan] = []
            async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                async for scan in scans:
                    if scan.present is not None and not any(scan.present):
                        continue
                    seen.append(scan)
                    if len(seen) == 2:
                        await plant.set(0, 2.0)
                        await plant.set(0, 3.0)
                        await plant.set(1, 11)
                    if len(seen) == 4:
                        break
            refused, first, change, again = seen
            assert refused.present == [False, False, False, True]
            assert refused.statuses == [0, 0, 0, BAD_NODE_ID_UNKNOWN]
            assert first.values[:3] == [1.0, 10, 5.0]
            assert first.present == [True, True, True, False]
            assert [(r.tag.name, r.value) for r in change.readings()] == [("t0", 2.0), ("t1", 11)]
            assert [(r.tag.name, r.value) for r in again.readings()] == [("t0", 3.0)]
            assert first.source_ms is not None

    run(test)


def test_a_lost_stream_ends_with_an_error_also_when_only_keep_alives_are_missing() -> None:
    async def test() -> None:
        options = {"subscription_interval_ms": 20, "request_timeout_s": 0.3}
        async with plant_wire_driver(1.0, **options) as (_, wire, driver):
            group = group_of("float64")
            for fault in ("stall", "cut"):
                started = 0.0
                with pytest.raises(DriverError) as caught:
                    async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                        async for _ in scans:
                            started = time.monotonic()
                            if fault == "cut":
                                await wire.cut()
                            else:
                                wire.stall()
                assert caught.value.cause == ("connection_lost" if fault == "cut" else "no_answer")
                assert time.monotonic() - started < 2.0
                await wire.mend()
            await asyncio.sleep(1.0)  # connections were tried again and again: the pause between attempts has grown
            async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                async for scan in scans:
                    if scan.present == [False]:
                        break  # a keep-alive is passed on: nothing new, and alive
                    assert scan.values == [1.0]

    run(test)


def test_a_runtime_that_is_too_slow_for_the_queue_is_told_so() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0, subscription_interval_ms=20, queue_size=2) as (_, _, driver):
            with pytest.raises(DriverError, match="overflow"):
                async with aclosing(driver.subscribe(group_of("float64"))) as scans:  # type: ignore[type-var]
                    async for _ in scans:
                        await asyncio.sleep(0.1)

    run(test)


def test_writes_take_the_type_of_the_node_and_are_confirmed_refused_or_unknown() -> None:
    async def test() -> None:
        values = (ua.Variant(1, ua.VariantType.Int16), ua.Variant(1.0, ua.VariantType.Float), True, "a")
        async with plant_wire_driver(*values) as (plant, wire, driver):
            short, real, flag, text, missing = group_of("int", "float64", "bool", "text", "int").tags
            for tag, n, value in ((short, 0, -7), (real, 1, 2.5), (flag, 2, False), (text, 3, "b")):
                await driver.write(tag, value, 2.0)
                assert await plant.get(n) == value
            for tag, value in ((short, 40_000), (short, 1.5), (real, 1e300), (flag, 2), (text, 5)):
                with pytest.raises(DriverError, match="write_out_of_range"):
                    await driver.write(tag, value, 2.0)
            with pytest.raises(DriverError) as refused:
                await driver.write(missing, 1, 2.0)
            assert refused.value.params["code"] == BAD_NODE_ID_UNKNOWN
            wire.stall()
            with pytest.raises(DriverError, match="write_unknown"):
                await driver.write(short, 3, 0.2)

    run(test)


def test_cancelling_a_connect_or_a_read_leaves_nothing_behind() -> None:
    async def test() -> None:
        async with plant_wire_driver(1.0) as (_, wire, driver):
            group = group_of("float64")
            wire.stall()
            for _ in range(2):
                async with asyncio.TaskGroup() as tasks:
                    reading = tasks.create_task(driver.read(group, 2.0))
                    await asyncio.sleep(0.05)
                    reading.cancel()
                assert reading.cancelled()
                await asyncio.sleep(0.5)  # the pause after a failed connect doubles: 0.25 s, 0.5 s
            await wire.mend()
            assert (await read_again(driver, group, "connect_waiting")).values == [1.0]

    run(test)


def test_a_peer_that_speaks_no_opc_ua_is_a_fault_of_the_device() -> None:
    async def test() -> None:
        for answer in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"ACKF\x1c\0\0\0" + b"\xff" * 20,
            b"ERRF\x10\0\0\0\0\0\x7d\x80\0\0\0\0",
            b"\xff" * 5000,
        ):

            async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = answer) -> None:
                await reader.read(100)
                writer.write(answer)
                try:
                    while await reader.read(100):
                        pass
                except OSError:
                    pass
                writer.close()

            server = await asyncio.start_server(reply, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            async with OpcUaDriver(DeviceOptions(endpoint=f"opc.tcp://127.0.0.1:{port}"), RunningClock()) as driver:
                with pytest.raises(DriverError):
                    await driver.read(group_of("float64"), 0.3)
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.02)

    run(test)
