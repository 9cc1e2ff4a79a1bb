"""What tests of the setup pages share: a claimed gateway with a device, its bench at a reading, and a walk over screens."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.integration.web.screen_look import looks, wrong_with
from tests.rigs.browser import Screen, chromium, page_of, shot
from tests.rigs.out_of_the_box import PASSWORD, Site, out_of_the_box

WAIT_MS = 20_000
DEVICE = """
[devices.meter]
type = "modbus"
host = "127.0.0.1"
port = {port}
# the cupboard behind the door
[[devices.meter.groups]]
name = "fast"
period_ms = 500
tags = [{{ name = "u", address = "holding:50", data = "float32", order = "CDAB", unit = "V" }}, {{ name = "n", address = "holding:5" }}]
"""
Steps = Callable[[Page], Awaitable[None]]


async def read_registers(page: Page) -> None:
    await page.locator("input[name=address]").fill("48")
    await page.locator("input[name=address]").press("Enter")
    await page.locator(".ways button.cell").first.wait_for(timeout=WAIT_MS)


async def choose_a_reading(page: Page) -> None:
    await read_registers(page)
    await page.locator(".registers button.cell").nth(2).click()
    await page.locator("details.card summary").first.wait_for(timeout=WAIT_MS)
    await page.locator(".ways button.cell.plausible").first.click()
    await page.locator("#making").wait_for(timeout=WAIT_MS)


async def walked(browser: Browser, site: Site, token: str, screens: Sequence[tuple[str, str, Steps]]) -> list[str]:
    found, count = [], 0
    for name, path, steps in screens:
        for lang, theme, widths in looks(name):
            async with page_of(browser, site.url, token=token, lang=lang, theme=theme, width=widths[0]) as at:
                await site.ask("account.again", token=token, password=PASSWORD)  # an edit wants a fresh one, and this walk may be long
                await at.open(path)
                try:
                    await steps(at.page)
                except Exception as error:
                    await shot(at.page, f"{name}-stuck")
                    raise AssertionError(f"{name} {lang} {theme} {widths[0]}: {at.faults}") from error
                found += await wrong_with(at, f"{name}-{lang}-{theme}", widths)
                count += len(widths)
    print(f"{len(screens)} screens: {count} looks")
    return found


@contextlib.asynccontextmanager
async def claimed(folder: Path) -> AsyncIterator[tuple[Site, str]]:
    async with out_of_the_box(folder) as site:
        await site.shows(230.43)
        yield site, str((await site.claim())["token"])


def with_device(text: str, site: Site) -> str:
    return text + DEVICE.format(port=site.plant.port)


def with_commissioning(text: str, _: Site) -> str:
    return text.replace("[gateway]\n", "[gateway]\ncommissioning = true\n", 1)


@contextlib.asynccontextmanager
async def opened(folder: Path, executable: str, path: str, edit: Callable[[str, Site], str]) -> AsyncIterator[tuple[Site, Screen]]:
    """A page of a claimed gateway whose configuration has been edited."""
    async with claimed(folder) as (site, token), chromium(executable) as browser, page_of(browser, site.url, token=token) as at:
        now = await site.ask("config", token=token)
        await site.put_in_force(token, edit(now["text"], site))
        await at.open(path)
        yield site, at
