"""Times on pages are the site's, whatever zone the browser is in: text, hover, the axis of a trend, files."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.rigs.browser import Screen, chromium, page_of, shot
from tests.rigs.web_site import Site, site

pytestmark = pytest.mark.integration
SITE = "Asia/Kathmandu"
OFFSET = "+05:45"
"""No other zone of a browser has it by chance."""


async def times(screen: Screen, path: str) -> list[tuple[str, str, str]]:
    """Return (text, exact moment, its ms) of each time on a page."""
    await screen.open(path)
    await screen.page.locator("#zone", has_text=f"{SITE} (UTC{OFFSET})").wait_for()
    await screen.page.locator("time[data-ms][title]").first.wait_for()
    found: list[tuple[str, str, str]] = await screen.page.evaluate(
        "() => [...document.querySelectorAll('time[data-ms]')].map((each) => [each.textContent, each.title, each.dataset.ms])"
    )
    return found


async def axis(screen: Screen, at: Site) -> None:
    """The trend's axis has the site's times: its whole hours and quarters, not UTC's."""
    status = await at.ask("status", {"token": at.tokens["admin"]})
    now_ms = int(status["now_ms"])
    await screen.open(f"/trends?uids=1&t0={now_ms - 7_200_000}&t1={now_ms}")
    await screen.page.locator(".chart canvas").wait_for()
    labels = await screen.page.evaluate(
        "() => { const u = window.trendChart.plotted, axis = u.axes[0]; return axis._values.map((text, i) => [text, axis._splits[i]]); }"
    )
    there = [(text.split("\n")[0], datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(seconds=s)) for text, s in labels]
    assert there
    for text, moment in there:
        assert text == f"{moment + timedelta(hours=5, minutes=45):%H:%M}"
    assert any(text.endswith(":00") for text, _ in there), "the ticks stand at whole hours of the site"
    await shot(screen.page, "trends-site-zone")


def test_the_sites_zone(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with site(tmp_path, tags=2, gateway=f'zone = "{SITE}"') as at, chromium(executable) as browser:
            async with page_of(browser, at.url, token=at.tokens["admin"], zone="America/New_York") as screen:
                for path in ("/audit", "/ledger", "/people"):
                    for text, exact, ms in await times(screen, path):
                        moment = datetime.fromisoformat(exact)
                        assert exact.endswith(OFFSET)
                        assert round(moment.timestamp() * 1000) == int(ms)
                        assert f"{moment:%H:%M:%S}" in text
                await axis(screen, at)
            async with page_of(browser, at.url, token=at.tokens["admin"], zone="America/New_York", scripts=False) as screen:
                await screen.open("/ledger")
                assert OFFSET in await screen.page.locator("time").first.inner_text(), "and without scripts"
            async with at.client("admin") as admin:
                rows = list(csv.reader(io.StringIO((await admin.get("/api/v1/audit.csv")).content.decode("utf-8-sig"))))
                assert all(row[2].endswith(OFFSET) for row in rows[1:])
                trend = (await admin.get("/api/v1/trends.csv?uids=1")).content.decode("utf-8-sig")
                assert OFFSET in trend

    asyncio.run(run())
