"""The runtime's poller with MQTT: a killed broker is a counted gap with its cause, in both modes, and nobody has to help."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from drivers.registry import make_driver
from runtime.acquisition.poller import DevicePoller
from runtime.clock import SystemClock
from tests.rigs.field import KeptScans, points_of
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_plant import JsonPlant

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
