"""What the pages about models show: one model in full, its tags beside their bands, its findings. Pure; no HTML, no sockets.

Room: hall, face. `judgement_pages` calls it with rows of the feed (`runtime.faces.feed.JudgementSource`). Every text comes from
`runtime.messages`; a number that is not of now is marked so here, and never left for a template to find out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runtime.faces.feed import Row
from runtime.faces.web.pages import show_age
from runtime.messages import judged
from runtime.messages.catalogue import word
from runtime.messages.finding_words import episodes, finding_text
from runtime.messages.page_reader import PageReader, doer
from runtime.messages.units import unit_sign

Rows = Sequence[Mapping[str, Any]]
BAND_FROM, BAND_TO = 30, 70
"""Where the normal band stands on a tag's scale of 0 to 100; what is further off than the scale goes stands at its end."""


@dataclass(frozen=True, slots=True)
class TagShare:
    """A tag's part of a score. `side` is below, within, above or unknown; `mark` is the value's place on a scale of 0 to 100, or None."""

    name: str
    percent: int | None
    """None where a rule found the tag, which has no part in a score."""
    value: str
    unit: str
    low: str
    high: str
    side: str
    mark: int | None

    @property
    def has_band(self) -> bool:
        """Whether what is normal for the tag is known."""
        return "—" not in (self.low, self.high)


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model as a page shows it. `is_old` says that score and tags are not of now; `age` is how old they are."""

    name: str
    state: str
    level: str
    sentence: str
    is_old: bool
    share: str
    score: str
    threshold: str
    age: str
    alarming: bool
    found: str
    """What a rule found, where that is to be said before the score; else empty. Its tag is the first of `shares`."""
    shares: tuple[TagShare, ...]
    steps: tuple[tuple[str, str], ...]
    """(state, "done", "unpassed", "now" or "next") on the way from learning to armed."""
    progress: int | None
    stage: str
    failure: str
    learned: str
    coverage: str
    covered: bool | None
    labels: str
    advice: str
    refusal: str
    todo: str
    command: str | None
    facts: tuple[tuple[str, str], ...]
    is_blank: bool
    """It has learned nothing yet: there is no score, and nobody looks for findings."""
    score_now: float | None
    """The score while it is of now: the chart, which knows recorded ones only, calls none lower than it the highest."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding as a row: from its onset on, until it is over. `lasted` is empty while it is open, and where the onset is not known.

    `is_left`: its watch was cut off, or nobody looks for its end: its model was replaced or switched off, or is refused.
    """

    seq: int
    at_ms: int
    at: str
    text: str
    is_open: bool
    is_left: bool
    lasted: str
    label: str = ""
    """What somebody said of it, by whom; empty where nobody has."""
    label_ms: int = 0


def model_view(
    model: Mapping[str, Any], tags: Mapping[int, Row], judge: Mapping[str, Any] | None, now_ms: int | None, lang: str,
    values: Mapping[int, Row] = MappingProxyType({}), reader: PageReader | None = None,
) -> ModelView:  # fmt: skip
    """Return what a page shows of a model; `tags` are the feed's rows, for units and decimals, `values` the newest ones, as the feed's.

    Times inside sentences are the reader's, else UTC.
    """
    model = judged.with_values(model, {tag[1]: values[uid][1] for uid, tag in tags.items() if uid in values})
    level, sentence = judged.state_sentence(model, judge, now_ms, lang)
    refused, progress = model.get("refused"), model.get("progress")
    coverage, of_now = model.get("coverage"), judged.is_of_now(model, judge, now_ms)
    todo, command = judged.next_step(model, lang)
    return ModelView(
        model["name"],
        model["state"],
        level,
        sentence,
        not of_now,
        judged.share_text(model),
        number(model.get("score")),
        number(model.get("threshold")),
        show_age(judged.score_age_ms(model, now_ms)),
        bool(model.get("alarming")),
        judged.rule_text(judged.of_rules(model)[0], lang) if of_now and judged.leads_by_rule(model) else "",
        tag_shares(judged.tag_rows(model), tags),
        steps_of(model["state"], is_covered=not judged.is_uncovered(model)),
        None if not progress else round(100 * min(1.0, max(0.0, progress["share"]))),
        judged.progress_text(model, lang) if progress or model["state"] == "learning" else "",
        judged.failure_text(model, lang),
        judged.learned_text(model.get("learned"), lang),
        judged.coverage_text(model, lang, reader),
        None if not coverage or coverage.get("by") == judged.MAKER else bool(coverage["covered"]),
        judged.labels_text(model, lang),
        judged.drift_text(model, lang),
        word(refused["code"], refused.get("params"), lang) if refused else "",
        todo,
        command,
        tuple((word(f"web.model.{key}", None, lang), str(model[key])) for key in ("model_sha256", "manifest_hash") if model.get(key)),
        not model.get("manifest_hash") and model["state"] in {"off", "learning"},
        model.get("score") if of_now else None,
    )


def tag_shares(contributions: Sequence[Sequence[Any]], tags: Mapping[int, Row]) -> tuple[TagShare, ...]:
    """Return [tag, share, value, low, high] rows as a page shows them, in the order of the row: the first is whom an alarm names."""
    known = {tag[1]: tag for tag in tags.values()}
    found = []
    for name, share, value, low, high in contributions:
        tag = known.get(name)
        exponent = tag[5] if tag else None
        side, mark = place(value, low, high)
        shown = [number(each, exponent) for each in (value, low, high)]
        found.append(
            TagShare(
                name, None if share is None else round(100 * min(1.0, max(0.0, share))), shown[0], unit_sign(tag[3]) if tag else "",
                shown[1], shown[2], side, mark,
            )
        )  # fmt: skip
    return tuple(found)


def place(value: float | None, low: float | None, high: float | None) -> tuple[str, int | None]:
    """Return on which side of its band a value is, and where on a scale of 0 to 100 on which the band is BAND_FROM to BAND_TO."""
    side = judged.side_of(value, low, high)
    if value is None or low is None or high is None:
        return side, None
    width = high - low
    if width <= 0:
        return side, {"below": 0, "above": 100, "within": (BAND_FROM + BAND_TO) // 2}[side]
    at = BAND_FROM + (BAND_TO - BAND_FROM) * (value - low) / width
    return side, round(min(100.0, max(0.0, at)))


def number(value: Any, exponent: Any = None) -> str:
    """Return a number as text: with the decimals of its tag, or four significant digits; a dash for none."""
    if not isinstance(value, int | float):
        return "—"
    if isinstance(exponent, int) and -9 <= exponent <= 0:
        return f"{value:.{-exponent}f}"
    return judged.short_number(value)


def steps_of(state: str, *, is_covered: bool = True) -> tuple[tuple[str, str], ...]:
    """Return the way from learning to armed with what is done, where the model is and what is next; off the way nothing is done.

    A model that is not covered may go on trial; its check is then behind it, and not passed.
    """
    at = judged.STATES.index(state) if state in judged.STATES else -1
    behind = {each: "done" if is_covered or each != "checking" else "unpassed" for each in judged.STATES}
    return tuple((each, behind[each] if n < at else "now" if n == at else "next") for n, each in enumerate(judged.STATES))


def finding_views(
    findings: Rows, lang: str, *, model: str | None = None, reader: PageReader | None = None, labelled: Sequence[Sequence[Any]] = ()
) -> list[FindingView]:
    """Return findings as rows, open ones first, then the newest first; those of one model when it is named.

    `labelled`: [finding's entry, label, by whom, ms], as the row of a model has it.
    """
    labels = {seq: (_label_text(label, by, lang), at_ms) for seq, label, by, at_ms in labelled}
    pairs = episodes([each for each in findings if model is None or each["model"] == model])
    views = [
        FindingView(
            onset["seq"], onset["at_ms"], judged.moment_of(onset["at_ms"]), finding_text(onset, lang, reader),
            end is None and onset.get("open", True), is_cut_off(end) or (end is None and not onset.get("open", True)),
            "" if end is None or end is onset or is_cut_off(end) else judged.span_text(end["at_ms"] - onset["at_ms"]),
            *labels.get(onset["seq"], ("", 0)),
        )
        for onset, end in pairs
    ]  # fmt: skip
    return sorted(views, key=lambda view: not view.is_open)


def is_cut_off(end: Mapping[str, Any] | None) -> bool:
    """Tell whether a finding ended because nobody could watch it any longer, at a time that says nothing of the machine."""
    return end is not None and bool((end.get("evidence") or {}).get("interrupted"))


def _label_text(label: str, by: str, lang: str) -> str:
    said = word(f"web.judged.label.as.{label}", None, lang)
    who = doer(by, lang)
    return word("web.judged.labelled.by" if who else "web.judged.labelled", {"label": said, "by": who}, lang)


def chosen_model(models: Rows, name: str | None) -> Mapping[str, Any] | None:
    """Return the model asked for; without a name the first that is not normal, else the first."""
    if name is not None:
        return next((model for model in models if model["name"] == name), None)
    return next((model for model in models if judged.is_not_normal(model) or model.get("refused")), models[0] if models else None)
