"""What a unit that refuses is said to do, on the pages that ask it: the scan of *Add device*, and the probe of *Diagnostics*."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from runtime.messages.catalogue import word
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of
from tests.rigs.out_of_the_box import out_of_the_box
from tests.rigs.units import TcpUnits, Unit

pytestmark = pytest.mark.integration
WAIT_MS = 20_000


async def scan(screen: Screen, port: int, lang: str) -> None:
    """Unit 1 is busy: it is found, and not said to have nothing."""
    page = screen.page
    await screen.open("/setup/add")
    await page.locator("#scan input[name=hosts]").fill("127.0.0.1")
    await page.locator("#scan input[name=port]").fill(str(port))
    await page.locator("#scan button.primary").click()
    said = word("scan_broke_off", {"cause": word("device_exception", {"code": 6}, lang)}, lang)
    await expect(page.locator(".found li")).to_contain_text(said, timeout=WAIT_MS)


async def probe(screen: Screen, port: int, unit: int, said: str) -> None:
    """Ask a unit for a register that it refuses."""
    page = screen.page
    await screen.open("/diagnostics")
    await page.locator("select[name=address]").select_option("own")
    await page.locator("input[name=host]").fill("127.0.0.1")
    await page.locator("input[name=port]").fill(str(port))
    await page.locator("input[name=kind][value=modbus]").check()
    await page.locator("input[name=unit]").fill(str(unit))
    await page.locator("input[name=register]").fill("5")
    await page.locator("form:has(input[name=unit]) button").click()
    await expect(page.locator(".told")).to_contain_text(said, timeout=WAIT_MS)


def test_a_refusal_is_told_with_its_code(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        found = []
        units = TcpUnits({1: Unit(refuses=6), 2: Unit(refuses=4), 3: Unit(refuses=2)})
        await units.start()
        try:
            async with out_of_the_box(tmp_path) as site, chromium(executable) as browser:
                token = str((await site.claim())["token"])
                now = await site.ask("config", token=token)
                await site.put_in_force(token, now["text"].replace("[gateway]\n", "[gateway]\ncommissioning = true\n", 1))
                for lang, width in (("en", 1280), ("zh", 320)):
                    async with page_of(browser, site.url, token=token, lang=lang, width=width) as screen:
                        await scan(screen, units.port, lang)
                        found += [*await axe(screen.page), *await no_sideways_scroll(screen.page)]
                        await probe(screen, units.port, 2, word("diag.probe.register.refused", {"code": 4}, lang))
                        await probe(screen, units.port, 3, word("diag.probe.register.none", None, lang))
        finally:
            await units.stop()
        return found

    assert asyncio.run(run()) == []
