"""A core that hangs keeps its connections: pages, asked for then or open already, show nothing of it as of now."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant, serving_apart
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
UNHEARD = "Not known: the gateway's core does not answer."
STRUCK = (
    ("/", "#card-evidence h2 em"), ("/", "#fact-behind"), ("/", "#fact-disk"), ("/connections", "h2 em"), ("/handover", "h2 small"),
    ("/alarms", "dd[data-state]"), ("/ledger", "#anchors em"),
)  # fmt: skip
AGES = (
    ("/", "#sentence"),
    ("/connections", "[data-ago]"),
    ("/connections", ".old-note"),
    ("/ledger", ".old-note"),
    ("/", "#anchors small"),
)
KEEP_SAYING = """(note) => {
  const said = [];
  const keep = () => { said.push(note.textContent); sessionStorage.said = JSON.stringify(said); };
  new MutationObserver(keep).observe(note, { childList: true, characterData: true, subtree: true });
}"""
AGO = re.compile(r"(\d+(?:\.\d)?) s ago")


@contextlib.asynccontextmanager
async def site(tmp_path: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Yield the page's address and the core's process."""
    (tmp_path / "run").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        core = await stack.enter_async_context(serving_apart(tmp_path / "run" / "feed.sock"))
        yield await stack.enter_async_context(web(tmp_path, Plant(3), core=contextlib.nullcontext())), core


async def link_is(client: httpx.AsyncClient, wanted: bool) -> None:
    async with asyncio.timeout(20):
        while (await client.get("/api/v1/values")).json()["link"] is not wanted:
            await asyncio.sleep(0.05)


def test_a_page_that_is_asked_for_while_the_core_hangs_says_that_it_does_not_answer(tmp_path: Path) -> None:
    async def run() -> None:
        async with site(tmp_path) as (url, core), httpx.AsyncClient(base_url=url, timeout=30) as client:
            assert "Recording 3 of 3 tags" in (await client.get("/")).text
            core.send_signal(signal.SIGSTOP)
            await link_is(client, False)
            told = {path: (await client.get(path)).text for path in ("/", "/live?plain=1", "/connections", "/handover")}
            for text in told.values():
                assert "core does not answer" in text
                assert "Recording" not in text
            assert "all is as it should be" not in told["/"]
            plain = told["/live?plain=1"]
            assert (plain.count('class="q0 stale"'), plain.count("<s>0</s>")) == (3, 3)
            ages = [float(age) for age in re.findall(r'age">([\d.]+) s<', plain)]
            assert len(ages) == 3
            assert min(ages) >= 4, "ages go on while the core is silent"
            agos = [float(ago) for ago in AGO.findall(told["/connections"])]
            assert len(agos) == 3, "the sentence, the note, the witness"
            assert min(agos) >= 4
            assert (await client.get("/api/v1/values")).json()["silent_ms"] >= 4000
            assert (await client.get("/api/v1/alive")).json()["core"] is False
            core.send_signal(signal.SIGCONT)
            await link_is(client, True)
            assert "Recording 3 of 3 tags" in (await client.get("/")).text

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
def test_an_open_page_takes_back_what_it_said_of_now(tmp_path: Path, require_service: Callable[[str], str], how: signal.Signals) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(240))
            url, core = await stack.enter_async_context(site(tmp_path))
            browser = await stack.enter_async_context(chromium(executable))
            opened: dict[str, Page] = {}
            for path in ("/", "/connections", "/handover", "/alarms", "/ledger"):
                at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
                await at.open(path)
                opened[path] = at.page
            await expect(opened["/"].locator("#fact-disk")).to_have_text("there is space", timeout=15_000)
            await expect(opened["/alarms"].locator("#alarms")).to_contain_text("Nothing waits and nothing is active")
            await expect(opened["/handover"].locator("main")).to_contain_text("No alarm is open")
            for page in opened.values():
                await expect(page.locator("#sentence")).to_contain_text("Recording 3 of 3 tags", timeout=15_000)
                await expect(page.locator(".old-note:visible")).to_have_count(0)
            core.send_signal(how)
            for page in opened.values():  # first as whoever looks soon after sees it, then for as long as nobody answers
                await expect(page.locator("#sentence")).to_contain_text("does not answer", timeout=15_000)
            await asyncio.sleep(6)  # beyond which no line without a beat counts as heard
            for path, page in opened.items():
                await expect(page.locator("#sentence")).to_contain_text("does not answer; what you see is old, last heard")
                await expect(page.locator(".old-note:visible")).to_have_count(int(path not in ("/", "/alarms")))
            await expect(opened["/alarms"].locator("#alarms")).to_contain_text(UNHEARD)
            await expect(opened["/alarms"].locator("main")).not_to_contain_text("Nothing waits")
            await expect(opened["/handover"].locator("main")).not_to_contain_text("No alarm is open")
            await expect(opened["/handover"].locator("[data-none]", has_text=UNHEARD).first).to_be_visible()
            for path, selector in STRUCK:
                await expect(opened[path].locator(selector).first).to_have_css("text-decoration-line", "line-through")
            for path, selector in AGES:
                first = await age_in(opened[path].locator(selector))
                async with asyncio.timeout(10):
                    while await age_in(opened[path].locator(selector)) <= first:
                        await asyncio.sleep(0.2)
            late = await fresh_pages(stack, browser, url)
            if how is signal.SIGSTOP:
                await come_back(core, opened, late)

    asyncio.run(run())


