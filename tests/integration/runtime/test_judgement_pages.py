"""The pages about models in a real browser, on a real feed: what is shown, what is struck when the judge dies, that hands can use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page, async_playwright

from runtime.messages.catalogue import word
from tests.rigs.browser import CHROMIUM_FLAGS
from tests.rigs.judged_plant import JudgedPlant, contributions, day_of_scores, finding, model
from tests.rigs.web_process import web

TARGET_PX = 48
SMALL = """(least) => [...document.querySelectorAll('a, button, input, summary')].filter((each) => each.offsetParent)
  .filter((each) => each.getBoundingClientRect().height < least).map((each) => each.textContent.trim())"""

DRAWN = """() => {
  const u = window.scoreChart.plotted, [, score, beyond] = u.data;
  const there = score.map((each) => each !== null && each !== undefined);
  return { runs: there.filter((each, i) => each && !there[i - 1]).length,
    beyond: beyond.filter((each) => each !== null && each !== undefined),
    over: score.filter((each) => each >= 100),
    threshold: window.scoreChart.trend.level.value, top: u.scales.y0.max };
}"""


async def sideways(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def plant_with_an_anomaly() -> JudgedPlant:
    plant = JudgedPlant()
    now_ms = plant.clock_ms()
    plant.models = [
        model("calm", cell_ms=now_ms),
        model("line", score=11.9, alarming=True, cell_ms=now_ms, contributions=contributions(31.2)),
        model("new", "learning", progress={"stage": "folds", "share": 0.42}, coverage=None, contributions=[]),
    ]
    plant.findings = [finding(5033, now_ms - 120_000, evidence={"count": 41})]
    plant.points = day_of_scores(now_ms)
    return plant


def test_an_anomaly_is_found_in_one_tap_and_is_struck_when_the_judge_dies(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    chromium = require_service("chromium")

    async def run() -> None:
        plant = plant_with_an_anomaly()
        async with web(tmp_path, plant) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page(viewport={"width": 1024, "height": 768})
            faults: list[str] = []
            outside: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
            page.on("request", lambda asked: outside.append(asked.url) if not asked.url.startswith(url) else None)
            await page.goto(url)
            await page.locator("#mind-list a[href^='/anomalies']").click()
            first = page.locator(".shares li").first
            assert "filler/product_temperature" in (await first.text_content() or "")
            assert "NOT NORMAL" in (await page.locator(".verdict").text_content() or "")
            await page.locator("#chart .lanes .gap").wait_for(timeout=40_000)
            assert await page.locator("#chart .lanes .abstained").count() == 1
            drawn = await page.evaluate(DRAWN)
            assert drawn["runs"] == 3, "gaps are gaps: nothing crosses them"
            assert drawn["beyond"] == drawn["over"], "what is over the threshold is drawn over the line, whether the model alarms or not"
            assert drawn["over"][0] == 100, "its colour changes where it crosses the threshold"
            assert drawn["threshold"] == 100
            assert drawn["top"] <= 500
            await page.focus("#chart")
            await page.keyboard.press("ArrowLeft")
            assert "%)" in (await page.locator("#readout").text_content() or "")

            plant.heard_ms = plant.clock_ms() - 60_000
            await page.locator(".figures.old").wait_for(timeout=40_000)
            await page.locator(".tags.old").wait_for(timeout=40_000)
            assert "What you see is old" in (await page.locator(".verdict").text_content() or "")
            assert "NOT NORMAL" not in (await page.locator("main").text_content() or "")
            assert (faults, outside) == ([], [])
            await page.set_viewport_size({"width": 320, "height": 700})
            for path in ("anomalies", "learn", "anomalies?lang=zh", "learn?lang=zh"):
                await page.goto(url + path)
                assert (path, await sideways(page), await page.evaluate(SMALL, TARGET_PX)) == (path, 0, [])
            await browser.close()

    asyncio.run(run())


def test_the_highest_score_is_none_lower_than_the_one_that_is_shown(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    """The chart has what is recorded; the score of now is not, yet."""
    chromium = require_service("chromium")

    async def run() -> None:
        plant = plant_with_an_anomaly()
        plant.models[1] |= {"score": 152.9}
        async with web(tmp_path, plant) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            await page.goto(url + "anomalies?model=line")
            for score, share in ((152.9, "6,371 %"), (180.0, "7,500 %")):
                plant.models[1] |= {"score": score, "cell_ms": plant.clock_ms()}
                plant.tell()
                await page.locator(".figures .main", has_text=share).wait_for(timeout=40_000)
                await page.locator("#readout", has_text=f"Highest {share} of the threshold").wait_for(timeout=40_000)
            await browser.close()

    asyncio.run(run())


def test_a_page_whose_server_is_gone_says_so(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    chromium = require_service("chromium")

    async def run() -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            async with web(tmp_path, plant_with_an_anomaly()) as url:
                await page.goto(url + "anomalies")
                await page.locator("#chart .lanes .gap").wait_for(timeout=40_000)
            await page.locator("#unreachable").wait_for(timeout=40_000)
            await page.locator(".figures.old").wait_for(timeout=20_000)
            await page.locator(".tags.old").wait_for(timeout=20_000)
            await browser.close()

    asyncio.run(run())


def test_the_chart_is_of_the_model_that_is_shown_and_nothing_is_left_of_one_that_went(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    chromium = require_service("chromium")

    async def run() -> None:
        plant = plant_with_an_anomaly()
        alarming, plant.models[1] = plant.models[1], model("line", cell_ms=plant.clock_ms())
        async with web(tmp_path, plant) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            await page.goto(url + "anomalies#label")
            assert await page.locator('#chart[data-src*="model=calm"]').count() == 1
            plant.models[1] = alarming
            plant.tell()
            await page.locator(".verdict.alarm").wait_for(timeout=40_000)
            await page.locator('#chart[data-src*="model=line"]').wait_for(timeout=40_000)
            plant.models = []
            plant.tell()
            await page.locator("#chart, .tags").first.wait_for(state="detached", timeout=40_000)
            await browser.close()

    asyncio.run(run())


def test_a_chart_without_scores_says_so_once_and_that_those_before_were_of_another_model(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    chromium = require_service("chromium")

    async def run() -> None:
        plant = plant_with_an_anomaly()
        plant.points, plant.earlier = [], [[0, plant.clock_ms() + 600_000]]  # however late the page is drawn
        async with web(tmp_path, plant) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            await page.goto(url + "anomalies?model=calm")
            await page.locator("#chart .lanes .untold").wait_for(timeout=40_000)
            shown = await page.locator(".scores").inner_text()
            assert shown.count(word("web.judged.chart.nothing")) == 1
            assert shown.count(word("web.judged.chart.earlier")) == 1
            assert await page.locator("#chart .lanes .gap").count() == 0
            await browser.close()

    asyncio.run(run())


def test_learning_is_followed_without_a_reload(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    chromium = require_service("chromium")

    async def run() -> None:
        plant = plant_with_an_anomaly()
        async with web(tmp_path, plant) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            loads: list[str] = []
            page.on("load", lambda _page: loads.append("load"))
            await page.goto(url + "learn")
            assert await page.locator("progress").get_attribute("value") == "42"
            poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
            plant.models[2] = model("new", "checking", coverage=poor, contributions=[])
            plant.tell()
            await page.locator(".uncovered", has_text="2,400").wait_for(timeout=40_000)
            assert "witnessmark model learn new" in (await page.locator("article").nth(2).text_content() or "")
            assert len(loads) == 1
            await browser.close()

    asyncio.run(run())
