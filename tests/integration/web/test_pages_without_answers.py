"""A core that tells values and answers no question breaks no page: each says what it has, or in words why not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import httpx
import pytest

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.stream import Fanout
from tests.integration.web.screens import GATEWAY
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration


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
                await core.aclose()
                async with asyncio.timeout(20):
                    while (await client.get("/api/v1/values")).json()["link"]:
                        await asyncio.sleep(0.05)
                return {path: (await client.get(path)).text for path in ("/handover", "/anomalies")}

    told = asyncio.run(run())
    assert "does not answer" in told["/handover"]
    assert "Nothing." not in told["/handover"]
    assert "<small>0</small>" not in told["/handover"]
    assert "Nothing was found." not in told["/anomalies"]
    assert "Not known" in told["/anomalies"]
