"""The entrance of the `mqtt` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `mqtt`. Imports paho no earlier than in `make`.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.mqtt.config import Address, DeviceOptions, TagOptions, make_address
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "mqtt"


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return the type that the tag was given: a payload that does not have it is a decoding error."""
    return _tag(options).data


def exponent(options: BaseModel) -> int | None:
    """Return None: payloads do not tell their decimals."""
    _tag(options)
    return None


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one device; devices with the same broker share its connection. Raises ImportError without paho."""
    from drivers.mqtt.driver import MqttDriver

    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of an MQTT device")
    return MqttDriver(device_options, clock, shared)


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of an MQTT tag")
    return options
