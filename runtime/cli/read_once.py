"""Read one device, or one tag of it, once: what a technician does to see whether the wiring and the addresses are right.

Room: hall. The verb `read` calls it, and the commissioning verbs take a device's driver from it. A device that a running gateway polls is
read by that, over its own connection: many devices have room for one, and a serial port belongs to one program. Any other is read by its
own driver and the config file. It records nothing, and says of each value what would be recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.abilities import Enterable
from drivers.driver import Driver, DriverError
from drivers.reading import TagGroup, failed_scan
from drivers.registry import Reckoning, load_factory, make_driver
from drivers.shared import Shared
from ledger_client.disk import RealDisk
from ledger_client.kinds import ClockState
from runtime.acquisition.checks import marked_alone
from runtime.clock import Clock, SystemClock
from runtime.config import DeviceConfig, parse_config
from runtime.config_model import TIMEOUT_S_MAX
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.layout import Layout
from runtime.points import number_points
from runtime.reading_asked import Looked, rows_of, tags_alone
from runtime.run_folder import feed_of
from runtime.tag_ids import rebuilt

STATUS_S: Final = 30.0
ASK_S: Final = TIMEOUT_S_MAX + 15.0
"""The slowest device has the time of its polls."""


class NeedsGatewayError(Exception):
    """What the device has is in a running gateway only: people enter it there, or it is reckoned from what is read there.

    Its text is the code of what is to be said.
    """


@dataclass(frozen=True, slots=True)
class Read:
    """Rows as `Looked.rows`; `through` is `gateway` or `itself`; `note` is the code, with its params, of what else is to be said."""

    rows: list[dict[str, Any]]
    through: str
    note: tuple[str, dict[str, str]] | None = None


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


async def read_target(target: str, state: Path, file: Path | None) -> Read:
    """Read `DEVICE` or `DEVICE/TAG`: through the gateway that runs on a state folder and has it in force, else by itself.

    With a `file` always by itself. Raises ConfigError, OSError, UnicodeDecodeError, LookupError for a device or tag that is not configured,
    NeedsGatewayError, RequestRefusedError of a gateway that runs and does not answer.
    """
    device = target.partition("/")[0]
    code = "read_gateway_lacks"
    if file is None:
        try:
            return Read(await _asked(target, state), "gateway")
        except RequestRefusedError as error:
            if error.code not in ("core_away", "device_unknown", "tag_unknown"):
                raise
            runs = error.code != "core_away"
    else:
        runs = device in await _devices_of(state)
        code = "read_gateway_has"
    try:
        rows = await rows_by_itself(file or config_of(state), target)
    except NeedsGatewayError as error:
        if file is None and runs:
            raise NeedsGatewayError("read_gateway_lacks_this") from error
        raise
    is_reached = any(row["quality"] != "bad" for row in rows)
    return Read(rows, "itself", (code, {"device": device, "state": str(state)}) if runs and not is_reached else None)


async def rows_by_itself(file: Path, target: str) -> list[dict[str, Any]]:
    """Return a row per tag, read over a connection of its own.

    Raises ConfigError, OSError, LookupError for a device or tag that is not configured, NeedsGatewayError.
    """
    config = parse_config(file.read_text(encoding="utf-8"))
    device, _, tag_name = target.partition("/")
    points = number_points(config, rebuilt(RealDisk(), file.parent, [], [])).get(device)
    if points is None or (tag_name and points.find(tag_name) is None):
        raise LookupError(f"{target}: not in {file}, or not enabled")
    clock = SystemClock()
    # One tag is read alone, so that what is wrong with it is not hidden by others that are well.
    groups = [group for each in points.groups if (group := tags_alone(each, tag_name)) is not None]
    rows: list[dict[str, Any]] = []
    try:
        driver = make_driver(points.config.type, device, points.config.options, clock, Shared(only_looks=True))
        if isinstance(driver, Enterable) or isinstance(load_factory(points.config.type), Reckoning):
            raise NeedsGatewayError("read_needs_gateway")
        async with driver:
            for group in groups:
                looked = await _read(driver, group, points.config.timeout_s, clock)
                scan = marked_alone(points, looked.scan, lambda: clock.state() != ClockState.UNSET)
                rows += Looked(scan, looked.params).rows()
    except DriverError as error:
        for group in groups:
            rows += Looked(failed_scan(group, clock.wall_ms(), error.status, error.cause), dict(error.params)).rows()
    return rows


async def _asked(target: str, state: Path) -> list[dict[str, Any]]:
    """Return the rows that the running gateway reads, group by group. Raises RequestRefusedError."""
    device, _, tag_name = target.partition("/")
    rows: list[dict[str, Any]] = []
    at, groups = 0, 1
    while at < groups:
        answer = await ask_once(feed_of(state), "cli", "reading", {"device": device, "tag": tag_name, "at": at}, ASK_S)
        rows += rows_of(answer)
        at, groups = at + 1, answer["groups"]
    return rows


async def _devices_of(state: Path) -> set[str]:
    """Return the devices of the gateway that runs on a state folder; none where none does, or it does not answer."""
    try:
        health = await ask_once(feed_of(state), "cli", "status", {}, STATUS_S)
    except RequestRefusedError:
        return set()
    return {each["name"] for each in health["devices"]}


async def _read(driver: Driver, group: TagGroup, timeout_s: float, clock: Clock) -> Looked:
    """Read once; a device that needs a moment to connect gets a second try. The first fault is the one that tells."""
    first: DriverError | None = None
    for _ in range(2):
        try:
            async with asyncio.timeout(timeout_s * 2 + 1):
                return Looked(await driver.read(group, timeout_s * 2), {})
        except DriverError as error:
            first = first or error
        except TimeoutError:
            first = first or DriverError("no_answer", timeout_ms=round(timeout_s * 2000))
    fault = first or DriverError("no_answer")
    return Looked(failed_scan(group, clock.wall_ms(), fault.status, fault.cause), dict(fault.params))
