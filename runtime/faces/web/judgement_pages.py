"""The pages Anomalies and Learn normal, and the scores behind their chart.

Room: hall, face. `model_acts` puts its routes beside those of what people do with models, and has it draw a page anew after a refusal.
It shows and changes nothing. A page renews its own live parts (`?part=1`), so each thing is drawn in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import as_json, language, whole_number
from runtime.faces.web.judgement_view import FindingView, chosen_model, finding_views, model_view
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.score_answers import SPANS_S, ScoreAnswers
from runtime.faces.web.score_runs import score_runs
from runtime.messages import judged
from runtime.messages.catalogue import word
from runtime.messages.finding_words import is_over

if TYPE_CHECKING:
    from runtime.faces.web.face import Face

SCORES_TIMEOUT_S: Final = 10.0
FINDINGS_SHOWN: Final = 20
Given = Mapping[str, Any]


class JudgedQuery(msgspec.Struct, frozen=True):
    """Which model, which span of time (one of SPANS_S), and whether only the live part of a page is wanted.

    `finding` is the entry of the one to label, `done` what was done just now.
    """

    model: str | None = None
    span: int | None = None
    part: int | None = None
    finding: int | None = None
    done: Literal["learn", "check", "shadow", "arm", "disarm", "label"] | None = None


class JudgementPages:
    """The endpoints; `face` has the feed, the templates and the words."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._answers = ScoreAnswers(lambda params: face.feed.request("scores", params, SCORES_TIMEOUT_S))

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/anomalies", "view.values", self.anomalies, query=JudgedQuery, doc="page.anomalies", is_page=True),
            RouteRow("GET", "/learn", "view.values", self.learn, query=JudgedQuery, doc="page.learn", is_page=True),
            RouteRow("GET", "/api/v1/models", "view.values", self.models, doc="api.models"),
            RouteRow("GET", "/api/v1/scores", "view.trend", self.scores, query=JudgedQuery, doc="api.scores"),
        ]

    async def anomalies(self, request: Request, given: Given | None = None, refused: RequestRefusedError | None = None) -> Response:
        """One model's state, score, tags and findings; the others as links. `given` is a form that was refused."""
        feed, lang = self._face.feed, language(request)
        judge, now_ms = self._now()
        model = self._chosen(request, given)
        views = [model_view(each, feed.tags, judge, now_ms, lang, feed.values, self._face.zoned(request)) for each in feed.models]
        shown = None if model is None else next(view for view in views if view.name == model["name"])
        findings = finding_views(
            feed.findings, lang, model=model["name"] if model else None, reader=self._face.zoned(request), labelled=_labelled(model)
        )[:FINDINGS_SHOWN]
        return self._page(
            request, "anomalies", models=views, model=shown, findings=findings, spans=list(SPANS_S), span=_span_s(request),
            every_ms=round(1000 * SPANS_S[_span_s(request)][1]),
            label_command=judged.label_command(model["name"] if model else "MODEL"), given=given, refused=refused,
            labelled=_finding_to_label(request, given, findings),
        )  # fmt: skip

    async def learn(self, request: Request, given: Given | None = None, refused: RequestRefusedError | None = None) -> Response:
        """Every model on its way from learning to armed. `given` is a form that was refused."""
        feed, lang = self._face.feed, language(request)
        judge, now_ms = self._now()
        views = [model_view(each, feed.tags, judge, now_ms, lang, feed.values, self._face.zoned(request)) for each in feed.models]
        return self._page(request, "learn", models=views, given=given, refused=refused)

    async def models(self, request: Request) -> Response:
        """The rows of the feed as they are, and the judge's state."""
        judge, now_ms = self._now()
        feed = self._face.feed
        return as_json({"models": feed.models, "findings": feed.findings, "judge": judge, "now_ms": now_ms, "link": feed.connected})

    async def scores(self, request: Request) -> Response:
        """The scores of one model over a span of time that ends now, cut into runs."""
        _, now_ms = self._now()
        if now_ms is None:
            raise RequestRefusedError("core_away")
        span_s, model = _span_s(request), self._chosen(request)
        if model is None:
            raise RequestRefusedError("page_missing")
        answer, from_ms = await self._answers.of(model["name"], span_s, now_ms), now_ms - 1000 * span_s
        found = score_runs(answer if isinstance(answer, Mapping) else {}, from_ms, now_ms)
        onsets = [each for each in self._face.feed.findings if each["model"] == model["name"] and not is_over(each)]
        marks = [[each["at_ms"], each["seq"]] for each in onsets]
        return as_json(asdict(found) | {"model": model["name"], "findings": [mark for mark in marks if from_ms <= mark[0] <= now_ms]})

    def _chosen(self, request: Request, given: Given | None = None) -> Mapping[str, Any] | None:
        """Raises RequestRefusedError `page_missing` for a name that no model has."""
        name = given["model"] if given is not None else request.query_params.get("model")
        model = chosen_model(self._face.feed.models, name)
        if model is None and name is not None and self._face.feed.models:
            raise RequestRefusedError("page_missing")
        return model

    def _now(self) -> tuple[Mapping[str, Any] | None, int | None]:
        """Return the judge's row of health, and the core's clock. Without a core nothing is of now: the judge counts as away with it."""
        feed = self._face.feed
        if not feed.connected and feed.health:
            return {"state": "away", "cause": "core_away", "params": {}, "heard_ms": None}, None
        return feed.health.get("judge"), feed.health.get("now_ms")

    def _page(self, request: Request, name: str, **more: Any) -> Response:
        judge, now_ms = self._now()
        lang, feed = language(request), self._face.feed
        fault = judged.judge_fault(judge, now_ms, lang) if feed.health else ("ok", word("web.sentence.starting", None, lang))
        template = f"{name}_live.html" if request.query_params.get("part") == "1" else f"{name}.html"
        given, query = more["given"], request.query_params
        at = "" if given is None else f"/{name}?" + urlencode({"model": given["model"]})
        done = word(f"web.judged.done.{query['done']}", {"model": query.get("model", "")}, lang) if "done" in query else ""
        return self._face.render(request, template, here=name, judge_fault=fault, at=at, done=done, **more)


def _labelled(model: Mapping[str, Any] | None) -> list[Any]:
    found: list[Any] = (model or {}).get("labelled") or []
    return found


def _finding_to_label(request: Request, given: Given | None, findings: list[FindingView]) -> FindingView | None:
    """Return the finding that the form speaks of; None where it is to speak of a span of time."""
    seq = request.query_params.get("finding", "") if given is None else given["finding"]
    return next((each for each in findings if str(each.seq) == seq), None)


def _span_s(request: Request) -> int:
    """Return the span of time asked for. Raises RequestRefusedError for one that is not offered."""
    span_s = whole_number(request, "span", min(SPANS_S))
    if span_s not in SPANS_S:
        raise RequestRefusedError("span_unknown", span=span_s, known=", ".join(map(str, SPANS_S)))
    return span_s
