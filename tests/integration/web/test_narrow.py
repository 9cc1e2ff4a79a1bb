"""On a narrow screen the head of a page is two rows, its destinations one touch or key away, also without scripts; no fact stands alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.integration.web.test_screens import plant_of
from tests.rigs.browser import chromium, no_sideways_scroll, page_of, targets
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
HEAD_MAX_PX = 128
"""Two rows of 48 px, what is around them, and a name that needs a second line."""
TOPS = "[...document.querySelectorAll('.wide-facts > div')].map((each) => Math.round(each.getBoundingClientRect().top))"


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.closest('.menu')?.className + ' ' + document.activeElement.tagName"))


@pytest.mark.parametrize("scripts", [True, False])
def test_the_head_of_a_phone_is_two_rows_and_leads_everywhere(
    tmp_path: Path, require_service: Callable[[str], str], *, scripts: bool
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with web(tmp_path, plant_of("full")) as url, chromium(executable) as browser:
            for role, lang, count in (("technician", "zh", 6), ("engineer", "en", 7)):
                async with page_of(browser, url, token=role, lang=lang, width=320, scripts=scripts) as at:
                    page = at.page
                    await at.open("/live")
                    height = await page.locator("header.bar").evaluate("(head) => head.offsetHeight")
                    assert height <= HEAD_MAX_PX
                    assert await page.locator("nav.main").is_hidden()
                    links = page.locator("details.menu a")
                    assert [await link.is_visible() for link in await links.all()] == [False] * count
                    for _ in range(4):
                        await page.keyboard.press("Tab")
                        if await focused(page) == "menu SUMMARY":
                            break
                    await page.keyboard.press("Enter")
                    assert [await link.is_visible() for link in await links.all()] == [True] * count
                    assert await page.locator("details.menu a[aria-current]").get_attribute("href") == "/live"
                    assert await no_sideways_scroll(page) == []
                    assert await targets(page) == []
                    await page.keyboard.press("Tab")
                    assert await focused(page) == "menu A"
                    await page.keyboard.press("Enter")
                    await page.wait_for_url(url)
                    assert not at.faults

    asyncio.run(run())


def test_no_fact_of_home_is_left_over(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with web(tmp_path, plant_of("full")) as url, chromium(executable) as browser, page_of(browser, url) as at:
            await at.open("/")
            for width in range(320, 1600, 16):
                await at.page.set_viewport_size({"width": width, "height": 900})
                rows = list(Counter(await at.page.evaluate(TOPS)).values())
                assert rows in ([1] * 5, [3, 2], [5]), width

    asyncio.run(run())
