"""Devices without a wire: a driver whose answers a test writes, points made from short texts, and a sink that keeps what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.driver import Clock, DriverError
from drivers.reading import Scan, Tag, TagGroup, Value
from ledger_client.disk import RealDisk
from runtime.config import Config, parse_config
from runtime.points import DevicePoints, number_points
from runtime.tag_ids import TagIds, rebuilt
from tests.simulation.loop import VirtualClock

HEAD = '[gateway]\nname = "g"\n'


def device_toml(name: str, groups: dict[str, tuple[int, int]], *, port: int = 502, mode: str = "poll", more: str = "") -> str:
    """Return a Modbus device with groups name -> (period in ms, number of tags)."""
    lines = [f'[devices.{name}]\ntype = "modbus"\nhost = "127.0.0.1"\nport = {port}\n']
    for group, (period_ms, tags) in groups.items():
        lines.append(f'[[devices.{name}.groups]]\nname = "{group}"\nperiod_ms = {period_ms}\nmode = "{mode}"\n')
        for i in range(tags):
            lines.append(f'[[devices.{name}.groups.tags]]\nname = "{group}{i}"\naddress = "holding:{i}"\n{more}')
    return "".join(lines)


def pushing_toml(name: str, group: str, tags: int, *, more: str = "") -> str:
    """Return an OPC UA device with one group, to which is subscribed."""
    lines = [f'[devices.{name}]\ntype = "opcua"\nendpoint = "opc.tcp://127.0.0.1:4840"\n[[devices.{name}.groups]]\n']
    lines.append(f'name = "{group}"\nperiod_ms = 500\nmode = "subscribe"\n')
    lines += [f'[[devices.{name}.groups.tags]]\nname = "{group}{i}"\nnode = "ns=2;i={i}"\ndata = "int"\n{more}' for i in range(tags)]
    return "".join(lines)


def config_of(*devices: str) -> Config:
    """Return a valid config of these device texts."""
    return parse_config(HEAD + "".join(devices))


def fresh_ids() -> TagIds:
    """Return the numbers of a new gateway; never saved."""
    return rebuilt(RealDisk(), Path("/nonexistent"), [], [])


def points_of(*devices: str, ids: TagIds | None = None) -> dict[str, DevicePoints]:
    """Return numbered devices of these texts."""
    return number_points(config_of(*devices), ids or fresh_ids())


async def after(clock: VirtualClock, seconds: float) -> None:
    """Let virtual time pass."""
    await clock.sleep_until_mono(clock.mono_ms() + round(seconds * 1000))


class ScriptedDriver:
    """Answers 1, 2, 3, … for every tag. `fault` and `takes_s` may be changed at any time; `reads` has (mono, group name), `groups` each."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.fault: DriverError | None = None
        self.enter_fault: DriverError | None = None
        self.takes_s = 0.0
        self.entered = 0
        self.reads: list[tuple[int, str]] = []
        self.groups: list[TagGroup] = []
        self.written: list[tuple[str, Value]] = []
        self.pushed: asyncio.Queue[Scan | DriverError] = asyncio.Queue(100)

    async def __aenter__(self) -> Self:
        if self.enter_fault is not None:
            raise self.enter_fault
        self.entered += 1
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        self.reads.append((self._clock.mono_ms(), group.name))
        self.groups.append(group)
        if self.takes_s:
            await asyncio.sleep(min(self.takes_s, deadline_s))
            if self.takes_s > deadline_s:
                raise DriverError("no_answer")
        if self.fault is not None:
            raise self.fault
        return Scan(group, [len(self.reads)] * len(group.tags), self._clock.wall_ms())

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        while True:
            match await self.pushed.get():
                case Scan() as scan:
                    yield scan
                case DriverError() as error:
                    raise error

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        if self.fault is not None:
            raise self.fault
        self.written.append((tag.name, value))


class KeptScans:
    """A sink that keeps everything: `scans`, and `misses` as (group name, cause, count, from, to)."""

    def __init__(self) -> None:
        self.scans: list[Scan] = []
        self.misses: list[tuple[str, str, int, int, int]] = []
        self.alives: list[tuple[str, int]] = []

    def take(self, scan: Scan) -> None:
        self.scans.append(scan)

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        self.misses.append((group.name, cause, count, from_ms, to_ms))

    def alive(self, group: TagGroup, read_ms: int) -> None:
        self.alives.append((group.name, read_ms))

    def accounted(self, group: str) -> int:
        """Good scans plus counted misses of a group (failed scans are counted as misses)."""
        good = sum(1 for scan in self.scans if scan.group.name == group and scan.cause is None)
        return good + sum(count for name, _, count, _, _ in self.misses if name == group)
