"""The entrance of the `replay` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `replay`. Needs no library.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver
from drivers.replay.config import Address, DeviceOptions, TagOptions, make_address
from drivers.replay.driver import ReplayDriver
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = ""


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return the type that the tag was given; the capture keeps its values as they were."""
    return _tag(options).data


def exponent(options: BaseModel) -> int | None:
    """Return None: a capture does not tell decimals."""
    _tag(options)
    return None


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one capture."""
    del shared  # a file is read by whoever wants it
    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of a replayed device")
    return ReplayDriver(device_options, clock)


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of a replayed tag")
    return options
