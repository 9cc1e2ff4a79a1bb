"""A session that the server knows no more, under writes and calls: they find another one, and nothing is ever written twice."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from asyncua import Server, ua

from drivers.driver import DriverError
from drivers.opcua.config import DeviceOptions
from drivers.opcua.driver import OpcUaDriver
from drivers.reading import Scan, Tag, TagGroup, Value
from runtime.clock import SystemClock
from runtime.device_write import write_and_look
from runtime.setpoint import SetpointRules
from tests.integration.drivers.test_opcua_driver import group_of, run
from tests.integration.drivers.test_opcua_hostile import CALL, ONE, READ, WRITE, count_of, reading
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import PLANT, OpcUaPlant
from tests.rigs.opcua_hostile import HostileServer, header
from tests.rigs.wire import Wire

pytestmark = pytest.mark.integration

UNHEARD = [0x80250000, 0x80270000, 0x80220000, 0x80870000]
CLOSED = [0x80260000, 0x80860000]
METHOD = f"nsu={PLANT};s=reset"


async def furnish(server: Server, index: int) -> None:
    async def reset(_: Any) -> list[Any]:
        return []

    await server.nodes.objects.add_method(ua.NodeId("reset", index), "reset", reset, [], [])


@asynccontextmanager
async def plant_and_driver(*values: object, **options: object) -> AsyncIterator[tuple[OpcUaPlant, Wire, OpcUaDriver]]:
    plant = OpcUaPlant(*values, furnish=furnish)
    await plant.start()
    try:
        async with Wire(plant.port) as wire:
            made = DeviceOptions.model_validate({"endpoint": f"opc.tcp://127.0.0.1:{wire.port}/plant", "method_calls": True, **options})
            async with OpcUaDriver(made, RunningClock()) as driver:
                yield plant, wire, driver
    finally:
        await plant.stop()


async def end_session(driver: OpcUaDriver) -> None:
    """Let the server forget the session while the connection stays, as it does after the session's timeout."""
    assert driver._link is not None
    await driver._link.session._client.uaclient.session.close_session(True)


class Alone:
    """`runtime.device_write.Writer` of one driver."""

    def __init__(self, driver: OpcUaDriver) -> None:
        self._driver = driver

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        await self._driver.write(tag, value, deadline_s)

    def sent(self, device: str, tag: Tag, value: Value) -> Value:
        return value

    def resolution(self, device: str, tag: Tag, value: Value) -> float | None:
        return self._driver.resolution(tag, value)

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        return await self._driver.read(TagGroup(-1, device, "back", 1000, (tag,)), deadline_s)


def test_a_device_that_only_pushes_is_written_and_called_after_its_session_has_ended() -> None:
    async def test() -> None:
        async with plant_and_driver(1.5) as (plant, wire, driver):
            tag = group_of("float64").tags[0]
            await driver.write(tag, 2.0, 2.0)
            for turn in range(2):
                await end_session(driver)
                await driver.write(tag, 3.0 + turn, 2.0)
                assert (await plant.get(0), plant.writes, wire.connections) == (3.0 + turn, 2 + turn, 2 + 2 * turn)
                await end_session(driver)
                assert await driver.call("i=85", METHOD, [], 2.0) == []
                assert (plant.calls, wire.connections) == (1 + turn, 3 + 2 * turn)

    run(test)


def test_a_session_left_alone_longer_than_its_timeout_is_replaced_beside_a_stream_that_goes_on() -> None:
    async def test() -> None:
        async with plant_and_driver(1.5, session_timeout_s=5) as (plant, wire, driver):
            group = group_of("float64")
            async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                assert (await anext(scans)).values == [1.5]
                await driver.write(group.tags[0], 2.0, 2.0)
                await asyncio.sleep(12)  # asyncua looks for dead sessions every few seconds
                await driver.write(group.tags[0], 3.0, 2.0)
                assert (await plant.get(0), plant.writes) == (3.0, 2)
                assert wire.connections >= 3

    run(test)


def test_after_a_long_quiet_the_session_is_looked_at_before_anything_is_written() -> None:
    async def test() -> None:
        async with plant_and_driver(1.5) as (plant, wire, driver):
            tag = group_of("float64").tags[0]
            await driver.write(tag, 2.0, 2.0)
            for turn, is_gone in enumerate((False, True)):
                link, reads = driver._link, len(plant.reads)
                assert link is not None
                assert not link.is_quiet
                if is_gone:
                    await end_session(driver)
                link._heard_s -= link.session.timeout_s
                assert link.is_quiet
                await driver.write(tag, 3.0 + turn, 2.0)
                assert (await plant.get(0), plant.writes, wire.connections) == (3.0 + turn, 2 + turn, 1 + is_gone)
                assert len(plant.reads) > reads
                assert (driver._link is link) is not is_gone

    run(test)


