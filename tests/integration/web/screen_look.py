"""What every screen is looked at in, and what it is held to: axe-core, width, targets, script errors, requests to anywhere else.

Room: tests. Every walk of screens asks it, so that no page has a bar of its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from tests.rigs.browser import Screen, axe, no_sideways_scroll, shot, targets

WIDTHS: Final = (320, 768, 1280)
ITS_OWN: Final = ("Failed to load resource",)
"""Chromium's own words about an answer that is an error: of a page that is about one, and of a core that is away."""
SETTLE_MS: Final = 200
LOOKS: Final = tuple(itertools.product(("en", "zh"), ("light", "dark"), WIDTHS))
Row = TypeVar("Row")
Look = tuple[str, str, int]
"""Language, theme, width."""


def is_full() -> bool:
    """Whether all of it is wanted, and not another part with every seed."""
    return os.environ.get("WITNESSMARK_TEST_SIZE") == "full"


def looks(name: str, widths: Sequence[int] = WIDTHS) -> list[Look]:
    """Return what to look at a screen in: everything in size full, else one language, theme and width, another with every seed."""
    every = list(itertools.product(("en", "zh"), ("light", "dark"), widths))
    return every if is_full() else [Random(f"{os.environ.get('WITNESSMARK_SEED', '1')} {name}").choice(every)]


def some(rows: Sequence[Row], most: int) -> Sequence[Row]:
    """Return all of them in size full, else some, others with every seed."""
    return rows if is_full() else Random(os.environ.get("WITNESSMARK_SEED", "1")).sample(rows, min(most, len(rows)))


async def wrong_with(at: Screen, name: str) -> list[str]:
    """Keep a picture of a page that has settled, and return what is wrong with it."""
    await at.page.wait_for_timeout(SETTLE_MS)
    await shot(at.page, name)
    faults = [fault for fault in at.faults if not fault.startswith(ITS_OWN)]
    away = [each for each in at.requests if not each.startswith((at.url, "blob:"))]
    told = [*await axe(at.page), *await no_sideways_scroll(at.page), *await targets(at.page), *faults, *away]
    return [f"{name}: {each}" for each in told]
