"""A page that is open for long: what it draws of the witnesses, what it costs with every tick, what it says once its session has ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from runtime.faces.feed import RequestRefusedError, Session
from tests.integration.web.screen_answers import answers
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Confirmed, serving, serving_apart
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
DRAWN = ("3 / 5,003", "5,000", "The anchor cannot be reached (no route). Tried again in 42 s.")
UPGRADED = "dispatchEvent(new CustomEvent('witnessmark:upgraded'))"
COUNT_DRAWINGS = """
const found = Document.prototype.querySelectorAll;
window.drawings = 0;
Document.prototype.querySelectorAll = function (selector) {
  if (selector === "[data-h]") { window.drawings += 1; document.documentElement.dataset.drawn = ""; }
  return found.call(this, selector);
};
"""


class Moving(Confirmed):
    """Its one witness can stop confirming, or get a mirror; its sessions can end."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 3
        self.witness: dict[str, Any] = {}
        """What it says otherwise than `Confirmed`."""
        self.names_of_witnesses = ["witness-1"]

    def change(self, size: int, **witness: Any) -> None:
        self.size, self.witness = size, {**self.witness, **witness}
        self.generation += 1

    def end_sessions(self) -> None:
        self.answers["account.state"] = {"claimed": True, "people": 1, "open_view": False}

    def snapshot(self) -> Mapping[str, Any]:
        told = super().snapshot()
        anchors = [{**told["anchors"][0], **self.witness, "name": name} for name in self.names_of_witnesses]
        return {**told, "anchors": anchors, "ledger": {**told["ledger"], "size": self.size}}

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        if method == "account.who" and "account.state" in self.answers:
            raise RequestRefusedError("session_gone")
        return await super().answer(session, method, params)


@contextlib.asynccontextmanager
async def opened(tmp_path: Path, plant: Moving, executable: str, path: str) -> AsyncIterator[tuple[Page, str, contextlib.AsyncExitStack]]:
    """Yield a page of an engineer, the address, and the stack of the web process: closed, it is gone."""
    (tmp_path / "run").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(120))
        await stack.enter_async_context(serving(tmp_path / "run" / "feed.sock", plant))
        served = await stack.enter_async_context(contextlib.AsyncExitStack())
        url = await served.enter_async_context(web(tmp_path, plant, core=contextlib.nullcontext()))
        browser = await stack.enter_async_context(chromium(executable))
        at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
        await at.open(path)
        await expect(at.page.locator("#sentence")).to_contain_text("Recording 3 of 3 tags", timeout=15_000)
        yield at.page, url, served
        assert not [fault for fault in at.faults if "Error" in fault and "401" not in fault and "ERR_" not in fault]


