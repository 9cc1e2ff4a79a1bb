"""Every screen on a real gateway, by whoever it is for: before anybody owns it, with nothing configured, and with everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error

from tests.integration.web.full_site import full_site, good_uid
from tests.integration.web.screen_look import looks, part, wrong_with
from tests.integration.web.screens import CLAIM, GATEWAY, ScreenRow
from tests.rigs.browser import chromium, page_of, shot
from tests.rigs.web_site import Site, add_person, site

pytestmark = pytest.mark.integration
WAIT_MS = 20_000


async def walked(browser: Browser, at: Site, rows: Sequence[ScreenRow], state: str, uid: int = 0) -> list[str]:
    found, count = [], 0
    for row in rows:
        for lang, theme, widths in looks(f"gateway {row.name} {state}"):
            token = at.tokens[row.role] if row.role else None
            async with page_of(browser, at.url, token=token, lang=lang, theme=theme, width=widths[0]) as screen:
                name = f"{row.name}-gateway-{state}-{lang}-{theme}"
                try:
                    await screen.open(row.path.replace("{uid}", str(uid)))
                    await screen.page.locator(row.wait_for).first.wait_for(timeout=WAIT_MS)
                    if row.steps is not None:
                        await row.steps(screen.page)
                except Error as error:  # the others are looked at all the same
                    await shot(screen.page, f"{name}-stuck")
                    found.append(f"{name}: stuck, {str(error).splitlines()[0]} {screen.faults}")
                    continue
                found += await wrong_with(screen, name, widths)
                count += len(widths)
    print(f"{state}: {count} looks")
    return found


def of(state: str) -> Sequence[ScreenRow]:
    return part([row for row in GATEWAY if state in row.states])


def test_nothing_is_configured(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with chromium(executable) as browser:
            async with site(tmp_path / "new", devices=False, people=False) as at:
                found = await walked(browser, at, CLAIM, "new")
            async with site(tmp_path / "empty", devices=False) as at:
                at.tokens["all"] = await add_person(at, "Max", "admin engineer technician")
                found += await walked(browser, at, of("empty"), "empty")
        return found

    found = asyncio.run(run())
    assert not found, "\n".join(found)


def test_everything_is_configured(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> list[str]:
        async with full_site(tmp_path, "tls = true") as at, chromium(executable) as browser:
            return await walked(browser, at, of("full"), "full", await good_uid(at))

    found = asyncio.run(run())
    assert not found, "\n".join(found)
