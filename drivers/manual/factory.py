"""The entrance of the `manual` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `manual`. Imports pyserial for stations with a gauge only.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.manual.config import Address, DeviceOptions, TagOptions, make_address
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "gateway"
OCCASIONAL: Final = True


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return the type that the tag's values have."""
    return _tag(options).data


def exponent(options: BaseModel) -> int | None:
    """Return None: `decimals`, which all tags have, says it."""
    _tag(options)
    return None


def origin(options: BaseModel) -> str:
    """Return whose readings a gauge's are: part of what is proven with each of them."""
    gauge = options.gauge if isinstance(options, DeviceOptions) else None
    return "" if gauge is None else f"by={gauge.by}"


def one_group(options: BaseModel) -> str | None:
    """Return the gauge: its port is opened once, and a line of it may be about any tag."""
    return "gauge" if isinstance(options, DeviceOptions) and options.gauge is not None else None


def claims(options: BaseModel) -> list[tuple[str, str]]:
    """Return the gauge's port: one device can have it."""
    gauge = options.gauge if isinstance(options, DeviceOptions) else None
    return [] if gauge is None else [("gauge.serial_port", gauge.serial_port)]


def advice(options: BaseModel) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return what is worth saying of a station's options: a port that may be another one after the next start."""
    gauge = options.gauge if isinstance(options, DeviceOptions) else None
    if gauge is None or not gauge.serial_port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        return []
    return [("gauge", "config_port_may_move", {"port": gauge.serial_port})]


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one station. Raises ImportError without pyserial where it has a gauge."""
    from drivers.manual.driver import ManualDriver

    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of a manual station")
    if device_options.gauge is not None:
        import drivers.manual.gauge_port  # noqa: F401  missing, it must be said now and not at the first line
    return ManualDriver(device_options, clock, shared.memory("manual", name))


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of a manual tag")
    return options
