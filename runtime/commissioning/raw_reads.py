"""Raw registers of any Modbus unit that a person names: a polled device, another unit on its line, or one that nothing is configured for.

Room: hall, commissioning. `desk` takes a fetch from here. It never writes. What a running device has open is asked through its connection;
the rest is opened for one look and closed. Units that no device is configured for are asked only while the configuration says
`commissioning = true`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from drivers.abilities import RegisterSource
from drivers.driver import DriverError
from drivers.option_error import OptionError
from drivers.registry import load_config, make_driver
from drivers.shared import Shared
from runtime.clock import SystemClock
from runtime.commissioning.line_places import MODBUS
from runtime.commissioning.looks import Fetch
from runtime.config import Config, DeviceConfig
from runtime.registers_asked import LOOK_S, RegisterField

TRANSPORTS: Final = ("tcp", "rtu_over_tcp", "ascii_over_tcp", "rtu", "ascii")
OPTIONS: Final = frozenset({"transport", "host", "port", "serial_port", "baud", "parity", "stop_bits", "data_bits", "unit_id"})
"""What a place that is not configured is named by: the options of the driver, and no file among them."""
REQUEST_S: Final = 1.0


@asynccontextmanager
async def fetch_of(where: Mapping[str, Any], config: Config, field: RegisterField) -> AsyncIterator[Fetch]:
    """Yield a Fetch for {device} or {transport, host, port, unit_id, …}.

    Raises OptionError for a place that is none or `commissioning_off`, DriverError.
    """
    device, unit = _polled(where, config)
    if device is None:
        async with _opened(where) as fetch:
            yield fetch
        return
    name = device.name

    async def through(table: str, start: int, count: int) -> dict[int, int]:
        if unit is None:
            return await field.registers(name, table, start, count, LOOK_S)
        return await field.probe(name, unit, table, start, count, LOOK_S)

    yield through


def _polled(where: Mapping[str, Any], config: Config) -> tuple[DeviceConfig | None, int | None]:
    """Return the polled device through which a place is asked, and which other unit of its line is meant; None: it is asked directly."""
    modbus = [each for each in config.devices if each.enabled and each.type == MODBUS]
    if "device" in where:
        found = next((each for each in config.devices if each.name == where["device"]), None)
        if found is None:
            raise OptionError("device_unknown", device=str(where["device"])[:80])
        if found not in modbus:
            raise OptionError("device_not_polled", device=found.name)
        return found, None
    if not config.gateway.commissioning:
        raise OptionError("commissioning_off")
    checked(where)
    unit = where.get("unit_id", 1)
    sharing = [each for each in modbus if _line(_options_of(each)) == _line(where)]
    own = next((each for each in sharing if _options_of(each).get("unit_id", 1) == unit), None)
    if own is not None:
        return own, None
    return (sharing[0], unit) if sharing else (None, None)


def checked(where: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a place that has the options of one and no other. Raises OptionError `bench_place`."""
    if set(where) - OPTIONS or where.get("transport", "tcp") not in TRANSPORTS:
        raise OptionError("bench_place", detail=", ".join(sorted(set(where) - OPTIONS))[:80] or str(where.get("transport"))[:20])
    try:
        load_config(MODBUS, "bench", where)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise OptionError("bench_place", detail=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:160]) from error
    if where.get("serial_port") is not None:
        serial_device(where["serial_port"])
    return where


def serial_device(path: object) -> Path:
    """Return a serial port that a face named. Raises OptionError `scan_port_missing` for what is no character device under /dev."""
    found = Path(str(path))
    if not (found.is_char_device() and found.resolve().is_relative_to("/dev")):
        raise OptionError("scan_port_missing", port=str(path)[:120])
    return found


def _options_of(device: DeviceConfig) -> dict[str, Any]:
    return device.options.model_dump()


def _line(options: Mapping[str, Any]) -> tuple[str, object]:
    """Return what two places of one line have in common."""
    if options.get("serial_port"):
        return "serial", Path(str(options["serial_port"])).resolve()
    return str(options.get("host")), options.get("port") or (802 if options.get("transport") == "tls" else 502)


@asynccontextmanager
async def _opened(where: Mapping[str, Any]) -> AsyncIterator[Fetch]:
    options = load_config(MODBUS, "bench", {**where, "request_timeout_s": REQUEST_S})
    async with make_driver(MODBUS, "bench", options, SystemClock(), Shared(only_looks=True)) as driver:
        if not isinstance(driver, RegisterSource):
            raise DriverError("registers_not_supported", device="")
        source: RegisterSource = driver

        async def fetch(table: str, start: int, count: int) -> dict[int, int]:
            return await source.registers(table, start, count, LOOK_S)

        yield fetch
