"""What every screen is looked at in, and what it is held to: axe-core, width, targets, script errors, requests to anywhere else.

Room: tests. Every walk of screens asks it, so that no page has a bar of its own. Size full looks at everything in every language, theme and
width; any other at every third screen of each state once, the others and in another look with another seed (`WITNESSMARK_SEED`, else the
day; a finding names its look).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from tests.rigs.browser import HEIGHT, Screen, axe, no_sideways_scroll, shot, targets

WIDTHS: Final = (320, 768, 1280)
PAIRS: Final = tuple(itertools.product(("en", "zh"), ("light", "dark")))
ITS_OWN: Final = ("Failed to load resource",)
"""Chromium's own words about an answer that is an error: of a page that is about one, and of a core that is away."""
SETTLE_MS: Final = 200
Row = TypeVar("Row")
Look = tuple[str, str, tuple[int, ...]]
"""Language, theme, and widths: a page opens in the first, and is turned to the others as a tablet is."""


def is_full() -> bool:
    """Whether all of it is wanted, and not another part with every seed."""
    return os.environ.get("WITNESSMARK_TEST_SIZE") == "full"


def chance(name: str) -> Random:
    """Return what chooses for this name: another with every seed, and every day where there is none."""
    return Random(f"{os.environ.get('WITNESSMARK_SEED') or dt.datetime.now(dt.UTC).date()} {name}")


def part(rows: Sequence[Row]) -> Sequence[Row]:
    """Return all of them in size full, else every third one: which third, the seed says."""
    return rows if is_full() else rows[chance("third").randrange(3) :: 3]


def looks(name: str, widths: Sequence[int] = WIDTHS) -> list[Look]:
    """Return what to look at a screen in: everything in size full, each time opened in another width; else one of all."""
    if not is_full():
        random = chance(name)
        return [(*random.choice(PAIRS), (random.choice(widths),))]
    starts = [Random(f"{name} {n}").randrange(len(widths)) for n in range(len(PAIRS))]
    return [(*pair, (*widths[at:], *widths[:at])) for pair, at in zip(PAIRS, starts, strict=True)]


async def wrong_with(at: Screen, name: str, widths: Sequence[int]) -> list[str]:
    """Keep a picture of a page that has settled, in each width, and return what is wrong with it."""
    told = []
    for width in widths:
        if width != (at.page.viewport_size or {}).get("width"):
            await at.page.set_viewport_size({"width": width, "height": HEIGHT})
        await at.page.wait_for_timeout(SETTLE_MS)
        await shot(at.page, f"{name}-{width}")
        found = [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page)]
        told += [f"{name}-{width}: {each}" for each in found]
    faults = [fault for fault in at.faults if not fault.startswith(ITS_OWN)]
    away = [each for each in at.requests if not each.startswith((at.url, "blob:"))]
    return told + [f"{name}: {each}" for each in (*faults, *away)]
