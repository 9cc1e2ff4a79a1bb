"""Tags and drivers of MQTT devices, and what tests of them do again and again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from drivers.driver import DriverError
from drivers.mqtt.config import DeviceOptions, parse_address
from drivers.mqtt.driver import MqttDriver
from drivers.reading import Reading, Scan, Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock


def tag(n: int, kind: str = "float64", **raw: Any) -> Tag:
    address = parse_address({"topic": f"t/{n}", "data": kind, **raw})
    return Tag(n, f"t{n}", "dev", kind, "", address, writable="command_topic" in raw)


def group_of(*tags: Tag, period_ms: int = 50) -> TagGroup:
    return TagGroup(1, "dev", "g", period_ms, tags, "subscribe")


def driver_of(port: int, shared: Shared | None = None, **options: Any) -> MqttDriver:
    made = DeviceOptions.model_validate({"host": "127.0.0.1", "port": port, **options})
    return MqttDriver(made, RunningClock(), shared or Shared())


def run(test: Callable[[], Awaitable[None]], limit_s: float = 60) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(limit_s):
            await test()

    asyncio.run(bounded())


async def read_until(driver: MqttDriver, group: TagGroup, wanted: Callable[[Scan], bool], *causes: str) -> Scan:
    """Read until a scan is as wanted; only the named causes may come before."""
    while True:
        try:
            scan = await driver.read(group, 1.0)
            if wanted(scan):
                return scan
        except DriverError as error:
            if error.cause not in causes:
                raise
        await asyncio.sleep(0.02)


@asynccontextmanager
async def pushed(driver: MqttDriver, group: TagGroup) -> AsyncIterator[Callable[[], Awaitable[list[Reading]]]]:
    """The next scan with something in it, as its readings."""
    async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]

        async def following() -> list[Reading]:
            while True:
                readings = list((await anext(scans)).readings())
                if readings:
                    return readings

        yield following


def rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
