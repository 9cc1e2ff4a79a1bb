"""What a new gateway still wants: language, zone, clock, network, trust, first device; and which of it is open for whoever looks.

Room: hall, face. `first_pages` shows every step; `screen_pages` says on home how many are open. Nothing remembers that somebody was here:
what is done is read off the configuration and the machine each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.certificate_print import fingerprint
from runtime.faces.web.face import ASK_S, Face

STEERED: Final = ("ntp", "ptp")
NEEDS: Final = {"zone": "config.edit", "clock": "net.edit", "network": "net.edit", "device": "device.look"}
"""Step -> what whoever does it must be allowed to. The others are each reader's own."""
HOME_S: Final = 1.0
"""How long home waits for what is no more than a hint on it."""
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
    return FirstSteps(steps_of(clock, network, printed, has_tags=bool(face.feed.tags)), clock, network, printed)


def steps_of(clock: Mapping[str, Any], network: Mapping[str, Any], printed: str, *, has_tags: bool) -> tuple[Step, ...]:
    """Return the steps in their order. `clock` and `network` as the core tells them, `printed` the certificate's fingerprint."""
    interfaces = (network.get("picture") or {}).get("interfaces", [])
    return (
        Step("language", is_done=True),
        Step("zone", is_done=bool(clock.get("zone"))),
        Step("clock", is_done=clock.get("state") in STEERED),
        Step("network", is_done=any(each["addresses"] for each in interfaces) and not network.get("pending")),
        Step("trust", is_done=None if printed else True),
        Step("device", is_done=has_tags),
    )


def open_for(steps: Sequence[Step], may: Callable[[str], bool]) -> int:
    """Return how many are open that this person may do."""
    return sum(1 for step in steps if step.is_done is False and step.name in NEEDS and may(NEEDS[step.name]))


async def left_to_do(face: Face, request: Request) -> tuple[int, int] | None:
    """Return (open, all) for home, which has a device; None where there is nothing to say, nobody to do it, or it was left for later.

    Zone and clock are what the core tells of itself anyhow. It is asked for the network alone, by whom that concerns, and not for long.
    """
    may, health = request.state.may, face.feed.health
    theirs = [needed for name, needed in NEEDS.items() if name != "device" and may(needed)]
    if request.cookies.get(LATER) or request.query_params.get(LATER) or not may("view.config") or not theirs:
        return None
    network = await _asked(face, "network", request, HOME_S) if may(NEEDS["network"]) else {}
    if "clock" not in health or "gateway" not in health or (may(NEEDS["network"]) and not network):
        return None  # what the core does not tell is no news for home
    clock = {"zone": health["gateway"].get("zone"), "state": health["clock"].get("state")}
    steps = steps_of(clock, network, "", has_tags=True)
    count = open_for(steps, may)
    return (count, len(steps)) if count else None


async def _asked(face: Face, method: str, request: Request, timeout_s: float = ASK_S) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await face.ask(method, {}, request, timeout_s)
    except RequestRefusedError:
        return {}
    return found
