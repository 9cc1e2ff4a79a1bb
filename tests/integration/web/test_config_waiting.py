"""Two engineers and one configuration, in real browsers: what changes commanding beside something of high risk waits for the second one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import INTENT, Kind
from ledger_client.reader import LedgerReader
from runtime.acts import read_command
from tests.rigs.asking import act
from tests.rigs.browser import Screen, axe, chromium, no_sideways_scroll, page_of, shot, targets
from tests.rigs.web_site import PASSWORD, Site, site

pytestmark = pytest.mark.integration
WAIT_MS = 20_000
LINE = """
[devices.line]
type = "modbus"
host = "127.0.0.1"
port = 9
[[devices.line.groups]]
name = "setpoints"
period_ms = 60000
tags = [{ name = "speed", address = "holding:5", writable = true, write = { max = 100, risk = "high" } }]
"""
NOTICE = '#mind-list li.waiting:has(a[href="/config"])'
LOOKS = (("en", "light", 320), ("zh", "dark", 1280), ("en", "dark", 768), ("zh", "light", 320))


async def second_engineer(found: Site) -> str:
    """Tess becomes an engineer too; return her new session's token."""
    assert (await found.ask("act", act(found.tokens["admin"], "account.roles", "Tess", roles="engineer")))["code"] == "done"
    return str((await found.ask("account.login", {"name": "Tess", "password": PASSWORD, "source": "test"}))["token"])


async def edited(at: Screen, old: str, new: str) -> None:
    """Change the text and put it in force, as far as one can alone."""
    await at.open("/config")
    area = at.page.locator("textarea[name=text]")
    await expect(area).to_have_value(re.compile(re.escape(old)), timeout=WAIT_MS)
    await area.fill((await area.input_value()).replace(old, new))
    await at.page.locator("form button.primary").first.click()
    await at.page.locator("input[name=reason]").fill("for the night shift", timeout=WAIT_MS)
    await at.page.locator(".review button.primary").click()


def signers(found: Site) -> list[tuple[str, str]]:
    """Return what the newest intent of `config.approve` says of signatures: meaning and name of each."""
    reader = LedgerReader(RealDisk(), found.gateway.state, 1)
    payloads = [parse(raw).payload for raw in reader.entries(0, reader.size())]
    intents = [each for each in payloads if each.kind == Kind.COMMAND and each.detail[1:3] == (INTENT, "config.approve")]
    told = read_command(INTENT, reader.body(intents[-1].seq) or b"")
    return [(each["meaning"], each["name"]) for each in told["approvals"]]


async def wrong_with(at: Screen, name: str) -> list[str]:
    await shot(at.page, name)
    told = [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page), *at.faults]
    return [f"{name}: {each}" for each in told]


async def looked_at(
    browser: Browser, found: Site, token: str, name: str, steps: Callable[[Page], Any], path: str = "/config", wait_for: str = ".waiting li"
) -> list[str]:
    wrong = []
    some = Random(f"{os.environ.get('WITNESSMARK_SEED', '1')} {name}").sample(LOOKS, 1)
    for lang, theme, width in LOOKS if os.environ.get("WITNESSMARK_TEST_SIZE") == "full" else some:
        async with page_of(browser, found.url, token=token, lang=lang, theme=theme, width=width) as at:
            await at.open(path)
            await at.page.locator(wait_for).first.wait_for(timeout=WAIT_MS)
            await steps(at.page)
            wrong += await wrong_with(at, f"config-{name}-{lang}-{theme}-{width}")
    return wrong


async def nothing_more(page: Page) -> None:
    assert await page.locator(".waiting button.primary").count() == 0


async def open_it(page: Page) -> None:
    await page.locator(".waiting button").first.click()
    await page.locator(".waiting .diff .ins").first.wait_for(timeout=WAIT_MS)


async def says_so(page: Page) -> None:
    """Home tells it as the server drew it and as the stream keeps it: one line, and where to."""
    await expect(page.locator(NOTICE)).to_have_count(1, timeout=WAIT_MS)
    await expect(page.locator(NOTICE, has_text=re.compile("1 edit waits|1 项更改等待"))).to_be_visible()


@contextlib.asynccontextmanager
async def home_of(browser: Browser, found: Site, token: str) -> AsyncIterator[Screen]:
    """Home that stands open while nothing waits."""
    async with page_of(browser, found.url, token=token) as at:
        await at.open("/")
        await at.page.locator("#mind-list[data-key]").wait_for(timeout=WAIT_MS)
        assert await at.page.locator(NOTICE).count() == 0
        yield at


def test_the_first_asks_and_the_second_looks_and_approves(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def program() -> list[str]:
        async with site(tmp_path, tags=2, more=LINE) as found, chromium(executable) as browser, contextlib.AsyncExitStack() as stack:
            first, second = found.tokens["engineer"], await second_engineer(found)
            home = await stack.enter_async_context(home_of(browser, found, second))
            other = await stack.enter_async_context(home_of(browser, found, found.tokens["admin"]))
            async with page_of(browser, found.url, token=first, width=320) as at:
                await edited(at, 'risk = "high"', 'risk = "low"')
                await expect(at.page.locator(".review [role=status]")).to_contain_text("line/speed", timeout=WAIT_MS)
                wrong = await wrong_with(at, "config-waits-en-light-320")
            assert (await found.ask("config", {"token": first}))["revision"] == 1
            await says_so(home.page)
            assert await other.page.locator(NOTICE).count() == 0, "an admin approves nothing"
            wrong += await looked_at(browser, found, second, "home", says_so, "/", NOTICE)
            wrong += await looked_at(browser, found, first, "waiting-own", nothing_more)
            wrong += await looked_at(browser, found, second, "waiting", open_it)
            async with page_of(browser, found.url, token=second) as at:
                await at.open("/tablet")  # who has a key of their own signs what they approve
                await at.page.click("#tablet-enrol")
                await at.page.wait_for_selector("#tablet-state.ok")
                await at.open("/config")
                await at.page.locator(".waiting li").first.wait_for(timeout=WAIT_MS)
                await open_it(at.page)
                await at.page.locator("[name=approve-reason]").fill("as agreed")
                await at.page.locator(".waiting button.primary").focus()
                await at.page.keyboard.press("Enter")
                await expect(at.page.locator("main .verdict").first).to_contain_text("2", timeout=WAIT_MS)
                await expect(at.page.locator(".waiting")).to_have_count(0, timeout=WAIT_MS)
            await expect(home.page.locator(NOTICE)).to_have_count(0, timeout=WAIT_MS)
            now = await found.ask("config", {"token": first})
            assert now["revision"] == 2
            assert 'risk = "low"' in now["text"]
            assert signers(found) == [("approved", "Tess")]
            async with found.client("engineer") as client:
                assert (await client.get("/api/v1/config/waiting")).json() == {"waiting": [], "self_approval": False}
                assert (await client.get(f"/api/v1/config/waiting/{'0' * 32}")).json()["code"] == "config_proposal_gone"
        return wrong

    wrong = asyncio.run(program())
    assert not wrong, "\n".join(wrong)
