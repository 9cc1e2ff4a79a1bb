"""Commands and manual stations as people at the machine use them, by keyboard: a real browser, the real core, the simulated line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.integration.web.full_site import LAB
from tests.rigs.asking import asker
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.demo_line import line
from tests.rigs.gateway import cli, until
from tests.rigs.keyboard import Keys
from tests.rigs.newcomers import claim, let_in

pytestmark = pytest.mark.integration
MORE = f"""{LAB}
[evidence]
seal_every_s = 1.0
[history]
enabled = false
"""
PASSWORD = "three wet boots at the door"


async def people(state: Path) -> dict[str, str]:
    """Claim the gateway and make two engineers and a technician; return their sessions' tokens."""
    code, feed = state / "private" / "claim_code", state / "run" / "feed.sock"
    await until(lambda: code.exists() and feed.exists())
    ask = asker(state, early_s=10)
    admin = (await claim(ask, code.read_text().strip(), "Ada", PASSWORD, lang="en", zone="UTC"))["token"]
    roles = {"Eve": "engineer", "Bob": "engineer", "Tina": "technician"}
    return {name: (await let_in(ask, admin, name, role, f"{PASSWORD} of {name}"))["token"] for name, role in roles.items()}


async def fine(at: Screen, name: str) -> list[str]:
    """Return what axe-core, the targets and the width have against the page as it stands, and keep a picture."""
    await shot(at.page, f"commands-{name}")
    return [f"{name}: {each}" for each in (*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page))]


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def enter(page: Page, selector: str) -> None:
    """Go there with the Tab key and press Enter, as whoever has no mouse does."""
    await page.locator(selector).first.wait_for()
    await Keys(page).enter(selector)


async def reasoned(page: Page, *keys: str) -> None:
    """Press them; the form does not go on without the reason, which it asks for then: give it and go on."""
    await press(page, *keys)
    await page.locator("#why:focus").wait_for()
    assert await page.locator("#why").evaluate("(field) => field.validity.valueMissing")
    await page.keyboard.type("a test")
    await press(page, "Enter")


async def command(page: Page, target: str, value: str) -> str:
    """Prepare and confirm by keyboard; return what the dialog says in the end, or why it will not."""
    await enter(page, f'tr[data-target="{target}"] button')
    await page.locator("#value:focus").wait_for()
    await page.keyboard.type(value)
    await reasoned(page, "Enter")
    await page.locator("#confirm, #refusal, #problem").first.wait_for()
    if await page.locator("#confirm").count():
        await page.locator("#confirm:focus").wait_for()  # given once it is drawn: a key before that goes nowhere
        await press(page, "Enter")
        await page.locator("#result, #problem").first.wait_for()
    return str(await page.locator("#result, #refusal, #problem").first.inner_text())


async def an_engineer(at: Screen, state: Path) -> list[str]:
    """One command from what is shown to what was read back; one that is too big a step; one that needs a second person."""
    page = at.page
    await at.open("/commands")
    await page.locator('tr[data-target="filler/speed_setpoint"] .value span', has_text="90.0 1/min").wait_for()
    told = await fine(at, "page")
    await page.set_viewport_size({"width": 768, "height": 1024})
    told += await fine(at, "tablet")
    await page.set_viewport_size({"width": 1280, "height": 900})
    await enter(page, 'tr[data-target="filler/speed_setpoint"] button')
    await page.locator("#value:focus").wait_for()
    await page.keyboard.type("100")
    await reasoned(page, "Enter")
    await page.locator("#confirm:focus").wait_for()
    assert "from 90 1/min to 100 1/min" in await page.locator("#what").inner_text()
    assert await page.locator(".conditions .holds", has_text="filler/emergency_stop_ok").count() == 1
    assert "left to confirm" in await page.locator(".left").inner_text()
    confirm = await page.locator("#confirm").bounding_box()
    assert confirm is not None
    assert confirm["height"] >= 56
    told += await fine(at, "shown")
    await press(page, "Enter")
    await page.locator("#result", has_text="Done; read back: 100").wait_for()
    assert (await cli("read", "filler/speed_setpoint", "--state", str(state)))[1]["readings"][0]["value"] == 100
    # Quicker than the page hears that its dialog is closed: the focus is back on the button, and that opens the next one.
    await page.evaluate("document.querySelector('dialog.command').close(); document.activeElement.click()")
    await page.locator("#value:focus").wait_for()
    assert await page.locator("#result").count() == 0
    await page.keyboard.press("Escape")
    assert "more than 60" in await command(page, "filler/speed_setpoint", "30")
    await page.keyboard.press("Escape")
    assert "second person" in await command(page, "capper/program_wanted", "2")
    await page.keyboard.press("Escape")
    await page.locator(".waiting li").wait_for()
    told += await fine(at, "waiting")
    await enter(page, ".approve")
    await page.locator("#why:focus").wait_for()
    await reasoned(page, "Enter")
    await page.locator("#result", has_text="asked for it yourself").wait_for()
    return told


