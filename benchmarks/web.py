"""What the page weighs and costs a tablet: a real web process, 1,000 tags that all change once a second, Debian's Chromium.

    python benchmarks/web.py [--json] [--seconds 20] [--soak-s 0]

Room: benchmarks. Values come from a feed of plain data, so that only the face is measured. A tablet is emulated as 6x CPU throttle and a
line of 1.6 Mbit/s with 150 ms; bars are those of the issue. Keys:

    first_kb, first_requests     home, nothing cached: bytes over the wire, heads included, and requests; bars 120 kB and 12
    repeat_kb                    the same again, cached; 10 kB
    fcp_ms, lcp_ms               home on the tablet, first and largest paint, median of 3; 1,500 and 2,500
    fcp_over_bare                fcp_ms over that of a bare text of the same server on the same line: the ratio to the line's own cost
    live_p50_ms, live_p95_ms     from a change at the feed to the pixel's text, live page on the tablet; 1,500
    main_thread_share            of the live page on the tablet, all tags changing; 0.25
    main_thread_over_all_rows    the same over a page that draws all 1,000 rows instead of those on the screen
    heap_growth_kb               of the live page over --soak-s, warm, garbage collected at each look; flat
    heap_growth_late_kb          the same over the second half of it: what levels off has none
    tabs_live                    of 8 tabs, how many show a change within 5 s
    web_rss_mb                   of the web process at the end; 45
    login_cold_ms                from starting the process to its login page; 2,000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
from playwright.async_api import Browser, BrowserContext, CDPSession, Page

from tests.rigs.browser import chromium
from tests.rigs.feed_plant import Plant
from tests.rigs.gateway import children, rss_kb
from tests.rigs.web_process import web

TAGS, TABS, TABLET, LOOKS = 1_000, 8, 6, 10
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 100_000}
DAY_MS = 86_400_000
PAINTS = """() => new Promise((resolve) => {
  let lcp = 0;
  const heard = (list) => { for (const each of list.getEntries()) lcp = each.startTime; };
  new PerformanceObserver(heard).observe({ type: "largest-contentful-paint", buffered: true });
  setTimeout(() => resolve([performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, lcp]), 1500);
})"""
FOLLOW = """(day) => {
  window.delays = [];
  const seen = new Map();
  const look = () => {
    if (!window.delays) return;
    for (const cell of document.querySelectorAll("[data-value]")) {
      const text = cell.textContent, row = cell.closest("tr").dataset.uid;
      if (seen.get(row) === text) continue;
      if (seen.has(row)) window.delays.push((Date.now() % day) - Number(text));
      seen.set(row, text);
    }
    requestAnimationFrame(look);
  };
  look();
}"""
FORGET = """async () => {
  const delays = window.delays;
  window.delays = null;
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  return delays;
}"""
ALL_ROWS = """() => { Object.defineProperty(window, "innerHeight", { value: 200000 }); dispatchEvent(new Event("resize")); }"""


async def pulse(plant: Plant) -> None:
    """Change every tag once a second; a value is when it was set."""
    while True:
        now = float(round(time.time() * 1000) % DAY_MS)
        for uid in range(TAGS):
            plant.set(uid, now)
        await asyncio.sleep(1.0)


class Wire:
    """Counts what a page fetches."""

    def __init__(self) -> None:
        self.bytes = self.stream_bytes = self.requests = 0
        self._streams: set[str] = set()

    async def on(self, context: BrowserContext, page: Page) -> CDPSession:
        """Begin to count."""
        cdp = await context.new_cdp_session(page)
        await cdp.send("Network.enable")
        cdp.on("Network.requestWillBeSent", self._sent)
        cdp.on("Network.dataReceived", self._data)
        cdp.on("Network.loadingFinished", self._done)
        return cdp

    def _sent(self, each: dict[str, Any]) -> None:
        self.requests += not each["request"]["url"].startswith("data:")
        if "/stream" in each["request"]["url"]:
            self._streams.add(each["requestId"])

    def _data(self, each: dict[str, Any]) -> None:
        if each["requestId"] in self._streams:
            self.stream_bytes += each["encodedDataLength"] or each["dataLength"]

    def _done(self, each: dict[str, Any]) -> None:
        if each["requestId"] not in self._streams:
            self.bytes += each["encodedDataLength"]


@contextlib.asynccontextmanager
async def tablet(browser: Browser, *, line: bool = True) -> AsyncIterator[tuple[BrowserContext, Page, CDPSession]]:
    context = await browser.new_context(viewport={"width": 1024, "height": 768})
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    await cdp.send("Emulation.setCPUThrottlingRate", {"rate": TABLET})
    await cdp.send("Network.enable")
    if line:
        await cdp.send("Network.emulateNetworkConditions", LINE)
    try:
        yield context, page, cdp
    finally:
        await context.close()


async def weight(browser: Browser, url: str) -> dict[str, Any]:
    context = await browser.new_context()
    found: dict[str, Any] = {}
    for name in ("first", "repeat"):
        page, wire = await context.new_page(), Wire()
        await wire.on(context, page)
        await page.goto(url)
        await page.wait_for_timeout(700)  # before the second beat of the stream
        found |= {f"{name}_kb": round((wire.bytes + wire.stream_bytes) / 1000, 1), f"{name}_requests": wire.requests}
        found[f"{name}_stream_kb"] = round(wire.stream_bytes / 1000, 1)
        await page.close()
    await context.close()
    return found


async def paints(browser: Browser, url: str) -> tuple[float, float]:
    rows = []
    for _ in range(3):
        async with tablet(browser) as (_, page, _cdp):
            await page.goto(url)
            rows.append(await page.evaluate(PAINTS))
    return statistics.median(row[0] for row in rows), statistics.median(row[1] for row in rows)


async def busy_share(cdp: CDPSession, seconds: float) -> float:
    async def spent() -> float:
        metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before, began = await spent(), time.monotonic()
    await asyncio.sleep(seconds)
    return (await spent() - before) / (time.monotonic() - began)


async def heap(cdp: CDPSession) -> float:
    await cdp.send("HeapProfiler.collectGarbage")
    metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))


async def weighed(cdp: CDPSession, seconds: float) -> list[float]:
    """Return the heap at LOOKS + 1 times in `seconds`, in bytes, with nothing of this benchmark's own in it."""
    found = [await heap(cdp)]
    for _ in range(LOOKS):
        await asyncio.sleep(seconds / LOOKS)
        found.append(await heap(cdp))
    return found


