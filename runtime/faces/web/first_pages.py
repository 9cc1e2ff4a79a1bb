"""The first steps of a new gateway: language, zone, clock, network, trust, first device. Each says what is, and may be left for later.

Room: hall, face. `app` puts its row into the table; after the claim the page leads here, and home does while there is no device. What is
done is read off the configuration and the machine each time: nothing remembers that somebody was here.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.web_names import CERTIFICATE_FILE

CERTIFICATE_SIZE_MAX: Final = 100_000
STEERED: Final = ("ntp", "ptp")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `is_done`: nothing is left to do; None where only a person can tell (a fingerprint that was compared)."""

    name: str
    is_done: bool | None


class FirstPages:
    """The endpoint."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [RouteRow("GET", "/first", "view.config", self.page, doc="page.first", is_page=True)]

    async def page(self, request: Request) -> Response:
        """Show every step with its state; the first that is open comes first in the eye."""
        clock, told = await self._asked("clock", request), await self._asked("network", request)
        zone = str(clock.get("zone") or "")
        print_of = await asyncio.to_thread(fingerprint, self._face.options.certificate)
        interfaces = (told.get("picture") or {}).get("interfaces", [])
        steps = (
            Step("language", is_done=True),
            Step("zone", is_done=bool(zone)),
            Step("clock", is_done=clock.get("state") in STEERED),
            Step("network", is_done=any(each["addresses"] for each in interfaces) and not told.get("pending")),
            Step("trust", is_done=None if print_of else True),
            Step("device", is_done=bool(self._face.feed.tags)),
        )
        return self._face.render(
            request, "first.html", steps=steps, clock=clock, interfaces=interfaces, zone=zone, fingerprint=print_of,
            here="first",
        )  # fmt: skip

    async def _asked(self, method: str, request: Request) -> dict[str, Any]:
        """Return an answer of the core; a step whose state it does not tell is open."""
        try:
            found: dict[str, Any] = await self._face.ask(method, {}, request)
        except RequestRefusedError:
            return {}
        return found


def fingerprint(folder: Path | None) -> str:
    """Return the fingerprint of the page's certificate as browsers show it, empty where there is none yet. Blocking."""
    if folder is None:
        return ""
    try:
        with (folder / CERTIFICATE_FILE).open(encoding="ascii") as file:
            text = file.read(CERTIFICATE_SIZE_MAX)
        first = text[: text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
        return sha256(ssl.PEM_cert_to_DER_cert(first)).digest().hex(":").upper()
    except (OSError, ValueError):
        return ""
