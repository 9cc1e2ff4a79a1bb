"""What the devices of a configuration are to one another: who has what alone, what they share, and what they must say alike of it.

Room: hall. `bus_budget.accept_config` calls `check_together` before a configuration is accepted. Asks the drivers' factories, and no
device; a device that is not enabled takes part in nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from drivers.driver import DriverError
from drivers.registry import alike_of, apart_by, claims_of, reached_by, shares_of
from runtime.config import Config, DeviceConfig
from runtime.config_faults import Faults, Place

Told = TypeVar("Told")


def check_together(faults: Faults, advice: Faults, config: Config) -> None:
    """Note what two enabled devices cannot both have or say as a fault, and two that are one and the same as advice."""
    _check_claims(faults, config)
    _check_alike(faults, config)
    _advise_of_the_same(faults, advice, config)


def _check_claims(faults: Faults, config: Config) -> None:
    """What only one device can have, no two enabled ones have; what a type shares, no device of another type has."""
    owners: dict[str, tuple[str, str]] = {}
    """What -> the device that has it first, and the type that shares it or, unshared, that device again."""
    for device in _enabled(config):
        claims = [(option, what, f"device {device.name}") for option, what in told(faults, device, claims_of) or ()]
        claims += [(option, what, f"type {device.type}") for option, what in told(faults, device, shares_of) or ()]
        for option, what, holder in claims:
            owner, held_by = owners.setdefault(what, (device.name, holder))
            if held_by != holder:
                faults.add(*_at(device, option), "config_taken_twice", what=what, device=owner)


def _check_alike(faults: Faults, config: Config) -> None:
    """What devices of a type must say alike of one thing, they say as the first one of it does; each that does not is named once."""
    firsts: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
    """Type and thing -> the device that has it first, and its settings by option."""
    for device in _enabled(config):
        by_thing: dict[str, dict[str, str]] = {}
        for option, what, value in told(faults, device, alike_of) or ():
            by_thing.setdefault(what, {})[option] = value
        for what, settings in by_thing.items():
            first, agreed = firsts.setdefault((device.type, what), (device.name, settings))
            differing = [option for option in {**settings, **agreed} if settings.get(option) != agreed.get(option)]
            if differing:
                here, there = (", ".join(f"{key} {said.get(key) or '-'}" for key in differing) for said in (settings, agreed))
                params = {"what": what, "device": first, "here": here, "there": there}
                if (key := apart_by(device.type)) is None:
                    faults.add(*_at(device, differing[0]), "config_settings_differ", **params)
                else:
                    faults.add(*_at(device, differing[0]), "config_settings_differ_apart", **params, key=key)


def _advise_of_the_same(faults: Faults, advice: Faults, config: Config) -> None:
    """Two devices that reach the same are both polled, which may be meant."""
    owners: dict[tuple[str, str], str] = {}
    for device in _enabled(config):
        for option, what in told(faults, device, reached_by) or ():
            if (owner := owners.setdefault((device.type, what), device.name)) != device.name:
                advice.add(*_at(device, option), "config_same_device", what=what, device=owner)


def _enabled(config: Config) -> Iterator[DeviceConfig]:
    return (each for each in config.devices if each.enabled)


def _at(device: DeviceConfig, option: str) -> tuple[Place, str]:
    """Return the place of an option, by keys and by names."""
    return ("devices", device.name, *option.split(".", 1)), f"devices.{device.name}.{option}"


def told(faults: Faults, device: DeviceConfig, ask: Callable[[str, BaseModel], Told]) -> Told | None:
    """Return what a device's type tells of its options; where it tells it wrongly, note that and return None."""
    try:
        return ask(device.type, device.options)
    except DriverError as error:
        faults.add_told(device.name, error)
        return None
