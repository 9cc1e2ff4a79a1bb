"""What every screen is held to notices what it is for: a control that nobody can reach is a fault of the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.rigs.browser import chromium, no_sideways_scroll

pytestmark = pytest.mark.integration
WIDE = '<div style="width: 902px; text-align: right"><button>Change</button></div>'
PAGES = {
    "clipped": (f'<section class="device" style="width: 700px; overflow: clip">{WIDE}</section>', True),
    "hidden": (f'<section class="device" style="width: 700px; overflow: hidden">{WIDE}</section>', True),
    "half": ('<div class="device" style="width: 90px; overflow: clip"><button style="width: 120px">Change</button></div>', True),
    "below": ('<div class="device" style="height: 20px; overflow: hidden"><p style="height: 40px"></p><button>Change</button></div>', True),
    "scrolls": (f'<section style="width: 700px; overflow: clip"><div style="overflow-x: auto">{WIDE}</div></section>', False),
    "scrolls_within_cut": (
        f'<section style="width: 9px; overflow: clip"><div style="width: 70px; overflow: auto">{WIDE}</div></section>',
        True,
    ),
    "fits": ('<section style="width: 700px; overflow: clip"><button>Change</button></section>', False),
    "nobody_sees_it": (f'<section style="width: 700px; overflow: clip"><div style="visibility: hidden">{WIDE}</div></section>', False),
}


def test_what_a_box_cuts_off_is_told_and_what_can_be_scrolled_to_is_not(require_service: Callable[[str], str]) -> None:
    executable = require_service("chromium")

    async def run() -> dict[str, bool]:
        told = {}
        async with chromium(executable) as browser:
            page = await browser.new_page(viewport={"width": 768, "height": 1024})
            for name, (text, _) in PAGES.items():
                await page.set_content(text)
                told[name] = any("cut off by" in each for each in await no_sideways_scroll(page))
        return told

    assert asyncio.run(run()) == {name: is_cut for name, (_, is_cut) in PAGES.items()}
