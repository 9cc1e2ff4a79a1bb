"""The entrance of the `modbus` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `modbus`. Imports pymodbus no earlier than in `make`, and only for lines that need it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.load import Addresses, LineLoad
from drivers.modbus import address, budget
from drivers.modbus.config import DeviceOptions, framing_of, is_serial
from drivers.modbus.end_point import line_of, settings_of
from drivers.modbus.tag_options import TagOptions, make_address
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "gateway"
PUSHES: Final = False
writable_tables: Final = ("coil", "holding")
moving_port: Final = re.compile(r"/dev/tty(USB|ACM)[0-9]+")
"""Numbered as the kernel finds them: a second adapter, or a restart, and the number is another's."""


def make_tag_address(options: BaseModel) -> address.Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return bool, int, float32, float64 or text: what the decoder gives."""
    return address.value_type(make_address(_tag(options)))


def exponent(options: BaseModel) -> int | None:
    """Return -k for a whole number with scale 10**-k, else None."""
    return address.exponent(make_address(_tag(options)))


def origin(options: BaseModel) -> str:
    """Return the orders that hold for all tags of a device, where not the usual: without them, no value can be told from its bytes."""
    orders = {name: getattr(options, name) for name in ("byte_order", "word_order")} if isinstance(options, DeviceOptions) else {}
    return " ".join(f"device.{name}={order}" for name, order in orders.items() if order != DeviceOptions.model_fields[name].default)


def line_load(options: BaseModel, groups: Sequence[Addresses]) -> LineLoad:
    """Return the bus time that a device's groups take. Raises ValueError for a value that no request can hold."""
    if not isinstance(options, DeviceOptions):
        raise TypeError("not options of a Modbus device")
    return budget.line_load(options, groups)


def advice(options: BaseModel) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return what is worth saying of a device's options: a port that may be another one after the next start."""
    port = options.serial_port if isinstance(options, DeviceOptions) and is_serial(options.transport) else None
    if port is None or not moving_port.fullmatch(port):
        return []
    return [("serial_port", "config_port_may_move", {"port": port})]


def shares(options: BaseModel) -> list[tuple[str, str]]:
    """Return the serial port: units on one line share it with each other, and with nothing else."""
    port = options.serial_port if isinstance(options, DeviceOptions) and is_serial(options.transport) else None
    return [] if port is None else [("serial_port", port)]


def alike(options: BaseModel) -> list[tuple[str, str, str]]:
    """Return what all units of a line have to say alike of it: the line is opened once, for all of them."""
    if not isinstance(options, DeviceOptions):
        return []
    return [(option, _place(options), str(value)) for option, value in settings_of(options).items()]


def reaches(options: BaseModel) -> list[tuple[str, str]]:
    """Return the unit that a device is, by its line and number."""
    return [("unit_id", f"{_place(options)} unit_id {options.unit_id}")] if isinstance(options, DeviceOptions) else []


def unwritable(tag: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return why a tag cannot be written: its table has no function that does, or a write would have to change other registers too."""
    if not isinstance(tag, address.Address):
        return []
    if tag.table not in writable_tables:
        return [("address", "config_table_read_only", {"table": tag.table})]
    if tag.scale_factor is not None:
        return [("scale_factor", "config_option_read_only", {"option": "scale_factor"})]
    return [("data", "config_option_read_only", {"option": f'data = "{tag.kind}"'})] if tag.kind in ("bits32", "bits64") else []


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one unit. Raises ImportError without pymodbus where its line is framed by it."""
    from drivers.modbus.driver import ModbusDriver

    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of a Modbus device")
    if framing_of(device_options.transport) != "mbap":
        import drivers.modbus.pymodbus_link  # noqa: F401  missing, it must be said now and not at the first read
    return ModbusDriver(device_options, clock, shared, name)


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of a Modbus tag")
    return options


def _place(options: DeviceOptions) -> str:
    return ":".join(map(str, line_of(options).points[0].place.values()))
