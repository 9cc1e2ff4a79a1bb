"""Devices without a wire, for the whole gateway on virtual time: a seeded plant whose devices can die, dawdle and lose their line.

Room: tests, also for authors of plug-ins. `Plant.driver` is what the rig gives to the core in place of `drivers.registry.make_driver`; its
drivers keep the protocol `drivers.driver.Driver`. Values come from the seed and the time only, so that a run can be replayed.

    plant.devices["filler"].fault = DriverError("no_answer")       # from now on every read fails
    plant.devices["meter"].takes_s = 0.7                           # slow, but alive
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from drivers.driver import Clock, DriverError
from drivers.memory import MemoryOf
from drivers.reading import Scan, Tag, TagGroup, Value
from runtime.points import DevicePoints


@dataclass(slots=True)
class Device:
    """One device's behaviour, and what was asked of it. `reads` keeps (mono ms, group name) of every read that began."""

    fault: DriverError | None = None
    takes_s: float = 0.002
    write_takes_s: float = 0.002
    reads: list[tuple[int, str]] = field(default_factory=list)
    written: dict[str, Value] = field(default_factory=dict)


class Plant:
    """All devices by name; one is made when its driver is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.devices: dict[str, Device] = {}

    def driver(self, points: DevicePoints, memory: MemoryOf) -> PlantDriver:
        """Return a driver for a configured device. What it remembers is its device's name: any other recollection is a fault of ours."""
        facts, kept = {"device": points.name}, memory("plant", points.name)
        if kept.recall() not in (None, facts):
            raise AssertionError(f"{points.name} recalls {kept.recall()}")
        kept.keep(facts)
        return PlantDriver(self.devices.setdefault(points.name, Device()), self._clock)


class PlantDriver:
    """A `drivers.driver.Driver` of one device."""

    def __init__(self, device: Device, clock: Clock) -> None:
        self._device, self._clock = device, clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        self._device.reads.append((self._clock.mono_ms(), group.name))
        await asyncio.sleep(min(self._device.takes_s, deadline_s))
        if self._device.takes_s > deadline_s:
            raise DriverError("no_answer")
        return self._scan(group)

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        while True:
            await asyncio.sleep(group.period_ms / 1000)
            yield self._scan(group)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        await asyncio.sleep(min(self._device.write_takes_s, deadline_s))
        if self._device.fault is not None:
            raise self._device.fault
        self._device.written[tag.name] = value

    def _scan(self, group: TagGroup) -> Scan:
        if self._device.fault is not None:
            raise self._device.fault
        now = self._clock.mono_ms()
        return Scan(group, [self._value(tag, now) for tag in group.tags], self._clock.wall_ms())

    def _value(self, tag: Tag, now_ms: int) -> Value:
        if tag.name in self._device.written:
            return self._device.written[tag.name]
        wave = math.sin(now_ms / 7_000 + tag.uid)
        return round(100 * wave) if tag.type == "int" else round(100 * wave, 2)
