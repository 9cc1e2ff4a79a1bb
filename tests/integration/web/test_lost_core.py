"""Pages open while the core is lost: what they said of now is struck, their ages grow, and once it is back what failed is asked again."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.integration.web.screen_answers import answers
from tests.integration.web.test_open_pages import Moving
from tests.rigs.browser import axe, chromium, page_of, targets
from tests.rigs.feed_plant import serving
from tests.rigs.judged_plant import model
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
ANSWERS_NOT = "core does not answer"
BAD = 0x8000_0000
FORGETS = """
const later = window.setTimeout;
const forgetting = (call) => () => { call(); document.documentElement.dataset.forgotten = ""; };
window.setTimeout = (call, ms, ...more) => (ms === 60000 ? later(forgetting(call), %d) : later(call, ms, ...more));
"""
"""The minute after which a loss is forgotten takes as many ms."""
STRUCK = (
    ("/", "#mind-list em"),
    ("/", "#devices em"),
    ("/live", "tr.group em[data-cause]"),
    ("/anomalies", "[data-live=state] > .verdict [data-now]"),
)


class Alarmed(Moving):
    """One alarm waits, one tag is bad, and a model has learned nothing yet."""

    def __init__(self) -> None:
        super().__init__()
        self.rows[0][2] = BAD
        self.models = [model("line", "off", manifest_hash=None, model_sha256=None, learned=None, coverage=None, cell_ms=None)]
        row = {
            "name": "hot", "text": "Too hot", "priority": "high", "state": "unacked", "condition": "above", "tag": "d/t0", "device": "d",
            "model": None, "limit": 80.0, "unit": "Cel", "value": 81.0, "action": "", "raised_ms": self.began_ms, "since_ms": self.began_ms,
            "changed_ms": self.began_ms, "until_ms": None, "by": "", "note": "", "recorded": "recorded", "shelve_max_min": 60,
        }  # fmt: skip
        told = self.answers["alarms"]
        states = told["summary"]["states"] | {"unacked": 1}
        summary = told["summary"] | {"waiting": {"high": 1, "medium": 0, "low": 0}, "states": states, "newest": row}
        self.answers["alarms"] = {"summary": summary, "rows": [row], "total": 1}
        self.answers["tag"] = answers(is_empty=True)["tag"]
        self.answers["bench.places"] = {"revision": 1, "commissioning": False, "devices": [], "own_files": []}

    def frame(self) -> Mapping[str, Any]:
        return {key: self.answers["alarms"][key] for key in ("summary", "rows")}

    def snapshot(self) -> Mapping[str, Any]:
        told = super().snapshot()
        return {**told, "judge": {"state": "ok", "cause": None, "params": {}, "heard_ms": told["now_ms"]}}


@contextlib.asynccontextmanager
async def site(tmp_path: Path, plant: Alarmed, executable: str) -> AsyncIterator[tuple[str, Browser, contextlib.AsyncExitStack]]:
    """Yield the page's address, a browser, and the stack of the core: closed, it is gone."""
    (tmp_path / "run").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(150))
        core = await stack.enter_async_context(contextlib.AsyncExitStack())
        await core.enter_async_context(serving(tmp_path / "run" / "feed.sock", plant, alarms=plant))
        url = await stack.enter_async_context(web(tmp_path, plant, core=contextlib.nullcontext()))
        yield url, await stack.enter_async_context(chromium(executable)), core


async def grows(page: Page, selector: str) -> None:
    """Wait until the age there has grown twice."""
    for _ in range(2):
        told = await page.locator(selector).text_content()
        await expect(page.locator(selector)).not_to_have_text(told or "", timeout=15_000)


