"""Values that are not of now never look as if they were: the core killed, the device dead, the tablet asleep; and tabs share one stream."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Request, Route, expect

from drivers.reading import Status
from runtime.messages.catalogue import word
from tests.integration.web.screen_answers import answers
from tests.rigs.browser import chromium, page_of, shot
from tests.rigs.feed_plant import Plant, until
from tests.rigs.web_process import web
from tests.rigs.web_site import site

HOSTILE = ('<img src=x onerror="window.hacked=1">', "<script>window.hacked=1</script>", "'\"><svg onload=window.hacked=1>", "{{7*7}}${7*7}")
STRUCK = "tr[data-uid='1'] [data-value] s"
TABS = 8
TAKE_OVER_S = 8
"""Of static/live.js: a tab that hears nothing for so long, as on a machine at its limits, takes the stream over."""


class Streams:
    """The streams that a browser's tabs have."""

    def __init__(self, context: BrowserContext) -> None:
        self._began = asyncio.get_running_loop().time()
        self._count, self._open = 0, set[Request]()
        context.on("request", self._begins)
        context.on("requestfinished", self._ends)
        context.on("requestfailed", self._ends)

    def _begins(self, request: Request) -> None:
        if "/stream" in request.url:
            self._count += 1
            self._open.add(request)

    def _ends(self, request: Request) -> None:
        self._open.discard(request)

    def _holders(self) -> list[Page]:
        return [page for page in (each.frame.page for each in self._open) if not page.is_closed()]

    async def only(self, count: int) -> Page:
        """Return the one tab that has one; so many were opened by now, or more where a tab may have heard nothing for too long."""
        await until(lambda: len(self._holders()) == 1, 20)
        assert self._count >= count
        assert self._count == count or asyncio.get_running_loop().time() - self._began > TAKE_OVER_S
        return self._holders()[0]


async def shows(page: Page, uid: int, text: str) -> None:
    await page.locator(f"tr[data-uid='{uid}'] [data-value]", has_text=text).wait_for(timeout=20_000)


def test_eight_tabs_are_live_on_one_stream_and_go_on_when_its_tab_closes(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(20)
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url) as first:
            context = first.page.context
            streams = Streams(context)
            pages = [first.page, *[await context.new_page() for _ in range(TABS - 1)]]
            for page in pages:
                await page.goto(url + "live")
            plant.set(1, 41.5)
            await asyncio.gather(*(shows(page, 1, "41.5") for page in pages))
            closed = await streams.only(1)
            await closed.close()
            plant.set(1, 42.5)
            await asyncio.gather(*(shows(page, 1, "42.5") for page in pages if page is not closed))
            await streams.only(2)

    asyncio.run(run())


