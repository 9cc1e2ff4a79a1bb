"""The alarm pages on a real gateway with a real device, every state of them held to what every screen is held to.

People answer by mouse, by keyboard and without JavaScript; 500 alarms leave the page usable; a stack light follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.integration.web.setup_pages import WAIT_MS, walked
from tests.rigs.browser import chromium, page_of
from tests.rigs.keyboard import Keys
from tests.rigs.out_of_the_box import Site, out_of_the_box

pytestmark = pytest.mark.integration
DEVICE = """
[devices.meter]
type = "modbus"
host = "127.0.0.1"
port = {port}
[[devices.meter.groups]]
name = "fast"
period_ms = 200
tags = [
  {{ name = "u", address = "holding:50", data = "float32", order = "CDAB", unit = "V", decimals = 1 }},
  {{ name = "n", address = "holding:5" }},
  {{ name = "lamp", address = "holding:60", writable = true, write = {{ min = 0, max = 60 }} }},
]
[[notify.targets]]
name = "lamp"
type = "light"
tag = "meter/lamp"
on = 1
off = 0
priorities = ["high"]
[[notify.targets]]
name = "desk"
type = "webhook"
url = "http://127.0.0.1:1/alarms"
[[alarms]]
name = "voltage_high"
text = "Voltage <b>too</b> high"
condition = "above"
tag = "meter/u"
limit = 250.0
deadband = 5.0
priority = "high"
action = "Switch the heater off"
consequence = "The heater burns out"
response_min = 5.0
[[alarms]]
name = "count_high"
condition = "above"
tag = "meter/n"
limit = 4
priority = "medium"
action = "Empty the box"
[[alarms]]
name = "latches"
condition = "above"
tag = "meter/n"
limit = 3
latching = true
action = "Look why, then reset"
[[alarms]]
name = "advice"
condition = "equals"
tag = "meter/n"
limit = 5
advisory = true
[[alarms]]
name = "meter_away"
condition = "device_down"
device = "meter"
action = "Check its power"
"""

SPEAK_EVERY_MS = 5_000
"""Of static/shell.js."""
DRAWN_BY_SCRIPT = "() => [...document.querySelector('#alarm-banner a').childNodes].every((each) => each.nodeType === Node.ELEMENT_NODE)"


async def settled(page: Page) -> None:
    await page.locator("#alarms .card.empty, #alarms .alarms").first.wait_for(timeout=WAIT_MS)
    await page.wait_for_timeout(600)


async def listed(page: Page) -> None:
    await page.locator("#alarms .tools .find").wait_for(timeout=WAIT_MS)


async def picked(page: Page) -> None:
    await listed(page)
    await page.locator(".tick input").nth(0).check()
    await page.locator(".tick input").nth(1).check()


async def shelving(page: Page) -> None:
    await picked(page)
    await page.locator(".acting button").nth(1).click()
    await page.locator("dialog").wait_for(timeout=WAIT_MS)


async def refused(page: Page) -> None:
    """Only blanks, sent as a browser without scripts sends them: the page itself would not."""
    form = page.locator("form[action='/alarms/shelve']")
    await form.locator("input[name=reason]").fill("  ")
    await form.evaluate("(form) => form.submit()")
    await page.locator("#fault").wait_for(timeout=WAIT_MS)


async def shown(page: Page) -> None:
    await page.locator("main h1").wait_for(timeout=WAIT_MS)


EMPTY = (
    ("alarms-empty", "/alarms", settled), ("alarm-history-empty", "/alarms/history", shown),
    ("alarm-figures-empty", "/alarms/figures", shown), ("handover-empty", "/handover", shown),
)  # fmt: skip
FULL = (
    ("alarms", "/alarms", listed), ("alarms-picked", "/alarms", picked), ("alarms-shelving", "/alarms", shelving),
    ("alarm", "/alarms/at/voltage_high", shown), ("alarm-refused", "/alarms/at/voltage_high", refused),
    ("alarm-history", "/alarms/history", shown), ("alarm-figures", "/alarms/figures?hours=8", shown),
    ("handover", "/handover?hours=12", shown),
)  # fmt: skip


async def states(site: Site, token: str) -> dict[str, str]:
    found = await site.ask("alarms", all=True, token=token)
    return {row["name"]: row["state"] for row in found["rows"]}


async def is_in(site: Site, token: str, name: str, state: str) -> None:
    async with asyncio.timeout(20):
        while (await states(site, token)).get(name) != state:
            await asyncio.sleep(0.1)


async def lit(site: Site, value: int) -> None:
    async with asyncio.timeout(20):
        while await site.plant.get_registers(60, 1) != [value]:
            await asyncio.sleep(0.1)


async def answer_by_mouse(browser: Browser, site: Site, token: str) -> None:
    """From the banner of another page to an alarm that is known: three touches."""
    async with page_of(browser, site.url, token=token, width=320) as at:
        await at.open("/")
        await expect(at.page.locator("#alarm-banner")).to_contain_text("Voltage <b>too</b> high", timeout=WAIT_MS)
        await at.page.locator("#alarm-banner a").click()
        await listed(at.page)  # the script puts buttons of its own where those of the server were
        await at.page.get_by_role("button", name="Acknowledge Voltage <b>too</b> high").click(timeout=WAIT_MS)
        await expect(at.page.locator(".alarm-row.high .state-words")).to_have_text("active, acknowledged", timeout=WAIT_MS)
        assert not at.faults
    await is_in(site, token, "voltage_high", "acked")


async def answer_by_keyboard(browser: Browser, site: Site, token: str) -> None:
    """Choose one, shelve it with a reason: Tab, Space, Enter and letters."""
    async with page_of(browser, site.url, token=token) as at:
        await at.open("/alarms")
        await listed(at.page)

        keys = Keys(at.page)
        await keys.to(".alarm-row.medium .tick input")
        await at.page.keyboard.press("Space")
        await keys.to(".acting button:nth-of-type(2)")
        await at.page.keyboard.press("Enter")
        await at.page.locator("dialog").wait_for(timeout=WAIT_MS)
        await keys.to("dialog input[name=reason]")
        await at.page.keyboard.type("box is on its way")
        await at.page.keyboard.press("Enter")
        await is_in(site, token, "count_high", "shelved")
        assert not at.faults


async def answer_without_scripts(browser: Browser, site: Site, token: str) -> None:
    """Acknowledge and reset by plain forms, and read who has done it."""
    async with page_of(browser, site.url, token=token, scripts=False) as at:
        await at.open("/alarms")
        await at.page.get_by_role("button", name="Acknowledge latches").click()
        await is_in(site, token, "latches", "acked")
        await site.plant.set_registers(5, [1])
        await is_in(site, token, "latches", "latched")
        await at.open("/alarms/at/latches")
        await at.page.get_by_role("button", name="Reset").click()
        await is_in(site, token, "latches", "normal")
        await at.open("/alarms/at/count_high")
        async with at.page.expect_navigation():
            await at.page.get_by_role("button", name="Take from the shelf").click()
        await at.open("/alarms/history")
        text = await at.page.locator("main").inner_text()
        assert "alarm count_high shelved, by ada" in text
        assert "session" not in text, "the person, and not by which session"
        await at.open("/handover")
        text = await at.page.locator("main").inner_text()
        assert "device.write" in text or "meter/lamp" in text


async def known_in_the_bar(browser: Browser, site: Site, token: str) -> None:
    """The bar of what is acknowledged goes from edge to edge, drawn by the server and by the page's script alike."""
    for scripts in (False, True):
        async with page_of(browser, site.url, token=token, scripts=scripts) as at:
            await at.open("/")
            bar = at.page.locator("#alarm-banner")
            await expect(bar).to_contain_text("active, acknowledged", timeout=WAIT_MS)
            if scripts:
                await at.page.wait_for_function(DRAWN_BY_SCRIPT)
            box, link = await bar.bounding_box(), await bar.locator("a").bounding_box()
            assert box is not None
            assert link is not None
            assert (box["x"], box["width"], link["x"], link["width"]) == (0, 1280, 0, 1280)


