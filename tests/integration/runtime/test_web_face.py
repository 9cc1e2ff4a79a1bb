"""The web face as a process, on a real feed, with a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web


def test_a_stop_with_open_pages_is_quiet(tmp_path: Path) -> None:
    async def run() -> None:
        said: list[bytes] = []
        async with httpx.AsyncClient(timeout=10) as client, contextlib.AsyncExitStack() as stack:
            async with web(tmp_path, Plant(3), said) as url:
                streams = [await stack.enter_async_context(client.stream("GET", url + "stream")) for _ in range(3)]
                lines = [stream.aiter_lines() for stream in streams]
                assert [await anext(line) for line in lines] == ["retry: 2000"] * 3
            assert [[line async for line in rest][-1:] for rest in lines] == [[""]] * 3
        assert said == [b""]

    asyncio.run(run())


def test_pages_headers_and_strangers(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(30)
        async with web(tmp_path, plant) as url, httpx.AsyncClient(timeout=30) as client:
            page = await client.get(url + "live?plain=1")
            assert page.status_code == 200
            assert ">t29<" in page.text
            assert page.headers["content-security-policy"].startswith("default-src 'self'")
            assert (await client.get(url + "ledger")).status_code == 200
            assert (await client.get(url + "live", headers={"accept-language": "zh-CN,zh;q=0.9"})).text.count("实时数值") > 0
            assert (await client.get(url, headers={"host": "evil.example"})).status_code == 421
            assert (await client.post(url)).status_code == 405
            assert (await client.get(url + "api/v1/nothing")).json()["code"] == "page_missing"
            assert (await client.get(url + "nothing")).status_code == 404
            assert (await client.get(url + "api/v1/trend?uid=x")).json()["code"] == "query_invalid"
            typed = await client.get(url + "prove?tag=meter/voltage_l1")
            assert (typed.status_code, "The address lacks uid." in typed.text, "required field" in typed.text) == (400, True, False)
            assert (await client.get(url + "api/v1/proof?uid=1")).json()["code"] == "history_away"

    asyncio.run(run())


def test_a_stalled_browser_holds_nothing_up(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(1_000)
        async with web(tmp_path, plant) as url, httpx.AsyncClient(timeout=10) as client:
            port = int(url.rsplit(":", 1)[1].strip("/"))
            stalled = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(10)]
            for _, writer in stalled:
                writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with client.stream("GET", url + "stream") as stream:
                lines = stream.aiter_lines()
                for turn in range(1, 4):
                    for uid in range(1_000):
                        plant.set(uid, turn)
                    async with asyncio.timeout(10):
                        async for line in lines:
                            if line.startswith("data: ") and [999, turn] in [r[:2] for r in json.loads(line[6:])["values"]]:
                                break
            for _, writer in stalled:
                writer.transport.abort()

    asyncio.run(run())


def test_the_page_in_a_browser(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(12)
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url) as at:
            page = at.page
            await page.goto(url + "live")
            plant.set(7, 42.5)
            cell = page.locator("tr[data-uid='7'] [data-value]")
            await cell.wait_for()
            async with asyncio.timeout(15):
                while await cell.text_content() != "42.5":
                    await asyncio.sleep(0.1)
            await page.fill("#find", "t11")
            await page.locator("tr[data-uid='11']").wait_for()
            await page.locator("tr[data-uid='7']").wait_for(state="detached")
            assert await page.locator("tr[data-uid]").count() == 1
            assert at.faults == []

    asyncio.run(run())


def test_an_open_page_follows_tags_that_are_renamed_removed_and_added(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(6)
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url) as at:
            page = at.page
            loads: list[str] = []
            page.on("load", lambda _page: loads.append("load"))
            await page.goto(url + "live")
            plant.set(2, 42.5)
            await page.locator("tr[data-uid='2'] [data-value]", has_text="42.5").wait_for(timeout=15_000)
            await page.fill("#find", "t")
            plant.rename({0: "t0", 2: "tall", 3: "t3", 4: "t4", 9: "tiny"})
            await page.locator("tr[data-uid='2'] th", has_text="tall").wait_for(timeout=15_000)
            assert [await each.text_content() for each in await page.locator("tr[data-uid] th").all()] == ["t0", "tall", "t3", "t4", "tiny"]
            assert await page.locator("tr[data-uid='2'] [data-value]").text_content() == "42.5"
            plant.set(9, 7.5)
            await page.locator("tr[data-uid='9'] [data-value]", has_text="7.5").wait_for(timeout=15_000)
            await page.locator("#sentence", has_text="of 5").wait_for(timeout=15_000)
            assert (await page.input_value("#find"), loads) == ("t", ["load"]), "the page was not loaded again"
            plant.rename({})
            await page.locator("tr[data-uid]").first.wait_for(state="detached", timeout=15_000)
            await page.goto(url + "ledger")
            plant.rename({1: "t1"})
            await page.locator("#sentence", has_text="1 of 1").wait_for(timeout=15_000)
            assert at.faults == []

    asyncio.run(run())
