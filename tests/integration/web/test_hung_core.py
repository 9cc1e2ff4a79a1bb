"""A core that hangs keeps its connections: pages, asked for then or open already, show nothing of it as of now."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.rigs.feed_plant import Plant, serving_apart
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
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
            (ago,) = AGO.findall(told["/connections"])
            assert float(ago) >= 4
            assert (await client.get("/api/v1/values")).json()["silent_ms"] >= 4000
            assert (await client.get("/api/v1/alive")).json()["core"] is False
            core.send_signal(signal.SIGCONT)
            await link_is(client, True)
            assert "Recording 3 of 3 tags" in (await client.get("/")).text

    asyncio.run(run())
