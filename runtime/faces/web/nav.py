"""Where one can go: at most seven destinations, the rest as tabs within them, each shown to whoever may see it. Pure.

Room: hall, face. `face` draws the navigation of every page from it. A part adds its own tab here; order within a destination is the order
of work. A technician has six destinations; Gateway comes with the role.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tab:
    """A page. `here` is the name by which the page says that it is the current one; `code` words it."""

    here: str
    path: str
    code: str
    action: str


@dataclass(frozen=True, slots=True)
class Destination:
    """An entry of the main navigation. It leads to the first of its tabs that one may see; without any it is not shown."""

    code: str
    tabs: tuple[Tab, ...]
    needs: str = ""
    """An action without which it is not shown, whatever its tabs are: a technician has six destinations."""


NAV: Final = (
    Destination("web.nav.home", (Tab("home", "/", "web.nav.home", "view.values"),)),
    Destination("web.nav.live", (Tab("live", "/live", "web.nav.live", "view.values"),)),
    Destination(
        "web.nav.alarms",
        (
            Tab("alarms", "/alarms", "web.nav.alarms.now", "view.alarms"),
            Tab("handover", "/handover", "web.nav.handover", "view.alarms"),
            Tab("alarm_history", "/alarms/history", "web.nav.alarm_history", "view.alarms"),
            Tab("alarm_figures", "/alarms/figures", "web.nav.alarm_figures", "view.alarms"),
            Tab("anomalies", "/anomalies", "web.nav.anomalies", "view.values"),
        ),
    ),
    Destination("web.nav.trends", (Tab("trends", "/trends", "web.nav.trends", "view.trend"),)),
    Destination(
        "web.nav.setup",
        (
            Tab("add", "/setup/add", "web.nav.add", "device.look"),
            Tab("bench", "/setup/bench", "web.nav.bench", "device.look"),
            Tab("tags", "/setup/tags", "web.nav.tags", "view.config"),
            Tab("stations", "/stations", "web.nav.stations", "manual.enter"),
            Tab("commands", "/commands", "web.nav.commands", "command.prepare"),
            Tab("learn", "/learn", "web.nav.learn", "view.values"),
        ),
    ),
    Destination(
        "web.nav.evidence",
        (
            Tab("ledger", "/ledger", "web.nav.ledger", "view.ledger"),
            Tab("connections", "/connections", "web.nav.connections", "view.ledger"),
            Tab("diagnostics", "/diagnostics", "web.nav.diagnostics", "view.diagnostics"),
            Tab("about", "/about", "web.nav.about", "view.values"),
        ),
    ),
    Destination(
        "web.nav.gateway",
        (
            Tab("config", "/config", "web.nav.config", "view.config"),
            Tab("people", "/people", "web.nav.people", "view.accounts"),
            Tab("network", "/network", "web.nav.network", "view.config"),
            Tab("certificate", "/certificate", "web.nav.certificate", "cert.edit"),
            Tab("audit", "/audit", "web.nav.audit", "view.audit"),
        ),
        needs="view.audit",
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A destination or tab as a page draws it."""

    path: str
    code: str
    is_here: bool


def navigation(here: str, may: Callable[[str], bool], table: Sequence[Destination] = NAV) -> tuple[list[Shown], list[Shown]]:
    """Return the destinations and the tabs within the current one (none when it has but one), as far as `may(action)`."""
    destinations: list[Shown] = []
    tabs: list[Shown] = []
    for destination in table:
        seen = [tab for tab in destination.tabs if may(tab.action)]
        if not seen or (destination.needs and not may(destination.needs)):
            continue
        is_here = any(tab.here == here for tab in seen)
        destinations.append(Shown(seen[0].path, destination.code, is_here))
        if is_here and len(seen) > 1:
            tabs = [Shown(tab.path, tab.code, tab.here == here) for tab in seen]
    return destinations, tabs
