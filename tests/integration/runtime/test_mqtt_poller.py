"""The runtime's poller with MQTT: a killed broker is a counted gap with its cause, in both modes, and nobody has to help."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from pysparkplug import DataType

from drivers.reading import Status
from drivers.registry import make_driver
from runtime.acquisition.live import Live
from runtime.acquisition.pipeline import Pipeline
from runtime.acquisition.poller import DevicePoller
from runtime.clock import SystemClock
from tests.rigs.field import KeptScans, points_of
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_plant import JsonPlant, SparkplugPlant, now_ms
from tests.unit.runtime.acquisition.test_live_and_gaps import Collected

PERIOD_MS = 100


def device(port: int) -> str:
    text = f'[devices.press]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {port}\n'
    for mode in ("poll", "subscribe"):
        text += f'[[devices.press.groups]]\nname = "{mode}"\nperiod_ms = {PERIOD_MS}\nmode = "{mode}"\n'
        text += f'[[devices.press.groups.tags]]\nname = "{mode}"\ntopic = "plant/t0"\npointer = "/value"\ntime = "/at"\n'
        text += 'time_format = "unix_ms"\ndata = "int"\n'
    return text


async def come(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not there():
            await asyncio.sleep(0.02)


SPARKPLUG = """
[devices.press]
type = "mqtt"
host = "127.0.0.1"
port = {port}
payload = "sparkplug"
group_id = "plant"
edge_node_id = "edge"
device_id = "press"
[[devices.press.groups]]
name = "g"
period_ms = 100
mode = "subscribe"
tags = [
  {{ name = "level", metric = "t0", data = "int", report = {{ deadband = 1000, heartbeat_s = 3600 }} }},
  {{ name = "other", metric = "t1", data = "int" }},
]
"""


def test_history_of_a_metric_is_recorded_and_moves_nothing_that_is_shown(tmp_path: Path, require_service) -> None:
    require_service("mosquitto")

    async def test(broker: Mosquitto) -> None:
        devices = points_of(SPARKPLUG.format(port=broker.port))
        points = devices["press"]
        live, recorded, clock = Live(), Collected(), SystemClock()
        live.set_devices(devices.values())
        pipeline = Pipeline(live, recorded)
        pipeline.set_devices(devices.values())
        driver = make_driver("mqtt", "press", points.config.options, clock)
        poller = DevicePoller(points, driver, pipeline, clock)
        levels: list[tuple[object, int]] = []
        live.subscribe(lambda: levels.append((live.values()[0].value, live.values()[0].status)))

        def readings() -> list[tuple[str, object, int, int | None]]:
            return [(r.tag.name, r.value, r.status, r.source_ms) for scan in recorded.scans for r in scan.readings()]

        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(poller.run())
            with SparkplugPlant(broker.port, (DataType.INT32, 100), (DataType.INT32, 2)) as plant:
                await come(lambda: [value.value for value in live.values()] == [100, 2])
                plant.set(0, 101)  # within the deadband
                await come(lambda: live.values()[0].value == 101)
                live.recorded(recorded.ticket, 7)
                levels.clear()
                at = now_ms()
                plant.data(plant.metric(0, value=3, at=at - 3_600_000, is_historical=True))
                plant.data(plant.metric(0, value=None, at=at - 3_500_000, is_historical=True, is_null=True))
                plant.data(plant.metric(0, value=50, at=at - 30_000))
                plant.data(plant.metric(1, value=5))
                await come(lambda: live.values()[1].value == 5)
                known = live.known("press/level")
                assert known is not None
                assert (known.value, known.is_good) == (101, True)
                assert set(levels) == {(101, 0)}
                assert poller.bad_tag_count == 0
            polling.cancel()
        levels_recorded = [each for each in readings() if each[0] == "level"][1:]
        assert [each for each in levels_recorded if each[1] != 101] == [
            ("level", 3, Status.UNCERTAIN_LAST_USABLE_VALUE, at - 3_600_000),
            ("level", None, Status.BAD_NO_DATA, at - 3_500_000),
            ("level", 50, Status.UNCERTAIN_LAST_USABLE_VALUE, at - 30_000),
        ]
        assert levels_recorded[-1][1:3] == (101, 0), "the ledger's newest is the newest, although it is within the deadband"

    with Mosquitto(tmp_path) as broker:
        asyncio.run(test(broker))


def test_a_killed_broker_is_a_gap_and_readings_come_back(tmp_path: Path, require_service) -> None:
    require_service("mosquitto")

    async def test(broker: Mosquitto) -> None:
        points = points_of(device(broker.port))["press"]
        clock, kept = SystemClock(), KeptScans()
        driver = make_driver("mqtt", "press", points.config.options, clock)
        poller = DevicePoller(points, driver, kept, clock)

        def good(mode: str) -> int:
            return sum(scan.group.name == mode and scan.cause is None and not scan.statuses for scan in kept.scans)

        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(poller.run())
            with JsonPlant(broker.port, 7):
                await come(lambda: good("poll") > 3 and good("subscribe") > 3)
            assert poller.counts.state == "ok"
            broker.stop(signal.SIGKILL)
            await come(lambda: poller.counts.state == "down")
            await asyncio.sleep(1.0)
            broker.start()
            before = good("poll"), good("subscribe")
            with JsonPlant(broker.port, 8):
                await come(lambda: good("poll") > before[0] + 3 and good("subscribe") > before[1] + 3)
            await come(lambda: poller.counts.state == "ok")
            polling.cancel()
        for mode in ("poll", "subscribe"):
            missed = [(cause, count) for name, cause, count, _, _ in kept.misses if name == mode and cause != "poll_stopping"]
            assert sum(count for _, count in missed) >= 1000 // PERIOD_MS - 2, (mode, missed)
            assert {cause for cause, _ in missed} <= {"connection_lost", "connect_failed", "connect_waiting", "device_busy", "poll_late"}
            values = [r.value for scan in kept.scans if scan.group.name == mode for r in scan.readings() if not r.status]
            assert values == sorted(values)  # type: ignore[type-var]
            assert {7, 8} <= set(values)

    with Mosquitto(tmp_path) as broker:
        asyncio.run(test(broker))
