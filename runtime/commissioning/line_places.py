"""Where a scan asks: a line of the running gateway, through its connection, or a host or serial port that the gateway does not use.

Room: hall, commissioning. The verb `scan`, `scans` and `raw_reads` take their units from here. It reads and never writes, and never opens
what a running gateway has open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from drivers.abilities import LineSource
from drivers.driver import DriverError
from drivers.option_error import OptionError
from drivers.registry import load_config, make_driver
from drivers.shared import Shared
from runtime.clock import SystemClock
from runtime.commissioning.scan_bounds import connect_s
from runtime.config import Config
from runtime.faces.feed import RequestRefusedError

MODBUS: Final = "modbus"


class Units(Protocol):
    """The units of one line. Both raise DriverError or, through the gateway, RequestRefusedError."""

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        """Return address -> register of what could be read of a unit."""
        ...

    async def identify(self, unit: int | None) -> dict[str, str]:
        """Return what a unit says that it is."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """One line. `device`: the gateway's device on it, through which it is asked; else `options` of the driver's, to ask it directly."""

    text: str
    device: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of a serial line: what was guessed."""
    wait_s: float = 1.0
    """How long one answer is waited for."""


Opener = Callable[[Place, int | None], AbstractAsyncContextManager[Units]]
"""How a place is opened; the second is one of the units that will be asked."""


def line_of_device(config: Config, device: str, *, running: bool, wait_s: float) -> Place:
    """Return the line of a configured device. Raises LookupError, DriverError for a device without one."""
    found = next((each for each in config.devices if each.name == device), None)
    if found is None:
        raise LookupError(device)
    if found.type != MODBUS:
        raise DriverError("registers_not_supported", device=device)
    if running and found.enabled:
        return Place(device, device, wait_s=float(getattr(found.options, "request_timeout_s", wait_s)))
    return Place(device, options={**found.options.model_dump(exclude_unset=True), "request_timeout_s": wait_s}, wait_s=wait_s)


def hosts_at(config: Config, hosts: list[str], port: int, transport: str, *, running: bool, wait_s: float) -> list[Place]:
    """Return the lines at hosts; those that the running gateway has open are asked through it."""
    used = {
        (getattr(each.options, "host", ""), getattr(each.options, "tcp_port", 0)): each.name
        for each in (_enabled(config) if running else [])
    }
    places = []
    for host in hosts:
        if device := used.get((host, port)):
            places.append(line_of_device(config, device, running=True, wait_s=wait_s))
        else:
            own = {"transport": transport, "host": host, "port": port, "request_timeout_s": wait_s}
            places.append(Place(f"{host}:{port}", options=own, wait_s=wait_s))
    return places


def serial_at(config: Config, port: Path, settings: list[tuple[int, str]], *, running: bool, wait_s: float) -> list[Place]:
    """Return a serial port under each of the settings. Raises OptionError where there is none, or the running gateway uses it."""
    if not port.exists():
        raise OptionError("scan_port_missing", port=str(port))
    for device in _enabled(config) if running else []:
        used = getattr(device.options, "serial_port", None)
        if used and Path(used).resolve() == port.resolve():
            raise OptionError("scan_port_in_use", port=str(port), device=device.name)
    own = {"transport": "rtu", "serial_port": str(port), "request_timeout_s": wait_s}
    return [
        Place(f"{port} {baud} {parity}", "", {**own, "baud": baud, "parity": parity}, {"baud": baud, "parity": parity}, wait_s)
        for baud, parity in settings
    ]


@asynccontextmanager
async def opened_directly(place: Place, first: int | None = None) -> AsyncIterator[Units]:
    """Yield the units of a line that no running gateway has open. `first` is one of those that will be asked.

    Raises DriverError, ValueError for options that cannot be.
    """
    options = {**place.options} if first is None else {**place.options, "unit_id": first}
    driver = make_driver(MODBUS, "scan", load_config(MODBUS, "scan", options), SystemClock(), Shared(only_looks=True))
    async with driver:
        if not isinstance(driver, LineSource):
            raise DriverError("registers_not_supported", device=place.text)
        yield _Direct(driver, connect_s(place.wait_s))


def _enabled(config: Config) -> list[Any]:
    return [each for each in config.devices if each.enabled and each.type == MODBUS]


class _Direct:
    def __init__(self, driver: LineSource, deadline_s: float) -> None:
        self._driver, self._deadline_s = driver, deadline_s

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        return await self._driver.probe(unit, table, start, count, self._deadline_s)

    async def identify(self, unit: int | None) -> dict[str, str]:
        return await self._driver.identify(unit, self._deadline_s)


def cause_of(error: DriverError | RequestRefusedError) -> str:
    """Return the code of either kind of error."""
    return error.cause if isinstance(error, DriverError) else error.code
