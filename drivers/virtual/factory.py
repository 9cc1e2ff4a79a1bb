"""The entrance of the `virtual` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `virtual`. Needs no library.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.shared import Shared
from drivers.virtual.config import Address, DeviceOptions, TagOptions, make_address
from drivers.virtual.driver import VirtualDriver

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = ""
PUSHES: Final = False


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return the type that the tag's results have."""
    return _tag(options).data


def exponent(options: BaseModel) -> int | None:
    """Return None: `decimals`, which all tags have, says it."""
    _tag(options)
    return None


def inputs(address: object) -> tuple[str, ...]:
    """Return the tags (`device/tag`) that a formula reads."""
    return address.formula.inputs if isinstance(address, Address) else ()


def unwritable(_address: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return why a tag cannot be written: what is reckoned is set by nobody."""
    return [("formula", "config_option_read_only", {"option": "formula"})]


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of a device of virtual tags."""
    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of a virtual device")
    return VirtualDriver(device_options, clock, shared.newest)


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of a virtual tag")
    return options
