"""The running sim board: the plant stepped in time, three devices on loopback and the control port.

Room: ground, sim board. `__main__.py` runs it; integration tests run it in their own process. The Modbus devices
listen before the OPC UA library is even imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from boards.sim.control import Control
from boards.sim.faults import FaultError
from boards.sim.filler import Signal
from boards.sim.gate import Gate
from boards.sim.maps import filler_map, meter_map
from boards.sim.modbus_server import ModbusServer
from boards.sim.plant import DEVICES, STEP_S, Plant
from boards.sim.port import Port
from boards.sim.view import DeviceView, RegisterMemory, WallClock

TICK_S: Final = 0.1
STEPS_A_TICK_MAX: Final = 1000
"""Some 25 ms of computing: a speed that this machine cannot keep makes the plant slower, never the servers deaf."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says. Ports of 0 take free ones; `speed` is plant seconds a second."""

    seed: int = 1
    speed: float = 1.0
    host: str = "127.0.0.1"
    filler_port: int = 0
    meter_port: int = 0
    capper_port: int = 0
    control_port: int = 0


Ports = dict[str, int]
"""`filler_port`, `meter_port`, `capper_port`, `control_port`: the names of the placeholders in config.toml."""


class SimBoard:
    """The board. `run` serves until it is cancelled; the other methods are what the control port may do."""

    def __init__(self, settings: Settings, wall_s: WallClock) -> None:
        """Build the plant; nothing listens yet."""
        self.plant = Plant(settings.seed)
        self.views = {name: DeviceView(name, self.plant, settings.seed, wall_s) for name in DEVICES}
        self._settings = settings
        self._ports: dict[str, Port] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, ready: Callable[[Ports], None]) -> None:
        """Listen, call `ready` with the ports once all devices answer, and serve. Raises OSError when a port is taken."""
        settings = self._settings
        gate = Gate(settings.host, self.views["capper"].faults)
        filler = ModbusServer(RegisterMemory(self.views["filler"], filler_map()), self.views["filler"].faults)
        meter = ModbusServer(RegisterMemory(self.views["meter"], meter_map()), self.views["meter"].faults)
        control = Control(self)
        async with AsyncExitStack() as stack:
            for name, number, serve in (
                ("filler", settings.filler_port, filler.serve),
                ("meter", settings.meter_port, meter.serve),
                ("capper", settings.capper_port, gate.serve),
                ("control", settings.control_port, control.serve),
            ):
                self._ports[name] = await stack.enter_async_context(Port(settings.host, number, serve))
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._step_in_time())
                tasks.create_task(self._serve_capper(gate, ready))

    async def switch(self, device: str, fault: str, *, on: bool, parameters: dict[str, Any]) -> None:
        """Switch a fault on or off. Raises FaultError for a name that does not exist."""
        view = self.views.get(device)
        if view is None:
            raise FaultError(f"there is no device {device!r}; there are: {', '.join(DEVICES)}")
        view.faults.switch(fault, on, self.plant.elapsed_s, parameters)
        if fault == "reboot" and on:
            self._ports[device].break_connections()
            self.plant.reboot(device)
            if self._tasks is not None:
                self._tasks.create_task(self._come_back(device))
        await self._set_port(device)

    def active(self) -> dict[str, dict[str, dict[str, float | str]]]:
        """Return device -> fault in force -> its parameters."""
        return {name: {fault: a.parameters for fault, a in view.faults.active.items()} for name, view in self.views.items()}

    def truth(self) -> dict[str, dict[str, Signal | None]]:
        """Return device -> signal -> value, without faults."""
        return {name: self.plant.signals(name) for name in DEVICES}

    async def _come_back(self, device: str) -> None:
        faults = self.views[device].faults
        reboot = faults.active["reboot"]
        await asyncio.sleep(float(reboot.parameters["back_after_s"]))
        # Switched off by hand, or on again, meanwhile: then this one has nothing to bring back.
        if faults.active.get("reboot") is reboot:
            faults.switch("reboot", False, self.plant.elapsed_s)
            await self._set_port(device)

    async def _set_port(self, device: str) -> None:
        if self.views[device].faults.link().dead:
            self._ports[device].die()
        else:
            await self._ports[device].revive()

    async def _step_in_time(self) -> None:
        """Step the plant at 10 Hz of its own time."""
        loop = asyncio.get_running_loop()
        before, debt_s = loop.time(), 0.0
        while True:
            await asyncio.sleep(TICK_S / max(min(self._settings.speed, 4.0), 1.0))
            now = loop.time()
            debt_s += (now - before) * self._settings.speed
            before = now
            steps = min(int(debt_s / STEP_S), STEPS_A_TICK_MAX)
            for _ in range(steps):
                self.plant.step(STEP_S)
            debt_s = min(debt_s - steps * STEP_S, STEP_S)

    async def _serve_capper(self, gate: Gate, ready: Callable[[Ports], None]) -> None:
        from boards.sim.opcua_server import CapperServer

        async with CapperServer(self._settings.host, self.views["capper"]) as server:
            gate.inner_port = server.port
            ready({f"{name}_port": port.number for name, port in self._ports.items()})
            while True:
                await server.publish()
                await asyncio.sleep(TICK_S)