@pytest.mark.parametrize("code", UNHEARD)
@pytest.mark.parametrize("service", [WRITE, CALL])
def test_what_the_server_did_not_look_at_is_sent_once_more_on_another_session(code: int, service: int) -> None:
    sent: list[int] = []

    def answer(asked: int, parameters: bytes) -> bytes:
        if asked not in (WRITE, CALL):
            return reading(ONE)(asked, parameters)
        sent.append(server.connections)
        if server.connections == 1:
            return header(code)
        return header() + struct.pack("<iI", 1, 0) + (struct.pack("<iii", 0, 0, 0) if asked == CALL else b"") + struct.pack("<i", -1)

    server = HostileServer(answer)

    async def test() -> None:
        async with server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint, method_calls=True), RunningClock()) as driver:
            if service == WRITE:
                await driver.write(group_of("float64").tags[0], 2.5, 2.0)
            else:
                assert await driver.call("ns=2;s=o", "ns=2;s=m", [], 2.0) == []
            assert sent == [1, 2]

    run(test)


@pytest.mark.parametrize("code", UNHEARD)
def test_a_server_that_knows_no_session_of_ours_is_asked_twice_and_has_refused(code: int) -> None:
    sent: list[int] = []

    def answer(asked: int, parameters: bytes) -> bytes:
        if asked != WRITE:
            return reading(ONE)(asked, parameters)
        sent.append(server.connections)
        return header(code)

    server = HostileServer(answer)

    async def test() -> None:
        async with server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            for turn in range(2):
                with pytest.raises(DriverError) as refused:
                    await driver.write(group_of("float64").tags[0], 2.5, 2.0)
                assert (refused.value.cause, refused.value.params) == ("write_refused", {"code": code})
                assert sent == [1, 2, 3, 4][: 2 + 2 * turn]

    run(test)


@pytest.mark.parametrize("code", CLOSED)
@pytest.mark.parametrize("service", [WRITE, CALL])
def test_a_session_that_was_closed_under_a_request_leaves_open_what_became_of_it(code: int, service: int) -> None:
    sent: list[int] = []

    def answer(asked: int, parameters: bytes) -> bytes:
        if asked not in (WRITE, CALL):
            return reading(ONE)(asked, parameters)
        sent.append(server.connections)
        if server.connections == 1:
            return header(code)
        return header() + struct.pack("<iI", 1, 0) + (struct.pack("<iii", 0, 0, 0) if asked == CALL else b"") + struct.pack("<i", -1)

    server = HostileServer(answer)

    async def test() -> None:
        async with server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint, method_calls=True), RunningClock()) as driver:
            tag = group_of("float64").tags[0]
            with pytest.raises(DriverError, match="write_unknown"):
                await (driver.write(tag, 2.5, 2.0) if service == WRITE else driver.call("ns=2;s=o", "ns=2;s=m", [], 2.0))
            assert sent == [1], "never sent twice"
            await driver.write(tag, 2.5, 2.0)
            assert sent == [1, 2]

    run(test)


@pytest.mark.parametrize("code", [*UNHEARD, *CLOSED])
def test_a_lost_session_that_shows_when_the_type_is_asked_for_costs_no_write(code: int) -> None:
    sent: list[int] = []

    def answer(asked: int, parameters: bytes) -> bytes:
        if asked == WRITE:
            sent.append(server.connections)
            return header() + struct.pack("<iIi", 1, 0, -1)
        if server.connections == 1 and asked == READ and count_of(parameters) == 2:
            return header(code)
        return reading(ONE)(asked, parameters)

    server = HostileServer(answer)

    async def test() -> None:
        async with server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            await driver.write(group_of("float64").tags[0], 2.5, 2.0)
            assert sent == [2]

    run(test)


@pytest.mark.parametrize("code", [0x80250000, 0x80270000])
def test_a_node_that_speaks_of_a_session_is_a_refusal_of_that_node(code: int) -> None:
    sent: list[int] = []

    def answer(asked: int, parameters: bytes) -> bytes:
        if asked == WRITE:
            sent.append(server.connections)
            return header() + struct.pack("<iIi", 1, code, -1)  # of a server behind the server
        return reading(ONE)(asked, parameters)

    server = HostileServer(answer)

    async def test() -> None:
        async with server, OpcUaDriver(DeviceOptions(endpoint=server.endpoint), RunningClock()) as driver:
            with pytest.raises(DriverError, match="write_refused"):
                await driver.write(group_of("float64").tags[0], 2.5, 2.0)
            assert sent == [1]

    run(test)


