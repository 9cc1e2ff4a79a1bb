"""The trends page, its API, and the readings of its pens as a CSV file that says what it was taken from.

Room: hall, face. `app` puts its rows into the table. The history process answers; nothing here keeps a reading. A file is made while it is
sent, a part at a time, so that a month of it costs no memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import tzinfo
from hashlib import sha256
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from drivers.reading import status_name
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE, language
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.site_zone import iso, zone_name, zone_of
from runtime.faces.web.trend_view import Trend, trend_of
from runtime.faces.web.values_api import POINTS_MAX, TIME_MS_MAX
from runtime.tag_sheet.sheet import rows_bytes

PENS_MAX: Final = 8
HOUR_MS: Final = 3_600_000
FILE_MS_MAX: Final = 366 * 24 * HOUR_MS
COLUMNS: Final = ("time_utc", "tag", "value", "unit", "status", "entry")


class TrendsQuery(msgspec.Struct, frozen=True):
    """`uids`: up to 8 numbers of tags with commas between; times in ms of the wall clock, without them the last hour."""

    uids: str
    t0: int | None = None
    t1: int | None = None
    points: int = 400


class PageQuery(msgspec.Struct, frozen=True):
    """What the page shows; its module reads the address itself."""

    uids: str = ""
    t0: int | None = None
    t1: int | None = None
    range: str = ""


class TrendPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/trends"
        return [
            RouteRow("GET", "/trends", "view.trend", self.page, query=PageQuery, doc="page.trends", is_page=True),
            RouteRow("GET", api, "view.trend", self.trends, query=TrendsQuery, gives=Trend, doc="api.trends"),
            RouteRow("GET", f"{api}.csv", "view.trend", self.file, query=TrendsQuery, doc="api.trends_csv", media="text/csv"),
        ]

    async def page(self, request: Request) -> Response:
        """The page; its module asks the API."""
        return self._face.render(request, "trends.html", here="trends", tags=len(self._face.feed.tags))

    async def trends(self, request: Request) -> Trend:
        """Pens, gaps and marks of a time."""
        asked: TrendsQuery = request.state.query
        t0, t1 = _times(asked)
        wanted = {"uids": self._uids(asked), "t0": t0, "t1": t1, "points": max(2, min(asked.points, POINTS_MAX))}
        answer, reader = await asyncio.gather(self._face.ask_history("trends", wanted), self._face.reader(request))
        return trend_of(answer, self._face.feed.tags, language(request), reader)

    async def file(self, request: Request) -> Response:
        """Every reading of the pens, in the order of the ledger."""
        asked: TrendsQuery = request.state.query
        t0, t1 = _times(asked)
        if t1 - t0 > FILE_MS_MAX:
            raise RequestRefusedError("query_invalid", detail="t0 t1")
        wanted = {"uids": self._uids(asked), "t0": t0, "t1": t1}
        first = await self._face.ask_history("export", {**wanted, "after": -1})  # what is refused is refused before a file begins
        zone = zone_of(zone_name(self._face.feed.health, request.state.who))
        name = f"trends-{iso(t0, zone)[:16]}-{iso(t1, zone)[:16]}.csv".replace(":", "")
        headers = NO_STORE | {"content-disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(self._lines(wanted, first, zone), 200, headers, "text/csv; charset=utf-8")

    async def _lines(self, wanted: dict[str, Any], part: Any, zone: tzinfo) -> AsyncIterator[bytes]:
        """Yield the file: its head, the readings, and what it was taken from with the hash of all that stands above."""
        tags, ledger = self._face.feed.tags, self._face.feed.health.get("ledger", {})
        hashed, count, withheld, first, last = sha256(), 0, 0, part["from"], part["to"]
        out = "\ufeff".encode() + rows_bytes([COLUMNS])
        while True:
            rows = [_row(row, tags.get(row[1]), zone) for row in part["rows"]]
            out += rows_bytes(rows)
            count, withheld, last = count + len(rows), withheld + part["withheld"], part["to"] if part["to"] is not None else last
            hashed.update(out)
            yield out
            if part["next"] is None:
                break
            out = b""
            try:
                part = await self._face.ask_history("export", {**wanted, "after": part["next"]})
            except RequestRefusedError as refused:
                yield rows_bytes([("# incomplete", refused.code)])
                return
        spoken = [
            ("# ledger", str(ledger.get("origin", ""))),
            ("# range", iso(wanted["t0"], zone), iso(wanted["t1"], zone)),
            ("# entries", "" if first is None else first, "" if last is None else last),
            ("# readings", count),
            ("# entries withheld", withheld),
        ]
        out = rows_bytes(spoken)
        hashed.update(out)
        yield out + rows_bytes([("# sha256 of every byte above this line", hashed.hexdigest())])

    def _uids(self, asked: TrendsQuery) -> list[int]:
        """Return the tags. Raises RequestRefusedError for what is no list of different tags of this gateway."""
        texts = asked.uids.split(",")
        if not 0 < len(texts) <= PENS_MAX or not all(text.isascii() and text.isdigit() and len(text) < 16 for text in texts):
            raise RequestRefusedError("query_invalid", detail="uids")
        uids = [int(text) for text in texts]
        if len(set(uids)) < len(uids):
            raise RequestRefusedError("query_invalid", detail="uids")
        if not self._face.feed.tags.keys() >= set(uids):
            raise RequestRefusedError("page_missing")
        return uids


def _times(asked: TrendsQuery) -> tuple[int, int]:
    t1 = asked.t1 if asked.t1 is not None else int(time.time() * 1000)
    t0 = asked.t0 if asked.t0 is not None else t1 - HOUR_MS
    if not 0 <= t0 < t1 <= TIME_MS_MAX:
        raise RequestRefusedError("query_invalid", detail="t0 t1")
    return t0, t1


def _row(row: list[Any], tag: list[Any] | None, zone: tzinfo) -> tuple[object, ...]:
    at_ms, uid, value, status, seq = row
    name, unit = (tag[1], tag[3]) if tag is not None else (f"tag {uid}", "")
    return iso(at_ms, zone), name, value, unit, status_name(status), seq