async def living(browser: Browser, url: str, seconds: float, soak_s: float) -> dict[str, Any]:
    async with tablet(browser, line=False) as (_, page, cdp):
        await cdp.send("Performance.enable")
        await page.goto(url + "live")
        await page.locator("tr[data-uid]").nth(5).wait_for()
        await page.wait_for_timeout(3_000)
        await page.evaluate(FOLLOW, DAY_MS)
        share = await busy_share(cdp, seconds)
        delays = sorted(await page.evaluate(FORGET))
        held = await weighed(cdp, soak_s)
        await page.evaluate(ALL_ROWS)
        await page.wait_for_timeout(3_000)
        all_share = await busy_share(cdp, min(seconds, 8))
    return {
        "live_p50_ms": round(delays[len(delays) // 2]), "live_p95_ms": round(delays[int(len(delays) * 0.95)]),
        "changes_seen": len(delays),
        "main_thread_share": round(share, 3), "main_thread_over_all_rows": round(share / all_share, 3),
        "heap_growth_kb": round((held[-1] - held[0]) / 1000),
        "heap_growth_late_kb": round((held[-1] - held[LOOKS // 2]) / 1000),
    }  # fmt: skip


async def tabs(browser: Browser, url: str) -> int:
    context = await browser.new_context()
    pages = [await context.new_page() for _ in range(TABS)]
    for page in pages:
        await page.goto(url + "live")
    before = [await page.locator("[data-value]").first.text_content() for page in pages]
    await asyncio.sleep(5)
    after = [await page.locator("[data-value]").first.text_content() for page in pages]
    await context.close()
    return sum(a != b for a, b in zip(before, after, strict=True))


async def login_cold(folder: Path) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime.faces.web", "--state", str(folder), "--port", "0", "--json", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = json.loads(await process.stdout.readline())["url"]
    async with httpx.AsyncClient() as client:
        await client.get(url + "login", follow_redirects=True)
    spent = time.monotonic() - began
    process.terminate()
    await process.wait()
    return spent


async def run(seconds: float, soak_s: float) -> dict[str, Any]:
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Debian's chromium is not installed.")
    plant = Plant(TAGS)
    with tempfile.TemporaryDirectory() as folder:
        cold_ms = round(1000 * await login_cold(Path(folder) / "cold"))
        async with web(Path(folder), plant) as url, chromium(executable) as browser, asyncio.TaskGroup() as group:
            pulsing = group.create_task(pulse(plant))
            found = await weight(browser, url)
            fcp, lcp = await paints(browser, url)
            bare, _ = await paints(browser, url + "static/vendor/LICENSE-preact.txt")
            found |= {"fcp_ms": round(fcp), "lcp_ms": round(lcp), "fcp_over_bare": round(fcp / max(bare, 1), 2)}
            found |= await living(browser, url, seconds, soak_s)
            found["tabs_live"] = await tabs(browser, url)
            face = next(pid for pid in children(_own_pid()) if b"runtime.faces.web" in Path(f"/proc/{pid}/cmdline").read_bytes())
            found |= {"web_rss_mb": round(rss_kb(face) / 1024, 1), "login_cold_ms": cold_ms}
            pulsing.cancel()
    return found


def _own_pid() -> int:
    import os

    return os.getpid()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--soak-s", type=float, default=20.0, help="Weigh the heap of the live page for so long.")
    options = parser.parse_args()
    found = asyncio.run(run(options.seconds, options.soak_s))
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
