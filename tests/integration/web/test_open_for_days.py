"""A page that stands open for days piles up nothing where something is away: no questions, locks, charts or older answers.

`test_heap` weighs it where all is well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.integration.web.screen_answers import answers
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Confirmed, Plant, until
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
AWAY = {"code": "history_away", "params": {}, "status": 503, "detail": "The history does not answer."}
PAUSE_S, REFRESH_S, LOOKED_AT_S = 0.1, 0.3, 6.0
"""A tag's last hour is asked for every 30 s, and 2 s after the history did not answer; here a good deal sooner."""
COUNT_WATCHERS = """() => {
  window.watching = new Set();
  const { observe, disconnect } = MutationObserver.prototype;
  MutationObserver.prototype.observe = function (...given) { window.watching.add(this); return observe.apply(this, given); };
  MutationObserver.prototype.disconnect = function () { window.watching.delete(this); return disconnect.apply(this); };
}"""
LATER_MS = 10**7
"""An alarm of a gateway whose clock the page takes to be so far behind."""
CHANGED = """async (summary) => {
  const { name } = performance.getEntriesByType("resource").find((each) => each.name.endsWith("/live.js"));
  (await import(name)).alarms.value = { summary, rows: [] };
}"""
PENDING = "async () => (await navigator.locks.query()).pending.length"


async def sooner(page: Page, script: str, was: str, now: str) -> None:
    """Give the page this script with another constant."""

    async def change(route: Route) -> None:
        answer = await route.fetch()
        text = await answer.text()
        assert was in text, (script, was)
        await route.fulfill(response=answer, body=text.replace(was, now))

    await page.route(f"**/static/*/{script}", change)


def test_a_tag_that_is_open_asks_no_more_the_longer_its_history_is_away(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(3)
        plant.answers.update(answers(is_empty=False))
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="viewer") as at:
            asked: list[float] = []

            async def refuse(route: Route) -> None:
                asked.append(time.monotonic())
                await route.fulfill(status=503, json=AWAY)

            await at.page.route("**/api/v1/trends?*", refuse)
            await sooner(at.page, "ask.js", "PAUSE_MS = 2000", f"PAUSE_MS = {PAUSE_S * 1000:.0f}")
            await sooner(at.page, "tag_detail.js", "REFRESH_MS = 30000", f"REFRESH_MS = {REFRESH_S * 1000:.0f}")
            await at.open("/live#d/t1")
            await expect(at.page.locator("figure.hour p")).to_have_text(AWAY["detail"], timeout=20_000)
            await asyncio.sleep(LOOKED_AT_S)
            assert len(asked) >= 5
            most = (asked[-1] - asked[0]) * (1 / PAUSE_S + 1 / REFRESH_S) + 3
            assert len(asked) <= most, f"{len(asked)} questions where one that waits asks {most:.0f}"

    asyncio.run(run())


def test_pages_that_take_the_stream_from_each_other_wait_for_it_once(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    """Nothing is heard on any stream, so that each page takes it over from the other, again and again."""
    executable = require_service("chromium")

    async def run() -> None:
        taken: list[str] = []

        async def silence(route: Route) -> None:
            taken.append(route.request.url)

        async with web(tmp_path, Plant(3)) as url, chromium(executable) as browser, page_of(browser, url) as first:
            await first.page.context.route("**/stream*", silence)
            pages = [first.page, await first.page.context.new_page()]
            for page in pages:
                await page.clock.install()
                await page.goto(url + "live")
                await page.locator("tr[data-uid='1'] [data-value]").wait_for(timeout=20_000)
            for _ in range(6):
                for page in pages:
                    before = len(taken)
                    async with asyncio.timeout(30):
                        while len(taken) == before:
                            await page.clock.run_for(5_000)
            assert await first.page.evaluate(PENDING) <= len(pages)

    asyncio.run(run())


def test_a_chart_that_is_gone_watches_nothing(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with web(tmp_path, Plant(3)) as url, chromium(executable) as browser, page_of(browser, url) as at:
            page = at.page
            await page.add_init_script(f"({COUNT_WATCHERS})()")
            await page.goto(url + "trends?uids=1")
            await page.locator("#trends .drop").wait_for(timeout=20_000)
            watching = await page.evaluate("window.watching.size")
            assert watching > 0
            for _ in range(3):
                await page.locator("#trends .drop").click()
                await page.locator("#none ~ ul.found button").first.click()
                await page.locator("#trends .drop").wait_for()
            await expect(page.locator("#trends .chart")).to_have_count(1)
            assert await page.evaluate("window.watching.size") == watching

    asyncio.run(run())


def alarm(name: str, raised_ms: int) -> dict[str, Any]:
    return {
        "name": name, "text": name, "priority": "high", "state": "unacked", "raised_ms": raised_ms, "since_ms": raised_ms,
        "changed_ms": raised_ms, "recorded": "recorded", "action": "", "tag": "", "unit": "", "value": None, "until_ms": None, "by": "",
        "note": "", "shelve_max_min": 60,
    }  # fmt: skip


def test_an_older_answer_never_replaces_a_newer_one_and_what_it_held_is_what_was_seen(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant, held, number = Confirmed(), asyncio.Event(), 0
        acks: list[Any] = []

        async def listed(route: Route) -> None:
            nonlocal number
            number += 1
            mine = number
            if mine == 1:
                await held.wait()
            name = "older" if mine == 1 else "newer"
            await route.fulfill(
                json={"summary": plant.answers["alarms"]["summary"], "rows": [alarm(name, plant.began_ms + LATER_MS)], "total": 1}
            )

        async def acknowledged(route: Route) -> None:
            acks.append(route.request.post_data_json)
            await route.fulfill(json={"done": 1, "unseen": 0})

        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="technician") as at:
            page = at.page
            await page.route("**/api/v1/alarms?limit=500", listed)
            await page.route("**/api/v1/alarms/ack", acknowledged)
            await at.open("/alarms")
            await until(lambda: number >= 1, 30)
            await page.evaluate(CHANGED, plant.answers["alarms"]["summary"])  # a reason to look again
            newer = page.locator("li.alarm-row", has_text="newer")
            await newer.wait_for(timeout=20_000)
            async with page.expect_response(lambda answer: "alarms?limit=500" in answer.url):
                held.set()
            await page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 300))")
            await expect(newer).to_have_count(1)
            await newer.locator("button.ack").click()
            await until(lambda: acks, 30)
            assert acks[0]["seen_ms"] == plant.began_ms + LATER_MS, "what was raised after the newest that was shown was not seen"

    asyncio.run(run())


def test_a_form_that_is_sent_before_its_script_is_there_loses_nothing(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    """Neither into the address nor from the page: its button comes with its script."""
    executable = require_service("chromium")

    async def run() -> None:
        plant, held = Plant(3), asyncio.Event()
        plant.answers.update(answers(is_empty=False))

        async def hold(route: Route) -> None:
            await held.wait()
            await route.continue_()

        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="engineer") as at:
            await at.page.route("**/api/v1/values", hold)
            await at.open("/network")
            form = at.page.locator("form[data-post='/api/v1/site']")
            reason, button = form.locator("[name=reason]"), form.locator("button")
            await reason.fill("the clocks of the hall")
            await expect(button).to_be_disabled()
            await reason.press("Enter")
            assert at.page.url == url + "network"
            held.set()
            await expect(button).to_be_enabled(timeout=20_000)
            assert await reason.input_value() == "the clocks of the hall"
            async with at.page.expect_request("**/api/v1/site"):
                await reason.press("Enter")

    asyncio.run(run())
