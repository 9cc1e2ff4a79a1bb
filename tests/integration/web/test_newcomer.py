"""A newcomer, from power-on to the first signed value of a device whose order of words nobody wrote down, and on to its proof.

The core, the history, the web face, the witness and the Modbus device are real; the browser is Chromium. What a person reads is not
counted; every click, field and key is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from ledger_client.verifier_page import verifier_page
from tests.integration.runtime.test_kill import enrol
from tests.rigs.anchor_process import anchor_process
from tests.rigs.browser import axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import until
from tests.rigs.out_of_the_box import PASSWORD, Site, out_of_the_box, witness_of
from tests.rigs.verifier_page import page_of as offline_page

pytestmark = pytest.mark.integration
STEPS_MAX = 25
TAPS_MAX = 3
WAIT_MS = 20_000


@dataclass
class Hands:
    """What a person does, counted."""

    page: Page
    steps: int = 0

    async def click(self, selector: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.click(timeout=WAIT_MS)

    async def fill(self, selector: str, text: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.fill(text, timeout=WAIT_MS)

    async def press(self, selector: str, key: str) -> None:
        self.steps += 1
        await self.page.locator(selector).first.press(key, timeout=WAIT_MS)


async def claim(hands: Hands, site: Site) -> None:
    """Own the gateway."""
    await hands.page.goto(site.url)
    await hands.fill("input[name=code]", site.claim_code)
    await hands.fill("input[name=name]", "ada")
    await hands.fill("input[name=password]", PASSWORD)
    await hands.click("button.primary")


async def find_the_device(hands: Hands, site: Site) -> None:
    """Let the gateway look for it: the last of the first steps leads there."""
    await hands.click("#step-device a.primary")
    await hands.click(".commissioning button")
    await hands.fill("#scan input[name=hosts]", "127.0.0.1")
    await hands.fill("#scan input[name=port]", str(site.plant.port))
    await hands.press("#scan input[name=port]", "Enter")
    await hands.click(".found a.button")


async def find_the_reading(hands: Hands, site: Site) -> None:
    """Type what the display shows, twice; the bench says which reading it is."""
    await site.shows(230.43)
    await hands.fill("input[name=address]", "51")
    await hands.fill("input[name=quantity]", "Voltage L1")
    await hands.fill("input[name=shown]", "230.4 V")
    await hands.press("input[name=shown]", "Enter")
    await expect(hands.page.locator("#finding")).to_have_attribute("data-verdict", "likely", timeout=WAIT_MS)
    await site.shows(231.87)
    await hands.fill("input[name=shown]", "231.8 V")
    await hands.press("input[name=shown]", "Enter")
    await expect(hands.page.locator("#finding")).to_have_attribute("data-verdict", "sure", timeout=WAIT_MS)
    assert await hands.page.locator(".candidates code").first.inner_text() == "address = holding:50, data = float32, order = CDAB"


async def put_in_force(hands: Hands) -> None:
    """Name the device, look at the draft, accept it."""
    await hands.fill("input[name=device-name]", "meter")
    await hands.click("#making button.primary")
    await expect(hands.page.locator(".diff .ins").first).to_be_visible(timeout=WAIT_MS)
    await hands.click(".review button.primary")


async def prove_it(hands: Hands) -> Path:
    """From the first page to the file of a proof."""
    before = hands.steps
    await hands.click('nav.main a[href="/live"]')
    await hands.click("a.prove")
    async with hands.page.expect_download() as arriving:
        await hands.click(".proof a.primary")
    assert hands.steps - before <= TAPS_MAX
    return await (await arriving.value).path()


async def verify_offline(browser: Browser, folder: Path, proof: Path, policy: Path) -> str:
    """Open the file in the verifier page, which is a file too, on a machine without a network; return what a person reads."""
    shown = folder / "verify.html"
    shown.write_bytes(verifier_page())
    async with offline_page(browser, path=shown) as page:
        await page.locator("#policy-file").set_input_files(policy)
        await page.locator("#file").set_input_files(
            {"name": "reading.wmproof", "mimeType": "application/octet-stream", "buffer": proof.read_bytes()}
        )
        await page.locator("#verdict.holds").wait_for(timeout=WAIT_MS)
        return await page.locator("#result").inner_text()


def test_from_power_on_to_the_first_signed_value(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            anchor = stack.enter_context(anchor_process(tmp_path / "anchor"))
            site = await stack.enter_async_context(out_of_the_box(tmp_path, witness_of(anchor)))
            await enrol(site.gateway, tmp_path / "anchor")
            browser = await stack.enter_async_context(chromium(executable))
            at = await stack.enter_async_context(page_of(browser, site.url, width=800))
            hands = Hands(at.page)
            try:
                await claim(hands, site)
                await find_the_device(hands, site)
                await find_the_reading(hands, site)
                await put_in_force(hands)
                newborn = at.page.locator(".newborn")
                await expect(newborn).to_have_attribute("data-state", "recorded", timeout=WAIT_MS)
            except BaseException:
                print(at.page.url, at.faults)
                await shot(at.page, "newcomer-stuck")
                raise
            assert "231.87 V" in await newborn.inner_text()
            await shot(at.page, "newcomer-first-value")
            print(f"from power-on to the first signed value: {hands.steps} interactions")
            assert hands.steps <= STEPS_MAX
            assert [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page), *at.faults] == []

            async with site.gateway.watching() as face:  # the witness comes once a second
                size = face.health.get("ledger", {}).get("size", 0)
                await until(lambda: face.health.get("anchors") and (face.health["anchors"][0]["cosigned_size"] or 0) > size + 1)
            await at.open("/")
            proof = await prove_it(hands)
            read = await verify_offline(browser, tmp_path, proof, site.gateway.state / "policy.txt")
            assert "231.87" in read
            assert "meter/Voltage_L1" in read

    asyncio.run(run())
