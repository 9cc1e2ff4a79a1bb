"""Manual stations on the page: what is to be read off instruments, and a form for each that works without JavaScript.

Room: hall, face. `app` puts its rows into the table. A reading is entered as whoever is signed in, through the act `manual.enter`; the
station's driver judges it. A scanner that types a value and ends it with Enter sends the form, and the next tag that is due has the focus.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web import pages
from runtime.faces.web.answers import NO_STORE, language
from runtime.faces.web.face import Face
from runtime.faces.web.problems import answer_headers, status_of
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.site_zone import wall_ms, zone_name, zone_of
from runtime.messages.units import unit_sign

Text = Annotated[str, msgspec.Meta(max_length=1000)]
Target = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reading as the instrument shows it; `taken_ms`: when it was taken (wall time), if not now."""

    target: Target
    value: bool | float | Text
    taken_ms: int | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class EntryForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same from a form; `taken` is a time of the site's zone, as `2026-03-01T06:00`."""

    target: Target
    value: Text
    taken: Annotated[str, msgspec.Meta(max_length=40)] = ""
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class StationsQuery(msgspec.Struct, frozen=True):
    """What was entered just now."""

    done: Annotated[str, msgspec.Meta(max_length=200)] = ""
    value: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class Stations(msgspec.Struct, frozen=True):
    """See the feed's `stations`."""

    stations: list[dict[str, Any]]


class Entered(msgspec.Struct, frozen=True):
    """The reading's own entry, and that of the act's outcome."""

    target: str
    value: Any
    by: str
    reading_seq: int
    seq: int | None


class StationPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/stations", "manual.enter", self.page, query=StationsQuery, doc="page.stations", is_page=True),
            RouteRow("POST", "/stations", "manual.enter", self.form, takes=EntryForm, doc="page.stations", is_page=True, form=True),
            RouteRow("GET", "/api/v1/stations", "manual.enter", self.stations, gives=Stations, doc="api.stations"),
            RouteRow("POST", "/api/v1/stations/enter", "manual.enter", self.enter, takes=Entry, gives=Entered, doc="api.stations.enter"),
        ]

    async def page(self, request: Request) -> Response:
        """What is due, the longest overdue first, and a field for each."""
        return await self._page(request)

    async def form(self, request: Request) -> Response:
        """Enter one reading; when it is refused, what was typed stays."""
        given: EntryForm = request.state.body
        try:
            taken_ms = wall_ms(given.taken, self._zone(request)) if given.taken else None
            done = await self._enter(request, given.target, given.value, taken_ms, given.reason)
        except RequestRefusedError as refused:
            page = await self._page(request, given, refused)
            page.status_code = status_of(refused.code)
            page.headers.update(answer_headers(refused))
            return page
        return RedirectResponse("/stations?" + urlencode({"done": done.target, "value": str(done.value)}), 303, NO_STORE)

    async def stations(self, request: Request) -> Stations:
        """Every station with its tags."""
        return Stations((await self._face.ask("stations", {}, request))["stations"])

    async def enter(self, request: Request) -> Entered:
        """Enter one reading."""
        given: Entry = request.state.body
        return await self._enter(request, given.target, given.value, given.taken_ms, given.reason)

    async def _enter(self, request: Request, target: str, value: Any, taken_ms: int | None, reason: str) -> Entered:
        if isinstance(value, str) and not value.strip():
            raise RequestRefusedError("text_missing", field="value")
        params = {"value": value, **({} if taken_ms is None else {"taken_ms": taken_ms})}
        outcome = await self._face.act(request, "manual.enter", target, params, reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        told = outcome["params"]
        return Entered(target, told["value"], told["by"], told["reading_seq"], outcome["seq"])

    async def _page(self, request: Request, given: EntryForm | None = None, refused: RequestRefusedError | None = None) -> Response:
        now_ms = self._face.feed.health.get("now_ms")
        found: list[dict[str, Any]] = []
        fault = None
        try:
            found = (await self._face.ask("stations", {}, request))["stations"]
        except RequestRefusedError as away:  # the page says so and stays a page
            fault = away
        done, value = (request.state.query.done, request.state.query.value) if request.state.query is not None else ("", "")
        stations = [{**station, "tags": self._due_first(station["tags"], now_ms, language(request))} for station in found]
        first = next((tag["target"] for station in stations for tag in station["tags"] if tag["target"] != done), "")
        return self._face.render(
            request, "stations.html", here="stations", stations=stations, given=given, refused=refused, fault=fault, done=done, value=value,
            first=given.target if given is not None else first, zone=str(self._zone(request)),
        )  # fmt: skip

    def _zone(self, request: Request) -> tzinfo:
        """Return the zone in which a time is typed: the one in which the page shows times."""
        return zone_of(zone_name(self._face.feed.health, request.state.who))

    def _due_first(self, tags: list[dict[str, Any]], now_ms: Any, lang: str) -> list[dict[str, Any]]:
        """Return the tags with their last values, those that are due soonest first."""
        rows = []
        for tag in tags:
            last, named = self._face.feed.values.get(tag["uid"]), self._face.feed.tags.get(tag["uid"])
            is_there = last is not None and named is not None and last[1] is not None
            at_ms = (last[4] if last[4] is not None else last[3]) if is_there and last is not None else None
            overdue = tag["due_ms"] is not None and isinstance(now_ms, int) and tag["due_ms"] < now_ms
            shown = pages.show_value(last[1], named, lang) if is_there and last is not None and named is not None else None
            rows.append({**tag, "unit": unit_sign(tag["unit"]), "last": shown, "last_ms": at_ms, "overdue": overdue})
        return sorted(rows, key=lambda row: (row["due_ms"] is None, row["due_ms"] or 0))
