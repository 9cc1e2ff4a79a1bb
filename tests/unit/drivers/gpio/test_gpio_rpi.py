"""The RPi.GPIO back end against a module that keeps its documented interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from drivers.driver import Driver, DriverError
from drivers.gpio.config import DeviceOptions
from drivers.reading import Scan, Tag, TagGroup
from drivers.registry import make_driver
from tests.rigs.clock import RunningClock
from tests.rigs.conforming_gpio import gpio_tag
from tests.rigs.rpi_gpio import Header, installed


def make(lines: dict[str, Any]) -> Driver:
    return make_driver("gpio", "dev", DeviceOptions.model_validate({"backend": "rpi", "lines": lines}), RunningClock())


def group(*tags: Tag) -> TagGroup:
    return TagGroup(1, "dev", "g", 60_000, tags)


def run(test: Callable[[Header], Awaitable[None]]) -> None:
    header = Header()

    async def limited() -> None:
        async with asyncio.timeout(20):
            await test(header)

    with installed(header):
        asyncio.run(limited())


def test_levels_pulls_counts_and_a_contact_that_bounces() -> None:
    async def test(header: Header) -> None:
        lines = {
            "door": {"line": "GPIO17", "bias": "pull_up", "active_low": True, "debounce_ms": 300},
            "meter": {"line": 27, "count": "both"},
        }
        tags = group(gpio_tag(0, "door"), gpio_tag(1, "door", "int", value="count"), gpio_tag(2, "meter", "int", value="count"))
        header.levels[17] = 1
        async with make(lines) as driver:
            assert header.pulls == {17: header.PUD_UP, 27: header.PUD_OFF}
            assert (await driver.read(tags, 1.0)).values == [False, 0, 0]
            header.drive(17, 0, 1, 0, 1, 0)
            header.drive(27, 1, 0, 1)
            while (scan := await driver.read(tags, 1.0)).values[0] is False:
                await asyncio.sleep(0.005)
            assert scan.values == [True, 1, 3]
        assert header.directions == {}

    run(test)


def test_pushed_changes_and_more_than_can_wait() -> None:
    async def test(header: Header) -> None:
        tags = group(gpio_tag(0, "a"))
        async with make({"a": {"line": 4}}) as driver:
            with pytest.raises(DriverError, match="notifications_lost"):
                async with aclosing(cast(AsyncGenerator[Scan, None], driver.subscribe(tags))) as scans:
                    assert (await anext(scans)).values == [False]
                    header.drive(4, 1)
                    scan = await anext(scans)
                    assert (scan.values, scan.source_ms is not None) == ([True], True)
                    header.drive(4, *[0, 1] * 600)
                    async for _ in scans:
                        if not header.levels[4]:
                            continue
                        header.drive(4, 0)  # its number tells that some before it are missing

    run(test)


@pytest.mark.parametrize(("active_low", "safe", "level"), [(False, False, 0), (False, True, 1), (True, False, 1)])
def test_outputs_are_safe_at_both_ends_and_stay_outputs(active_low: bool, safe: bool, level: int) -> None:
    async def test(header: Header) -> None:
        valve = gpio_tag(0, "valve", writable=True)
        async with make({"valve": {"line": 22, "use": "output", "safe": safe, "active_low": active_low}}) as driver:
            assert header.levels[22] == level
            await driver.write(valve, not safe, 1.0)
            assert header.levels[22] != level
        assert (header.levels[22], header.directions) == (level, {22: header.OUT})

    run(test)


def test_a_line_in_use_a_missing_library_and_a_machine_that_is_no_pi_are_named() -> None:
    async def busy(header: Header) -> None:
        header.busy.add(4)
        async with make({"a": {"line": 4}}) as driver:
            with pytest.raises(DriverError, match="gpio_line_taken"):
                await driver.read(group(gpio_tag(0, "a")), 1.0)

    run(busy)
    with installed(None), pytest.raises(DriverError) as missing:
        make({"a": {"line": 4}})
    assert (missing.value.cause, missing.value.params["extra"]) == ("library_missing", "gpio-pi")

    async def other_mode(header: Header) -> None:
        header.mode = header.BOARD
        async with make({"a": {"line": 4}}) as driver:
            with pytest.raises(DriverError, match="gpio_no_pi"):
                await driver.read(group(gpio_tag(0, "a")), 1.0)

    run(other_mode)
