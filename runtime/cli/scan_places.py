"""Where the verb `scan` asks: a line of the running gateway, over the feed, or what the gateway does not use, directly.

Room: hall. `scan_verb` takes its units from here. It reads and never writes, and never opens what a running gateway has open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from runtime.commissioning.line_places import Place, Units, opened_directly
from runtime.faces.feed_client import ask_once
from runtime.run_folder import feed_of

ASK_S: Final = 15.0


@asynccontextmanager
async def units_at(place: Place, state: Path, first: int | None = None) -> AsyncIterator[Units]:
    """Yield the units of a line. `first` is one of those that will be asked. Raises DriverError, ValueError for options that cannot be."""
    if place.device:
        yield _ThroughGateway(place.device, state)
        return
    async with opened_directly(place, first) as units:
        yield units


class _ThroughGateway:
    def __init__(self, device: str, state: Path) -> None:
        self._device, self._feed = device, feed_of(state)

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        asked = {"device": self._device, "unit": unit, "table": table, "start": start, "count": count}
        return dict(await ask_once(self._feed, "cli", "registers", asked, ASK_S))

    async def identify(self, unit: int | None) -> dict[str, str]:
        asked = {"device": self._device} | ({} if unit is None else {"unit": unit})
        return dict(await ask_once(self._feed, "cli", "identify", asked, ASK_S))
