"""A part of the gateway that fails each time it is started is told on Home, as long as it does, to whoever sees diagnostics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.integration.web.screen_look import wrong_with
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

NOTICE = '#mind-list li.down:has(a[href="/diagnostics"])'
WHY = "database or disk is full"
WAIT_MS = 15_000


class WithoutAPart(Plant):
    """A core that tells which of its parts do not run."""

    def __init__(self) -> None:
        super().__init__(3)
        self.down: dict[str, str] = {}

    def snapshot(self) -> Mapping[str, Any]:
        return {**super().snapshot(), "parts_down": self.down}


@pytest.mark.parametrize(("role", "lines"), [("engineer", 1), ("viewer", 0)])
def test_home_says_which_part_does_not_run(tmp_path: Path, require_service: Callable[[str], str], role: str, lines: int) -> None:
    """Both where Home stands open when it happens, and where it is opened then."""
    executable = require_service("chromium")

    async def program() -> list[str]:
        plant = WithoutAPart()
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token=role, width=768) as at:
            plant.set(1, 2.0)
            await at.open("/")
            await expect(at.page.locator("#mind-list")).to_have_text("Nothing: all is as it should be.", timeout=WAIT_MS)
            plant.down = {"history": WHY}
            plant.set(1, 3.0)
            await expect(at.page.locator(NOTICE)).to_have_count(lines, timeout=WAIT_MS)
            await at.open("/")
            await at.page.locator("#mind-list[data-key]").wait_for(timeout=WAIT_MS)
            await expect(at.page.locator(NOTICE)).to_have_count(lines)
            if lines:
                text = f"The part history does not run, it fails each time it is started: {WHY}"
                await expect(at.page.locator(NOTICE)).to_contain_text(text)
            wrong = await wrong_with(at, f"home-part-{role}-en-light", (768,))
            plant.down = {}
            plant.set(1, 4.0)
            await expect(at.page.locator(NOTICE)).to_have_count(0, timeout=WAIT_MS)
            return wrong

    assert asyncio.run(program()) == []
