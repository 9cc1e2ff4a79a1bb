"""The first steps of a new gateway: language, zone, clock, network, trust, first device. Each says what is, and may be left for later.

Room: hall, face. `app` puts its row into the table; after the claim the page leads here, and home does while steps are open.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.web.face import Face
from runtime.faces.web.first_steps import first_steps
from runtime.faces.web.rows import RouteRow


class FirstPages:
    """The endpoint."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [RouteRow("GET", "/first", "view.config", self.page, doc="page.first", is_page=True)]

    async def page(self, request: Request) -> Response:
        """Show every step with its state; the first that is open comes first in the eye."""
        found = await first_steps(self._face, request)
        return self._face.render(
            request, "first.html", steps=found.steps, clock=found.clock, interfaces=found.interfaces, zone=found.zone,
            fingerprint=found.fingerprint, here="first",
        )  # fmt: skip
