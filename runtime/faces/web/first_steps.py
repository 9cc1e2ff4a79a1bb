"""What a new gateway still wants: language, zone, clock, network, trust, first device; and which of it is open for whoever looks.

Room: hall, face. `first_pages` shows every step; `screen_pages` says on home how many are open. Nothing remembers that somebody was here:
what is done is read off the configuration and the machine each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.certificate_print import fingerprint
from runtime.faces.web.face import Face

STEERED: Final = ("ntp", "ptp")
NEEDS: Final = {"zone": "config.edit", "clock": "net.edit", "network": "net.edit", "device": "device.look"}
"""Step -> what whoever does it must be allowed to. The others are each reader's own."""
LATER: Final = "first"
"""The cookie of a browser that left the rest for later."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `is_done`: nothing is left to do; None where only a person can tell (a fingerprint that was compared)."""

    name: str
    is_done: bool | None


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """The steps in their order, and what the core said of clock and network; empty where it said nothing."""

    steps: tuple[Step, ...]
    clock: dict[str, Any]
    network: dict[str, Any]
    fingerprint: str

    @property
    def zone(self) -> str:
        """The site's zone, empty where none is set."""
        return str(self.clock.get("zone") or "")

    @property
    def interfaces(self) -> list[dict[str, Any]]:
        """The machine's ways into networks."""
        found: list[dict[str, Any]] = (self.network.get("picture") or {}).get("interfaces", [])
        return found


async def first_steps(face: Face, request: Request) -> FirstSteps:
    """Look at every step; one of which the core tells nothing is open."""
    clock, network = await asyncio.gather(_asked(face, "clock", request), _asked(face, "network", request))
    printed = await asyncio.to_thread(fingerprint, face.options.certificate)
    found = FirstSteps((), clock, network, printed)
    steps = (
        Step("language", is_done=True),
        Step("zone", is_done=bool(found.zone)),
        Step("clock", is_done=clock.get("state") in STEERED),
        Step("network", is_done=any(each["addresses"] for each in found.interfaces) and not network.get("pending")),
        Step("trust", is_done=None if printed else True),
        Step("device", is_done=bool(face.feed.tags)),
    )
    return FirstSteps(steps, clock, network, printed)


def open_for(steps: Sequence[Step], may: Callable[[str], bool]) -> int:
    """Return how many are open that this person may do."""
    return sum(1 for step in steps if step.is_done is False and step.name in NEEDS and may(NEEDS[step.name]))


async def left_to_do(face: Face, request: Request) -> tuple[int, int] | None:
    """Return (open, all) for home; None where there is nothing to say, nobody to do it, or it was left for later."""
    may = request.state.may
    if request.cookies.get(LATER) or request.query_params.get(LATER) or not may("view.config") or not any(map(may, NEEDS.values())):
        return None
    found = await first_steps(face, request)
    if not found.clock or not found.network:
        return None  # what the core does not tell is no news for home
    count = open_for(found.steps, may)
    return (count, len(found.steps)) if count else None


async def _asked(face: Face, method: str, request: Request) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await face.ask(method, {}, request)
    except RequestRefusedError:
        return {}
    return found