async def fresh_pages(stack: contextlib.AsyncExitStack, browser: Browser, url: str) -> Page:
    """What opens only then says the same, and goes on counting. Returns a *Handover* that has nothing to tell."""
    for path, place in (("connections", "[data-ago]"), ("connections", "#sentence"), ("live", "tbody .age")):
        at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
        await at.page.goto(url + path)
        await expect(at.page.locator("#sentence")).to_contain_text("does not answer; what you see is old, last heard")
        await expect(at.page.locator(place).first).to_contain_text(re.compile(r"\d s"))
        told = await at.page.locator(place).first.text_content()
        await expect(at.page.locator(place).first).not_to_have_text(told or "")
    at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
    await at.page.goto(url + "handover")
    await expect(at.page.locator("main .verdict", has_text="core does not answer")).to_be_visible()
    await expect(at.page.locator("#sentence")).to_contain_text("does not answer; what you see is old, last heard")
    return at.page


async def come_back(core: asyncio.subprocess.Process, opened: Mapping[str, Page], late: Page) -> None:
    """Once the core answers, what was made once is asked for anew, also what was made meanwhile; until it is there it says so."""
    once = [opened[path] for path in ("/connections", "/handover", "/ledger")]
    for page in (*once, late):
        await page.locator("main").evaluate("(main) => { main.dataset.isOfBefore = ''; }")
    await opened["/ledger"].locator(".old-note").evaluate(KEEP_SAYING)
    core.send_signal(signal.SIGCONT)
    for page in (*once, late):
        await expect(page.locator("main:not([data-is-of-before])")).to_be_visible(timeout=30_000)
        await expect(page.locator("#sentence")).to_contain_text("Recording 3 of 3 tags", timeout=15_000)
        await expect(page.locator(".old-note")).to_be_hidden()
    for page in (opened["/handover"], late):
        await expect(page.locator("main")).to_contain_text("No alarm is open")
        await expect(page.locator("main")).not_to_contain_text("core does not answer")
    *before, last = json.loads(await opened["/ledger"].evaluate("sessionStorage.said"))  # it was fetched again already
    assert last.startswith("The gateway answers again")
    assert all(float(age) >= 5 for text in before for age in AGO.findall(text)), "nobody is heard, so nothing is of just now"
    await expect(opened["/alarms"].locator("#alarms")).to_contain_text("Nothing waits and nothing is active")


async def age_in(place: Locator) -> float:
    found = AGO.search(await place.text_content() or "")
    assert found is not None
    return float(found[1])
