"""The MQTT driver with JSON topics against a real broker: marks, times, restarts, floods, sharing, commands."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.shared import Shared
from runtime.clock import SystemClock
from runtime.device_write import write_and_look
from runtime.setpoint import SetpointRules
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_device import driver_of, group_of, pushed, read_until, rss_bytes, run, tag
from tests.rigs.mqtt_plant import Publisher, now_ms
from tests.rigs.wire import Wire

LAST_USABLE = int(Status.UNCERTAIN_LAST_USABLE_VALUE)
DOUBTED = int(Status.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE)
WAITING = int(Status.BAD_WAITING_FOR_INITIAL_DATA)


@pytest.fixture
def broker(tmp_path: Path, require_service):
    require_service("mosquitto")
    with Mosquitto(tmp_path) as running:
        yield running


def test_retained_values_are_marked_and_never_replace_a_live_one(broker: Mosquitto) -> None:
    async def test() -> None:
        with Publisher(broker.port) as plant:
            plant.publish("t/0", "1.5", retain=True)
            group = group_of(tag(0), tag(1, "text", content="text"))
            async with driver_of(broker.port) as driver:
                scan = await driver.read(group, 0.5)
                assert (scan.values, scan.statuses) == ([1.5, None], [LAST_USABLE, WAITING])
                plant.publish("t/0", "2.5", retain=True)
                plant.publish("t/1", "läuft")
                scan = await driver.read(group, 1.0)
                assert (scan.values, scan.statuses) == ([2.5, "läuft"], None), "published now: the flag is for what was kept"
                again = TagGroup(2, "dev", "h", 50, (tag(0), tag(2)))
                scan = await driver.read(again, 0.3)
                assert (scan.values, scan.statuses) == ([2.5, None], [0, WAITING])

    run(test)


def test_polled_readings_keep_their_own_source_times(broker: Mosquitto) -> None:
    async def test() -> None:
        timed = {"pointer": "/v", "time": "/at", "time_format": "unix_ms"}
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port, late_after_s=10.0) as driver:
                group = group_of(tag(0, **timed), tag(1, **timed))
                at = now_ms()
                await driver.read(group, 0.2)
                plant.publish("t/0", json.dumps({"v": 1.0, "at": at}))
                plant.publish("t/1", json.dumps({"v": 2.0, "at": at}))
                assert (await driver.read(group, 1.0)).source_ms == at
                plant.publish("t/1", json.dumps({"v": 3.0, "at": at - 11_000}))
                scan = await driver.read(group, 1.0)
                assert (scan.values, scan.statuses) == ([1.0, 3.0], [0, LAST_USABLE])
                assert [reading.source_ms for reading in scan.readings()] == [at, at - 11_000]

    run(test)


def test_pushed_readings_keep_their_own_times_and_bad_payloads_are_bad(broker: Mosquitto) -> None:
    async def test() -> None:
        timed = {"time": "/at", "time_format": "unix_ms"}
        group = group_of(tag(0, pointer="/v", **timed), tag(0, "int", pointer="/n", **timed))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port, payload_bytes_max=200) as driver, pushed(driver, group) as following:
                assert [(r.value, r.status) for r in await following()] == [(None, WAITING)] * 2, "nothing came for a while: said once"
                at = now_ms()
                for n in range(3):
                    plant.publish("t/0", json.dumps({"v": n + 0.5, "n": n, "at": at + n}))
                plant.publish("t/0", json.dumps({"n": 9, "at": at}))
                plant.publish("t/0", b"\x00\x01")
                plant.publish("t/0", b"1" * 201)
                for n in range(3):
                    assert [(r.value, r.status, r.source_ms) for r in await following()] == [(n + 0.5, 0, at + n), (n, 0, at + n)]
                assert [(r.tag.address, r.value) for r in await following()] == [(group.tags[1].address, 9)]
                for _ in range(2):
                    assert [(r.value, r.status) for r in await following()] == [(None, Status.BAD_DECODING_ERROR)] * 2

    run(test)


def test_a_killed_broker_is_noticed_found_again_and_what_was_known_is_doubted(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0), tag(1))
        async with driver_of(broker.port, client_id="gateway") as driver:
            with Publisher(broker.port) as plant:
                await driver.read(group, 0.2)
                plant.publish("t/0", "1.0")
                plant.publish("t/1", "2.0")
                assert (await driver.read(group, 1.0)).statuses is None
            broker.stop(signal.SIGKILL)
            for _ in range(3):
                started = time.monotonic()
                with pytest.raises(DriverError) as caught:
                    await driver.read(group, 0.5)
                assert caught.value.cause in ("connection_lost", "connect_failed", "connect_waiting")
                assert time.monotonic() - started < 0.75
            broker.start()
            scan = await read_until(driver, group, lambda _: True, "connection_lost", "connect_failed", "connect_waiting")
            assert (scan.values, scan.statuses) == ([1.0, 2.0], [DOUBTED, DOUBTED])
            with Publisher(broker.port) as plant:
                plant.publish("t/1", "3.0")
                scan = await driver.read(group, 1.0)
                assert (scan.values, scan.statuses) == ([1.0, 3.0], [DOUBTED, 0])

    run(test)


def test_what_a_broker_kept_comes_in_order_and_is_marked_unless_it_says_when(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0, "int"), tag(1, "int", pointer="/v", time="/at", time_format="unix_ms"))
        with Publisher(broker.port) as plant:
            async with Wire(broker.port) as wire, driver_of(wire.port, client_id="gateway", late_after_s=5.0, max_age_s=3600.0) as driver:
                async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                    await anext(scans)
                    await wire.cut()
                    with pytest.raises(DriverError, match="connection_lost"):
                        await anext(scans)
                at = now_ms()
                for n in range(60):
                    plant.publish("t/0", str(n))
                    plant.publish("t/1", json.dumps({"v": n, "at": at - (30_000 if n < 30 else 0)}))
                await wire.mend()
                await read_until(driver, TagGroup(9, "dev", "other", 50, group.tags), lambda s: s.values == [59, 59], "connect_waiting")
                got: dict[str, list[tuple[object, int]]] = {"t0": [], "t1": []}
                async with pushed(driver, group) as following:
                    while len(got["t0"]) < 60 or len(got["t1"]) < 60:
                        for reading in await following():
                            got[reading.tag.name].append((reading.value, reading.status))
                assert got["t0"] == [(n, LAST_USABLE) for n in range(60)]
                assert got["t1"] == [(n, LAST_USABLE if n < 30 else 0) for n in range(60)]
                fresh: list[int] = []
                for n in range(60, 100):  # what comes before the broker has answered that nothing is left may still be of what it kept
                    plant.publish("t/0", str(n))
                    scan = await read_until(driver, group, lambda s, n=n: s.values == [n, 59])  # type: ignore[misc]
                    fresh.append((scan.statuses or (0, 0))[0])
                    if fresh[-1] == 0:
                        break
                assert set(fresh[:-1]) <= {LAST_USABLE}
                assert fresh[-1] == 0

    run(test)


def test_a_flood_is_bounded_counted_and_ends_in_the_newest_value(broker: Mosquitto) -> None:
    count = 50_000
    text = "x" * 1000

    async def test() -> None:
        group = group_of(tag(0, "int", pointer="/n"))
        shared = Shared()
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port, shared, queue_size=500) as driver:
                got: list[int] = []
                overflows = 0
                published = threading.Event()

                async def flood() -> None:
                    def publish() -> None:
                        for n in range(count):
                            plant.publish("t/0", json.dumps({"n": n, "text": text}), qos=0, wait=False)
                        plant.publish("t/0", json.dumps({"n": count}))
                        published.set()

                    await asyncio.to_thread(publish)

                async def collect() -> None:
                    nonlocal overflows
                    while not got or got[-1] != count:
                        try:
                            async with pushed(driver, group) as following:
                                while not got or got[-1] != count:
                                    got.extend(int(r.value) for r in await following() if r.value is not None)  # type: ignore[arg-type]
                        except DriverError as error:
                            if error.cause != "overflow":
                                raise
                            overflows += 1

                await driver.read(group, 0.2)
                before = rss_bytes()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(flood())
                    collecting = tasks.create_task(collect())
                    await asyncio.sleep(0.05)
                    assert published.wait(30), "the event loop stands still all the time: the network thread has to cope"
                    scan = await read_until(driver, group, lambda s: s.values == [count])
                    await collecting
                assert scan.statuses is None
                assert got == sorted(got)
                connection = driver._joined[0]  # type: ignore[index]
                assert connection.dropped > 0
                assert overflows > 0
                assert rss_bytes() - before < 64 << 20

    run(test, 120)


def test_a_flood_of_topics_of_others_is_not_even_asked_for(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port) as driver:
                await driver.read(group, 0.2)
                for n in range(500):
                    plant.publish(f"other/{n}", "1", wait=False)
                plant.publish("t/0", "1.0")
                assert (await driver.read(group, 1.0)).values == [1.0]
                assert driver._joined[0]._seen == 1  # type: ignore[index]

    run(test)


def test_what_never_came_or_is_too_old_says_so(broker: Mosquitto) -> None:
    async def test() -> None:
        group = group_of(tag(0, max_age_s=0.3), tag(1))
        with Publisher(broker.port) as plant:
            async with driver_of(broker.port) as driver:
                await driver.read(group, 0.2)
                plant.publish("t/0", "1.0")
                assert (await driver.read(group, 1.0)).statuses == [0, WAITING]
                old = await read_until(driver, group, lambda s: s.values[0] is None)
                assert old.statuses == [Status.BAD_NO_COMMUNICATION, WAITING]
                async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
                    first, second, beat = [await anext(scans) for _ in range(3)]
                assert (first.present, first.statuses) == ([True, False], [Status.BAD_NO_COMMUNICATION, 0])
                assert (second.present, second.statuses) == (None, [Status.BAD_NO_COMMUNICATION, WAITING])
                assert beat.present == [False, False], "once told, only signs of life"

    run(test)


def test_devices_of_one_broker_share_a_connection_and_a_topic(broker: Mosquitto) -> None:
    async def test() -> None:
        shared = Shared()
        group = group_of(tag(0))
        with Publisher(broker.port) as plant:
            plant.publish("t/0", "1.0", retain=True)
            async with Wire(broker.port) as wire, driver_of(wire.port, shared) as first:
                assert (await first.read(group, 1.0)).values == [1.0]
                async with driver_of(wire.port, shared, late_after_s=5.0) as second:
                    assert (await second.read(group, 1.0)).values == [1.0], "what the broker kept, also for the second"
                    plant.publish("t/0", "2.0")
                    for driver in (first, second):
                        assert (await driver.read(group, 1.0)).values == [2.0]
                    assert wire.connections == 1
                    odd = driver_of(wire.port, shared, qos=0)
                    with pytest.raises(DriverError, match="broker_settings_differ"):
                        await odd.__aenter__()
                plant.publish("t/0", "3.0")
                assert (await first.read(group, 1.0)).values == [3.0]
            while wire.open:
                await asyncio.sleep(0.01)

    run(test)


def test_a_command_is_done_when_the_device_says_so_and_expires_otherwise(broker: Mosquitto) -> None:
    async def test() -> None:
        class Device(Publisher):
            deaf = False
            expiries: list[int] = []  # noqa: RUF012

            def _came(self, client: Any, userdata: Any, message: Any) -> None:
                self.expiries.append(message.properties.MessageExpiryInterval)
                super()._came(client, userdata, message)

            def on_message(self, topic: str, payload: bytes) -> None:
                super().on_message(topic, payload)
                if not self.deaf:
                    self.publish("t/0", payload, wait=False)

        def kill_later() -> None:
            time.sleep(0.1)
            broker.stop(signal.SIGKILL)

        setpoint = tag(0, "bool", content="text", command_topic="c/0")
        with Device(broker.port, "c/0") as device:
            async with driver_of(broker.port) as driver:
                await driver.write(setpoint, True, 2.0)
                assert device.got == [("c/0", b"true")]
                assert device.expiries == [2]
                assert (await driver.read(group_of(setpoint), 1.0)).values == [True]
                for value in (1, "true", None):
                    with pytest.raises(DriverError, match="write_out_of_range"):
                        await driver.write(setpoint, value, 1.0)
                with pytest.raises(DriverError, match="write_not_supported"):
                    await driver.write(tag(0), 1.0, 1.0)
                device.deaf = True
                for value in (False, True):  # True is what it has: old news confirm nothing
                    with pytest.raises(DriverError) as caught:
                        await driver.write(setpoint, value, 0.3)
                    assert (caught.value.cause, caught.value.params["reason"]) == ("write_unknown", "no_confirmation")
                assert (await driver.read(group_of(setpoint), 1.0)).statuses == [DOUBTED], "what it had before both is no read-back"
                device.publish("t/0", b"true")
                scan = await read_until(driver, group_of(setpoint), lambda scan: scan.statuses is None)
                assert scan.values == [True], "until it says so itself"
                started = time.monotonic()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(asyncio.to_thread(kill_later))
                    with pytest.raises(DriverError) as caught:
                        await driver.write(setpoint, False, 5.0)
                assert (caught.value.cause, caught.value.params["reason"]) == ("write_unknown", "connection_lost")
                assert time.monotonic() - started < 2
                with pytest.raises(DriverError) as caught:
                    await driver.write(setpoint, False, 0.5)
                assert caught.value.cause in ("connect_failed", "connect_waiting"), "nothing was sent"

    run(test)


def test_a_value_from_before_a_command_is_no_read_back_of_it(broker: Mosquitto) -> None:
    async def test() -> None:
        setpoint = tag(0, content="text", command_topic="c/0")

        class One:
            """`runtime.device_write.Writer` of one driver."""

            async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
                await driver.write(tag, value, 0.3)

            def sent(self, device: str, tag: Tag, value: Value) -> Value:
                return value

            async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
                return await driver.read(TagGroup(-1, device, "back", 1000, (tag,)), 0.5)

        with Publisher(broker.port) as plant:
            async with driver_of(broker.port) as driver:
                await driver.read(group_of(setpoint), 0.2)
                plant.publish("t/0", "5.0")
                assert (await driver.read(group_of(setpoint), 1.0)).values == [5.0]
                for value in (6.0, 5.0):  # nobody knows whether it took the 6, nor whether it took the 5 after that
                    outcome = await write_and_look(One(), SystemClock(), setpoint, value, SetpointRules(read_back_s=0.3))
                    assert (outcome.code, "read_back" in outcome.params) == ("write_unknown", False)

    run(test)
