"""Read one device, or one tag of it, once: what a technician does to see whether the wiring and the addresses are right.

Room: hall. The verb `read` calls it, and the commissioning verbs take a device's driver from it. It uses the device's own driver and the
config file, records nothing and needs no running core.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.driver import Driver, DriverError
from drivers.reading import Scan, TagGroup, failed_scan
from drivers.registry import make_driver
from drivers.shared import Shared
from ledger_client.disk import RealDisk
from runtime.clock import Clock, SystemClock
from runtime.config import DeviceConfig, parse_config
from runtime.layout import Layout
from runtime.points import number_points
from runtime.tag_ids import rebuilt


def config_of(state: Path) -> Path:
    """Return the config file of a state folder: the one people edit, else (of a gateway run with --config) its newest revision."""
    layout = Layout(state)
    revisions = {int(path.stem): path for path in layout.revisions.glob("*.toml") if path.stem.isdecimal()}
    return layout.config if layout.config.exists() or not revisions else revisions[max(revisions)]


@asynccontextmanager
async def opened_device(file: Path, device: str) -> AsyncIterator[tuple[DeviceConfig, Driver]]:
    """Yield a device of a config file, enabled or not, and a driver of its own.

    Raises ConfigError, OSError, UnicodeDecodeError, LookupError for a device that is not there, DriverError.
    """
    found = next((each for each in parse_config(file.read_text(encoding="utf-8")).devices if each.name == device), None)
    if found is None:
        raise LookupError(device)
    async with make_driver(found.type, device, found.options, SystemClock(), Shared(only_looks=True)) as driver:
        yield found, driver


async def rows_of(file: Path, target: str) -> list[dict[str, Any]]:
    """Return a row per tag. Raises ConfigError, OSError, LookupError for a device or tag that is not configured."""
    config = parse_config(file.read_text(encoding="utf-8"))
    device, _, tag_name = target.partition("/")
    points = number_points(config, rebuilt(RealDisk(), file.parent, [], [])).get(device)
    if points is None or (tag_name and points.find(tag_name) is None):
        raise LookupError(f"{target}: not in {file}, or not enabled")
    clock = SystemClock()
    rows: list[dict[str, Any]] = []
    try:
        async with make_driver(points.config.type, device, points.config.options, clock, Shared(only_looks=True)) as driver:
            for group in points.groups:
                # One tag is read alone, so that what is wrong with it is not hidden by others that are well.
                tags = tuple(tag for tag in group.tags if not tag_name or tag.name == tag_name)
                if tags:
                    scan, params = await _read(driver, replace(group, tags=tags), points.config.timeout_s, clock)
                    rows += _rows(scan, params, tag_name)
    except DriverError as error:
        for group in points.groups:
            rows += _rows(failed_scan(group, clock.wall_ms(), error.status, error.cause), dict(error.params), tag_name)
    return rows


async def _read(driver: Driver, group: TagGroup, timeout_s: float, clock: Clock) -> tuple[Scan, dict[str, Any]]:
    """Read once; a device that needs a moment to connect gets a second try. The first fault is the one that tells."""
    first: DriverError | None = None
    for _ in range(2):
        try:
            async with asyncio.timeout(timeout_s * 2 + 1):
                return await driver.read(group, timeout_s * 2), {}
        except DriverError as error:
            first = first or error
        except TimeoutError:
            first = first or DriverError("no_answer", timeout_ms=round(timeout_s * 2000))
    fault = first or DriverError("no_answer")
    return failed_scan(group, clock.wall_ms(), fault.status, fault.cause), dict(fault.params)


def _rows(scan: Scan, params: dict[str, Any], tag_name: str) -> list[dict[str, Any]]:
    return [
        {
            "tag": f"{reading.tag.device}/{reading.tag.name}", "value": reading.value, "unit": reading.tag.unit,
            "quality": reading.quality.name.lower(), "status": reading.status, "read_ms": reading.read_ms, "source_ms": reading.source_ms,
            "server_ms": scan.server_ms, "cause": scan.cause, "params": params,
        }
        for reading in scan.readings()
        if not tag_name or reading.tag.name == tag_name
    ]  # fmt: skip
