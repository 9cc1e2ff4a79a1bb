"""The sentences of all alarms by their names, for words that name alarms: asked of the core once for each revision of the configuration.

Room: hall, face. `face` makes one and gives what it tells to the reader of a page. What is not told in time is done without: then an alarm
stands there by its name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient

ASK_S: Final = 1.0
"""For all of them together: no page is held up by names."""
PAGES_MAX: Final = 20


class AlarmTitles:
    """`told` gives them."""

    def __init__(self, feed: FeedClient) -> None:
        self._feed = feed
        self._kept: tuple[object, Mapping[str, str]] = (None, {})

    async def told(self) -> Mapping[str, str]:
        """Return name -> sentence of those that have one; those of the last revision that was told where the core does not answer."""
        gateway = self._feed.health.get("gateway") or {}
        key = (gateway.get("started_ms"), gateway.get("revision"))
        if None in key or self._kept[0] != key:
            with contextlib.suppress(RequestRefusedError, TimeoutError):
                async with asyncio.timeout(ASK_S):
                    self._kept = key, await self._asked()
        return self._kept[1]

    async def _asked(self) -> dict[str, str]:
        found: dict[str, str] = {}
        offset = 0
        for _ in range(PAGES_MAX):
            page: Mapping[str, Any] = await self._feed.request("alarm_titles", {"offset": offset}, ASK_S)
            found.update(page["titles"])
            offset = page["next"]
            if offset is None:
                break
        return found
