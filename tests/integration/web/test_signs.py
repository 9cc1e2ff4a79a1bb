"""A unit's UCUM code is shown by its sign, and what is one of two in words: by the server and by the page's script alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.faces.web import pages
from runtime.messages.units import SIGNS, unit_sign
from tests.rigs.browser import chromium, page_of
from tests.rigs.feed_plant import Plant
from tests.rigs.web_process import web

pytestmark = pytest.mark.integration
WAIT_MS = 20_000


@pytest.mark.parametrize(
    ("code", "sign"), [("Cel", "°C"), ("degF", "°F"), ("Ohm", "Ω"), ("um", "µm"), ("°C", "°C"), ("bar", "bar"), ("", "")]
)
def test_a_code_has_its_sign_and_what_has_none_stays(code: str, sign: str) -> None:
    assert unit_sign(code) == sign


def test_the_browser_has_the_same_table() -> None:
    assert {f"unit.{code}": sign for code, sign in SIGNS.items()}.items() <= pages.page_words("zh").items()


def test_live_shows_signs_and_words(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> None:
        plant = Plant(3)
        plant.tag_texts = ("Cel", "a")
        plant.set(0, 63.7)
        plant.set(1, True)
        async with web(tmp_path, plant) as url, chromium(executable) as browser:
            for lang, yes in (("en", "yes"), ("zh", "是")):
                async with page_of(browser, url, lang=lang) as at:
                    await at.open("/live")
                    await at.page.locator("tr[data-uid='0']", has_text="63.7").wait_for(timeout=WAIT_MS)
                    assert "°C" in await at.page.locator("tr[data-uid='0']").inner_text()
                    assert yes in await at.page.locator("tr[data-uid='1'] [data-value]").inner_text()
                    await at.open("/live?plain=1")
                    plain = await at.page.locator("main").inner_text()
                    assert "63.7 °C" in plain
                    assert f"{yes} °C" in plain
                    assert "Cel" not in plain
                    assert not at.faults

    asyncio.run(run())
