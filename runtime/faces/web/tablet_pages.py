"""This tablet: a person's own key, made by the browser, with which they sign approvals. The page shows whether there is one, and enrols it.

Room: hall, face. `app` puts its rows into the table. The private key never comes here: it stays in the browser, not extractable; what is
sent is the public key and its signature over its own enrolment, which the core checks and records as an act.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.rows import SIGNED_IN, RouteRow


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public key as the browser exports it raw, and its signature over the enrolment, in hexadecimal digits; empty takes it back."""

    key: Annotated[str, msgspec.Meta(max_length=130)]
    proof: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Enrolled(msgspec.Struct, frozen=True):
    """The short name of the key that is enrolled now, empty for none, and the entry that says so (none while it is not recorded)."""

    key: str
    seq: int | None


class TabletPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/tablet", SIGNED_IN, self.page, doc="page.tablet", is_page=True),
            RouteRow("POST", "/api/v1/account/key", SIGNED_IN, self.enrol, takes=Enrolment, gives=Enrolled, doc="api.account.key"),
        ]

    async def page(self, request: Request) -> Response:
        """Show the key of whoever is signed in, and whether it is this tablet's."""
        state = await self._face.ask("account.state", {})
        return self._face.render(request, "tablet.html", origin=state["origin"], here="tablet")

    async def enrol(self, request: Request) -> Enrolled:
        """Enrol the key of this tablet as one's own, or take it back."""
        given: Enrolment = request.state.body
        params = {"key": given.key} if given.key == "" else {"key": given.key, "proof": given.proof}
        outcome = await self._face.act(request, "account.key", request.state.who["name"], params)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        self._face.sessions.forget(request.state.token)
        return Enrolled(str(outcome["params"]["key"]), outcome["seq"])
