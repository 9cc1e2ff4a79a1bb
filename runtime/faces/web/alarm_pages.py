"""The alarm pages: what waits and what is active, one alarm, the past, and whether alarms are few enough. With and without JavaScript.

Room: hall, face. `app` puts its rows into the table. Acknowledging and the rest are plain forms; static/alarms.js does the same through
`alarm_api`, for many at once. It decides nothing: the core checks who asks and what an act means.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.alarm_api import AlarmApi
from runtime.faces.web.alarm_lines import alarm_line, alarm_lines, banner, figures, history_lines, tag_of
from runtime.faces.web.answers import NO_STORE, language
from runtime.faces.web.face import Face
from runtime.faces.web.guard import local_path
from runtime.faces.web.handover_pages import HandoverPages, newest_of
from runtime.faces.web.problems import status_of
from runtime.faces.web.rows import Part, RouteRow

ROWS_MAX: Final = 200
HISTORY_MAX: Final = 200
ACTS: Final = ("ack", "reset", "shelve", "unshelve", "out_of_service", "in_service")
Name = Annotated[str, msgspec.Meta(max_length=200_000)]
Short = Annotated[str, msgspec.Meta(max_length=500)]


class AlarmForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plain form: alarms by name, one a line; `minutes` of a shelf; `seen_ms` when the page was drawn; `back` where to go then."""

    names: Name
    reason: Short = ""
    minutes: Annotated[str, msgspec.Meta(max_length=10)] = ""
    seen_ms: Annotated[str, msgspec.Meta(max_length=20)] = ""
    back: Short = "/alarms"


class TestForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which target is to hear from the gateway."""

    target: Short


class HistoryQuery(msgspec.Struct, frozen=True):
    """`before`: only what happened before this ms; `name`: of one alarm only."""

    before: Annotated[int, msgspec.Meta(ge=0)] = 1 << 60
    name: Short = ""


class FigureQuery(msgspec.Struct, frozen=True):
    """How many hours back."""

    hours: Annotated[int, msgspec.Meta(ge=1, le=744)] = 24


def alarm_parts(face: Face) -> list[Part]:
    """Return the parts about alarms: pages, their API, the shift handover."""
    return [AlarmPages(face), AlarmApi(face), HandoverPages(face)]


class AlarmPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face
        face.on_every_page.append(self._banner)

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        view = "view.alarms"
        forms = [
            RouteRow(
                "POST", f"/alarms/{act}", f"alarm.{act}", self._acting(act), takes=AlarmForm, doc=f"page.alarms.{act}", is_page=True,
                form=True,
            )
            for act in ACTS
        ]  # fmt: skip
        return [
            RouteRow("GET", "/alarms", view, self.page, doc="page.alarms", is_page=True),
            RouteRow("GET", "/alarms/history", view, self.history, query=HistoryQuery, doc="page.alarms.history", is_page=True),
            RouteRow("GET", "/alarms/figures", view, self.figures, query=FigureQuery, doc="page.alarms.figures", is_page=True),
            RouteRow("GET", "/alarms/at/{name}", view, self.one, doc="page.alarms.one", is_page=True),
            RouteRow("POST", "/alarms/test", "alarm.test", self.test, takes=TestForm, doc="page.alarms.test", is_page=True, form=True),
            *forms,
        ]

    async def page(self, request: Request) -> Response:
        """What is not normal, the most urgent first."""
        return await self._list(request, None)

    async def one(self, request: Request) -> Response:
        """One alarm: what it means, what to do, what has happened to it."""
        return await self._one(request, request.path_params["name"], None, None)

    async def history(self, request: Request) -> Response:
        """What happened to alarms, the newest first."""
        given: HistoryQuery = request.state.query
        asked: dict[str, Any] = {"before_ms": given.before, "limit": HISTORY_MAX} | ({"name": given.name} if given.name else {})
        told = await self._face.ask("alarm_history", asked, request)
        reader = await self._face.reader(request)
        lines = history_lines(told["rows"], language(request), reader)
        older = lines[-1].at_ms if len(lines) == HISTORY_MAX else None
        return self._face.render(
            request, "alarm_history.html", lines=lines, older=older, name=given.name, title=reader.title(given.name),
            from_ms=told["from_ms"], here="alarm_history",
        )  # fmt: skip

    async def figures(self, request: Request) -> Response:
        """Whether alarms are few enough to be answered."""
        hours = request.state.query.hours
        told = await self._face.ask("alarm_metrics", {"hours": hours}, request)
        return self._face.render(
            request, "alarm_figures.html", rows=figures(told, language(request)), told=told, hours=hours, here="alarm_figures"
        )  # fmt: skip

    async def test(self, request: Request) -> Response:
        """Let a target hear from the gateway."""
        outcome = await self._face.act(request, "alarm.test", request.state.body.target)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return RedirectResponse("/alarms#called", 303, NO_STORE)

    def _acting(self, act: str) -> Any:
        async def endpoint(request: Request) -> Response:
            given: AlarmForm = request.state.body
            params: dict[str, Any] = {"names": given.names.replace("\r\n", "\n")}
            if given.seen_ms.isdecimal():
                params["seen_ms"] = int(given.seen_ms)
            if act == "shelve":
                params["minutes"] = int(given.minutes) if given.minutes.isdecimal() else 0
            refused: RequestRefusedError | None = None
            try:
                outcome = await self._face.act(request, f"alarm.{act}", "", params, given.reason)
                if outcome["code"] != "done":
                    refused = RequestRefusedError(outcome["code"], **outcome["params"])
            except RequestRefusedError as error:
                refused = error
            if refused is None:
                return RedirectResponse(local_path(given.back), 303, NO_STORE)
            is_one = "\n" not in given.names and given.back.startswith("/alarms/at/")
            page = await (self._one(request, given.names, refused, given) if is_one else self._list(request, refused))
            page.status_code = status_of(refused.code)
            return page

        return endpoint

    async def _list(self, request: Request, refused: RequestRefusedError | None) -> Response:
        lang = language(request)
        told, away = await newest_of(self._face, request, ROWS_MAX)
        refused = refused or away
        lines = alarm_lines(told["rows"], lang)
        return self._face.render(
            request, "alarms.html", lines=lines, summary=told["summary"], total=told["total"], refused=refused, here="alarms",
            waiting=[line.name for line in lines if line.waits and away is None], seen_ms=self._now_ms(),
        )  # fmt: skip

    async def _one(self, request: Request, name: str, refused: RequestRefusedError | None, given: AlarmForm | None) -> Response:
        lang = language(request)
        told = await self._face.ask("alarms", {"all": True, "name": name}, request)
        if not told["rows"]:
            raise RequestRefusedError("alarm_unknown", name=name[:80])
        row = told["rows"][0]
        past = await self._face.ask("alarm_history", {"name": name, "limit": 20}, request)
        uid = tag_of(self._face.feed.tags, row["tag"]) if row["tag"] else None
        lines = history_lines(past["rows"], lang, await self._face.reader(request))
        return self._face.render(
            request, "alarm.html", line=alarm_line(row, lang), row=row, uid=uid, past=lines, refused=refused, given=given,
            back=f"/alarms/at/{quote(name)}", seen_ms=self._now_ms(), here="alarms",
        )  # fmt: skip

    def _now_ms(self) -> int:
        """Return the core's own wall time as heard last: what was raised later is not on the page."""
        return int(self._face.feed.health.get("now_ms") or 0)

    def _banner(self, request: Request) -> dict[str, Any]:
        sees = getattr(request.state, "may", lambda action: action.startswith("view."))("view.alarms")
        return {"banner": banner(self._face.feed.alarms, language(request)) if sees else None}
