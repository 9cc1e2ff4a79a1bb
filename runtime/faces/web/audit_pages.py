"""The audit trail on the page, as a table for a spreadsheet, and signed off; connections to the outside; what this gateway is made of.

Room: hall, face. `app` puts its rows into the table. It reads the ledger by the history process; signing off is an act of the door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE, language
from runtime.faces.web.audit_trail import as_csv, chosen, lines_of
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.site_zone import zone_name, zone_of

PER_PAGE: Final = 200
"""Entries that the history gives at once."""
EXPORT_PAGES_MAX: Final = 50


class AuditQuery(msgspec.Struct, frozen=True):
    """Entries before this one, or the newest; only lines in which `find` stands."""

    before: Annotated[int, msgspec.Meta(ge=0)] | None = None
    find: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entries that were looked at, both included, and what was found."""

    first: Annotated[int, msgspec.Meta(ge=0)]
    last: Annotated[int, msgspec.Meta(ge=0)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Reviewed(msgspec.Struct, frozen=True):
    """The entry that records the sign-off, none while it is not recorded."""

    seq: int | None


class AuditPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/audit", "view.audit", self.page, query=AuditQuery, doc="page.audit", is_page=True),
            RouteRow("GET", "/api/v1/audit.csv", "view.audit", self.export, query=AuditQuery, doc="api.audit.csv", media="text/csv"),
            RouteRow("POST", "/api/v1/audit/review", "audit.review", self.review, takes=Review, gives=Reviewed, doc="api.audit.review"),
            RouteRow("GET", "/connections", "view.ledger", self.connections, doc="page.connections", is_page=True),
            RouteRow("GET", "/about", "view.values", self.about, doc="page.about", is_page=True),
            RouteRow("GET", "/api/v1/sbom", "view.values", self.sbom, gives=dict[str, Any], doc="api.sbom"),
        ]

    async def page(self, request: Request) -> Response:
        """Show a page of the trail."""
        query: AuditQuery = request.state.query
        rows: Sequence[Sequence[Any]] = []
        fault = until_ms = None
        try:
            rows = await self._face.ask_history("entries", {"before": query.before, "limit": PER_PAGE})
            until_ms = await self._face.ask_history("entries_until", {}) if len(rows) < PER_PAGE else None
        except RequestRefusedError as refused:
            fault = refused
        lines = lines_of(rows, language(request), await self._face.reader(request)) if rows else []
        older = rows[-1][0] if len(rows) == PER_PAGE else None
        span = (rows[-1][0], rows[0][0]) if rows else None
        lines = chosen(lines, query.find) if query.find else lines
        more = {"older": older, "until_ms": until_ms, "span": span, "fault": fault}
        return self._face.render(request, "audit.html", lines=lines, query=query, **more, here="audit")

    async def export(self, request: Request) -> Response:
        """Hand out the trail as CSV: the newest 10,000 entries, or those before `before`."""
        query: AuditQuery = request.state.query
        rows: list[Sequence[Any]] = []
        before = query.before
        for _ in range(EXPORT_PAGES_MAX):
            more = await self._face.ask_history("entries", {"before": before, "limit": PER_PAGE})
            rows += more
            if len(more) < PER_PAGE:
                break
            before = more[-1][0]
        origin = str(self._face.feed.health.get("ledger", {}).get("origin") or "")
        headers = {**NO_STORE, "content-disposition": 'attachment; filename="audit-trail.csv"'}
        zone = zone_of(zone_name(self._face.feed.health, request.state.who))
        reader = await self._face.reader(request)
        made = await asyncio.to_thread(
            lambda: as_csv(chosen(lines_of(rows, language(request), reader), query.find), origin, zone)
        )  # 10,000
        return Response(made, headers=headers, media_type="text/csv; charset=utf-8")

    async def review(self, request: Request) -> Reviewed:
        """Record that these entries were looked at."""
        given: Review = request.state.body
        outcome = await self._face.act(request, "audit.review", "", {"first": given.first, "last": given.last}, given.reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return Reviewed(outcome["seq"])

    async def connections(self, request: Request) -> Response:
        """Show whom a verifier is told to trust, and each way to the outside: its state, what waits for it, and the last fault in words."""
        policy = await asyncio.to_thread(self._face.policy_fingerprint)
        return self._face.render(request, "connections.html", policy=policy, here="connections")

    async def about(self, request: Request) -> Response:
        """Show version, Python and libraries, and what whoever checks this gateway's proofs compares."""
        from runtime.made_of import libraries  # few ever ask: half a megabyte

        policy = await asyncio.to_thread(self._face.policy_fingerprint)
        return self._face.render(request, "about.html", libraries=libraries(), policy=policy, here="about")

    async def sbom(self, request: Request) -> dict[str, Any]:
        """Return the bill of materials, CycloneDX 1.6."""
        from runtime.made_of import bill_of_materials

        return bill_of_materials()
