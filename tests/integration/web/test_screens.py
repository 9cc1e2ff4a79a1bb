"""Every screen in both languages and themes, empty, full and broken: what axe-core says, what can be touched, how wide it is.

On a feed of plain data, which can be killed under the page; `test_screens_gateway` walks a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.integration.runtime.test_judgement_pages import plant_with_an_anomaly
from tests.integration.web.screen_answers import answers
from tests.integration.web.screen_look import PAIRS, WIDTHS, chance, is_full, looks, part, wrong_with
from tests.integration.web.screens import EVERY_STATE, JUDGED, SCREENS
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
WAIT_MS = 15_000
LOST_MS = 25_000


def plant_of(state: str) -> Plant:
    """A plant of 60 tags, one of which does not answer; or of none."""
    plant = Plant(0 if state == "empty" else 60)
    plant.answers.update(answers(is_empty=state == "empty"))
    if state != "empty":
        plant.rows[3][2], plant.rows[3][7] = 0x800A0000, "no_answer"
    return plant


@contextlib.asynccontextmanager
async def site(tmp_path: Path, state: str) -> AsyncIterator[str]:
    async with contextlib.AsyncExitStack() as stack:
        async with contextlib.AsyncExitStack() as core:
            url = await stack.enter_async_context(web(tmp_path, plant_of(state), serving_in=core))
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
    mine = [screen for screen in SCREENS if state in screen.states]

    async def run() -> list[str]:
        found, count = [], 0
        async with site(tmp_path, state) as url, chromium(executable) as browser:
            for screen in part(mine):
                for lang, theme, widths in looks(f"{screen.name} {state}"):
                    async with page_of(browser, url, token=screen.role, lang=lang, theme=theme, width=widths[0]) as at:
                        await at.open(screen.path)
                        await at.page.locator(screen.wait_for).first.wait_for(timeout=WAIT_MS)
                        if state == "error":
                            await at.page.locator(".sentence.alarm, .verdict").first.wait_for(timeout=WAIT_MS)
                        found += await wrong_with(at, f"{screen.name}-{state}-{lang}-{theme}", widths)
                        count += len(widths)
        print(f"{state}: {count} looks")
        return found

    assert asyncio.run(run()) == []


@pytest.mark.parametrize("nth", range(len(PAIRS) if is_full() else 1))
def test_every_open_screen_says_that_its_core_is_lost(tmp_path: Path, nth: int, require_service: Callable[[str], str]) -> None:
    """A page that stood open when the core was killed: it says so, and no value stands as if it were of now."""
    executable = require_service("chromium")
    (lang, theme), widths = (PAIRS[nth], WIDTHS) if is_full() else (chance("lost").choice(PAIRS), (chance("lost").choice(WIDTHS),))
    mine = [screen for screen in SCREENS if "full" in screen.states and screen.name != "live_plain"]

    async def run() -> list[str]:
        found = []
        async with contextlib.AsyncExitStack() as stack:
            core = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await stack.enter_async_context(web(tmp_path, plant_of("full"), serving_in=core))
            browser = await stack.enter_async_context(chromium(executable))
            opened = []
            for screen in part(mine):
                at = await stack.enter_async_context(page_of(browser, url, token=screen.role, lang=lang, theme=theme, width=widths[0]))
                await at.open(screen.path)
                await at.page.locator(screen.wait_for).first.wait_for(timeout=WAIT_MS)
                opened.append((screen, at))
            await core.aclose()
            for screen, at in opened:
                await expect(at.page.locator("#sentence.alarm")).to_be_visible(timeout=LOST_MS)
                await expect(at.page.locator("[data-value]:not(:has(s))")).to_have_count(0, timeout=LOST_MS)
                found += await wrong_with(at, f"{screen.name}-lost-{lang}-{theme}", widths)
        print(f"lost: {len(opened) * len(widths)} looks")
        return found

    assert asyncio.run(run()) == []


def test_pages_about_models_in_every_state(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    """Calm, alarming, learning, not covered, refused, abstaining, and with a judge that is gone."""
    executable = require_service("chromium")

    async def run() -> list[str]:
        found = []
        plant = plant_with_an_anomaly()
        async with web(tmp_path, plant) as url, chromium(executable) as browser:
            for screen, change in part(JUDGED):
                change(plant)
                plant.tell()
                for lang, theme, widths in looks(screen.name):
                    async with page_of(browser, url, token=screen.role, lang=lang, theme=theme, width=widths[0]) as at:
                        await at.open(screen.path)
                        await at.page.locator(screen.wait_for).first.wait_for(timeout=WAIT_MS)
                        if screen.steps is not None:
                            await screen.steps(at.page)
                        found += await wrong_with(at, f"{screen.name}-{lang}-{theme}", widths)
        return found

    assert asyncio.run(run()) == []
