"""What people do with models on the pages Anomalies and Learn normal: learn, check, set on trial, arm, disarm, label. Forms and API.

Room: hall, face. `app` puts its rows into the table, `judgement_pages` draws the pages. Each act goes through the door as whoever is signed
in, with its reason; the core decides, and a refusal is worded on the page that sent the form, with what was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ledger_client.errors import FormatError
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE
from runtime.faces.web.judgement_pages import JudgementPages
from runtime.faces.web.problems import answer_headers, status_of
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.site_zone import wall_ms, zone_name, zone_of
from runtime.faces.web.texts import Reason

if TYPE_CHECKING:
    from runtime.faces.web.face import Face

STEPS: Final = ("check", "shadow", "arm", "disarm")
MS_MAX: Final = 1 << 53
RENEW_S: Final = 5.0
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Remark = Annotated[str, msgspec.Meta(max_length=500)]
Moment = Annotated[str, msgspec.Meta(max_length=40)]
Ms = Annotated[int, msgspec.Meta(ge=0, le=MS_MAX)]
Label = Literal["normal", "not_normal", "unsure"]
Given = Mapping[str, Any]


class ModelForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plain form. A span of time is from `start` to `end` (times of the site's zone, `2026-03-01T06:00`), else the last `minutes`."""

    model: Name
    reason: Remark = ""
    minutes: Literal["", "5", "15", "60", "240", "480", "1440", "10080"] = ""
    start: Moment = ""
    end: Moment = ""
    finding: Annotated[str, msgspec.Meta(max_length=16, pattern="^[0-9]*$")] = ""
    label: Label = "unsure"


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; it is recorded."""

    reason: Reason = ""


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to learn from; the newest span of the configured length unless it is named. `recipe`: what the machine made then."""

    reason: Reason = ""
    from_ms: Ms | None = None
    to_ms: Ms | None = None
    recipe: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Labelling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a finding was (`seq`: its entry), or a span of time."""

    label: Label
    reason: Remark = ""
    seq: Ms | None = None
    from_ms: Ms | None = None
    to_ms: Ms | None = None


class ModelDone(msgspec.Struct, frozen=True):
    """What the core says of it, and the entry of the outcome."""

    model: str
    told: dict[str, Any]
    seq: int | None


class ModelActs:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face, self._pages = face, JudgementPages(face)

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        takes: dict[str, type[msgspec.Struct]] = {"learn": Span, **dict.fromkeys(STEPS, Why), "label": Labelling}
        found = list(self._pages.routes())
        for act, body in takes.items():
            path, doc = f"/{'anomalies' if act == 'label' else 'learn'}/{act}", f"page.models.{act}"
            found += [
                RouteRow("POST", path, f"model.{act}", self._form(act), takes=ModelForm, doc=doc, is_page=True, form=True),
                RouteRow(
                    "POST", f"/api/v1/models/{{name}}/{act}", f"model.{act}", self._program(act), takes=body, gives=ModelDone,
                    doc=f"api.models.{act}",
                ),
            ]  # fmt: skip
        return found

    def _program(self, act: str) -> Callable[[Request], Awaitable[ModelDone]]:
        async def endpoint(request: Request) -> ModelDone:
            given: dict[str, Any] = msgspec.structs.asdict(request.state.body)
            reason = given.pop("reason")
            params = {name: value for name, value in given.items() if value not in (None, "")}
            return await self._act(request, act, request.path_params["name"], params, reason)

        return endpoint

    def _form(self, act: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            given: ModelForm = request.state.body
            try:
                if act != "label" and not given.reason.strip():  # a remark on a finding may be left out
                    raise RequestRefusedError("reason_missing", field="reason")
                await self._act(request, act, given.model, self._params(request, act, given), given.reason)
                with suppress(RequestRefusedError, FormatError):  # the page that is drawn next shows what has become of it
                    await self._face.feed.renew_models(RENEW_S)
            except RequestRefusedError as refused:
                draw = self._pages.anomalies if act == "label" else self._pages.learn
                page = await draw(request, {"act": act, **msgspec.structs.asdict(given)}, refused)
                page.status_code = status_of(refused.code)
                page.headers.update(answer_headers(refused))
                return page
            where = "anomalies" if act == "label" else "learn"
            return RedirectResponse(f"/{where}?" + urlencode({"model": given.model, "done": act}), 303, NO_STORE)

        return endpoint

    async def _act(self, request: Request, act: str, model: str, params: Given, reason: str) -> ModelDone:
        outcome = await self._face.act(request, f"model.{act}", model, params, reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return ModelDone(model, dict(outcome["params"]), outcome["seq"])

    def _params(self, request: Request, act: str, given: ModelForm) -> dict[str, Any]:
        """Return what a form means. Raises RequestRefusedError for times that are none."""
        if act in STEPS:
            return {}
        if act == "label" and given.finding:
            return {"label": given.label, "seq": int(given.finding)}
        return ({"label": given.label} if act == "label" else {}) | self._span(request, act, given)

    def _span(self, request: Request, act: str, given: ModelForm) -> dict[str, int]:
        now_ms, zone = self._face.feed.health.get("now_ms"), zone_of(zone_name(self._face.feed.health, request.state.who))
        if not isinstance(now_ms, int):
            raise RequestRefusedError("core_away")
        if given.start or given.end:
            if not given.start:
                raise RequestRefusedError("time_invalid", text=given.start)
            return {"from_ms": wall_ms(given.start, zone), "to_ms": wall_ms(given.end, zone) if given.end else now_ms}
        if not given.minutes and act == "learn":
            return {}  # as long as the configuration says
        return {"from_ms": max(0, now_ms - 60_000 * int(given.minutes or 15)), "to_ms": now_ms}
