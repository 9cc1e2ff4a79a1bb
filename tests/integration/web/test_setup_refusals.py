"""What the pages of commissioning say of what was typed wrong, and that they show one look, not two of different moments."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from runtime.messages.catalogue import word
from tests.integration.web.setup_pages import WAIT_MS, choose_a_reading, opened, read_registers, with_commissioning, with_device
from tests.rigs.browser import shot

pytestmark = pytest.mark.integration


def test_a_look_that_is_refused_says_so_in_words_and_leaves_no_earlier_one_below(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/setup/add", with_commissioning) as (site, at):
            form = at.page.locator("#scan")
            await form.locator("input[name=hosts]").fill("127.0.0.1")
            await form.locator("input[name=port]").fill(str(site.plant.port))
            await form.locator("input[name=port]").press("Enter")
            await form.locator("#scan-state[data-state=done]").wait_for(timeout=WAIT_MS)
            await expect(form.locator(".found li")).to_have_count(1)
            await form.locator("input[name=port]").fill("99999")
            await form.locator("input[name=port]").press("Enter")
            await expect(form.locator("[role=alert]")).to_have_text("99999: a port is 1 to 65535.", timeout=WAIT_MS)
            await expect(form.locator("#scan-state, .found")).to_have_count(0)

    asyncio.run(run())


def test_the_bench_shows_one_read_in_one_form_and_asks_for_what_its_fields_take(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/setup/bench", with_device) as (site, at):
            await read_registers(at.page)
            await at.page.locator(".registers button.cell").nth(2).click()
            ways, detective = at.page.locator(".ways"), at.page.locator("#detective")
            of_bytes = ways.locator("tr", has=at.page.locator("th code", has_text=re.compile("^uint8$"))).locator("td small")
            await expect(of_bytes).to_have_text(["low byte", "high byte"], timeout=WAIT_MS)
            await detective.locator("input[name=quantity]").fill("Voltage")
            await detective.locator("input[name=shown]").fill("abc")
            await detective.locator("input[name=shown]").press("Enter")
            await expect(detective.locator("[role=alert]")).to_contain_text("abc is no number that a display shows", timeout=WAIT_MS)
            for value, read in ((230.43, "230.429993"), (7451.493, "7451.49316")):
                await site.shows(value)
                await detective.locator("input[name=shown]").fill(f"{value:.1f} V")
                await detective.locator("input[name=shown]").press("Enter")
                await expect(detective.locator(".candidates em").first).to_contain_text(f"{read} ", timeout=WAIT_MS)
                cell = ways.locator("tr", has=at.page.locator("th code", has_text="float32")).locator("td").nth(1)
                await expect(cell).to_contain_text(read, timeout=WAIT_MS)

    asyncio.run(run())


def test_a_new_tag_replaces_none_whose_name_it_was_given(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/setup/bench", with_device) as (_, at):
            await choose_a_reading(at.page)
            making = at.page.locator("#making")
            await making.locator("input[name=tag-name]").fill("n")
            await making.locator("button.primary").click()
            said = word("draft_tag_there", {"device": "meter", "tag": "n", "group": "fast"})
            await expect(making.locator("[role=alert]")).to_have_text(said, timeout=WAIT_MS)
            await shot(at.page, "bench-tag-there")
            await expect(at.page.locator(".diff")).to_have_count(0)
            await making.locator("input[name=tag-name]").fill("n2")
            await making.locator("button.primary").click()
            await expect(at.page.locator(".diff").first).to_contain_text("n2", timeout=WAIT_MS)

    asyncio.run(run())
