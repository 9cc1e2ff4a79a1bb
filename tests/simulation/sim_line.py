"""The sim board's filling line on virtual time: the real plant, maps and faults, behind drivers without a wire.

Room: tests. `Line.driver` is what a rig gives to the core in place of `drivers.registry.make_driver`. Registers are encoded by the board
and decoded by the Modbus driver's own layout; what a fault does to the wire is said here as the DriverError that the real driver raises for
it (seen by running it on the real board). The plant is stepped at 10 Hz when somebody looks, so hours take seconds.

    line = Line(clock, seed=7)
    line.switch("filler", "stuck_tag", on=True)                 # as `witnessmark fault filler stuck_tag on`
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from boards.sim.maps import filler_map, meter_map
from boards.sim.plant import DEVICES, STEP_S, Plant
from boards.sim.register_map import BIT_TABLES, RegisterMap
from boards.sim.view import DeviceView
from drivers.driver import DriverError
from drivers.memory import MemoryOf
from drivers.modbus.config import DeviceOptions
from drivers.modbus.group_plan import make_plan
from drivers.modbus.layout import Arrangement, Layout
from drivers.modbus.learned import LearnedMap
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from runtime.points import DevicePoints
from tests.simulation.line_capper import Sampled
from tests.simulation.loop import VirtualClock

STEPS_PER_S: Final = round(1 / STEP_S)
READ_S: Final = 0.004
"""How long a read of a group takes on loopback."""
REQUESTS_TO_CONNECT: Final = 5
"""Messages until an OPC UA session stands: each may be the one at which a lossy line breaks."""


class Line:
    """Plant, devices and what may be switched. Times are those of the clock that it is given."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        """Start a line that is running."""
        self.clock, self.plant = clock, Plant(seed)
        self.views = {name: DeviceView(name, self.plant, seed, lambda: clock.wall_ms() / 1000) for name in DEVICES}
        self.connections = dict.fromkeys(DEVICES, 0)
        """Grows when a device breaks the connections that are open."""
        self.watchers: set[Callable[[int], None]] = set()
        """Called after every step of the plant with the wall time that it stands for, in ms."""
        self._began_ms, self._steps = clock.mono_ms(), 0

    def advance(self) -> None:
        """Bring the plant to the present."""
        since_ms = self.clock.mono_ms() - self._began_ms
        while self._steps < since_ms * STEPS_PER_S // 1000:
            self.plant.step(STEP_S)
            self._steps += 1
            for watcher in self.watchers:
                watcher(self.clock.wall_ms() - since_ms + self._steps * 1000 // STEPS_PER_S)

    def shown(self, device: str) -> dict[str, Any]:
        """Return every signal of a device as it shows it now."""
        self.advance()
        return self.views[device].shown()

    def switch(self, device: str, fault: str, *, on: bool, parameters: Mapping[str, Any] | None = None) -> None:
        """Switch a fault as the board's control port does. A reboot ends by itself, when its time is over. Raises FaultError."""
        self.advance()
        faults = self.views[device].faults
        faults.switch(fault, on, self.plant.elapsed_s, parameters)
        if fault == "reboot" and on:
            self.connections[device] += 1
            self.plant.reboot(device)
            back_after_s = float(faults.active["reboot"].parameters["back_after_s"])
            asyncio.get_running_loop().call_later(back_after_s, lambda: faults.switch("reboot", False, self.plant.elapsed_s))

    def driver(self, points: DevicePoints, memory: MemoryOf) -> LineDriver:
        """Return the driver of one configured device."""
        return CapperDriver(self, points) if points.config.type == "opcua" else ModbusDriver(self, points)


