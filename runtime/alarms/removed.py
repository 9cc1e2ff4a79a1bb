"""Alarms that are no longer in the configuration while something was still to be said of them. Pure.

Room: hall, alarms. `engine` asks at each configuration and at each start: who removes an alarm that waits for somebody, in the running core
or in a file while it is stopped, makes it go from every screen, and the ledger says so. It decides nothing about states.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import chain
from typing import Final

from ledger_client.alarm_bodies import AlarmRow
from runtime.alarms.book import Page, Remembered
from runtime.alarms.machine import Shown

REMOVED: Final = "removed"
PRIORITY_UNKNOWN: Final = "low"
"""Of an alarm of which the book knows how it stood, and no transition any more."""


def removed_row(name: str, shown: str, priority: str, at_ms: int) -> AlarmRow:
    """Return the transition of an alarm that nobody keeps any more."""
    return AlarmRow(name, REMOVED, shown, Shown.NORMAL, at_ms, 0, priority)


def left_behind(remembered: Remembered, later: Iterable[AlarmRow], kept: Container[str]) -> dict[str, tuple[str, str]]:
    """Return name -> (state, priority) of the alarms that were not normal when the core ended and are none of `kept`.

    `later`: what happened after all that is recorded.
    """
    found = {page.name: _shown(page) for page in remembered.pages if page.name not in kept}
    priorities = {row.name: row.priority for row, _ in remembered.known}
    for row in chain((row for row, _ in remembered.since), later):
        priorities[row.name] = row.priority
        if row.name not in kept:
            found[row.name] = row.after
    return {name: (shown, priorities.get(name, PRIORITY_UNKNOWN)) for name, shown in found.items() if shown != Shown.NORMAL}


def _shown(page: Page) -> str:
    if page.out_of_service:
        return Shown.OUT_OF_SERVICE
    if page.suppressed:
        return Shown.SUPPRESSED
    return Shown.SHELVED if page.until_ms is not None else page.life