def test_a_killed_core_and_a_tablet_that_slept_strike_every_value(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(5)
        async with contextlib.AsyncExitStack() as stack, chromium(executable) as browser:
            core = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await stack.enter_async_context(web(tmp_path, plant, serving_in=core))
            screen = await stack.enter_async_context(page_of(browser, url))
            page = screen.page
            await page.clock.install()
            await page.goto(url + "live")
            plant.set(1, 7.5)
            await shows(page, 1, "7.5")
            assert await page.locator(STRUCK).count() == 0

            await page.context.set_offline(True)
            await page.clock.fast_forward("01:00:00")
            await page.locator(STRUCK).wait_for(timeout=20_000)
            assert await page.locator("#sentence").get_attribute("class") == "sentence alarm"
            assert "60 min" in (await page.locator("#sentence").text_content() or "")
            await page.context.set_offline(False)
            async with asyncio.timeout(30):
                while await page.locator(STRUCK).count():  # the tablet's own clock goes on in steps: nothing moves it but us
                    await page.clock.run_for(1000)
                    await asyncio.sleep(0.1)
            assert await page.locator(STRUCK).count() == 0

            await core.aclose()
            said = ""
            async with asyncio.timeout(30):  # until its server says so, the page may say that it hears nothing: its clock runs faster
                while "does not answer" not in said or not await page.locator(STRUCK).count():
                    await page.clock.run_for(500)
                    await asyncio.sleep(0.1)
                    said = await page.locator("#sentence").text_content() or ""
            assert await page.locator("tr[data-uid] [data-value] s").count() == 5
            assert "does not answer" in said

    asyncio.run(run())


def test_the_servers_sentence_stands_until_the_stream_has_a_better_one(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with web(tmp_path, Plant(5)) as url, chromium(executable) as browser, page_of(browser, url) as screen:
            held = asyncio.Event()

            async def hold(route: Route) -> None:
                await held.wait()
                await route.continue_()

            await screen.page.route("**/stream*", hold)
            await screen.open("/live")
            await screen.page.locator("tr[data-uid='4'] [data-value]").wait_for(timeout=20_000)  # values are there, health is not
            said = await screen.page.locator("#sentence").text_content() or ""
            assert "5 of 5" in said, said
            held.set()

    asyncio.run(run())


def test_a_tag_by_itself_opens_by_key_and_by_link_and_is_struck_when_it_is_old(
    tmp_path: Path, require_service: Callable[[str], str]
) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(5)
        plant.answers.update(answers(is_empty=False))
        plant.rows[4] = [4, None, int(Status.BAD_WAITING_FOR_INITIAL_DATA), 0, None, "pending", None, None]
        plant.set(2, 1.5)  # from here on there is a time, by which a calibration can be overdue
        async with contextlib.AsyncExitStack() as stack, chromium(executable) as browser:
            core = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await stack.enter_async_context(web(tmp_path, plant, serving_in=core))
            page = (await stack.enter_async_context(page_of(browser, url, token="engineer"))).page
            await page.goto(url + "live")
            await page.locator("tr[data-uid='4'] [data-quality]", has_text="no value yet").wait_for(timeout=20_000)
            assert await page.locator("tr[data-uid='4'] .age").inner_text() == "—", "what never came has no age"
            await page.locator("tr[data-uid='2'] .tag").focus()
            await page.keyboard.press("Enter")
            await page.locator("dialog .overdue").wait_for(timeout=20_000)
            assert page.url.endswith("/live#d/t2")
            shown = " ".join((await page.locator("dialog").inner_text()).split())
            for said in (
                "d/t2",
                "21.2 to 25.6 (model line, armed)",
                "0 to 60; a value outside is bad",
                "PT-100 4711",
                "at least every 60 s",
            ):
                assert said in shown
            await page.keyboard.press("Escape")
            await page.locator("dialog").wait_for(state="detached")
            assert await page.evaluate("document.activeElement.closest('tr').dataset.uid") == "2", "the focus is where it was"
            assert page.url.endswith("/live")

            await page.goto(url + "commands#d/t3")  # where its way to a command leads
            await page.locator("tr[data-target='d/t3'] button:focus").wait_for(timeout=20_000)

            await page.goto(url + "live?again#d/t3")
            await page.locator("dialog h2", has_text="d/t3").wait_for(timeout=20_000)
            plant.set(3, 7.5)
            await page.locator("dialog .now .big", has_text="7.5").wait_for(timeout=20_000)
            assert await page.locator("dialog .now s").count() == 0
            await core.aclose()
            await page.locator("dialog .now s", has_text="7.5").wait_for(timeout=20_000)

    asyncio.run(run())


def test_a_dead_device_and_who_sees_it(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with site(tmp_path, tags=8) as at, chromium(executable) as browser:
            async with page_of(browser, at.url, token=at.tokens["technician"]) as screen:
                await screen.open("/live")
                await screen.page.locator("tr.q0[data-uid]").first.wait_for(timeout=30_000)
                at.device.dead = True
                await screen.page.locator("tr.q2[data-uid]").nth(7).wait_for(timeout=30_000)
                struck = await screen.page.locator("tr[data-uid] [data-value]").first.evaluate(
                    "(e) => getComputedStyle(e).textDecorationLine"
                )
                assert struck == "line-through"
                await screen.page.locator("#sentence.warn, #sentence.alarm").wait_for(timeout=20_000)
                await screen.page.locator("tr[data-uid] .tag").first.click()
                await screen.page.locator("dialog dd", has_text=re.compile(r"last good reading \d.* s ago")).wait_for(timeout=20_000)
                at.device.dead = False  # which is looked at again after half a minute at most
                await screen.page.locator("dialog dd", has_text="last good reading").wait_for(state="detached", timeout=60_000)
            async with page_of(browser, at.url) as stranger:
                await stranger.open("/live")
                assert stranger.page.url.endswith("/login?next=/live")
                assert "press" not in await stranger.page.content(), "not even a name"

    asyncio.run(run())


class DeadDevice(Plant):
    """A device that was last read well three minutes ago; it is tried again and again. Its `state` may be another."""

    state = "down"

    def snapshot(self) -> Mapping[str, Any]:
        now_ms = self.generation
        device = {"name": "d", "state": self.state, "cause": "no_answer", "params": {}, "last_good_ms": now_ms - 180_000}
        return {"ledger": {"size": 3}, "now_ms": now_ms, "devices": [device]}


def test_the_age_of_a_dead_device_is_that_of_its_last_good_reading(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = DeadDevice(5)
        plant.generation = 300_000
        plant.answers.update(answers(is_empty=False))
        for act in plant.answers["command.history"]["acts"]:
            act["session"] = "cli uid 0"
        for uid in range(5):
            plant.set(uid, 0.0)
            plant.rows[uid][1:3], plant.rows[uid][7] = [None, 0x800A0000], "no_answer"
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="engineer") as screen:
            page = screen.page
            await screen.open("/live")
            await page.locator("tr[data-uid='3'] .age", has_text=re.compile("^3 min$")).wait_for(timeout=20_000)
            await shot(page, "live-dead")
            await page.locator("tr[data-uid='3'] .tag").click()
            await page.locator("dialog dd.age", has_text=re.compile("^3 min$")).wait_for(timeout=20_000)
            await screen.open("/live?plain=1")
            assert set(await page.locator("td.age").all_inner_texts()) == {"3 min"}
            await screen.open("/commands")
            await page.locator("tr[data-target='d/t3'] .value", has_text="the device's last good reading 3 min ago").wait_for(
                timeout=20_000
            )
            await shot(page, "commands-dead")
            for width in (1280, 320):
                await page.set_viewport_size({"width": width, "height": 900})
                beyond = "() => [...document.querySelectorAll('.scroll')].map((each) => each.scrollWidth - each.clientWidth)"
                assert await page.evaluate(beyond) == [0, 0], "whoever commanded by which way is seen"

    asyncio.run(run())


def test_a_refused_register_of_a_device_that_is_read_has_no_age(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = DeadDevice(5)
        plant.generation, plant.state = 300_000, "degraded"
        plant.answers.update(answers(is_empty=False))
        for uid in range(5):
            plant.set(uid, 1.5)
        plant.rows[3][1:3], plant.rows[3][7] = [None, 0x800A0000], "no_answer"
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="engineer") as screen:
            page = screen.page
            await screen.open("/live")
            await expect(page.locator("tr[data-uid='3'] [data-quality]")).to_contain_text("bad", ignore_case=True, timeout=20_000)
            await expect(page.locator("tr.group em[data-cause]")).to_contain_text("answers in part", timeout=20_000)
            await expect(page.locator("tr[data-uid='3'] .age")).to_have_text("—")
            await screen.open("/live?plain=1")
            assert (await page.locator("td.age").all_inner_texts()).count("—") == 1
            await screen.open("/commands")
            await expect(page.locator("tr[data-target='d/t0'] .value")).to_contain_text("1.5", timeout=20_000)
            await expect(page.locator("tr[data-target='d/t3'] .value")).to_have_text("—")

    asyncio.run(run())


class Refusing(DeadDevice):
    """A device that answers, and refuses every tag with exception 4, as with a wrong unit number."""

    def snapshot(self) -> Mapping[str, Any]:
        told = super().snapshot()
        params = {"count": 5, "tags": "t0 (BadDeviceFailure), …", "statuses": "BadDeviceFailure"}
        return {**told, "devices": [told["devices"][0] | {"state": "degraded", "cause": "device_none_read", "params": params}]}


def test_a_device_that_refuses_every_tag_is_said_to_and_answers_in_no_part(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Refusing(5)
        plant.generation = 300_000
        for uid in range(5):
            plant.set(uid, 0.0)
            plant.rows[uid][1:3] = [None, 0x808B0000]
        said = f"BadDeviceFailure: {word('status.BadDeviceFailure')}"
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url, token="engineer") as screen:
            page = screen.page
            await screen.open("/live")
            head = page.locator("tr.group em[data-cause]")
            await expect(head).to_contain_text("no tag is read: It answers, but gives no value", timeout=20_000)
            await expect(head).to_contain_text(said)
            await expect(page.locator("tr[data-uid='3'] .age")).to_have_text("3 min")
            await shot(page, "live-none-read")
            await page.locator("tr[data-uid='3'] .tag").click()
            await expect(page.locator("dialog .quality")).to_contain_text(f"bad — {said}", ignore_case=True)
            await expect(page.locator("dialog dd.degraded")).to_contain_text("d: no tag is read — It answers, but gives no value")
            await expect(page.locator("dialog dd.degraded")).to_contain_text("last good reading 3 min ago")
            await shot(page, "tag-none-read")
            await screen.open("/")
            await expect(page.locator("#mind-list li:not(.none)")).to_have_count(1, timeout=20_000)
            await expect(page.locator("#mind-list li")).to_contain_text(f"{said} (5 tags)")
            await expect(page.locator("#devices em")).to_have_text("no tag is read")
            await shot(page, "home-none-read")

    asyncio.run(run())


def test_names_from_outside_stay_text_on_every_page(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(0)
        plant.rename(dict(enumerate(HOSTILE)))
        plant.rows[0][2], plant.rows[0][7] = 0x800A0000, HOSTILE[0]
        plant.tag_texts = HOSTILE
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url) as screen:
            for path in ("/", "/live", "/live?plain=1", "/live?find=" + HOSTILE[2], "/prove?uid=1", "/login?next=" + HOSTILE[2], "/ledger"):
                await screen.open(path)
                await screen.page.wait_for_timeout(300)
                assert await screen.page.evaluate("window.hacked") is None, path
                assert await screen.page.locator("main img, main script:not([type=module]), svg[onload]").count() == 0, path
            await screen.open("/live")
            await screen.page.get_by_text(HOSTILE[0]).first.wait_for()

    asyncio.run(run())
