"""A page that stands open for days: what it keeps does not grow with what it has been told.

A shift at 1 Hz is said here at 10 Hz for ten minutes (size full; 20 s in size run): 6,000 changes of each tag, with alarms, models
and health as they come. The garbage is collected before each look, so that what is left is held.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.async_api import CDPSession

from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
TAGS, HZ = 200, 10
LOOKS = 20
WARM_S = 10.0
GROWTH_KB_MAX = 400.0
"""Over the whole run, by the slope: two hundred bytes of each change that were kept would be tens of MB."""
NODES_MAX = 50


async def held(cdp: CDPSession) -> tuple[float, float]:
    """Return (kB of the heap, nodes) after the garbage went."""
    await cdp.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in (await cdp.send("Performance.getMetrics"))["metrics"]}
    return metrics["JSHeapUsedSize"] / 1_000, metrics["Nodes"]


def slope(rows: Sequence[float]) -> float:
    """Return the growth from the first to the last, by the median of the slopes of all pairs: one look beside a timer moves nothing."""
    pairs = [(b - a) / (j - i) for i, a in enumerate(rows) for j, b in enumerate(rows) if i < j]
    return statistics.median(pairs) * (len(rows) - 1)


async def change(plant: Plant) -> None:
    step = 0
    while True:
        step += 1
        for uid in range(TAGS):
            plant.set(uid, float(step))
        await asyncio.sleep(1 / HZ)


@pytest.mark.parametrize("path", ["/live", "/"])
def test_the_heap_stays_flat(
    path: str, tmp_path: Path, require_service: Callable[[str], str], count: Callable[[int, int, int], int]
) -> None:
    executable, seconds = require_service("chromium"), count(10, 20, 600)

    async def run() -> None:
        plant = Plant(TAGS)
        async with web(tmp_path, plant) as url, chromium(executable) as browser, page_of(browser, url) as at, asyncio.TaskGroup() as group:
            task = group.create_task(change(plant))
            cdp = await at.page.context.new_cdp_session(at.page)
            await cdp.send("Performance.enable")
            await at.open(path)
            await at.page.wait_for_timeout(WARM_S * 1_000)
            seen = []
            for _ in range(LOOKS):
                await asyncio.sleep(seconds / LOOKS)
                seen.append(await held(cdp))
            task.cancel()
        growth, nodes = slope([kb for kb, _ in seen]), slope([each for _, each in seen])
        print(f"{path}: {seconds} s at {HZ} Hz: heap {seen[0][0]:.0f} to {seen[-1][0]:.0f} kB, slope {growth:+.0f} kB, nodes {nodes:+.0f}")
        assert growth <= GROWTH_KB_MAX
        assert nodes <= NODES_MAX
        assert at.faults == []

    asyncio.run(run())
