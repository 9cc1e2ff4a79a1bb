"""What a pushed MQTT group has as its newest values, behind a real broker: tags that fall silent, values that are overtaken, good bits."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from drivers.driver import DriverError
from drivers.reading import Status, TagGroup
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_device import driver_of, group_of, pushed, read_until, run, tag
from tests.rigs.mqtt_plant import Publisher, now_ms

LAST_USABLE = int(Status.UNCERTAIN_LAST_USABLE_VALUE)
DOUBTED = int(Status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE)
LOCAL_OVERRIDE = 0x00960000


@pytest.fixture
def broker(tmp_path: Path, require_service):
    require_service("mosquitto")
    with Mosquitto(tmp_path) as running:
        yield running


def test_a_tag_that_falls_silent_is_told_while_another_chats(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0), tag(1), tag(2))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port, max_age_s=1.0) as driver, pushed(driver, group) as following:
                await following()

                async def told(limit_s: float = 6.0) -> list[tuple[str, object, int]]:
                    """What comes of the tags that do not chat, until one of them is bad."""
                    found: list[tuple[str, object, int]] = []
                    async with asyncio.timeout(limit_s):
                        while not found or found[-1][2] >> 30 != 2:
                            plant.publish("t/0", str(time.monotonic()))
                            found += [(r.tag.name, r.value, r.status) for r in await following() if r.tag.name != "t0"]
                            await asyncio.sleep(0.05)
                    return found

                for value in (42.0, 43.0):  # once told, it comes back with its next message, and is told again
                    plant.publish("t/1", str(value))
                    assert await told() == [("t1", value, 0), ("t1", None, Status.BAD_NO_COMMUNICATION)]
                with pytest.raises(TimeoutError):
                    await told(2.5)  # it is told once

    run(test)


def test_a_value_that_its_publisher_measured_before_the_newest_is_history(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0, "int", pointer="/v", time="/at", time_format="unix_ms"))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port) as driver, aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                await anext(scans)
                at = now_ms()
                for value, time_ms in ((100, at), (50, at - 30_000), (101, at), (102, at + 1), (7, at - 20_000)):
                    plant.publish("t/0", json.dumps({"v": value, "at": time_ms}))
                found: list[tuple[object, int, bool]] = []
                while len(found) < 6 or not found[-2][2]:
                    scan = await anext(scans)
                    found += [(reading.value, reading.status, scan.past) for reading in scan.readings()]
                if found[2] == (100, 0, False):  # said again, where nothing more was there yet
                    del found[2]
                assert found == [
                    (100, 0, False), (50, LAST_USABLE, True), (101, 0, False), (102, 0, False), (7, LAST_USABLE, True), (102, 0, False),
                ]  # fmt: skip
                assert (await driver.read(group, 1.0)).values == [102]

    run(test)


def test_after_an_overflow_by_history_what_is_known_is_said_before_it_and_behind_it(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0, "int", pointer="/v", time="/at", time_format="unix_ms"), tag(1))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port, queue_size=3) as driver:
                at = now_ms()

                async def overflown() -> None:
                    async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                        await anext(scans)
                        plant.publish("t/1", "20")
                        plant.publish("t/0", json.dumps({"v": 100, "at": at}))
                        while (await anext(scans)).values[0] != 100:
                            pass
                        for value in range(5):
                            plant.publish("t/0", json.dumps({"v": value, "at": at - 30_000}))
                            plant.publish("t/2", str(value), retain=True)  # one after the other: only what waits for us overflows
                            await read_until(driver, group_of(tag(2)), lambda scan, value=value: scan.values == [value])
                        while True:
                            await anext(scans)

                with pytest.raises(DriverError, match="overflow"):
                    await overflown()
                plant.publish("t/0", json.dumps({"v": 50, "at": at - 30_000}))
                async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                    found: list[tuple[list[object], bool]] = []
                    while len(found) < 3:
                        scan = await anext(scans)
                        if readings := list(scan.readings()):
                            found.append(([reading.value for reading in readings], scan.past))
                assert found == [([100, 20.0], False), ([50], True), ([100], False)]

    run(test)


def test_a_good_quality_with_more_to_say_is_marked_as_any_other(broker: Mosquitto) -> None:
    async def test() -> None:
        with Publisher(broker.port) as plant:
            old_ms = now_ms() - 7 * 86_400_000
            plant.publish("t/0", json.dumps({"v": 20, "q": LOCAL_OVERRIDE, "at": old_ms}), retain=True)
            rated = {"pointer": "/v", "quality": "/q", "quality_format": "opcua"}
            group = group_of(tag(0, "int", **rated, time="/at", time_format="unix_ms"), tag(0, "int", **rated))
            async with driver_of(broker.port) as driver:
                scan = await driver.read(group, 2.0)
                assert (scan.values, scan.statuses) == ([20, 20], [LAST_USABLE, LAST_USABLE])
                plant.publish("t/0", json.dumps({"v": 21, "q": LOCAL_OVERRIDE, "at": now_ms()}))
                scan = await read_until(driver, group, lambda scan: scan.values == [21, 21])
                assert scan.statuses == [LOCAL_OVERRIDE, LOCAL_OVERRIDE], "what it says is kept while it is of now"
                broker.stop()
                with pytest.raises(DriverError):
                    await driver.read(group, 0.5)
                (broker.folder / "mosquitto.db").unlink()  # and with it the retained one
                broker.start()
                scan = await read_until(driver, group, lambda _: True, "connection_lost", "connect_failed", "connect_waiting")
                assert (scan.values, scan.statuses) == ([21, 21], [DOUBTED, DOUBTED])

    run(test)


def test_nothing_is_kept_for_a_group_that_nobody_asks_for_any_more(broker: Mosquitto) -> None:
    async def test() -> None:
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port) as driver:
                for uid in (1, 2):  # as an edit does that gives the group another name
                    async with pushed(driver, TagGroup(uid, "dev", "g", 50, (tag(0),), "subscribe")) as following:
                        plant.publish("t/0", "1.0")
                        await following()
                plant.publish("t/0", "2.0")
                await read_until(driver, group_of(tag(0)), lambda scan: scan.values == [2.0])
                assert not driver._known._streams
                group = group_of(tag(0))
                async with pushed(driver, group) as following:
                    await following()
                    broker.stop()
                    with pytest.raises(DriverError):
                        while True:
                            await following()
                assert list(driver._known._streams) == [group.uid], "who was told of a fault starts again"

    run(test)
