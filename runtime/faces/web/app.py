"""The pages and their JSON twins: routes, the permission hook on each, and the headers that keep strangers out.

Room: hall, face. `__main__` serves it. Every route names its action; the hook asks `permissions` before the endpoint runs,
and a test walks the table so that no route can be without one. Nothing here changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime import permissions
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient, ask_once
from runtime.faces.web import pages
from runtime.faces.web.answers import ANONYMOUS, Endpoint, as_json, language, refusal, whole_number
from runtime.faces.web.judgement_pages import JudgementPages
from runtime.faces.web.stream import BROWSERS_MAX, STALL_S, Fanout
from runtime.messages.catalogue import word
from runtime.messages.entries import describe
from runtime.messages.values import moment

HISTORY_TIMEOUT_S = 10.0
HEADERS = {
    b"content-security-policy": b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
}


class Face:
    """The state that all routes share: the feed client, the fan-out and the templates."""

    def __init__(self, feed: FeedClient, fanout: Fanout, history: Path) -> None:
        self.feed, self.fanout, self.history = feed, fanout, history
        loader = jinja2.PackageLoader("runtime.faces.web", "templates")
        self.templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)

    def render(self, request: Request, template: str, **more: Any) -> HTMLResponse:
        """Return a page with what every page has."""
        lang = language(request)
        abnormal = pages.abnormal_models(self.feed.models, self.feed.health)
        level, text = pages.sentence(
            self.feed.tags, self.feed.values, self.feed.health, link=self.feed.connected, lang=lang, abnormal=abnormal
        )
        context = {
            "lang": lang,
            "t": lambda code, **params: word(code, params, lang),
            "level": level,
            "sentence": text,
            "health": self.feed.health,
            "points": self.fanout.points,
            "version": ASSETS_VERSION,
            "show_age": pages.show_age,
            "whole": pages.show_count,
            "gaps": pages.show_gaps(self.feed.health, lang),
            **more,
        }
        return HTMLResponse(self.templates.get_template(template).render(context))

    async def now(self, request: Request) -> Response:
        """The first page: devices, live values, evidence."""
        blocks = pages.device_blocks(self.feed.tags, self.feed.values, self.feed.health, language(request))
        return self.render(request, "now.html", blocks=blocks, here="now")

    async def ledger(self, request: Request) -> Response:
        """The ledger page: head, witnesses, and what was recorded besides readings."""
        rows: list[Any] = []
        with contextlib.suppress(RequestRefusedError):
            found = await ask_once(self.history, "web", "entries", {"before": None, "limit": 60}, HISTORY_TIMEOUT_S)
            rows = [entry_row(row, language(request)) for row in found]
        return self.render(request, "ledger.html", rows=rows, here="ledger")

    async def stream(self, request: Request) -> Response:
        """Server-sent events: what changed, once a second."""
        if self.fanout.browsers >= BROWSERS_MAX:
            raise RequestRefusedError("busy")
        return StreamingResponse(self.fanout.frames(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def values(self, request: Request) -> Response:
        """All tags and their newest rows."""
        return as_json({"tags": list(self.feed.tags.values()), "values": self.fanout.rows(), "link": self.feed.connected})

    async def health(self, request: Request) -> Response:
        """The health snapshot as the core gives it."""
        return as_json({"health": dict(self.feed.health), "link": self.feed.connected})

    async def words(self, request: Request) -> Response:
        """The texts of a language."""
        response = as_json(pages.page_words(language(request)))
        response.headers["vary"] = "accept-language"
        return response

    async def trend(self, request: Request) -> Response:
        """Minimum and maximum of one tag over time, from the history process."""
        t1 = whole_number(request, "t1", int(time.time() * 1000))
        query = {
            "uid": whole_number(request, "uid", -1),
            "t0": whole_number(request, "t0", t1 - 600_000),
            "t1": t1,
            "points": max(2, min(whole_number(request, "points", 120), 2_000)),
        }
        return as_json(await self._ask_history("trend", query))

    async def proof(self, request: Request) -> Response:
        """The `.wmproof` of one tag's newest confirmed reading (or the one at `at`, ms)."""
        uid = whole_number(request, "uid", -1)
        if uid not in self.feed.tags:
            raise RequestRefusedError("page_missing")
        at_ms = whole_number(request, "at", int(time.time() * 1000))
        data = await self._ask_history("proof", {"uid": uid, "at_ms": at_ms})
        name = self.feed.tags[uid][1].replace("/", "-")
        disposition = f'attachment; filename="{name}-{at_ms}.wmproof"'
        return Response(
            data, media_type="application/octet-stream", headers={"content-disposition": disposition, "cache-control": "no-store"}
        )

    async def _ask_history(self, method: str, params: dict[str, Any]) -> Any:
        try:
            return await ask_once(self.history, "web", method, params, HISTORY_TIMEOUT_S)
        except RequestRefusedError as error:
            raise RequestRefusedError("history_away") if error.code == "core_away" else error from error


def entry_row(row: Sequence[Any], lang: str) -> tuple[int, int, str, int, str]:
    """Return (seq, wall_ms, UTC text, kind, words) of one row of the history's `entries`."""
    seq, wall_ms, kind, detail, groups, told = row
    return seq, wall_ms, moment(wall_ms), kind, describe(kind, detail, lang, groups=dict(groups), told=told)


def routes(face: Face) -> list[Route]:
    """Return every route with the action that it needs."""
    table: list[tuple[str, str, Endpoint]] = [
        ("/", "view.values", face.now),
        ("/ledger", "view.ledger", face.ledger),
        ("/stream", "view.values", face.stream),
        ("/api/values", "view.values", face.values),
        ("/api/health", "view.values", face.health),
        ("/api/words", "view.values", face.words),
        ("/api/trend", "view.trend", face.trend),
        ("/api/proof", "view.proof", face.proof),
        *JudgementPages(face).routes(),
    ]
    return [Route(path, guarded(action, endpoint), methods=["GET"]) for path, action, endpoint in table]


def guarded(action: str, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint behind the permission hook; refusals become worded answers."""

    async def ask_first(request: Request) -> Response:
        try:
            if not permissions.allowed(ANONYMOUS, action):
                raise RequestRefusedError("permission_denied", action=action)
            return await endpoint(request)
        except RequestRefusedError as refused:
            return refusal(request, refused)

    ask_first.__dict__["action"] = action
    return ask_first


def make_app(feed: FeedClient, fanout: Fanout, history: Path) -> Starlette:
    """Return the ASGI application. Only requests that name a loopback host are answered, whatever DNS says."""
    face = Face(feed, fanout, history)
    static = StaticFiles(directory=str(files("runtime.faces.web") / "static"))
    hosts = TrustedHostMiddleware
    return Starlette(
        routes=[*routes(face), Mount("/static", static)],
        middleware=[Middleware(hosts, allowed_hosts=["localhost", "127.0.0.1", "[::1]"]), Middleware(_Headers)],
        exception_handlers={404: _missing},
    )


class _Headers:
    """Adds HEADERS to every answer; plain ASGI, so that streams are not buffered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS.items()]
            async with asyncio.timeout(STALL_S):
                await send(message)

        with contextlib.suppress(TimeoutError):  # the server then closes the connection of a browser that takes nothing
            await self._app(scope, receive, with_headers)


async def _missing(request: Request, _error: Exception) -> Response:
    return refusal(request, RequestRefusedError("page_missing"))


ASSETS_VERSION = "3"
