"""Where commissioning verbs get raw registers from: the running gateway's connection, or the device itself.

Room: hall. `detect_verb` and `register_table` use it. While a gateway runs, only its connection is used: many devices have room for
one, and a serial port belongs to one program. It reads and never writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from drivers.abilities import RegisterSource
from drivers.driver import DriverError
from runtime.cli.read_once import opened_device
from runtime.commissioning.looks import Fetch
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.run_folder import feed_of

ASK_S: Final = 15.0
LOOK_S: Final = 5.0


@asynccontextmanager
async def registers_of(device: str, state: Path, file: Path) -> AsyncIterator[Fetch]:
    """Yield a Fetch for a device of the running gateway, or else of the config file.

    Raises ConfigError, OSError, LookupError for a device that is not configured, DriverError.
    """
    if await _gateway_runs(state):
        yield _through_gateway(device, state)
        return
    async with opened_device(file, device) as (_, driver):
        if not isinstance(driver, RegisterSource):
            raise DriverError("registers_not_supported", device=device)
        source: RegisterSource = driver

        async def fetch(table: str, start: int, count: int) -> dict[int, int]:
            try:
                return await source.registers(table, start, count, LOOK_S)
            except DriverError as error:
                if error.cause not in ("connection_lost", "bad_answer"):
                    raise
                return await source.registers(table, start, count, LOOK_S)  # the first request may have met an old connection

        yield fetch


async def _gateway_runs(state: Path) -> bool:
    try:
        await ask_once(feed_of(state), "cli", "status", {}, ASK_S)
    except RequestRefusedError as error:
        if error.code == "core_away":
            return False
        raise
    return True


def _through_gateway(device: str, state: Path) -> Fetch:
    async def fetch(table: str, start: int, count: int) -> dict[int, int]:
        asked = {"device": device, "table": table, "start": start, "count": count}
        return dict(await ask_once(feed_of(state), "cli", "registers", asked, ASK_S))

    return fetch
