"""The page's own certificate: what browsers should see, a signing request for a CA, and taking in what the CA made of it.

Room: hall, face. `app` puts its rows into the table. It reads the certificate, never the key; a change is the door's act `cert.edit`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ledger_client.errors import FormatError
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.people_pages import Changed
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.texts import Reason
from runtime.web_names import certain_names, lasting, missing_names


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a signing request is wanted."""

    reason: Reason = ""


class Install(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate and the chain above it, in PEM."""

    pem: Annotated[str, msgspec.Meta(min_length=1, max_length=60_000)]
    reason: Reason = ""


class Renew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the device's own certificate is made anew."""

    reason: Reason = ""


class CertificatePages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/certificate"
        return [
            RouteRow("GET", "/certificate", "cert.edit", self.page, doc="page.certificate", is_page=True),
            RouteRow("POST", f"{api}/request", "cert.edit", self.request, takes=Ask, gives=Changed, doc="api.certificate.request"),
            RouteRow("POST", f"{api}/renew", "cert.edit", self.renew, takes=Renew, gives=Changed, doc="api.certificate.renew"),
            RouteRow("POST", api, "cert.edit", self.install, takes=Install, gives=Changed, doc="api.certificate"),
        ]

    async def page(self, request: Request) -> Response:
        """Show the certificate, how long it lasts, which names that people use it does not have, and what can be done about it."""
        fault = None
        told = None
        try:
            told = await asyncio.to_thread(self._read, _reached_at(request))
        except (OSError, FormatError) as error:
            fault = RequestRefusedError("web_certificate_unusable", reason=getattr(error, "strerror", None) or type(error).__name__)
        now_ms = int(self._face.feed.health.get("now_ms") or 0)
        days = (told["not_after_ms"] - now_ms) // 86_400_000 if told and now_ms else None
        return self._face.render(request, "certificate.html", told=told, days=days, fault=fault, here="certificate")

    async def request(self, request: Request) -> Changed:
        """Have a signing request made for the device's key; the key stays where it is."""
        given: Ask = request.state.body
        outcome = await self._act(request, "csr", await _address(request), given.reason)
        told = {"pem": str(outcome["params"]["pem"])}
        return Changed(outcome["seq"], told | ({"new_key": "true"} if outcome["params"].get("new_key") else {}))

    async def renew(self, request: Request) -> Changed:
        """Have the device's own certificate made anew, for the names and addresses of now, with the same key."""
        given: Renew = request.state.body
        outcome = await self._act(request, "renew", await _address(request), given.reason)
        return Changed(outcome["seq"], {"fingerprint": str(outcome["params"]["fingerprint"])})

    async def install(self, request: Request) -> Changed:
        """Put in force what a CA made of the request."""
        given: Install = request.state.body
        outcome = await self._act(request, "import", {"pem": given.pem}, given.reason)
        return Changed(outcome["seq"], {"fingerprint": str(outcome["params"]["fingerprint"])})

    async def _act(self, request: Request, target: str, params: dict[str, Any], reason: str) -> Any:
        outcome = await self._face.act(request, "cert.edit", target, params, reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return outcome

    def _hosts(self) -> list[str]:
        """Return [web] hosts as the core has them now: those for which it renews, which may be others than at this process's start."""
        return [str(each) for each in self._face.feed.health.get("gateway", {}).get("hosts", ())]

    def _read(self, reached_at: str | None) -> dict[str, Any] | None:
        """Return what there is, None for nothing. `reached_at`: None where no browser sees it, so that it lacks nothing."""
        if self._face.options.certificate is None:
            return None
        from ledger_client.disk import RealDisk  # only this page needs them
        from runtime.web_certificate import WebCertificate

        told = WebCertificate(RealDisk(), self._face.options.certificate).told()
        if told is None:
            return None
        if reached_at is None or not told.is_own:  # of a CA's certificate the CA says which it has
            return told.plain() | {"missing": []}
        return told.plain() | {"missing": missing_names(told.names, certain_names(self._hosts(), reached_at))}


async def _address(request: Request) -> dict[str, str]:
    """Return where a request came in, as params of the act; empty where no certificate should have that."""
    address = await asyncio.to_thread(lasting, _reached_at(request) or "")
    return {"address": address} if address else {}


def _reached_at(request: Request) -> str | None:
    """Return the address of ours at which a request came in; None where it came without TLS, so that nobody is shown the certificate."""
    return str((request.scope.get("server") or ("", 0))[0]) if request.url.scheme == "https" else None
