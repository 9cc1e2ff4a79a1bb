"""A core that tells values and answers no question breaks no page: each says what it has, or in words why not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.stream import Fanout
from tests.integration.web.screens import GATEWAY
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
UNHEARD = "Not known: the gateway's core does not answer."


def test_no_page_fails_where_the_core_does_not_answer(tmp_path: Path) -> None:
    table = rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))
    paths = {re.sub(r"\{\w+(:int)?\}", "1", row.path) for row in table if row.is_page and row.method == "GET"}
    paths |= {row.path.replace("{uid}", "1") for row in GATEWAY}

    async def run() -> list[str]:
        plant, wrong = Plant(3), []
        async with web(tmp_path, plant) as url:
            for role in ("engineer", "admin"):
                async with httpx.AsyncClient(base_url=url, cookies={"witnessmark": role}, timeout=30) as client:
                    for path in sorted(paths):
                        answer = await client.get(path)
                        if answer.status_code == 500 or "Traceback" in answer.text:
                            wrong.append(f"{role} {path}: {answer.status_code}")
        return wrong

    assert asyncio.run(run()) == []


def test_nothing_is_said_to_be_none_where_the_core_is_not_heard(tmp_path: Path) -> None:
    """Not "Nothing.", no count of 0: nobody knows."""

    async def run() -> dict[str, str]:
        async with contextlib.AsyncExitStack() as core, web(tmp_path, Plant(3), serving_in=core) as url:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                assert "Nothing was found." in (await client.get("/anomalies")).text
                assert "No witness is configured" in (await client.get("/connections")).text
                await core.aclose()
                async with asyncio.timeout(20):
                    while (await client.get("/api/v1/values")).json()["link"]:
                        await asyncio.sleep(0.05)
                paths = ("/handover", "/anomalies", "/", "/ledger", "/connections", "/live?plain=1")
                return {path: (await client.get(path)).text for path in paths}

    told = asyncio.run(run())
    assert "does not answer" in told["/handover"]
    assert "Nothing." not in told["/handover"]
    assert "<small>0</small>" not in told["/handover"]
    assert "Nothing was found." not in told["/anomalies"]
    assert "Not known" in told["/anomalies"]
    plain = told["/live?plain=1"]
    assert (plain.count('class="q0 stale"'), plain.count("<s>0</s>"), plain.count("0.0 s")) == (3, 3, 0), "no value is shown as fresh"
    assert "answers" not in plain
    assert "Nothing: all is as it should be." not in told["/"]
    assert "Nothing yet." not in told["/ledger"]
    assert "history process does not answer" in told["/ledger"]
    for path in ("/", "/ledger", "/connections"):
        assert "No witness is configured" not in told[path]
        assert "Device writes are off" not in told[path]
        assert "Not known: the gateway&#39;s core does not answer." in told[path]


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "before it told"])
def test_a_page_that_is_open_takes_back_that_there_is_nothing(
    tmp_path: Path, require_service: Callable[[str], str], *, is_told: bool
) -> None:
    """Its script says so when the core goes, as the server does of a page that is asked for then; also where it had told nothing yet."""
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(3)
        if is_told:
            plant.set(1, 2.0)  # and so has a time
        async with contextlib.AsyncExitStack() as core, web(tmp_path, plant, serving_in=core) as url:
            async with chromium(executable) as browser, page_of(browser, url, token="viewer") as at:
                await at.open("/")
                nothing, witnesses = at.page.locator("#mind-list"), at.page.locator("#anchors")
                await expect(nothing).to_have_text("Nothing: all is as it should be.", timeout=15_000)
                await expect(witnesses).to_contain_text("No witness is configured")
                await core.aclose()
                await expect(witnesses).to_have_text(UNHEARD, timeout=15_000)
                await expect(nothing).to_have_text(UNHEARD)
                await expect(at.page.locator("#writes")).to_have_text("")

    asyncio.run(run())