def test_what_was_said_of_now_is_struck_and_asked_again_once_the_core_is_heard(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Alarmed()
        async with contextlib.AsyncExitStack() as stack:
            url, browser, core = await stack.enter_async_context(site(tmp_path, plant, executable))
            opened: dict[str, Page] = {}

            async def open_at(path: str) -> Page:
                at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
                await at.open(path)
                opened[path] = at.page
                return at.page

            for path in ("/", "/live", "/anomalies", "/alarms"):
                page = await open_at(path)
                await expect(page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=15_000)
                await expect(page.locator("#alarm-banner")).to_contain_text("1 alarm waits")
                await expect(page.locator(".old-age")).to_have_count(0)
            await expect(opened["/anomalies"].locator("main")).to_contain_text("It has learned nothing yet, so nobody looks.")
            await expect(opened["/alarms"].locator("#alarms input[type=search]")).to_be_visible(timeout=15_000)  # it has asked itself
            await expect(opened["/alarms"].locator("button", has_text="Acknowledge all")).to_be_enabled(timeout=15_000)
            for path, selector in STRUCK:
                await expect(opened[path].locator(selector).first).not_to_have_css("text-decoration-line", "line-through")
            await opened["/anomalies"].route("**/anomalies?*part=1*", lambda route: route.abort())  # as right after the loss
            await core.aclose()
            for path, page in opened.items():
                await expect(page.locator("#sentence")).to_contain_text(ANSWERS_NOT, timeout=15_000)
                await grows(page, ".old-age")
                for selector in (what for where, what in STRUCK if where == path):
                    await expect(page.locator(selector).first).to_have_css("text-decoration-line", "line-through")
            await expect(opened["/alarms"].locator("#alarms [role=alert]")).to_contain_text(ANSWERS_NOT, timeout=15_000)
            bench = await open_at("/setup/bench")
            await expect(bench.locator("main [role=alert]")).to_contain_text(ANSWERS_NOT)
            detail = (await open_at("/live#d/t2")).locator("dialog")
            await expect(detail.locator("[role=alert]")).to_contain_text(ANSWERS_NOT, timeout=15_000)
            async with serving(tmp_path / "run" / "feed.sock", plant, alarms=plant):
                for page in opened.values():
                    await expect(page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=30_000)
                    await expect(page.locator(".old-age")).to_have_count(0, timeout=15_000)
                await expect(opened["/alarms"].locator("#alarms [role=alert]")).to_have_count(0, timeout=15_000)
                await expect(bench.locator("main [role=alert]")).to_have_count(0, timeout=15_000)
                await expect(bench.locator("main .commissioning")).to_be_visible()
                await expect(detail.locator("[role=alert]")).to_have_count(0, timeout=15_000)
                await expect(detail.locator(".facts")).to_be_visible()
                for path, selector in STRUCK:
                    await expect(opened[path].locator(selector).first).not_to_have_css("text-decoration-line", "line-through")

    asyncio.run(run())


def test_after_a_restart_a_page_leads_to_the_login_unless_somebody_writes(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Alarmed()
        (tmp_path / "run").mkdir()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(150))
            await stack.enter_async_context(serving(tmp_path / "run" / "feed.sock", plant, alarms=plant))
            served = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await served.enter_async_context(web(tmp_path, plant, core=contextlib.nullcontext()))
            browser = await stack.enter_async_context(chromium(executable))
            opened: dict[str, Page] = {}
            for path in ("/", "/live?find=t1&bad=1", "/connections", "/alarms", "/anomalies", "/setup/bench"):
                at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
                await at.open(path)
                await expect(at.page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=15_000)
                opened[path] = at.page
            bench = opened.pop("/setup/bench")
            await bench.locator("main input[name=host]").fill("10.0.0.77")
            await served.aclose()
            for page in opened.values():
                await expect(page.locator("#sentence")).to_contain_text("Nothing heard from the gateway", timeout=30_000)
            plant.end_sessions()
            async with web(tmp_path, plant, core=contextlib.nullcontext(), port=httpx.URL(url).port or 0):
                for path, page in opened.items():
                    await expect(page).to_have_url(re.compile(r"/login\?next="), timeout=45_000)
                    assert httpx.URL(page.url).params["next"] == path
                await expect(bench.locator("#sentence a")).to_have_attribute("href", "/login?next=/setup/bench", timeout=45_000)
                await expect(bench.locator("main input[name=host]")).to_have_value("10.0.0.77")

    asyncio.run(run())


def test_whoever_is_logged_in_no_more_has_a_link_to_the_login(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Alarmed()
        async with site(tmp_path, plant, executable) as (url, browser, _), contextlib.AsyncExitStack() as stack:
            opened: dict[str, Page] = {}
            for path in ("/", "/live", "/connections"):
                at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
                await at.open(path)
                await expect(at.page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=15_000)
                await expect(at.page.locator("#sentence a")).to_have_count(0)
                opened[path] = at.page
            plant.end_sessions()
            async with httpx.AsyncClient(base_url=url, timeout=30, cookies={"witnessmark": "engineer"}) as client, asyncio.timeout(30):
                while (await client.get("/api/v1/values")).status_code != 401:
                    await asyncio.sleep(0.1)
            plant.rename({**plant.names, 3: "t3"})  # so that the pages ask for all
            for path, page in opened.items():
                await expect(page.locator("#sentence")).to_contain_text("not logged in any more", timeout=15_000)
                await expect(page.locator("#sentence a")).to_have_attribute("href", f"/login?next={path}")
                await expect(page.locator("#sentence a")).to_have_text("Sign in")
                assert [*await axe(page), *await targets(page)] == []

    asyncio.run(run())


def test_a_loss_that_is_over_leads_no_later_end_of_a_session_to_the_login(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Alarmed()
        async with site(tmp_path, plant, executable) as (url, browser, core), contextlib.AsyncExitStack() as stack:
            opened: list[Page] = []
            for lasts_ms in (50, 1_000_000_000):
                at = await stack.enter_async_context(page_of(browser, url, token="engineer"))
                await at.page.add_init_script(FORGETS % lasts_ms)
                await at.open("/live")
                await expect(at.page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=15_000)
                opened.append(at.page)
            await core.aclose()
            for page in opened:
                await expect(page.locator("#sentence")).to_contain_text(ANSWERS_NOT, timeout=15_000)
            async with serving(tmp_path / "run" / "feed.sock", plant, alarms=plant):
                for page in opened:
                    await expect(page.locator("#sentence")).to_contain_text("Recording 2 of 3 tags", timeout=30_000)
                await expect(opened[0].locator("html[data-forgotten]")).to_have_count(1, timeout=15_000)
                plant.end_sessions()
                async with httpx.AsyncClient(base_url=url, timeout=30, cookies={"witnessmark": "engineer"}) as client, asyncio.timeout(30):
                    while (await client.get("/api/v1/values")).status_code != 401:
                        await asyncio.sleep(0.1)
                plant.rename({**plant.names, 3: "t3"})  # so that the pages ask for all
                await expect(opened[1]).to_have_url(re.compile(r"/login\?next=/live$"), timeout=30_000)  # as after a restart
                await expect(opened[0].locator("#sentence a")).to_have_attribute("href", "/login?next=/live", timeout=30_000)
                await expect(opened[0].locator("tr[data-uid='1']")).to_be_visible()

    asyncio.run(run())


def test_trends_of_a_time_come_by_themselves_once_the_history_answers(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant, history = Alarmed(), Alarmed()
        pen: dict[str, Any] = {"uid": 1, "t": b"", "last": b"", "bad": b""}
        history.answers["trends"] = {
            "t0": 1, "t1": 3_600_000, "read_to": 3, "width_ms": 0, "pens": [pen], "gaps": [[]], "marks": [], "marks_left_out": 0,
            "outcomes": [], "outcomes_read": True, "gaps_until": None, "marks_until": None,
        }  # fmt: skip
        async with site(tmp_path, plant, executable) as (url, browser, _), page_of(browser, url, token="engineer") as at:
            await at.open("/trends?uids=1&t0=1&t1=3600000")
            await expect(at.page.locator("#trends [role=alert]")).to_contain_text("history process does not answer", timeout=15_000)
            async with serving(tmp_path / "run" / "history.sock", history):
                await expect(at.page.locator("#trends [role=alert]")).to_have_count(0, timeout=15_000)
                await expect(at.page.locator("#trends")).not_to_contain_text("Loading")

    asyncio.run(run())
