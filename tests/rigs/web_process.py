"""The web face as a process of its own on a feed of plain data (`feed_plant`): what tests of pages and of the API talk to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx

from tests.rigs.feed_plant import Plant, serving


@contextlib.asynccontextmanager
async def web(
    state: Path, plant: Plant, said: list[bytes] | None = None, serving_in: contextlib.AsyncExitStack | None = None, *,
    core: AbstractAsyncContextManager[object] | None = None, port: int = 0,
) -> AsyncIterator[str]:  # fmt: skip
    """Yield the address once the core's health and all of the plant's tags are there. `said` takes what the process wrote to stderr.

    `serving_in` holds the feed: whoever closes it kills the core while the page lives on. `core` serves the feed instead,
    at least as many tags. `port`: where a process before it listened.
    """
    async with contextlib.AsyncExitStack() as stack:
        await (serving_in or stack).enter_async_context(core or serving(state / "run" / "feed.sock", plant))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime.faces.web", "--state", str(state), "--port", str(port), "--json", stdout=asyncio.subprocess.PIPE,
            stderr=None if said is None else asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(20):
                url: str = json.loads(await process.stdout.readline())["url"]
            async with httpx.AsyncClient(timeout=30) as client, asyncio.timeout(20):
                while not await _is_there(client, url, plant):
                    await asyncio.sleep(0.05)
            yield url
        finally:
            process.terminate()
            async with asyncio.timeout(10):
                await process.wait()
                if said is not None and process.stderr is not None:
                    said.append(await process.stderr.read())


async def _is_there(client: httpx.AsyncClient, url: str, plant: Plant) -> bool:
    """Whether the page has heard the core, its health and all of its tags; as far as strangers may know, where one has to sign in.

    Models and findings the core tells before its health.
    """
    told = await client.get(url + "api/v1/values")
    if told.status_code == 401:
        return True
    answer = told.json()
    return bool(answer.get("link")) and answer["silent_ms"] is not None and len(answer["values"]) >= plant.count
