"""Whether the tags that a configuration lets be written can be: by what it says, before anything is sent.

Room: hall. `bus_budget.accept_config` calls `check_written` before a configuration is accepted. Asks the drivers' factories, and no
device: what a device refuses shows when it is written. A device that is not enabled is not judged: nothing writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.driver import DriverError
from drivers.registry import unwritable_for
from runtime.config import Config, DeviceConfig, TagConfig
from runtime.config_faults import Faults, Place

NAMED_MAX: Final = 5
"""Tags that are named in a text."""


def check_written(faults: Faults, advice: Faults, config: Config) -> None:
    """Note each writable tag that cannot be written as a fault; and as advice, once a device, those that nothing writes."""
    for device in config.devices:
        if not device.enabled:
            continue
        idle: list[tuple[Place, str]] = []
        for place, where, tag in _writable(device):
            try:
                reasons = unwritable_for(device.type, tag.address)
            except DriverError as error:
                faults.add_told(device.name, error)
                continue
            for option, code, params in reasons:
                faults.add((*place, option), f"{where}.{option}", code, **params)
            if not reasons and tag.write is None:
                idle.append((place, tag.name))
        if idle:
            names = ", ".join(name for _, name in idle[:NAMED_MAX]) + (", …" if len(idle) > NAMED_MAX else "")
            advice.add(idle[0][0], f"devices.{device.name}", "config_writable_idle", tags=names, count=len(idle))


def _writable(device: DeviceConfig) -> Iterator[tuple[Place, str, TagConfig]]:
    for at, group in enumerate(device.groups):
        for n, tag in enumerate(group.tags):
            if tag.writable:
                yield ("devices", device.name, "groups", at, "tags", n), f"devices.{device.name}.groups.{group.name}.tags.{tag.name}", tag
