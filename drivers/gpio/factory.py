"""The entrance of the `gpio` driver: its options, addresses and `make`. Called by `drivers.registry` only.

Room: ground, driver `gpio`. Imports gpiod or RPi.GPIO no earlier than in `make`, and then only the one that is configured.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from pydantic import BaseModel

from drivers.driver import Clock, Driver, DriverError
from drivers.gpio.chip import OpenChip
from drivers.gpio.config import Address, DeviceOptions, TagOptions, make_address
from drivers.reading import Status
from drivers.shared import Shared

DEVICE_OPTIONS: Final = DeviceOptions
TAG_OPTIONS: Final = TagOptions
EXTRA: Final = "gpio"
pi_extra: Final = "gpio-pi"

moving_chip: Final = re.compile(r"(/dev/)?gpiochip\d+")
"""The kernel numbers chips in the order in which it finds them."""


def make_tag_address(options: BaseModel) -> Address:
    """Return the frozen address of one tag."""
    return make_address(_tag(options))


def value_type(options: BaseModel) -> str:
    """Return bool for a state, float64 for a rate, int for a count unless its scale makes a fraction of it."""
    tag = _tag(options)
    if tag.value == "state":
        return "bool"
    return "int" if tag.value == "count" and tag.scaling.keeps_int() else "float64"


def exponent(options: BaseModel) -> int | None:
    """Return the power of ten of a count's last digit where its scale fixes it."""
    tag = _tag(options)
    places = tag.scaling.places if tag.value == "count" else None
    return None if places is None else -places


def claims(options: BaseModel) -> list[tuple[str, str]]:
    """Return (option, what) for each line: the kernel gives it to one user only."""
    if not isinstance(options, DeviceOptions):
        raise TypeError("not options of a GPIO device")
    chip = "rpi" if options.chip is None else options.chip.removeprefix("/dev/")
    return [(f"lines.{name}", f"{chip} {options.place_of(line.line)}") for name, line in options.lines.items()]


def advice(options: BaseModel) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return what is worth saying of a device's options, and of the lines that this machine has and has not got for it."""
    if not isinstance(options, DeviceOptions):
        return []
    said: list[tuple[str, str, dict[str, str | int | float]]] = []
    if options.chip is not None and moving_chip.fullmatch(options.chip):
        said.append(("chip", "config_gpio_chip_may_move", {"chip": options.chip}))
    for name, line in options.lines.items():
        if line.use == "output" and "keep" in (line.at_start, line.at_exit):
            said.append((f"lines.{name}", "config_gpio_keeps", {"line": name}))
        if "count" in line.model_fields_set and "debounce_ms" not in line.model_fields_set:
            said.append((f"lines.{name}", "config_gpio_bounces", {"line": name}))
    return said + (_seen_here(options) if options.backend == "gpiod" else [])


def make(name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
    """Return the driver of one device. Raises ImportError without gpiod, DriverError where RPi.GPIO is missing or finds no Pi."""
    from drivers.gpio.driver import GpioDriver

    if not isinstance(device_options, DeviceOptions):
        raise TypeError(f"{name}: not options of a GPIO device")
    open_chip = _of_a_pi() if device_options.backend == "rpi" else _of_the_kernel(f"witnessmark {name}")
    return GpioDriver(name, device_options, open_chip, clock, shared.memory("gpio", name), only_looks=shared.only_looks)


def _seen_here(options: DeviceOptions) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return what this machine would not give the device. Nothing where it has no chip at all: the configuration is for another one."""
    try:
        from drivers.gpio.gpiod_chip import chip_paths, users_of
    except ImportError:
        return []
    if not chip_paths():
        return []
    try:
        return [(f"lines.{name}", fault.cause, dict(fault.params)) for name, fault in users_of(options).items()]
    except DriverError as fault:
        return [("chip", fault.cause, dict(fault.params))]


def _of_the_kernel(consumer: str) -> OpenChip:
    from drivers.gpio.gpiod_chip import open_chip

    return partial(open_chip, consumer=consumer)


def _of_a_pi() -> OpenChip:
    try:
        from drivers.gpio.rpi_chip import open_chip
    except ImportError as error:
        raise DriverError("library_missing", Status.BAD_CONFIGURATION_ERROR, library="RPi.GPIO", extra=pi_extra) from error
    except RuntimeError as error:  # the library looks for a Pi when it is imported
        raise DriverError("gpio_no_pi", Status.BAD_CONFIGURATION_ERROR, detail=str(error)[:200]) from error
    return open_chip


def _tag(options: BaseModel) -> TagOptions:
    if not isinstance(options, TagOptions):
        raise TypeError("not options of a GPIO tag")
    return options
