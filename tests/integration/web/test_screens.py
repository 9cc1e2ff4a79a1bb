"""Every screen in both languages and themes, empty, full and broken: what axe-core says, what can be touched, how wide it is."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.integration.web.screen_answers import answers
from tests.integration.web.screens import EVERY_STATE, SCREENS, ScreenRow
from tests.rigs.browser import axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
LOOKS = tuple(itertools.product(("en", "zh"), ("light", "dark")))
WIDTHS = (320, 768, 1280)
ITS_OWN = ("Failed to load resource",)
"""Chromium's own words about an answer that is an error: of a page that is about one, and of a core that is away."""


def looks(screen: ScreenRow) -> list[tuple[str, str, int]]:
    """Return what to look at it in: everything in size full, else one language, theme and width, another every time."""
    if os.environ.get("WITNESSMARK_TEST_SIZE") == "full":
        return [(lang, theme, width) for (lang, theme), width in itertools.product(LOOKS, WIDTHS)]
    random = Random(f"{os.environ.get('WITNESSMARK_SEED', '1')} {screen.name}")
    return [(*random.choice(LOOKS), random.choice(WIDTHS))]


@contextlib.asynccontextmanager
async def site(tmp_path: Path, state: str) -> AsyncIterator[str]:
    plant = Plant(0 if state == "empty" else 60)
    plant.answers.update(answers(is_empty=state == "empty"))
    if state != "empty":
        plant.rows[3][2], plant.rows[3][7] = 0x800A0000, "no_answer"
    async with contextlib.AsyncExitStack() as stack:
        async with contextlib.AsyncExitStack() as core:
            url = await stack.enter_async_context(web(tmp_path, plant, serving_in=core))
            if state != "error":
                yield url
                return
        async with httpx.AsyncClient() as client, asyncio.timeout(10):
            while (await client.get(url + "api/v1/alive")).json()["core"]:
                await asyncio.sleep(0.05)
        yield url


@pytest.mark.parametrize("state", EVERY_STATE)
def test_every_screen(tmp_path: Path, state: str, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        found = []
        async with site(tmp_path, state) as url, chromium(executable) as browser:
            for screen in SCREENS:
                for lang, theme, width in looks(screen) if state in screen.states else []:
                    async with page_of(browser, url, token=screen.role, lang=lang, theme=theme, width=width) as at:
                        await at.open(screen.path)
                        await at.page.locator(screen.wait_for).first.wait_for(timeout=15_000)
                        if state == "error":
                            await at.page.locator(".sentence.alarm, .verdict").first.wait_for(timeout=15_000)
                        await at.page.wait_for_timeout(200)
                        name = f"{screen.name}-{state}-{lang}-{theme}-{width}"
                        await shot(at.page, name)
                        faults = [fault for fault in at.faults if not fault.startswith(ITS_OWN)]
                        away = [each for each in at.requests if not each.startswith(url)]
                        told = [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page), *faults, *away]
                        found += [f"{name}: {each}" for each in told]
        return found

    assert asyncio.run(run()) == []
