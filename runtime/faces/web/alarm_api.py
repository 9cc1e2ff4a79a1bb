"""Alarms for programs and for the page's own script: rows, history, figures, and acts on one or many.

Room: hall, face. `app` puts its rows into the table. Every act goes through the door as whoever sent the request.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Names = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=5000)]
Reason = Annotated[str, msgspec.Meta(max_length=500)]
Ms = Annotated[int, msgspec.Meta(ge=0, lt=1 << 60)]
API: Final = "/api/v1/alarms"


class AlarmsQuery(msgspec.Struct, frozen=True):
    """`all`: those that are normal too."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 200
    all: bool = False


class PastQuery(msgspec.Struct, frozen=True):
    """Of which alarm (all when empty), and of which time."""

    name: Annotated[str, msgspec.Meta(max_length=64)] = ""
    since_ms: Ms = 0
    before_ms: Ms = (1 << 60) - 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 200


class HoursQuery(msgspec.Struct, frozen=True):
    """How many hours back."""

    hours: Annotated[int, msgspec.Meta(ge=1, le=744)] = 24


class AlarmRows(msgspec.Struct, frozen=True):
    """Alarms, the most urgent first; `total` of them all, `summary` counts."""

    summary: dict[str, Any]
    total: int
    rows: list[dict[str, Any]]


class AlarmPast(msgspec.Struct, frozen=True):
    """Transitions, the newest first; `from_ms`: how far back memory goes."""

    rows: list[dict[str, Any]]
    from_ms: int | None


class Figures(msgspec.Struct, frozen=True):
    """The figures of EEMUA 191."""

    figures: dict[str, Any]


class Acting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alarms, and why. `seen_ms`: what was raised later stays as it is."""

    names: Names
    reason: Reason = ""
    seen_ms: Ms | None = None


class Shelving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alarms, for how many minutes, and why."""

    names: Names
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Trying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to let hear from the gateway."""

    target: Name


class Acted(msgspec.Struct, frozen=True):
    """What an act came to; `changed` and `skipped` count alarms, `seq` is the entry that says so."""

    code: str
    seq: int | None
    changed: int = 0
    skipped: int = 0


class AlarmApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        acts = ("ack", "reset", "unshelve", "out_of_service", "in_service")
        return [
            RouteRow("GET", API, "view.alarms", self.alarms, gives=AlarmRows, query=AlarmsQuery, doc="api.alarms"),
            RouteRow("GET", f"{API}/history", "view.alarms", self.history, gives=AlarmPast, query=PastQuery, doc="api.alarms.history"),
            RouteRow("GET", f"{API}/figures", "view.alarms", self.figures, gives=Figures, query=HoursQuery, doc="api.alarms.figures"),
            RouteRow("POST", f"{API}/shelve", "alarm.shelve", self.shelve, takes=Shelving, gives=Acted, doc="page.alarms.shelve"),
            RouteRow("POST", f"{API}/test", "alarm.test", self.test, takes=Trying, gives=Acted, doc="page.alarms.test"),
            *(
                RouteRow("POST", f"{API}/{act}", f"alarm.{act}", self._acting(act), takes=Acting, gives=Acted, doc=f"page.alarms.{act}")
                for act in acts
            ),
        ]

    async def alarms(self, request: Request) -> AlarmRows:
        """Alarms that are not normal, or all."""
        given: AlarmsQuery = request.state.query
        told = await self._face.ask("alarms", {"offset": given.offset, "limit": given.limit, "all": given.all}, request)
        return AlarmRows(told["summary"], told["total"], told["rows"])

    async def history(self, request: Request) -> AlarmPast:
        """What happened to them."""
        given: PastQuery = request.state.query
        asked: dict[str, Any] = {"since_ms": given.since_ms, "before_ms": given.before_ms, "limit": given.limit}
        told = await self._face.ask("alarm_history", asked | ({"name": given.name} if given.name else {}), request)
        return AlarmPast(told["rows"], told["from_ms"])

    async def figures(self, request: Request) -> Figures:
        """Whether they are few enough."""
        return Figures(await self._face.ask("alarm_metrics", {"hours": request.state.query.hours}, request))

    async def shelve(self, request: Request) -> Acted:
        """Put alarms on the shelf for a while."""
        given: Shelving = request.state.body
        params = {"names": "\n".join(given.names), "minutes": given.minutes}
        return _acted(await self._face.act(request, "alarm.shelve", "", params, given.reason))

    async def test(self, request: Request) -> Acted:
        """Let a target hear from the gateway; what came of it is shown with the target."""
        return _acted(await self._face.act(request, "alarm.test", request.state.body.target))

    def _acting(self, act: str) -> Any:
        async def endpoint(request: Request) -> Acted:
            given: Acting = request.state.body
            params: dict[str, Any] = {"names": "\n".join(given.names)}
            if given.seen_ms is not None:
                params["seen_ms"] = given.seen_ms
            return _acted(await self._face.act(request, f"alarm.{act}", "", params, given.reason))

        return endpoint


def _acted(outcome: Any) -> Acted:
    """Return what became of an act. Raises RequestRefusedError when it was not done."""
    if outcome["code"] != "done":
        raise RequestRefusedError(outcome["code"], **outcome["params"])
    params = outcome["params"]
    return Acted(outcome["code"], outcome["seq"], int(params.get("changed", 0)), int(params.get("skipped", 0)))
