"""The web face's application: every part's rows in one table, each behind the guard, in one frame of headers.

Room: hall, face. `__main__` serves it. A new part is one more line in `parts`; a path that is in no row is answered by nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.account_pages import AccountPages
from runtime.faces.web.admin_parts import admin_parts
from runtime.faces.web.alarm_pages import alarm_parts
from runtime.faces.web.answers import language
from runtime.faces.web.command_pages import CommandPages
from runtime.faces.web.face import Face, FaceOptions
from runtime.faces.web.guard import admit, guarded, refusal
from runtime.faces.web.headers import Headers, Hosts
from runtime.faces.web.model_acts import ModelActs
from runtime.faces.web.prove_pages import ProvePages
from runtime.faces.web.rows import ANYONE, Part, RouteRow
from runtime.faces.web.screen_pages import ScreenPages
from runtime.faces.web.setup_pages import setup_parts
from runtime.faces.web.sso_pages import SsoPages
from runtime.faces.web.station_pages import StationPages
from runtime.faces.web.stream import Fanout
from runtime.faces.web.tablet_pages import TabletPages
from runtime.faces.web.tag_api import TagApi
from runtime.faces.web.trend_pages import TrendPages
from runtime.faces.web.values_api import ValuesApi
from runtime.version import VERSION

API = "/api/"


def parts(face: Face) -> list[Part]:
    """Return every part of the face."""
    own: list[Part] = [ScreenPages(face), ValuesApi(face), AccountPages(face), ModelActs(face), ProvePages(face), TrendPages(face)]
    own += [SsoPages(face), TagApi(face)]
    return [*own, *setup_parts(face), *alarm_parts(face), CommandPages(face), StationPages(face), TabletPages(face), *admin_parts(face)]


def rows(face: Face) -> list[RouteRow]:
    """Return the whole table, the description of itself and the static files included."""
    found = [row for part in parts(face) for row in part.routes()]

    async def describe(request: Request) -> object:
        from runtime.faces.web import openapi  # few ever ask: half a megabyte

        return openapi.describe(found, version=VERSION, lang=language(request))

    async def static(request: Request) -> Response:
        answer = face.assets.answer(request)
        if answer is None:
            raise RequestRefusedError("page_missing")
        return answer

    found.append(RouteRow("GET", "/api/v1/openapi.json", ANYONE, describe, doc="api.openapi"))
    found.append(RouteRow("GET", "/static/{path:path}", ANYONE, static, doc="api.static", media="*/*"))
    return found


def make_app(
    feed: FeedClient, fanout: Fanout, history: Path, hosts: Callable[[], Collection[str]] = frozenset, options: FaceOptions | None = None
) -> Starlette:
    """Return the ASGI application. Only requests that name this machine are answered: loopback names, and those of `hosts`."""
    face = Face(feed, fanout, history, options)
    table: dict[str, dict[str, RouteRow]] = {}
    for row in rows(face):
        table.setdefault(row.path, {})[row.method] = row
    return Starlette(
        routes=[_route(face, path, by_method) for path, by_method in table.items()],
        middleware=[Middleware(Headers), Middleware(Hosts, known=hosts)],
        exception_handlers={404: _refusing(face, "page_missing"), 405: _refusing(face, "method_not_allowed"), 500: _broken},
    )


def _route(face: Face, path: str, by_method: dict[str, RouteRow]) -> Route:
    """Return one route for all methods of a path, so that a method that is not among them is answered with those that are."""
    endpoints = {method: guarded(face, row) for method, row in by_method.items()}

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(by_method))


def _refusing(face: Face, code: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler of an address or method that no row has; to a person it says so on a page that shows nothing else."""

    async def handle(request: Request, error: Exception) -> Response:
        nothing = RouteRow("GET", "", ANYONE, handle, doc="")  # type: ignore[arg-type]
        await admit(face, nothing, request)
        is_page = not request.url.path.startswith((API, "/static/", "/stream"))
        response = refusal(face, request, RequestRefusedError(code), is_page=is_page)
        allow = getattr(error, "headers", None) or {}
        response.headers.update({name: value for name, value in allow.items() if name.lower() == "allow"})
        return response

    return handle


async def _broken(_request: Request, _error: Exception) -> Response:
    """Say that it is our fault, and nothing more; the server's log has the rest."""
    return Response(b'{"code":"internal_fault","status":500}', 500, {"cache-control": "no-store"}, "application/problem+json")
