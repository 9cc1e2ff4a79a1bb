"""The pages that everybody begins with: home, live values, the ledger.

Room: hall, face. `app` puts their rows into the table. They show, and change nothing; what they show stands without JavaScript, except
that live values of many tags come as a plain table on request (`/live?plain=1`).
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web import pages
from runtime.faces.web.answers import language
from runtime.faces.web.entry_lines import EntryLine, entry_lines
from runtime.faces.web.face import Face
from runtime.faces.web.first_steps import left_to_do
from runtime.faces.web.rows import RouteRow

ENTRIES_SHOWN: Final = 60


class LiveQuery(msgspec.Struct, frozen=True):
    """`plain=1`: a table without JavaScript."""

    plain: int = 0


class ScreenPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/", "view.values", self.home, doc="page.home", is_page=True),
            RouteRow("GET", "/live", "view.values", self.live, query=LiveQuery, doc="page.live", is_page=True),
            RouteRow("GET", "/ledger", "view.ledger", self.ledger, doc="page.ledger", is_page=True),
        ]

    async def home(self, request: Request) -> Response:
        """What is recorded, and whatever is not as it should be."""
        feed = self._face.feed
        blocks = self._blocks(request)
        abnormal = pages.abnormal_models(feed.models, feed.health)
        alarms = feed.alarms if feed.connected and request.state.may("view.alarms") else None
        first = await left_to_do(self._face, request) if blocks and feed.connected else None
        approves = pages.approvals(request.state.may)
        heard = feed.health if feed.connected else {}
        lang, sees_parts = language(request), request.state.may("view.diagnostics")
        down = pages.parts_noted(heard, lang) if sees_parts else []
        second = [*pages.file_noted(heard, lang), *down, *pages.approvals_noted(heard, lang, approves)]
        mind = pages.attention(blocks, abnormal, lang, alarms, second=second)
        more = {"blocks": blocks, "mind": mind, "approves": approves, "sees_parts": sees_parts, "first": first}
        return self._face.render(request, "home.html", **more, devices_apart=True, here="home")

    def _blocks(self, request: Request) -> list[pages.DeviceBlock]:
        feed = self._face.feed
        return pages.device_blocks(feed.tags, feed.values, feed.health, language(request), silent_ms=feed.silent_ms())

    async def live(self, request: Request) -> Response:
        """The newest value of every tag."""
        blocks = self._blocks(request)
        plain = bool(request.state.query.plain)
        return self._face.render(request, "live.html", blocks=blocks, plain=plain, here="live")

    async def ledger(self, request: Request) -> Response:
        """The ledger page: head, witnesses, and what was recorded besides readings."""
        lines: list[EntryLine] = []
        fault: RequestRefusedError | None = None
        try:
            found = await self._face.ask_history("entries", {"before": None, "limit": ENTRIES_SHOWN})
            lines = entry_lines(found, language(request), await self._face.reader(request))
        except RequestRefusedError as refused:
            fault = refused
        policy = await asyncio.to_thread(self._face.policy_fingerprint)
        return self._face.render(request, "ledger.html", lines=lines, fault=fault, policy=policy, here="ledger")
