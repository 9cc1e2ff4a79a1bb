"""The JSON of what is read and recorded: tags, values, health, trends, proofs, texts, and the stream of changes.

Room: hall, face. `app` puts its rows beside the pages'. It changes nothing.
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web import pages
from runtime.faces.web.answers import NO_STORE, as_json, language
from runtime.faces.web.assets import IMMUTABLE
from runtime.faces.web.face import Face
from runtime.faces.web.guard import may
from runtime.faces.web.rows import ANYONE, RouteRow
from runtime.faces.web.stream import BROWSERS_MAX
from runtime.version import VERSION

POINTS_MAX: Final = 2_000
TIME_MS_MAX: Final = 4_102_444_800_000 * 2


class Values(msgspec.Struct, frozen=True):
    """`values` are rows as the feed has them; `at` names this state for `/stream?since=`, `points` the set of tags (see `/api/v1/tags`).

    `alarms` is what the feed says of alarms: the stream tells only what changes after `at`. Null for whoever may not see them, and before
    anything was heard. `silent_ms` ago the core last told its health, null when it never did; by its own clock it is `now_ms`.
    """

    values: list[list[Any]]
    link: bool
    at: str
    points: str
    alarms: dict[str, Any] | None
    silent_ms: int | None
    now_ms: int | None


class Tags(msgspec.Struct, frozen=True):
    """`tags` are rows as the feed has them; `points` names this very set of them."""

    tags: list[list[Any]]
    points: str


class TagsQuery(msgspec.Struct, frozen=True):
    """With `points`, the name of the set that is wanted, a browser may keep the answer for as long as it likes."""

    points: str | None = None


class HealthAnswer(msgspec.Struct, frozen=True):
    """The core's health snapshot as it gives it, empty while nothing was heard; `link` says whether it is of now."""

    health: dict[str, Any]
    link: bool


class Alive(msgspec.Struct, frozen=True):
    """What anybody may know: that this is a gateway's page, its version, and whether somebody owns it yet."""

    version: str
    claimed: bool
    core: bool


class TrendQuery(msgspec.Struct, frozen=True):
    """Times in ms of the wall clock; without `t1` up to now, without `t0` ten minutes before that."""

    uid: int
    t0: int | None = None
    t1: int | None = None
    points: int = 120


class ProofQuery(msgspec.Struct, frozen=True):
    """The tag, and the time (ms) of the reading; without it the newest that can be proved."""

    uid: int
    at: int | None = None


class StreamQuery(msgspec.Struct, frozen=True):
    """`since` is the `at` of an earlier answer: what changed since then comes first, instead of everything."""

    since: str | None = None


class ValuesApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1"
        return [
            RouteRow("GET", f"{api}/alive", ANYONE, self.alive, gives=Alive, doc="api.alive"),
            RouteRow("GET", f"{api}/values", "view.values", self.values, gives=Values, doc="api.values"),
            RouteRow("GET", f"{api}/tags", "view.values", self.tags, gives=Tags, query=TagsQuery, doc="api.tags"),
            RouteRow("GET", f"{api}/health", "view.values", self.health, gives=HealthAnswer, doc="api.health"),
            RouteRow("GET", f"{api}/words", ANYONE, self.words, gives=dict[str, str], doc="api.words"),
            RouteRow("GET", f"{api}/trend", "view.trend", self.trend, query=TrendQuery, doc="api.trend"),
            RouteRow("GET", f"{api}/proof", "view.proof", self.proof, query=ProofQuery, doc="api.proof", media="application/octet-stream"),
            RouteRow("GET", "/stream", "view.values", self.stream, query=StreamQuery, doc="api.stream", media="text/event-stream"),
        ]

    async def alive(self, request: Request) -> Alive:
        """Whether the page serves, the core answers, and the gateway has an owner."""
        return Alive(VERSION, bool(request.state.accounts.get("claimed")), self._face.feed.connected)

    async def values(self, request: Request) -> Values:
        """The newest row of every tag, and how alarms are."""
        feed, fanout = self._face.feed, self._face.fanout
        alarms = dict(feed.alarms) if feed.alarms["summary"] and request.state.may("view.alarms") else None
        silent_ms = feed.silent_ms() if feed.health else None
        return Values(
            fanout.rows(),
            feed.connected,
            f"{fanout.boot}-{fanout.generation}",
            fanout.points,
            alarms,
            silent_ms,
            pages.now_of(feed.health, feed.silent_ms()),
        )

    async def tags(self, request: Request) -> Response:
        """Every tag's row."""
        points = self._face.fanout.points
        response = as_json(Tags(list(self._face.feed.tags.values()), points))
        if request.state.query.points == points:
            response.headers["cache-control"] = "private, max-age=86400, immutable"
            response.headers["vary"] = "accept-encoding, cookie, authorization"
        return response

    async def health(self, request: Request) -> HealthAnswer:
        """The health snapshot as the core gives it."""
        return HealthAnswer(dict(self._face.feed.health), self._face.feed.connected)

    async def words(self, request: Request) -> Response:
        """The texts of a language; with `v`, as every page asks, they never change under their address."""
        response = as_json(pages.page_words(language(request)))
        if request.query_params.get("v") == self._face.assets.mark:
            response.headers["cache-control"] = IMMUTABLE
        response.headers["vary"] = "accept-encoding"
        return response

    async def trend(self, request: Request) -> Any:
        """Minimum and maximum of one tag over time, from the history process."""
        asked: TrendQuery = request.state.query
        t1 = asked.t1 if asked.t1 is not None else int(time.time() * 1000)
        t0 = asked.t0 if asked.t0 is not None else t1 - 600_000
        if not 0 <= t0 <= t1 <= TIME_MS_MAX:
            raise RequestRefusedError("query_invalid", detail="t0 t1")
        points = max(2, min(asked.points, POINTS_MAX))
        return await self._face.ask_history("trend", {"uid": self._known(asked.uid), "t0": t0, "t1": t1, "points": points})

    async def proof(self, request: Request) -> Response:
        """The `.wmproof` of one tag's newest confirmed reading (or the one at `at`)."""
        asked: ProofQuery = request.state.query
        uid = self._known(asked.uid)
        at_ms = asked.at if asked.at is not None else int(time.time() * 1000)
        if not 0 <= at_ms <= TIME_MS_MAX:
            raise RequestRefusedError("query_invalid", detail="at")
        data = await self._face.ask_history("proof", {"uid": uid, "at_ms": at_ms})
        return Response(
            data, 200, NO_STORE | {"content-disposition": _attachment(self._face.feed.tags[uid][1], at_ms)}, "application/octet-stream"
        )

    async def stream(self, request: Request) -> Response:
        """Server-sent events: what changed, once a second."""
        fanout, sessions = self._face.fanout, self._face.sessions
        if fanout.browsers >= BROWSERS_MAX:
            raise RequestRefusedError("busy")

        async def still() -> bool:
            caller, state = await sessions.caller(request, quiet=True), await sessions.state()
            return may(caller.who, "view.values", open_view=bool(state.get("open_view")))

        since = fanout.generation_of(request.headers.get("last-event-id") or request.state.query.since)
        return StreamingResponse(fanout.frames(since, still), media_type="text/event-stream", headers=NO_STORE)

    def _known(self, uid: int) -> int:
        if uid not in self._face.feed.tags:
            raise RequestRefusedError("page_missing")
        return uid


def _attachment(tag: str, at_ms: int) -> str:
    """Return a Content-Disposition that no name of a tag can break out of."""
    name = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in tag)[:80]
    return f'attachment; filename="{name}-{at_ms}.wmproof"'
