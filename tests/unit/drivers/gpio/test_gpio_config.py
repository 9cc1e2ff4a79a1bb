"""What a GPIO device may say of itself, and what it is told when it may not."""

from __future__ import annotations

import sys

import pytest
from pydantic import ValidationError

from drivers.driver import DriverError
from drivers.gpio import factory
from drivers.gpio.config import DeviceOptions, TagOptions
from drivers.registry import make_driver
from runtime.bus_budget import accept_config
from runtime.config_faults import ConfigError
from tests.rigs.clock import StillClock

DEVICE = """
[devices.{name}]
type = "gpio"
chip = "{chip}"
[devices.{name}.lines]
{lines}
[[devices.{name}.groups]]
name = "g"
period_ms = 100
tags = [{tags}]
"""


def device(lines: str, tags: str = '{ name = "a", line = "a" }', name: str = "io", chip: str = "bench") -> str:
    return DEVICE.format(name=name, chip=chip, lines=lines, tags=tags)


def judged(*devices: str) -> list[tuple[str, str]]:
    try:
        accepted = accept_config('[gateway]\nname = "g"\n' + "".join(devices))
    except ConfigError as error:
        return [(fault.where, fault.code) for fault in error.faults if fault.text(lang="en") and fault.text(lang="zh")]
    return [(each.where, f"advice {each.code}") for each in accepted.advice]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ('a = { line = 1, use = "output" }', "config_gpio_safe"),
        ('a = { line = 1, use = "output", safe = true, debounce_ms = 5 }', "config_gpio_use"),
        ("a = { line = 1, safe = true }", "config_gpio_use"),
        ("a = { line = 1 }\nb = { line = 1 }", "config_gpio_line_twice"),
        ('a = { line = "X" }\nb = { line = "X" }', "config_gpio_line_twice"),
        ('a = { line = 1 }\n"b/c" = { line = 2 }', "config_gpio_line_name"),
        ('a = { line = "" }', "config_gpio_text"),
        ('a = { line = 1, bias = "up" }', "config_not_one_of"),
        ("a = { line = true }", "config_not_int"),
    ],
)
def test_lines_that_cannot_be_are_told(lines: str, code: str) -> None:
    assert code in [found for _, found in judged(device(lines))]


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ('{ name = "a", line = "b" }', "config_gpio_tag_line"),
        ('{ name = "a", line = "out", value = "count" }', "config_gpio_counts_output"),
        ('{ name = "a", line = "a", scale = 2 }', "config_gpio_state"),
        ('{ name = "a", line = "a", value = "rate", scale = 0.0 }', "config_gpio_scale"),
    ],
)
def test_tags_that_cannot_be_are_told(tag: str, code: str) -> None:
    lines = 'a = { line = 1 }\nout = { line = 2, use = "output", safe = false }'
    assert [found for _, found in judged(device(lines, tag))] == [code]


def test_a_line_belongs_to_one_device() -> None:
    first, second = device("a = { line = 1 }"), device("a = { line = 2 }\nb = { line = 1 }", name="other", chip="/dev/bench")
    assert judged(first, second) == [("devices.other.lines.b", "config_taken_twice")]
    assert judged(first, second.replace('type = "gpio"', 'type = "gpio"\nenabled = false')) == []
    assert judged(first, second.replace("/dev/bench", "another")) == []


def test_what_works_and_is_not_wise_is_advice() -> None:
    lines = 'a = { line = 1, count = "on" }\nb = { line = 2, use = "output", safe = true, at_exit = "keep" }'
    assert judged(device(lines, chip="gpiochip0")) == [
        ("devices.io.chip", "advice config_gpio_chip_may_move"),
        ("devices.io.lines.a", "advice config_gpio_bounces"),
        ("devices.io.lines.b", "advice config_gpio_keeps"),
    ]


def test_the_pi_has_one_chip_and_broadcom_numbers() -> None:
    good = DeviceOptions.model_validate({"backend": "rpi", "lines": {"a": {"line": "GPIO17", "bias": "pull_up"}, "b": {"line": 4}}})
    assert [good.settings(name).at for name in good.lines] == [17, 4]
    for wrong in ({"a": {"line": "GPIO17"}, "b": {"line": 17}}, {"a": {"line": 28}}, {"a": {"line": "PIN_4"}}):
        with pytest.raises(ValidationError):
            DeviceOptions.model_validate({"backend": "rpi", "lines": wrong})
    with pytest.raises(ValidationError):
        DeviceOptions.model_validate({"backend": "rpi", "chip": "bench", "lines": {"a": {"line": 1}}})
    with pytest.raises(ValidationError):
        DeviceOptions.model_validate({"lines": {"a": {"line": 1}}})


@pytest.mark.parametrize(
    ("tag", "kind", "exponent"),
    [
        ({}, "bool", None),
        ({"value": "count"}, "int", 0),
        ({"value": "count", "scale": 10.0}, "int", 1),
        ({"value": "count", "scale": 0.001}, "float64", -3),
        ({"value": "count", "scale": 0.3}, "float64", None),
        ({"value": "rate", "scale": 3.6}, "float64", None),
    ],
)
def test_types_follow_from_what_is_shown(tag: dict[str, object], kind: str, exponent: int | None) -> None:
    options = TagOptions.model_validate({"line": "a", **tag})
    assert (factory.value_type(options), factory.exponent(options)) == (kind, exponent)


def test_without_the_library_the_extra_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    monkeypatch.delitem(sys.modules, "drivers.gpio.gpiod_chip", raising=False)
    options = DeviceOptions.model_validate({"chip": "bench", "lines": {"a": {"line": 1}}})
    assert factory.advice(options) == []
    with pytest.raises(DriverError) as missing:
        make_driver("gpio", "io", options, StillClock())
    assert (missing.value.cause, missing.value.params) == ("library_missing", {"library": "gpiod", "extra": "gpio"})
