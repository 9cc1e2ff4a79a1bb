"""The sim's gateway configuration through our own drivers: every tag reads good, and setpoints arrive."""

from __future__ import annotations

import asyncio
import time
import tomllib
from typing import Any

import pytest

from boards.sim.servers import Settings, SimBoard
from boards.sim.template import gateway_config
from drivers.driver import Driver
from drivers.reading import Quality, Scan, Tag, TagGroup, quality_of
from drivers.registry import load_factory, make_driver
from tests.rigs.clock import RunningClock

COMMON = {"type", "asset", "timeout_s", "groups"}
COMMON_TAG = {"name", "unit", "writable", "write", "report"}


def _device(name: str, raw: dict[str, Any]) -> tuple[Driver, list[TagGroup]]:
    factory = load_factory(raw["type"])
    options = factory.DEVICE_OPTIONS.model_validate({k: v for k, v in raw.items() if k not in COMMON})
    groups = []
    for n, group in enumerate(raw["groups"]):
        tags = []
        for m, tag in enumerate(group["tags"]):
            chosen = factory.TAG_OPTIONS.model_validate({k: v for k, v in tag.items() if k not in COMMON_TAG})
            tags.append(
                Tag(
                    100 * n + m, tag["name"], name, factory.value_type(chosen), tag.get("unit", ""), factory.make_tag_address(chosen),
                    factory.exponent(chosen), tag.get("writable", False),
                )
            )  # fmt: skip
        groups.append(TagGroup(n, name, group["name"], group["period_ms"], tuple(tags)))
    return make_driver(raw["type"], name, options, RunningClock()), groups


async def _check() -> None:
    ready = asyncio.Event()
    ports: dict[str, int] = {}
    board = SimBoard(Settings(seed=6, speed=20), time.time)

    def listening(found: dict[str, int]) -> None:
        ports.update(found)
        ready.set()

    async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(board.run(listening))
        await ready.wait()
        while board.plant.capper.caps_since_start < 20:
            await asyncio.sleep(0.1)
        config = tomllib.loads(gateway_config(ports))
        for name, raw in config["devices"].items():
            driver, groups = _device(name, raw)
            async with driver:
                for group in groups:
                    scan = await _read_good(driver, group)
                    truth = board.plant.signals(name)
                    for tag, value in zip(group.tags, scan.values, strict=True):
                        if isinstance(value, int) and tag.name in truth and tag.name.endswith("_total"):
                            assert value <= truth[tag.name]
                await _write(driver, groups)
        assert board.plant.filler.speed_setpoint == 75.5
        assert board.plant.filler.temperature_setpoint == 26.5
        assert board.plant.capper.speed_setpoint == 90.0
        running.cancel()


async def _read_good(driver: Driver, group: TagGroup) -> Scan:
    """Read until no tag is bad, for 10 s: a cell that stands still since the server began has no cycle time to tell yet."""
    for _ in range(100):
        scan = await driver.read(group, 3.0)
        statuses = scan.statuses or [0] * len(group.tags)
        bad = [t.name for t, s in zip(group.tags, statuses, strict=True) if quality_of(s) is Quality.BAD]
        if not bad:
            return scan
        await asyncio.sleep(0.1)
    raise AssertionError(f"{group.device}/{group.name}: still bad after 100 reads: {bad}")


async def _write(driver: Driver, groups: list[TagGroup]) -> None:
    values = {("filler", "speed_setpoint"): 75.5, ("filler", "temperature_setpoint"): 26.5, ("capper", "speed_setpoint"): 90.0}
    for group in groups:
        for tag in group.tags:
            if (tag.device, tag.name) in values:
                await driver.write(tag, values[tag.device, tag.name], 3.0)


def test_every_tag_of_the_configuration_reads_good_through_our_drivers() -> None:
    asyncio.run(_check())


def test_the_template_names_what_is_missing() -> None:
    with pytest.raises(KeyError, match="capper_port"):
        gateway_config({"filler_port": 1, "meter_port": 2})