def test_two_who_find_the_session_gone_at_once_share_the_next() -> None:
    async def test() -> None:
        async with plant_and_driver(1.5, 2) as (plant, wire, driver):
            first, second = group_of("float64", "int").tags
            await driver.write(first, 2.0, 2.0)
            await end_session(driver)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(driver.write(first, 3.0, 4.0))
                tasks.create_task(driver.write(second, 7, 4.0))
            assert (await plant.get(0), await plant.get(1), plant.writes) == (3.0, 7, 3)
            before = wire.connections
            await driver.write(first, 4.0, 2.0)
            assert wire.connections == before

    run(test)


@pytest.mark.parametrize("info_bits", [0x00000400, 0x00960000])
def test_a_write_is_confirmed_by_a_server_whose_good_says_more(info_bits: int) -> None:
    async def test() -> None:
        async with plant_and_driver(1.5) as (plant, _, driver):
            plant.info_bits = info_bits
            tag = group_of("float64").tags[0]
            outcome = await write_and_look(Alone(driver), SystemClock(), tag, 2.5, SetpointRules(read_back_s=0.5))
            assert (outcome.code, dict(outcome.params)) == ("done", {"value": 2.5, "read_back": 2.5})

    run(test)


def test_what_a_node_of_32_bits_makes_of_a_number_is_kept_and_nothing_else_is() -> None:
    async def test() -> None:
        nodes = (ua.Variant(1.0, ua.VariantType.Float), 1.0)
        async with plant_and_driver(*nodes) as (_, _, driver):
            narrow, wide = group_of("float64", "float64").tags
            assert driver.resolution(narrow, 21.53) is None, "nobody has asked yet what the node is"
            for value in (21.53, 20_261_127.0, 1e11, -0.1):
                for tag in (narrow, wide):
                    outcome = await write_and_look(Alone(driver), SystemClock(), tag, value, SetpointRules(read_back_s=0.3))
                    assert outcome.code == "done", (tag.name, outcome)
            assert driver.resolution(narrow, 20_261_127.0) == 1.0
            assert driver.resolution(wide, 20_261_127.0) is None, "what is behind 64 bits nobody knows"

    run(test)


class Behind(Alone):
    """A driver whose device holds less than its node, as a controller of 32 bits behind a server that shows Doubles."""

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        scan = await super().read(device, tag, deadline_s)
        return dataclasses.replace(scan, values=[struct.unpack("<f", struct.pack("<f", scan.values[0]))[0]])


def test_a_double_over_32_bits_is_kept_as_where_the_driver_knows_nothing() -> None:
    async def test() -> None:
        async with plant_and_driver(1.0, 7) as (_, _, driver):
            double, whole = group_of("float64", "int").tags
            outcome = await write_and_look(Behind(driver), SystemClock(), double, 21.53, SetpointRules(read_back_s=0.3))
            assert outcome.code == "done"
            await driver.write(whole, 8, 2.0)
            assert driver.resolution(whole, 9) == 0.0

    run(test)


class Forgotten(Alone):
    """A driver whose server forgets its session between each write and the first read after it."""

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        await super().write(device, tag, value, deadline_s)
        await end_session(self._driver)


def test_what_a_node_holds_is_known_beyond_the_session_of_the_write() -> None:
    async def test() -> None:
        async with plant_and_driver(ua.Variant(1.0, ua.VariantType.Float)) as (_, _, driver):
            tag = group_of("float64").tags[0]
            outcome = await write_and_look(Forgotten(driver), SystemClock(), tag, 20_261_127.0, SetpointRules(read_back_s=0.5))
            assert (outcome.code, outcome.params["read_back"]) == ("done", 20_261_128.0)

    run(test)


@pytest.mark.parametrize("status", [0, 0x00000400])
def test_an_argument_that_is_wrong_is_told_beside_a_good_that_says_more(status: int) -> None:
    def answer(asked: int, parameters: bytes) -> bytes:
        if asked != CALL:
            return reading(ONE)(asked, parameters)
        return header() + struct.pack("<iIiI", 1, status, 1, 0x80740000) + struct.pack("<iii", 0, 0, -1)

    async def test() -> None:
        async with HostileServer(answer) as server:
            async with OpcUaDriver(DeviceOptions(endpoint=server.endpoint, method_calls=True), RunningClock()) as driver:
                with pytest.raises(DriverError) as refused:
                    await driver.call("ns=2;s=o", "ns=2;s=m", ["int32:1"], 2.0)
                assert (refused.value.cause, refused.value.params) == ("write_refused", {"code": 0x80740000})

    run(test)
