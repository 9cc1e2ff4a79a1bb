"""A proof that is not there yet: the page is asked for again in silence, and changes once, when there is another answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.integration.web.setup_pages import WAIT_MS, opened, with_device
from tests.rigs.browser import axe

pytestmark = pytest.mark.integration
STYLE = r'<link rel="stylesheet" href="([^"]*)prove.css">'


def test_the_page_changes_once_when_the_proof_is_there(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        async with opened(tmp_path, executable, "/live", with_device) as (_, at):
            kinds: list[str] = []

            async def waits_twice(route: Route) -> None:
                kinds.append(route.request.resource_type)
                answer = await route.fetch()
                body = await answer.text()
                if len(kinds) < 3:
                    body = body.replace('<p class="verdict', '<p id="waits" class="verdict', 1)
                    body = re.sub(STYLE, r'\g<0><script type="module" src="\1prove.js"></script>', body)
                await route.fulfill(response=answer, body=body)

            await at.page.locator("tr[data-uid] .evidence.recorded, tr[data-uid] .evidence.confirmed").first.wait_for(timeout=WAIT_MS)
            href = await at.page.locator("a.prove").first.get_attribute("href")
            await at.page.route("**/prove?*", waits_twice)
            await at.open(str(href))
            await expect(at.page.locator("#waits")).to_have_count(1)
            assert await axe(at.page) == []
            await expect(at.page.locator("#waits")).to_have_count(0, timeout=WAIT_MS)
            await expect(at.page.locator(".verdict.warn")).to_contain_text("No witness")
            assert kinds == ["document", "fetch", "fetch", "document"]

    asyncio.run(run())