async def a_second_person(at: Screen, state: Path) -> list[str]:
    """What somebody else asked for is approved, signed with a key of one's own on this tablet, and done."""
    await at.open("/tablet")
    await enter(at.page, "#tablet-enrol")
    await at.page.locator("#tablet-state.ok").wait_for()
    await at.open("/")
    await enter(at.page, '#mind-list li.waiting a[href="/commands"]')
    await enter(at.page, ".approve")
    await at.page.locator("#why:focus").wait_for()
    await reasoned(at.page, "Enter")
    await at.page.locator("#result.ok").wait_for()
    await enter(at.page, "#close")
    await at.page.locator(".history td", has_text="capper/program_wanted").first.wait_for()
    await at.page.locator(".history td", has_text="a test").first.wait_for()
    assert (await cli("read", "capper/program_wanted", "--state", str(state)))[1]["readings"][0]["value"] == 2
    return await fine(at, "narrow")


async def a_technician(at: Screen) -> None:
    """What is of low risk, and the read-only switch, which stands on every page."""
    page = at.page
    await at.open("/commands")
    await page.locator('tr[data-target="filler/temperature_setpoint"]').wait_for()
    assert await page.locator('tr[data-target="filler/speed_setpoint"] button').count() == 0, "an engineer's"
    assert "read back: 26" in await command(page, "filler/temperature_setpoint", "26")
    await page.keyboard.press("Escape")
    await enter(page, '[data-device=""] button')
    await page.locator("#turn").wait_for()
    await page.evaluate("document.querySelector('dialog.command').close(); document.activeElement.click()")
    await enter(page, "dialog[open] #turn")
    await reasoned(page)
    await page.locator("#read-only", has_text="any device").wait_for()
    assert await page.locator('[data-device=""] button').count() == 0, "an engineer switches it back"
    assert "read-only" in await command(page, "filler/temperature_setpoint", "25")
    await at.open("/live")
    await page.locator("#read-only", has_text="any device").wait_for()


def test_a_command_from_what_is_shown_to_what_was_read_back(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        state = tmp_path / "state"
        async with line(state, MORE) as (url, _), chromium(executable) as browser:
            tokens = await people(state)
            async with page_of(browser, url, token=tokens["Eve"]) as at:
                told = await an_engineer(at, state)
            async with page_of(browser, url, token=tokens["Bob"], lang="zh", theme="dark", width=320) as at:
                told += await a_second_person(at, state)
            async with page_of(browser, url, token=tokens["Tina"]) as at:
                await a_technician(at)
            assert told == []

    asyncio.run(run())


def test_readings_are_entered_by_whoever_is_signed_in(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        state = tmp_path / "state"
        async with line(state, MORE) as (url, _), chromium(executable) as browser:
            tokens = await people(state)
            async with page_of(browser, url, token=tokens["Tina"], scripts=False) as at:
                page = at.page
                await at.open("/stations")
                await page.locator('[data-target="lab/brix"] input[name=value]:focus').wait_for()  # it is due
                await page.keyboard.type("99")
                await press(page, "Enter")
                await page.locator('[data-target="lab/brix"] [role=alert]').wait_for()
                assert await page.locator('[data-target="lab/brix"] input[name=value]').input_value() == "99", "what was typed stays"
                await page.locator('[data-target="lab/brix"] input[name=value]').fill("21,5")
                await press(page, "Enter")
                await page.locator("#done", has_text="lab/brix = 21.5").wait_for()
                await page.locator('[data-target="lab/lot"] input[name=value]:focus').wait_for()
                await page.keyboard.type("LOT-000123")  # a scanner: it types and ends with Enter
                await press(page, "Enter")
                await page.locator("#done", has_text="lab/lot = LOT-000123").wait_for()
                await page.locator('[data-target="lab/brix"] .last', has_text="21.5 deg").wait_for()
            async with page_of(browser, url, token=tokens["Tina"], width=320) as at:
                await at.open("/stations")
                assert await fine(at, "stations") == []
            found = (await cli("ledger", "show", "--state", str(state)))[1]
            assert "Tina (session" in str(found)

    asyncio.run(run())
