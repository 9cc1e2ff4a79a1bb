"""The one sentence on top as the browser keeps it: the worst first, also on a gateway that has no device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
NOTHING: dict[str, Any] = {"devices": [], "evidence": {"state": "recording"}, "ledger": {"state": "ok", "size": 3}}


class Bare(Plant):
    """A gateway without a device, in whatever state."""

    def __init__(self) -> None:
        super().__init__(0)
        self.state = NOTHING

    def snapshot(self) -> Mapping[str, Any]:
        """See Plant."""
        return {**self.state, "now_ms": 5}


def test_that_nothing_is_recorded_goes_before_that_there_is_no_device(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Bare()
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="viewer") as at:
            await at.open("/")
            words = at.page.locator("#sentence .words")
            await expect(words).to_have_text("No device yet: there is nothing to read", timeout=15_000)
            for state, says in (
                ({"evidence": {"state": "stopped", "cause": None, "params": {}}}, "NOT recorded"),
                ({"ledger": {"state": "quarantined", "todo": "", "params": {}}}, "nothing is confirmed outside"),
            ):
                plant.state = NOTHING | state
                await expect(at.page.locator("#sentence")).to_have_class("sentence alarm", timeout=15_000)
                await expect(words).to_contain_text(says)
                plant.state = NOTHING
                await expect(at.page.locator("#sentence")).to_have_class("sentence ok", timeout=15_000)

    asyncio.run(run())
