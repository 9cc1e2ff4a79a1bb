"""Every screen, for the one test that walks them all: each part adds its rows here. Empty and full alarms: `test_alarm_screens`.

The pages of machine setup and configuration ask the core so much that theirs are walked on a real one: `test_setup_screens.py`.

Room: tests. `states` are of the gateway behind it: `empty` (no device yet), `full` (values, some bad), `error` (its core does not answer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVERY_STATE: Final = ("empty", "full", "error")


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """One screen. `role` is who looks (None: nobody signed in), `wait_for` a selector that is there once it has settled."""

    name: str
    path: str
    role: str | None = None
    states: tuple[str, ...] = EVERY_STATE
    wait_for: str = "main"


SCREENS: Final = (
    ScreenRow("home", "/"),
    ScreenRow("live", "/live", wait_for="#live table, #live .empty"),
    ScreenRow("live_tag", "/live#d/t2", role="engineer", states=("full",), wait_for="dialog .facts"),
    ScreenRow("live_plain", "/live?plain=1"),
    ScreenRow("prove_waiting", "/prove?uid=2", states=("full",)),
    ScreenRow("trends", "/trends", wait_for="#none, .empty"),
    ScreenRow("trends_no_history", "/trends?uids=2,5&t0=1&t1=3600000", states=("full", "error"), wait_for="#trends .verdict"),
    ScreenRow("ledger", "/ledger"),
    ScreenRow("anomalies", "/anomalies"),
    ScreenRow("learn", "/learn"),
    ScreenRow("alarms", "/alarms", states=("error",)),
    ScreenRow("handover", "/handover", states=("error",)),
    ScreenRow("commands", "/commands", role="engineer", wait_for="#commands .columns, .verdict"),
    ScreenRow("stations", "/stations", role="technician", wait_for=".stations .card, .verdict"),
    ScreenRow("connections", "/connections"),
    ScreenRow("about", "/about"),
    ScreenRow("missing", "/nothing-here"),
)
