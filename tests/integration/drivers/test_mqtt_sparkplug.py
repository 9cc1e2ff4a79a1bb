"""The MQTT driver and a Sparkplug edge node made with pysparkplug, behind a real broker: births, gaps, deaths, marks, commands."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pysparkplug import DataType, Metric

from drivers.driver import DriverError
from drivers.mqtt.config import parse_address
from drivers.mqtt.driver import MqttDriver
from drivers.reading import Reading, Status, Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_device import driver_of, pushed, read_until, run
from tests.rigs.mqtt_device import tag as json_tag
from tests.rigs.mqtt_plant import Publisher, SparkplugPlant, now_ms

LAST_USABLE = int(Status.UNCERTAIN_LAST_USABLE_VALUE)
TYPES = (
    (DataType.INT8, -128, "int"),
    (DataType.INT16, -32768, "int"),
    (DataType.INT32, -(2**31), "int"),
    (DataType.INT64, -(2**63), "int"),
    (DataType.UINT8, 255, "int"),
    (DataType.UINT16, 65535, "int"),
    (DataType.UINT32, 2**32 - 1, "int"),
    (DataType.UINT64, 2**64 - 1, "int"),
    (DataType.FLOAT, 0.5, "float32"),
    (DataType.DOUBLE, 0.1, "float64"),
    (DataType.BOOLEAN, True, "bool"),
    (DataType.STRING, "Ofen", "text"),
    (DataType.UUID, "c0ffee", "text"),
)


@pytest.fixture
def broker(tmp_path: Path, require_service):
    require_service("mosquitto")
    with Mosquitto(tmp_path) as running:
        yield running


def group_of(*kinds: str, uid: int = 1, first: int = 0) -> TagGroup:
    tags = tuple(
        Tag(n, f"t{n}", "dev", kind, "", parse_address({"metric": f"t{n}", "data": kind}), writable=True)
        for n, kind in enumerate(kinds, first)
    )
    return TagGroup(uid, "dev", "g", 50, tags, "subscribe")


def press(port: int, shared: Shared | None = None, **options: Any) -> MqttDriver:
    fixed = {"payload": "sparkplug", "group_id": "plant", "edge_node_id": "edge", "device_id": "press"}
    return driver_of(port, shared, **{**fixed, **options})


def plain(readings: list[Reading]) -> list[tuple[str, object, int]]:
    return [(reading.tag.name, reading.value, reading.status) for reading in readings]


def test_every_scalar_type_arrives_as_it_is_and_others_say_so(broker: Mosquitto) -> None:
    async def test() -> None:
        metrics = [(kind, value) for kind, value, _ in TYPES]
        group = group_of(*[kind for _, _, kind in TYPES])
        with SparkplugPlant(broker.port, *metrics, (DataType.BYTES, b"\1"), (DataType.DOUBLE, 1.5)) as plant:
            async with press(broker.port) as driver:
                scan = await driver.read(group, 2.0)
                assert (scan.values, scan.statuses) == ([value for _, value, _ in TYPES], None)
                assert plant.rebirths_asked == 1, "the birth had gone by before we came: it was asked for"
                # learned after the birth: bytes, another type than the tag's, and a metric that no birth named
                later = await driver.read(group_of("text", "int", "int", uid=2, first=len(TYPES)), 2.0)
                wanted = [Status.BAD_NOT_SUPPORTED, Status.BAD_DECODING_ERROR, Status.BAD_CONFIGURATION_ERROR]
                assert (later.values, later.statuses) == ([None] * 3, wanted)
                assert plant.rebirths_asked == 1

    run(test)


def test_nulls_history_quality_and_unknown_aliases(broker: Mosquitto) -> None:
    async def test() -> None:
        with SparkplugPlant(broker.port, (DataType.INT32, 1), (DataType.INT32, 2)) as plant:
            async with press(broker.port) as driver:
                group = group_of("int", "int")
                await driver.read(group, 2.0)
                async with pushed(driver, group) as following:
                    assert plain(await following()) == [("t0", 1, 0), ("t1", 2, 0)]
                    at = now_ms()
                    plant.data(plant.metric(0, value=7, at=at - 3_600_000, is_historical=True), plant.metric(1, value=8, at=at))
                    past = await following()
                    assert [(*each, r.source_ms) for each, r in zip(plain(past), past, strict=True)] == [
                        ("t0", 7, LAST_USABLE, at - 3_600_000)
                    ]
                    assert plain(await following()) == [("t1", 8, 0)]
                    assert plain(await following()) == [("t0", 1, 0)], "the newest again, behind history"
                    plant.data(plant.metric(0, value=None, is_null=True))
                    assert plain(await following()) == [("t0", None, Status.BAD_NO_DATA)]
                    plant.set(0, 9)
                    assert plain(await following()) == [("t0", 9, 0)]
                    plant.data(plant.metric(0, value=10, at=at - 120_000))
                    assert plain(await following()) == [("t0", 10, LAST_USABLE)], "late by its own time"
                    before = plant.rebirths_asked
                    plant.data(Metric(at, None, DataType.INT32, value=1, alias=77), plant.metric(1, value=11))
                    assert plain(await following()) == [("t1", 11, 0)]
                assert (await driver.read(group, 1.0)).values == [10, 11], "history is no last value"
                assert plant.rebirths_asked <= before + 1

    run(test)


def test_a_gap_breaks_the_stream_asks_once_and_the_birth_mends_it(broker: Mosquitto) -> None:
    async def test() -> None:
        with SparkplugPlant(broker.port, (DataType.INT32, 1)) as plant:
            async with press(broker.port) as driver:
                group = group_of("int")
                await driver.read(group, 2.0)
                assert plant.rebirths_asked == 1
                await asyncio.sleep(1.1)  # the pause after which a rebirth may be asked for again
                async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                    assert (await anext(scans)).values == [1]
                    plant.next_seq()  # a message that nobody gets
                    plant.set(0, 2)
                    with pytest.raises(DriverError) as caught:
                        await anext(scans)
                assert caught.value.cause == "messages_lost"
                async with pushed(driver, group) as following:
                    assert plain(await following()) == [("t0", 2, 0)], "from the birth, which was asked for"
                assert plant.rebirths_asked == 2

    run(test)


def test_a_node_that_answers_no_rebirth_stays_bad_and_is_not_stormed(broker: Mosquitto) -> None:
    async def test() -> None:
        with SparkplugPlant(broker.port, (DataType.INT32, 1)) as plant:
            plant.deaf = True
            async with press(broker.port) as driver:
                for _ in range(5):
                    with pytest.raises(DriverError, match="birth_missing"):
                        await driver.read(group_of("int"), 0.2)
                asked = plant.rebirths_asked
                assert 1 <= asked <= 2
            async with press(broker.port, rebirth=False) as driver:
                with pytest.raises(DriverError, match="birth_missing"):
                    await driver.read(group_of("int"), 0.2)
                assert plant.rebirths_asked == asked, "it was not allowed"
                plant.birth()
                assert (await read_until(driver, group_of("int"), lambda s: s.values == [1], "birth_missing")).statuses is None

    run(test)


def test_deaths_of_the_device_and_of_the_node_are_told_and_births_end_them(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of("int")
        async with press(broker.port) as driver:
            with SparkplugPlant(broker.port, (DataType.INT32, 1), bd_seq=3) as plant:
                await driver.read(group, 2.0)
                async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                    await anext(scans)
                    plant.deaf = True  # or a rebirth asked for late would bring the device back before the test does
                    plant.device_death()
                    with pytest.raises(DriverError, match="publisher_offline"):
                        await anext(scans)
                with pytest.raises(DriverError, match="publisher_offline"):
                    await driver.read(group, 1.0)
                plant.deaf = False
                plant.birth()
                assert (await read_until(driver, group, lambda s: True, "publisher_offline")).values == [1]
                plant.vanish()
                while True:
                    try:
                        await driver.read(group, 1.0)
                    except DriverError as error:
                        fault = error
                        break
                assert (fault.cause, fault.status) == ("publisher_offline", Status.BAD_NO_COMMUNICATION)
            with SparkplugPlant(broker.port, (DataType.INT32, 5), bd_seq=4):
                assert (await read_until(driver, group, lambda s: True, "publisher_offline", "birth_missing")).values == [5]

    run(test)


def test_commands_go_out_in_the_metrics_own_type_and_are_confirmed_by_data(broker: Mosquitto) -> None:
    async def test() -> None:
        with SparkplugPlant(broker.port, (DataType.INT8, 1), (DataType.FLOAT, 0.5), (DataType.STRING, "a")) as plant:
            async with press(broker.port) as driver:
                tags = group_of("int", "float32", "text", "int").tags
                for tag, value in zip(tags[:3], (-100, 0.1, "b"), strict=True):
                    await driver.write(tag, value, 2.0)
                assert [metric[1] for metric in plant.metrics] == [-100, pytest.approx(0.1), "b"]
                with pytest.raises(DriverError, match="write_out_of_range"):
                    await driver.write(tags[0], 128, 1.0)
                with pytest.raises(DriverError, match="write_not_supported"):
                    await driver.write(tags[3], 1, 1.0)
                plant.deaf = True
                with pytest.raises(DriverError) as caught:
                    await driver.write(tags[0], 5, 0.3)
                assert (caught.value.cause, caught.value.params["reason"]) == ("write_unknown", "no_confirmation")

    run(test)


def test_a_command_is_confirmed_by_the_value_as_the_metrics_own_type_holds_it(broker: Mosquitto) -> None:
    async def test() -> None:
        with SparkplugPlant(broker.port, (DataType.FLOAT, 1.0), (DataType.DOUBLE, 1.0)) as plant:
            async with press(broker.port) as driver:
                group = group_of("float64", "float64")
                for tag in group.tags:
                    await driver.write(tag, 0.1, 2.0)
                assert (await driver.read(group, 1.0)).values == [pytest.approx(0.1), 0.1]
                with pytest.raises(DriverError, match="write_out_of_range"):
                    await driver.write(group.tags[0], 1e300, 1.0)
                plant.deaf = True
                with pytest.raises(DriverError, match="write_unknown"):
                    await driver.write(group.tags[0], 0.2, 0.3)

    run(test)


def test_a_json_tag_on_a_topic_of_the_node_takes_nothing_from_its_metrics(broker: Mosquitto) -> None:
    async def test() -> None:
        shared = Shared()
        with SparkplugPlant(broker.port, (DataType.INT32, 1)) as plant:
            topic = "spBv1.0/plant/DDATA/edge/press"
            odd = json_tag(7, "text", topic=topic, content="text")
            async with driver_of(broker.port, shared) as listener, press(broker.port, shared) as driver:
                assert (await listener.read(TagGroup(9, "dev", "odd", 50, (odd,)), 2.0)).values == [None]
                assert (await driver.read(group_of("int"), 2.0)).values == [1]
                for value in (2, 3):
                    plant.set(0, value)
                    assert (await read_until(driver, group_of("int"), lambda scan, n=value: scan.values == [n])).statuses is None  # type: ignore[misc]
                assert (await listener.read(TagGroup(9, "dev", "odd", 50, (odd,)), 1.0)).statuses == [Status.BAD_DECODING_ERROR]
                assert plant.rebirths_asked == 1

    run(test)


def test_devices_of_one_node_share_its_sequence_and_the_host_says_that_it_is_there(broker: Mosquitto) -> None:
    async def test() -> None:
        shared = Shared()
        with Publisher(broker.port, "spBv1.0/STATE/us") as listener, SparkplugPlant(broker.port, (DataType.INT32, 1)) as plant:
            own = Tag(50, "uptime", "node", "int", "", parse_address({"metric": "uptime", "data": "int"}))
            node_group = TagGroup(9, "node", "g", 50, (own,))
            async with press(broker.port, shared, host_id="us") as device, press(broker.port, shared, host_id="us", device_id="") as node:
                assert (await device.read(group_of("int"), 2.0)).values == [1]
                assert (await node.read(node_group, 2.0)).values == [1]
                for n in range(300):  # over the end of the numbers, in turn
                    if n % 2:
                        plant.set(0, n)
                    else:
                        plant.node_data(Metric(now_ms(), None, DataType.UINT32, value=n, alias=1000))
                plant.publish("plant/settled", b"")
                assert (await device.read(group_of("int"), 2.0)).values == [299]
                assert (await node.read(node_group, 2.0)).values == [298]
                assert plant.rebirths_asked == 1
            async with asyncio.timeout(5):
                while len(listener.got) < 2:
                    await asyncio.sleep(0.01)
            there, gone = [json.loads(payload) for _, payload in listener.got]
            assert (there["online"], gone["online"], there["timestamp"] == gone["timestamp"]) == (True, False, True)

    run(test)