class LineDriver:
    """What the two have in common: the connection, as the faults of the device treat it. See `drivers.driver.Driver`."""

    loses_connection = False
    """Whether a lost request ends the connection, as it does where the board breaks a TCP stream instead of losing a part of it."""

    def __init__(self, line: Line, points: DevicePoints) -> None:
        self._line, self._points, self._device = line, points, points.name
        self._connection: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection = None

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Nothing is written here."""
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)

    async def _ask(self, requests: int, limit_s: float) -> None:
        """Spend what an exchange of some requests takes. Raises DriverError as the real driver does under the faults in force."""
        faults, now = self._line.views[self._device].faults, self._line.connections[self._device]
        link = faults.link()
        if self._connection is None:
            if link.dead or (self.loses_connection and self._loses(REQUESTS_TO_CONNECT)):
                await asyncio.sleep(READ_S)
                raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail="refused")
            self._connection = now
        if self._connection != now or (self.loses_connection and self._loses(requests)):
            self._connection = None
            raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR)
        if link.dead or link.delay_s >= limit_s or self._loses(requests):
            await asyncio.sleep(limit_s)
            if link.dead:
                self._connection = None
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(limit_s * 1000))
        await asyncio.sleep(READ_S + link.delay_s)

    def _loses(self, requests: int) -> bool:
        return any(self._line.views[self._device].faults.loses() for _ in range(requests))


class ModbusDriver(LineDriver):
    """The filler and the meter."""

    def __init__(self, line: Line, points: DevicePoints) -> None:
        super().__init__(line, points)
        self._map: RegisterMap = filler_map() if points.name == "filler" else meter_map()
        self._plans: dict[int, tuple[Layout, Arrangement]] = {}

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read all blocks of a group at one moment."""
        layout, arrangement = self._planned(group)
        await self._ask(len(arrangement.reads), deadline_s)
        image = self._map.encode(self._line.shown(self._device))
        answers = [_packed(image[b.table], b.table, b.start, b.count) for b in (read.block for read in arrangement.reads)]
        return layout.scan(arrangement, answers, self._line.clock.wall_ms())

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Modbus devices do not push."""
        raise DriverError("subscribe_not_supported", Status.BAD_NOT_SUPPORTED)

    def _planned(self, group: TagGroup) -> tuple[Layout, Arrangement]:
        known = self._plans.get(group.uid)
        if known is None or known[0].group != group:
            options = self._points.config.options
            assert isinstance(options, DeviceOptions)
            layout = Layout(group, options)
            known = self._plans[group.uid] = layout, make_plan(layout, LearnedMap(), options, lambda *_: False).arrangement
        return known


class CapperDriver(LineDriver):
    """The capper: polled nodes and one subscription, each value with the device's own time."""

    loses_connection = True

    def __init__(self, line: Line, points: DevicePoints) -> None:
        super().__init__(line, points)
        self._polled: dict[int, Sampled] = {}

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read the nodes of a group."""
        await self._ask(1, deadline_s)
        self._line.advance()
        return self._polled.setdefault(group.uid, Sampled(self._line, group)).polled()

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield what changed in every interval, each change apart, as late as a slow device makes it.

        The real stream takes its session over on another connection when a lossy line broke this one: what was held back comes late.
        """
        line, faults = self._line, self._line.views[self._device].faults
        if faults.link().dead or self._loses(REQUESTS_TO_CONNECT):
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail="refused")
        connection, sampled = line.connections[self._device], Sampled(line, group)
        line.watchers.add(sampled.look)
        try:
            while True:
                await asyncio.sleep(group.period_ms / 1000)
                line.advance()
                link = faults.link()
                if connection != line.connections[self._device]:
                    raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR)
                if link.dead:
                    await asyncio.sleep(2 * self._points.config.timeout_s)
                    raise DriverError("no_answer", Status.BAD_TIMEOUT)
                if faults.loses():
                    continue
                if link.delay_s:
                    await asyncio.sleep(link.delay_s)
                for scan in sampled.notified():
                    yield scan
        finally:
            line.watchers.discard(sampled.look)


def _packed(table: Mapping[int, int], name: str, start: int, count: int) -> bytes:
    values = [table[address] for address in range(start, start + count)]
    if name not in BIT_TABLES:
        return struct.pack(f">{count}H", *values)
    packed = bytearray((count + 7) // 8)
    for n, bit in enumerate(values):
        packed[n // 8] |= bit << (n % 8)
    return bytes(packed)