def test_every_state_of_the_alarm_pages_and_people_who_answer(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with out_of_the_box(tmp_path) as site, chromium(executable) as browser:
            await site.shows(230.0)
            token = (await site.claim())["token"]
            found = await walked(browser, site, token, EMPTY)
            now = (await site.ask("config", token=token))["text"].replace("[web]", "device_writes = true\n[web]", 1)
            await site.put_in_force(token, now + DEVICE.format(port=site.plant.port))
            await is_in(site, token, "count_high", "unacked")
            await lit(site, 0)
            await site.shows(260.0)
            await is_in(site, token, "voltage_high", "unacked")
            await lit(site, 1)
            found += await walked(browser, site, token, FULL)
            await answer_by_mouse(browser, site, token)
            await lit(site, 0)
            await answer_by_keyboard(browser, site, token)
            await answer_without_scripts(browser, site, token)
            await known_in_the_bar(browser, site, token)
            summary = (await site.ask("alarms", token=token))["summary"]
            desk = next(row for row in summary["notify"] if row["name"] == "desk")
            assert (desk["cause"], desk["sent"]) == ("notify_connect_failed", 0)
        return found

    found = asyncio.run(run())
    assert not found, "\n".join(found)


def test_five_hundred_alarms_leave_the_page_usable(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")
    many = "".join(
        f'[[alarms]]\nname = "n{n}"\ncondition = "above"\ntag = "meter/u"\nlimit = {300 + n}.0\npriority = "{priority}"\naction = "look"\n'
        for n, priority in enumerate((["high"] + ["low"] * 49) * 10)
    )

    async def run() -> None:
        async with out_of_the_box(tmp_path) as site, chromium(executable) as browser:
            await site.shows(230.0)
            token = (await site.claim())["token"]
            now = (await site.ask("config", token=token))["text"]
            await site.put_in_force(token, now + DEVICE.split("[[notify", 1)[0].format(port=site.plant.port) + many)
            async with page_of(browser, site.url, token=token) as at:
                await at.open("/live")
                await expect(at.page.locator("#alarm-banner")).to_contain_text("No alarm waits", timeout=WAIT_MS)
                await at.page.evaluate(
                    "() => { window.said = 0; window.since = performance.now(); new MutationObserver(() => { window.said += 1; })"
                    ".observe(document.getElementById('alarm-banner'), { childList: true }); }"
                )
                for step in range(10):
                    await site.shows(350.0 + 50 * step)
                    await asyncio.sleep(0.5)
                await expect(at.page.locator("#alarm-banner")).to_contain_text("500 alarms wait", timeout=WAIT_MS)
                said, lasted_ms = await at.page.evaluate("[window.said, performance.now() - window.since]")
                assert said <= lasted_ms / SPEAK_EVERY_MS + 2, "a flood is not five hundred announcements"
                await at.page.locator("#alarm-banner a").click()
                await listed(at.page)
                assert await at.page.locator(".alarm-row").count() == 200
                assert await at.page.locator(".alarm-row").first.get_attribute("class") == "alarm-row high unacked"
                await at.page.get_by_role("button", name="Acknowledge all 500 shown").click()
                await expect(at.page.locator("#alarm-banner")).to_contain_text("500 active, acknowledged", timeout=WAIT_MS)
                assert not at.faults
            found = await site.ask("alarm_history", limit=500, token=token)
            assert {row["what"] for row in found["rows"]} == {"acked"}
            assert len(found["rows"]) == 500

    asyncio.run(run())
