"""The pages of machine setup on a real gateway: every state of each held to what every screen is held to, and the keyboard alone does it.

States: nothing configured, a device with tags, a draft that is right and one that is not, a table with faults, the gateway not answering.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from tests.integration.web.screen_look import looks, part, wrong_with
from tests.integration.web.setup_pages import (
    DEVICE,
    WAIT_MS,
    Steps,
    choose_a_reading,
    claimed,
    opened,
    read_registers,
    walked,
    with_commissioning,
    with_device,
)
from tests.rigs.browser import Screen, chromium, page_of
from tests.rigs.keyboard import Keys
from tests.rigs.opcua import OpcUaPlant, Secured
from tests.rigs.out_of_the_box import Site

pytestmark = pytest.mark.integration
AWAY = re.compile("does not answer|无响应")
SPARE = '\n[devices.spare]\ntemplate = "sdm120"\nenabled = false\nhost = "127.0.0.1"\n'


async def find_nothing(page: Page) -> None:
    await page.locator("input[name=address]").fill("48")
    await page.locator("input[name=shown]").fill("987.6 V")
    await page.locator("input[name=shown]").press("Enter")
    await page.locator("#finding[data-verdict=none]").wait_for(timeout=WAIT_MS)


async def spoil_the_text(page: Page) -> None:
    area = page.locator("textarea[name=text]")
    await area.fill((await area.input_value()).replace("period_ms = 500", "period_ms = 5").replace('unit = "V"', "unit = 5"))
    await page.locator("button.primary").click()
    await page.locator(".faults li").first.wait_for(timeout=WAIT_MS)


async def change_the_text(page: Page) -> None:
    area = page.locator("textarea[name=text]")
    await area.fill((await area.input_value()).replace("period_ms = 500", "period_ms = 700"))
    await page.locator("button.primary").click()
    await page.locator(".diff .ins").first.wait_for(timeout=WAIT_MS)


async def write_tags_out(page: Page) -> None:
    await page.locator("ul.list li", has_text="spare").locator("button").nth(1).click(timeout=WAIT_MS)
    await page.locator(".diff .del").first.wait_for(timeout=WAIT_MS)
    await expect(page.locator(".diff")).to_contain_text("[[devices.spare.groups]]")


async def show_a_revision(page: Page) -> None:
    await page.locator(".revisions button").first.click(timeout=WAIT_MS)
    await page.locator(".revisions .diff").wait_for(timeout=WAIT_MS)


async def spoil_a_cell(page: Page) -> None:
    await page.get_by_label("address, u").fill("nowhere")
    await page.locator("button.primary").click()
    await page.locator(".wrong").first.wait_for(timeout=WAIT_MS)


async def pick_and_change(page: Page) -> None:
    await page.locator("tbody label.switch").first.click()
    await page.get_by_label("unit, u").fill("kV")
    await page.locator("button.primary").click()
    await page.locator(".review").wait_for(timeout=WAIT_MS)


async def list_templates(page: Page) -> None:
    await page.locator("input[name=way]").nth(3).check()
    await page.locator(".list button").nth(5).click(timeout=WAIT_MS)
    await page.locator("input[name=device-name]").wait_for(timeout=WAIT_MS)


async def begin_commissioning(page: Page) -> None:
    await page.locator(".commissioning, #scan").first.wait_for(timeout=WAIT_MS)
    if await page.locator(".commissioning:not(.is-on) button").count():
        await page.locator(".commissioning button").click()
        await page.locator("#scan").wait_for(timeout=WAIT_MS)


async def browse_a_server(page: Page) -> None:
    """A server that offers security: its fingerprint is compared, its tree opened, a variable marked, a device drafted."""
    await begin_commissioning(page)
    with tempfile.TemporaryDirectory() as folder:
        server = OpcUaPlant(1.5, 2.5, secured=Secured(Path(folder)))
        await server.start()
        try:
            await page.locator("input[name=way]").nth(2).check()
            await page.locator("input[name=endpoint]").fill(server.endpoint)
            await page.locator("input[name=endpoint]").press("Enter")
            await page.locator("input[name=offer]").nth(2).check(timeout=WAIT_MS)
            await page.locator(".note input[type=checkbox]").check()
            await page.locator("p.buttons button.primary").last.click()
            await page.locator(".tree .branch", has_text="plant").click(timeout=WAIT_MS)
            for n in range(2):
                await page.locator(".tree input[type=checkbox]").nth(n).check(timeout=WAIT_MS)
            await page.locator("form button.primary").last.click()
            await page.locator(".review .diff .ins").first.wait_for(timeout=WAIT_MS)
        finally:
            await server.stop()


async def find_and_stop(page: Page) -> None:
    await begin_commissioning(page)
    await page.locator("#scan input[name=hosts]").fill("127.0.0.1")
    await page.locator("#scan input[name=port]").fill("9")
    await page.locator("#scan input[name=units]").fill("1-200")
    await page.locator("#scan [role=status]").first.wait_for(timeout=WAIT_MS)
    await page.locator("#scan button.primary").click()
    await page.locator("#scan-state").wait_for(timeout=WAIT_MS)
    if await page.locator("#scan p.buttons button:not(.primary)").count():
        await page.locator("#scan p.buttons button").first.click()
    await page.locator("#scan-state[data-state=cancelled], #scan-state[data-state=done]").wait_for(timeout=WAIT_MS)


async def scale_by_two_points(page: Page) -> None:
    await choose_a_reading(page)
    await page.locator("details.card summary").first.click()
    for n, text in enumerate(("4000", "0", "20000", "10")):
        await page.locator("details.card[open] input").nth(n).fill(text)
    await page.locator("details.card[open] form button").click()
    await page.locator("details.card[open] .list button").first.click(timeout=WAIT_MS)
    await expect(page.locator("#making code")).to_contain_text("scale = 0.000625, offset = -2.5", timeout=WAIT_MS)


async def watch_the_frames(page: Page) -> None:
    await page.locator("#frames summary").click(timeout=WAIT_MS)
    await page.locator(".frames tbody tr").nth(2).wait_for(timeout=WAIT_MS)
    await page.locator("#frames .tools button").click()
    assert re.fullmatch(r"\d\d:\d\d:\d\d[.,]\d{3}", (await page.locator(".frames tbody td").first.inner_text()).strip())


async def nothing_more(page: Page) -> None:
    await page.locator("main .card").first.wait_for(timeout=WAIT_MS)


EMPTY: tuple[tuple[str, str, Steps], ...] = (
    ("add-empty", "/setup/add", nothing_more),
    ("bench-empty", "/setup/bench", nothing_more),
    ("tags-empty", "/setup/tags", nothing_more),
    ("config-empty", "/config", nothing_more),
)
FULL: tuple[tuple[str, str, Steps], ...] = (
    ("add-full", "/setup/add", nothing_more),
    ("add-library", "/setup/add", list_templates),
    ("bench-read", "/setup/bench", read_registers),
    ("bench-chosen", "/setup/bench", choose_a_reading),
    ("add-opcua", "/setup/add", browse_a_server),
    ("add-scan-stopped", "/setup/add", find_and_stop),
    ("bench-scaled", "/setup/bench", scale_by_two_points),
    ("bench-frames", "/setup/bench", watch_the_frames),
    ("bench-nothing-fits", "/setup/bench", find_nothing),
    ("tags-full", "/setup/tags?device=meter", nothing_more),
    ("tags-faults", "/setup/tags?device=meter", spoil_a_cell),
    ("tags-draft", "/setup/tags?device=meter", pick_and_change),
    ("config-full", "/config", nothing_more),
    ("config-faults", "/config", spoil_the_text),
    ("config-draft", "/config", change_the_text),
    ("config-write-out", "/config", write_tags_out),
    ("config-revision", "/config", show_a_revision),
)


async def refuse(route: Route) -> None:
    body = '{"type":"x","title":"x","status":503,"detail":"The gateway does not answer.","code":"core_away","params":{}}'
    await route.fulfill(status=503, content_type="application/problem+json", body=body)


def test_a_plan_that_comes_late_is_not_that_of_what_is_asked_now(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/setup/add", with_commissioning) as (_, at):
            first, let_go, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def hold(route: Route) -> None:
                if route.request.post_data_json["units"] == "1-9":
                    first.set()
                    await let_go.wait()
                    await route.continue_()
                    await (await route.request.response()).finished()
                    answered.set()
                else:
                    await route.continue_()

            await at.page.route("**/api/v1/bench/scan", hold)
            await at.page.locator("#scan input[name=units]").fill("1-9")
            await at.page.locator("#scan input[name=hosts]").fill("127.0.0.1")
            async with asyncio.timeout(WAIT_MS / 1000):
                await first.wait()
            await at.page.locator("#scan input[name=units]").fill("1-3")
            plan = at.page.locator("#scan p.quiet[role=status]")
            await expect(plan).to_contain_text("3 ", timeout=WAIT_MS)
            told = await plan.text_content()
            let_go.set()
            async with asyncio.timeout(WAIT_MS / 1000):
                await answered.wait()
            await at.page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
            await expect(plan).to_have_text(told or "")

    asyncio.run(run())


def test_an_address_that_is_none_is_refused_as_the_form_counts(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/setup/bench", with_device) as (_, at):
            form, refused = at.page.locator("form", has=at.page.locator("input[name=address]")), at.page.locator("main [role=alert]")
            for n, (address, said) in enumerate((("abc", "such as 100"), ("70000", "such as 101"), ("40000", "like 40101"))):
                await form.locator("input[name=form]").nth(n).check()
                await form.locator("input[name=address]").fill(address)
                await form.locator("input[name=address]").press("Enter")
                await expect(refused).to_contain_text(f"{address} is no address", timeout=WAIT_MS)
                await expect(refused).to_contain_text(said)
                await at.page.locator("#detective input[name=shown]").fill("230.4 V")
                await at.page.locator("#detective input[name=shown]").press("Enter")
                await expect(refused).to_have_count(2, timeout=WAIT_MS)
                assert {text.partition(" is no address")[0] for text in await refused.all_inner_texts()} == {address}
                await at.page.reload()
            await form.locator("input[name=address]").fill("48")
            await form.locator("input[name=address]").press("Enter")
            await at.page.locator(".ways button.cell").first.wait_for(timeout=WAIT_MS)
            await expect(refused).to_have_count(0)

    asyncio.run(run())


def test_every_state_of_the_setup_pages_and_the_keyboard_alone(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with claimed(tmp_path) as (site, token), chromium(executable) as browser:
            found = await walked(browser, site, token, part(EMPTY))
            now = await site.ask("config", token=token)
            await site.put_in_force(token, now["text"] + DEVICE.format(port=site.plant.port) + SPARE)
            found += await walked(browser, site, token, part(FULL))
            for name, path, _ in part(EMPTY):
                for lang, theme, widths in looks(f"{name} refused"):
                    async with page_of(browser, site.url, token=token, lang=lang, theme=theme, width=widths[0]) as at:
                        await at.page.route("**/api/v1/bench/**", refuse)
                        await at.page.route("**/api/v1/config", refuse)
                        await at.open(path)
                        await expect(at.page.locator("main [role=alert]").first).to_contain_text(AWAY, timeout=WAIT_MS)
                        found += await wrong_with(at, f"{path.rpartition('/')[2]}-refused-{lang}-{theme}", widths)
            async with page_of(browser, site.url, token=token) as at:
                await by_keyboard_alone(at, site, token)
        return found

    found = asyncio.run(run())
    assert not found, "\n".join(found)


async def upgraded(page: Page) -> None:
    """Tell a page that the gateway was upgraded, and wait for as long as a page that is fetched again would need to begin it."""
    await page.evaluate("document.documentElement.dataset.before = ''; dispatchEvent(new Event('witnessmark:upgraded'))")
    await page.evaluate("fetch('/api/v1/alive').then((answer) => answer.text())")


async def by_keyboard_alone(at: Screen, site: Site, token: str) -> None:
    """Change a cell, look at the draft, put it in force, and undo it by the revision: Tab, Enter and letters, never a click."""
    page, keys, before = at.page, Keys(at.page), await site.ask("config", token=token)
    await at.open("/setup/tags?device=meter")
    await page.get_by_label("unit, n").wait_for(timeout=WAIT_MS)
    await keys.to('[aria-label="unit, n"]')
    await page.keyboard.type("pieces")
    await page.keyboard.press("Enter")
    await page.locator(".review").wait_for(timeout=WAIT_MS)
    await upgraded(page)  # what is not sent stays, though the fields that were written on are gone
    await expect(page.locator("html[data-before]")).to_have_count(1)
    await keys.to("input[name=reason]")
    await page.keyboard.press("Enter")
    await expect(page.locator(".verdict")).to_contain_text(str(before["revision"] + 1), timeout=WAIT_MS)
    assert 'unit = "pieces"' in (await site.ask("config", token=token))["text"]
    await at.open("/config")
    await page.locator(".revisions button").first.wait_for(timeout=WAIT_MS)
    await keys.to(".revisions button")
    await page.keyboard.press("Enter")
    await page.locator(".revisions .diff").wait_for(timeout=WAIT_MS)
    await keys.to(".revisions .stack button")
    await page.keyboard.press("Enter")
    await page.locator(".review").wait_for(timeout=WAIT_MS)
    await keys.to(".review button.primary")
    await page.keyboard.press("Enter")
    await expect(page.locator("main .verdict").first).to_contain_text(str(before["revision"] + 2), timeout=WAIT_MS)
    assert (await site.ask("config", token=token)) == {"text": before["text"], "revision": before["revision"] + 2}
