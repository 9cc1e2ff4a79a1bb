"""The gpiod back end on a chip that the kernel simulates: levels, edges with their time, counts, debounce, outputs, lines in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.conformance import check_all
from drivers.driver import DriverError
from drivers.gpio import factory
from drivers.gpio.config import DeviceOptions
from drivers.gpio.driver import GpioDriver
from drivers.reading import Scan, Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.conforming_gpio import SimRig, gpio_tag
from tests.rigs.gpio_sim import SimChip, why_not


@pytest.fixture
def chip() -> Iterator[SimChip]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with SimChip(hogged=7) as found:
        yield found


def make(lines: dict[str, Any], chip: str = "wm-bench") -> GpioDriver:
    options = DeviceOptions.model_validate({"chip": chip, "lines": lines})
    return cast(GpioDriver, factory.make("dev", options, RunningClock(), Shared()))


def group(*tags: Tag, period_ms: int = 60_000) -> TagGroup:
    return TagGroup(1, "dev", "g", period_ms, tags)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await test()

    asyncio.run(limited())


def test_levels_counts_and_rates_of_a_real_character_device(chip: SimChip) -> None:
    async def test() -> None:
        tags = group(gpio_tag(0, "door"), gpio_tag(1, "meter", "int", value="count"))
        lines = {"door": {"line": "L0", "active_low": True, "bias": "pull_up"}, "meter": {"line": 1}}
        for name in ("wm-bench", chip.name, f"/dev/{chip.name}"):
            async with make(lines, name) as driver:
                chip.pull(0, level=True)
                assert (await driver.read(tags, 1.0)).values == [False, 0]
                for _ in range(1500):  # more than the kernel keeps, all told by their numbers
                    chip.pull(1, level=True)
                    chip.pull(1, level=False)
                chip.pull(0, level=False)
                scan = await driver.read(tags, 1.0)
                if scan.values != [True, 1500]:  # those beyond the buffer come with the next edge
                    chip.pull(1, level=True)
                    scan = await driver.read(tags, 1.0)
                    chip.pull(1, level=False)
                    assert scan.values == [True, 1501]
                assert scan.statuses is None

    run(test)


def test_changes_come_with_the_kernels_time_and_debounced(chip: SimChip) -> None:
    async def test() -> None:
        lines = {"a": {"line": 0}, "b": {"line": 1, "debounce_ms": 20}}
        tags, clock = group(gpio_tag(0, "a"), gpio_tag(1, "b")), RunningClock()
        async with make(lines) as driver, aclosing(cast(AsyncGenerator[Scan, None], driver.subscribe(tags))) as scans:
            assert (await anext(scans)).values == [False, False]
            before_ms = clock.wall_ms()
            chip.pull(0, level=True)
            for _ in range(5):
                chip.pull(1, level=True)
                chip.pull(1, level=False)
            chip.pull(1, level=True)
            seen = [reading for _ in range(2) for reading in (await anext(scans)).readings()]
            assert [(reading.tag.name, reading.value) for reading in seen] == [("t0", True), ("t1", True)]
            assert all(before_ms - 2 <= (reading.source_ms or 0) <= clock.wall_ms() + 2 for reading in seen)

    run(test)


def test_outputs_have_their_safe_level_and_are_read_back(chip: SimChip) -> None:
    async def test() -> None:
        lines = {"valve": {"line": 2, "use": "output", "safe": True}, "horn": {"line": 3, "use": "output", "safe": False, "pulse_ms": 30}}
        valve, horn = gpio_tag(0, "valve", writable=True), gpio_tag(1, "horn", writable=True)
        async with make(lines) as driver:
            assert (chip.level(2), chip.level(3)) == (True, False)
            await driver.write(valve, False, 1.0)
            assert chip.level(2) is False
            await driver.write(horn, True, 1.0)
            assert (await driver.read(group(valve, horn), 1.0)).values == [False, False]

    run(test)


def test_lines_in_use_unknown_ones_and_a_chip_that_goes_are_named(chip: SimChip) -> None:
    async def test() -> None:
        a = gpio_tag(0, "a")
        for line, cause, params in ((7, "gpio_line_taken", {"user": "hog"}), (8, "gpio_line_unknown", {"known": "0-7"})):
            async with make({"a": {"line": line}}) as driver:
                with pytest.raises(DriverError) as caught:
                    await driver.read(group(a), 1.0)
                assert caught.value.cause == cause
                assert params.items() <= caught.value.params.items()
        async with make({"a": {"line": 0}}, "nosuch") as driver:
            with pytest.raises(DriverError) as caught:
                await driver.read(group(a), 1.0)
            assert caught.value.cause == "gpio_chip_unknown"
            assert "wm-bench" in str(caught.value.params["known"])
        async with make({"a": {"line": 0}}) as driver:
            await driver.read(group(a), 1.0)
            chip.unplug()
            with pytest.raises(DriverError) as caught:
                await driver.read(group(a), 1.0)
            assert caught.value.cause == "connection_lost"

    run(test)


def test_check_says_what_this_machine_has_not_got(chip: SimChip) -> None:
    lines = {"a": {"line": 0}, "b": {"line": 7}, "c": {"line": "nosuch"}}
    said = factory.advice(DeviceOptions.model_validate({"chip": "wm-bench", "lines": lines}))
    assert [(option, code) for option, code, _ in said] == [("lines.b", "gpio_line_taken"), ("lines.c", "gpio_line_unknown")]
    said = factory.advice(DeviceOptions.model_validate({"chip": "nosuch", "lines": lines}))
    assert [(option, code) for option, code, _ in said] == [("chip", "gpio_chip_unknown")]


def test_the_shipped_suite_on_a_real_character_device(chip: SimChip) -> None:
    async def test() -> None:
        findings = await check_all(SimRig(chip))
        assert [f for f in findings if f.verdict == "failed"] == []
        assert sum(f.verdict == "passed" for f in findings) == 6

    run(test)


def test_the_interface_of_the_pi_with_the_real_library(chip: SimChip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """rpi-lgpio takes another chip for the Pi's when it is told to."""
    monkeypatch.setenv("RPI_LGPIO_REVISION", "c03114")
    monkeypatch.setenv("RPI_LGPIO_CHIP", chip.name.removeprefix("gpiochip"))
    monkeypatch.chdir(tmp_path)  # lgpio makes a pipe where it stands
    pytest.importorskip("lgpio", reason="rpi-lgpio is not installed")

    async def test() -> None:
        findings = await check_all(SimRig(chip, chip=None, backend="rpi"))
        assert [f for f in findings if f.verdict == "failed"] == []
        assert sum(f.verdict == "passed" for f in findings) == 6
        lines = {"a": {"line": 3, "debounce_ms": 20}, "b": {"line": 7}}
        options = DeviceOptions.model_validate({"backend": "rpi", "lines": lines})
        async with factory.make("dev", options, RunningClock(), Shared()) as driver:
            tags = group(gpio_tag(0, "a"), gpio_tag(1, "a", "int", value="count"))
            assert (await driver.read(tags, 1.0)).values == [False, 0]
            for level in (True, False, True):
                chip.pull(3, level=level)
            while (await driver.read(tags, 1.0)).values != [True, 1]:
                await asyncio.sleep(0.005)
            with pytest.raises(DriverError, match="gpio_line_taken"):
                await driver.read(group(gpio_tag(2, "b")), 1.0)

    run(test)
