"""Commands and manual stations as people at the machine use them, by keyboard: a real browser, the real core, the simulated line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from boards.sim.template import PLACEHOLDERS, gateway_config
from runtime.faces.feed_client import ask_once
from runtime.run_folder import feed_of
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.gateway import ROOT, cli
from tests.rigs.keyboard import Keys
from tests.rigs.ports import free_port

pytestmark = pytest.mark.integration
MORE = """
[devices.lab]
type = "manual"
asset = "bottling/lab"
[[devices.lab.groups]]
name = "rounds"
tags = [
  { name = "brix", unit = "deg", decimals = 1, min = 0.0, max = 30.0, every_s = 28800.0 },
  { name = "lot", data = "text", pattern = "LOT-[0-9]{6}" },
]
[evidence]
seal_every_s = 1.0
[history]
enabled = false
"""
PASSWORD = "three wet boots at the door"


@contextlib.asynccontextmanager
async def line(state: Path) -> AsyncIterator[str]:
    """The simulated line with a manual station, and its page."""
    config, port = state / "config" / "witnessmark.toml", free_port()
    config.parent.mkdir(parents=True)
    text = gateway_config(dict.fromkeys(PLACEHOLDERS, 1))
    config.write_text(text[: text.index("\n[models]")] + MORE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", "demo", "--state", str(state), "--port", str(port), "--witnesses", "0", cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(40):
            await process.wait()


async def people(state: Path) -> dict[str, str]:
    """Claim the gateway and make two engineers and a technician; return their sessions' tokens."""

    async def ask(method: str, **params: Any) -> Any:
        return await ask_once(feed_of(state), "web", method, params, 20)

    code = state / "private" / "claim_code"
    async with asyncio.timeout(30):
        while not code.exists() or not (state / "run" / "feed.sock").exists():
            await asyncio.sleep(0.1)
    claim = {"code": code.read_text().strip(), "name": "Ada", "password": PASSWORD, "lang": "en", "zone": "UTC", "source": "test"}
    admin, tokens = (await ask("account.claim", **claim))["token"], {}
    for name, role in (("Eve", "engineer"), ("Bob", "engineer"), ("Tina", "technician")):
        act = {"id": os.urandom(16), "action": "account.create", "target": name, "reason": "test", "token": admin}
        made = await ask("act", **act, params={"roles": role, "password": f"{PASSWORD} {name}"})
        assert made["code"] == "done", made
        first = (await ask("account.login", name=name, password=f"{PASSWORD} {name}", source="test"))["token"]
        act = {"id": os.urandom(16), "action": "account.password", "target": name, "reason": "", "token": first}
        changed = await ask("act", **act, params={"old_password": f"{PASSWORD} {name}", "password": f"{PASSWORD} of {name}"})
        assert changed["code"] == "done", changed
        tokens[name] = (await ask("account.login", name=name, password=f"{PASSWORD} of {name}", source="test"))["token"]
    return tokens


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


async def command(page: Page, target: str, value: str) -> str:
    """Prepare and confirm by keyboard; return what the dialog says in the end, or why it will not."""
    await enter(page, f'tr[data-target="{target}"] button')
    await page.locator("#value:focus").wait_for()
    await page.keyboard.type(value)
    await press(page, "Enter")
    await page.locator("#confirm, #refusal, #problem").first.wait_for()
    if await page.locator("#confirm").count():
        await press(page, "Enter")  # it has the focus
        await page.locator("#result, #problem").first.wait_for()
    return str(await page.locator("#result, #refusal, #problem").first.inner_text())


async def an_engineer(at: Screen, state: Path) -> list[str]:
    """One command from what is shown to what was read back; one that is too big a step; one that needs a second person."""
    page = at.page
    await at.open("/commands")
    await page.locator('tr[data-target="filler/speed_setpoint"] .value span', has_text="90.0 1/min").wait_for()
    told = await fine(at, "page")
    await enter(page, 'tr[data-target="filler/speed_setpoint"] button')
    await page.locator("#value:focus").wait_for()
    await page.keyboard.type("100")
    await press(page, "Enter")
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
    await page.keyboard.press("Escape")
    assert "more than 60" in await command(page, "filler/speed_setpoint", "30")
    await page.keyboard.press("Escape")
    assert "second person" in await command(page, "capper/program_wanted", "2")
    await page.keyboard.press("Escape")
    await page.locator(".waiting li").wait_for()
    told += await fine(at, "waiting")
    await enter(page, ".approve")
    await enter(page, "#confirm")
    await page.locator("#result", has_text="asked for it yourself").wait_for()
    return told


async def a_second_person(at: Screen, state: Path) -> list[str]:
    """What somebody else asked for is approved, signed with a key of one's own on this tablet, and done."""
    await at.open("/tablet")
    await enter(at.page, "#tablet-enrol")
    await at.page.locator("#tablet-state.ok").wait_for()
    await at.open("/commands")
    await enter(at.page, ".approve")
    await enter(at.page, "#confirm")
    await at.page.locator("#result.ok").wait_for()
    await enter(at.page, "#close")
    await at.page.locator(".history td", has_text="capper/program_wanted").first.wait_for()
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
    await page.locator("#read-only", has_text="any device").wait_for()
    assert await page.locator('[data-device=""] button').count() == 0, "an engineer switches it back"
    assert "read-only" in await command(page, "filler/temperature_setpoint", "25")
    await at.open("/live")
    await page.locator("#read-only", has_text="any device").wait_for()


def test_a_command_from_what_is_shown_to_what_was_read_back(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        state = tmp_path / "state"
        async with line(state) as url, chromium(executable) as browser:
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
        async with line(state) as url, chromium(executable) as browser:
            tokens = await people(state)
            async with page_of(browser, url, token=tokens["Tina"], scripts=False) as at:
                page = at.page
                await at.open("/stations")
                assert await page.evaluate("document.activeElement.closest('[data-target]').dataset.target") == "lab/brix", "it is due"
                await page.keyboard.type("99")
                await press(page, "Enter")
                await page.locator('[data-target="lab/brix"] [role=alert]').wait_for()
                assert await page.locator('[data-target="lab/brix"] input[name=value]').input_value() == "99", "what was typed stays"
                await page.locator('[data-target="lab/brix"] input[name=value]').fill("21,5")
                await press(page, "Enter")
                await page.locator("#done", has_text="lab/brix = 21.5").wait_for()
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
