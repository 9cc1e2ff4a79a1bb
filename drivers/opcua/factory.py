"""The entrance of the `opcua` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `opcua`. Imports asyncua no earlier than in `make`.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.opcua.config import Address, DeviceOptions, TagOptions, make_address
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "opcua"


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return the type that the tag was given: the server's own type is not known before it answers."""
    return _tag(options).data


def exponent(options: BaseModel) -> int | None:
    """Return None: OPC UA variables do not tell their decimals."""
    _tag(options)
    return None


def unwritable(address: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return why a tag cannot be written: servers that do not know index ranges would overwrite the whole array."""
    if not isinstance(address, Address) or not address.part:
        return []
    return [("part", "config_option_read_only", {"option": "part"})]


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one server. Raises ImportError without asyncua."""
    from drivers.opcua.driver import OpcUaDriver

    del shared  # a server has sessions enough; nothing of it is shared between devices

    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of an OPC UA device")
    return OpcUaDriver(device_options, clock)


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of an OPC UA tag")
    return options
