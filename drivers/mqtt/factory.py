"""The entrance of the `mqtt` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `mqtt`. Imports paho no earlier than in `make`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.mqtt.config import Address, DeviceOptions, JsonAddress, TagOptions, make_address
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "mqtt"
APART: Final = "client_id"
"""The option with a value of its own for which a device has a connection to the broker for itself."""


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


def alike(options: BaseModel) -> list[tuple[str, str, str]]:
    """Return what all devices of one connection to a broker have to say alike of it; one `client_id` has one connection."""
    if not isinstance(options, DeviceOptions):
        return []
    settings = {name: "" if value is None else value for name, value in asdict(options.broker()).items()}
    key = [f"{settings.pop(name)}" for name in ("host", "port")]
    named = ("client_id",) if options.client_id else ("client_id", "username")  # by a username of its own, it is a connection of its own
    parts = {name: settings.pop(name) for name in named}
    what = " ".join([":".join(key), *(f"{name} {value}" for name, value in parts.items() if value)])
    return [(name, what, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in settings.items()]


def unwritable(address: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return why a tag cannot be written: a topic's value is set by another topic, which has to be named."""
    if not isinstance(address, JsonAddress) or address.command_topic is not None:
        return []
    return [("topic", "config_needs", {"key": "command_topic", "when": "writable = true"})]


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