def test_an_open_page_of_connections_goes_with_its_witness(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Moving()
        async with opened(tmp_path, plant, executable, "/connections") as (page, url, _):
            card = page.locator("main section.card", has_text="witness-1")
            state, (confirmed, waiting) = card.locator("h2 em"), (card.locator(f"dd:nth-of-type({at})") for at in (2, 3))
            await expect(state).to_have_text("confirms")
            await expect(waiting).to_have_text("none")
            await expect(card.locator(".verdict")).to_be_hidden()
            plant.change(5003, state="failing", cause="anchor_unreachable", params={"reason": "no route"}, retry_ms=42_000)
            await expect(state).to_have_text("does not answer", timeout=15_000)
            await expect(card.locator(".verdict")).to_be_visible()
            for place, told in zip((confirmed, waiting, card.locator(".verdict")), DRAWN, strict=True):
                await expect(place).to_have_text(told)
            async with httpx.AsyncClient(base_url=url, timeout=30, cookies={"witnessmark": "engineer"}) as client:
                served = (await client.get("/connections")).text
            assert all(f">{told}<" in served for told in (*DRAWN, "does not answer")), "the server draws the same"
            at_ms = plant.began_ms + 1000
            plant.change(5003, state="ok", cause=None, params={}, retry_ms=None, cosigned_size=5003, cosigned_ms=at_ms)
            await expect(state).to_have_text("confirms", timeout=15_000)
            await expect(waiting).to_have_text("none")
            await expect(card.locator(".verdict")).to_be_hidden()
            await expect(card.locator("time")).to_have_attribute("data-ms", str(at_ms))
            plant.names_of_witnesses.append("witness-2")  # somebody edited the configuration
            plant.change(5003, mirror={"held": 7, "cause": None, "params": {}})
            await expect(page.locator("[data-anchor=witness-2] [data-now=mirror]")).to_have_text(
                "mirror holds entries up to 7", timeout=15_000
            )

    asyncio.run(run())


def test_a_witness_that_never_confirmed_gets_its_first_time(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Moving()
        plant.change(3, state="waiting", cosigned_size=None, cosigned_ms=None)
        async with opened(tmp_path, plant, executable, "/connections") as (page, _, _):
            await expect(page.locator("main dd:nth-of-type(4)")).to_have_text("—")
            plant.change(3, state="ok", cosigned_size=3, cosigned_ms=plant.began_ms)
            await expect(page.locator("main dd:nth-of-type(4)")).to_contain_text(re.compile(r"\d{4}.* · [\d.]+ s ago"), timeout=15_000)

    asyncio.run(run())


def test_a_page_whose_session_ended_does_not_say_that_the_gateway_is_not_heard(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Moving()
        async with opened(tmp_path, plant, executable, "/ledger") as (page, url, _):
            plant.end_sessions()
            await refused(url)
            plant.rename({**plant.names, 3: "t3"})  # so that the page asks for all
            await expect(page.locator("#sentence")).to_contain_text("not logged in any more", timeout=15_000)
            await expect(page.locator(".old-note")).to_contain_text("not logged in any more. What stands here is as last heard at")
            await expect(page.locator(".old-note")).not_to_contain_text("not heard")
            await expect(page).to_have_url(re.compile("/ledger$"))

    asyncio.run(run())


def test_after_a_restart_one_logs_in_and_is_back_on_the_page(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Moving()
        async with opened(tmp_path, plant, executable, "/handover") as (page, url, served):
            await served.aclose()
            await expect(page.locator("#sentence")).to_contain_text("Nothing heard from the gateway", timeout=30_000)
            await expect(page.locator(".old-note")).to_contain_text("The gateway is not heard")
            plant.end_sessions()
            async with web(tmp_path, plant, core=contextlib.nullcontext(), port=httpx.URL(url).port or 0):
                await expect(page).to_have_url(re.compile(r"/login\?next=/handover$"), timeout=45_000)

    asyncio.run(run())


def test_a_tick_draws_ages_and_nothing_else(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        (tmp_path / "run").mkdir()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(120))
            core = await stack.enter_async_context(serving_apart(tmp_path / "run" / "feed.sock"))
            url = await stack.enter_async_context(web(tmp_path, Confirmed(), core=contextlib.nullcontext()))
            browser = await stack.enter_async_context(chromium(executable))
            page = (await stack.enter_async_context(page_of(browser, url, token="engineer"))).page
            await page.add_init_script(COUNT_DRAWINGS)
            await page.goto(url)
            await expect(page.locator("#fact-disk")).to_have_text("there is space", timeout=15_000)
            await page.locator("html[data-drawn]").wait_for()
            core.send_signal(signal.SIGSTOP)  # so that nothing but time goes on
            await expect(page.locator("#sentence")).to_contain_text("does not answer; what you see is old, last heard", timeout=15_000)
            drawn, age = await page.evaluate("window.drawings"), page.locator("#anchors small")
            assert drawn >= 1
            for _ in range(3):
                told = await age.text_content()
                await expect(age).not_to_have_text(told or "", timeout=15_000)
            assert await page.evaluate("window.drawings") == drawn

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "there", "field", "is_filter"),
    [
        ("/diagnostics", "input[name=kind][value=tcp]", "input[name=find]", True),
        ("/diagnostics", "input[name=kind][value=tcp]", "input[name=host]", False),
        ("/live?bad=1", "#only-bad", "#find", True),
    ],
    ids=["log_filter", "probe", "live_filter"],
)
def test_a_page_on_which_nobody_wrote_is_fetched_again_after_an_upgrade(
    tmp_path: Path, require_service: Callable[[str], str], path: str, there: str, field: str, is_filter: bool
) -> None:
    """Fields that a script set (a radio, a checkbox) are not written on, nor is what one only looks for."""
    executable = require_service("chromium")

    async def run() -> None:
        plant = Moving()
        plant.answers.update(answers(is_empty=False))
        async with opened(tmp_path, plant, executable, path) as (page, _, _):
            await expect(page.locator(there)).to_be_checked(timeout=15_000)
            if not is_filter:
                await page.locator("select[name=address]").select_option("own")
            await page.locator(field).press_sequentially("t1")
            await page.evaluate("document.documentElement.dataset.before = ''")
            await page.evaluate(UPGRADED)
            if is_filter:
                await expect(page.locator("html[data-before]")).to_have_count(0, timeout=15_000)
                return
            await page.evaluate("fetch('/api/v1/alive').then((answer) => answer.text())")
            await expect(page.locator("html[data-before]")).to_have_count(1)  # somebody writes on it
            await expect(page.locator(field)).to_have_value("t1")
            await page.locator(field).fill("")
            await page.evaluate(UPGRADED)
            await expect(page.locator("html[data-before]")).to_have_count(0, timeout=15_000)

    asyncio.run(run())


async def refused(url: str) -> None:
    """Until the page's process has forgotten the session."""
    async with httpx.AsyncClient(base_url=url, timeout=30, cookies={"witnessmark": "engineer"}) as client, asyncio.timeout(30):
        while (await client.get("/api/v1/values")).status_code != 401:
            await asyncio.sleep(0.1)
