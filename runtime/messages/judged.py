"""What a model says, in words: its state in one sentence, its coverage, and what to do next. Pure.

Room: hall. The pages and the command line call it with rows of the feed (`runtime.faces.feed.JudgementSource`), so that both say the
same. It decides nothing; what is old or not known is said before anything that a model claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.messages.alarm_words import short
from runtime.messages.catalogue import LANGUAGES, catalogue, phrase, word
from runtime.messages.page_reader import PageReader, moment_for
from runtime.messages.values import moment_s

HEARD_MS_MAX: Final = 15_000
"""A judge that has said nothing for so long is away, whatever it said last."""
SCORE_OLD_MS: Final = 90_000
"""A score follows the flush of its batch, which may be 60 s apart."""
SCORE_AHEAD_MS: Final = 60_000
"""A score of a time that is further ahead was made before the clock was set back; the model is silent until that time comes again."""
STATES: Final = ("learning", "checking", "shadow", "armed")
"""The way of a model, in order; it may also be `refused` or `off`."""
SCORING: Final = frozenset({"checking", "shadow", "armed"})
LEARNED: Final = "learned"
"""How a learning ends that came to something."""
MAKER: Final = "maker"
"""Who says whether an imported model is covered, until a check here does."""
GATE: Final = "gate"
"""Why a model abstains whose machine is in another state than it was learned in."""
COVERED_SHARE_MAX: Final = 0.02
"""Of what was held back, most that may be over the threshold (`models.decision.ALARMED_SHARE_MAX`): below it there are too few rows."""
LABELS_MIN: Final = 5
"""Of fewer findings, or times, that were judged, no percents are said: one label would be 100 % of them."""
MODEL_RULE: Final = "model"
"""The rule of findings that the model itself makes; at its end another tag may contribute most."""
SHARE_MAX: Final = 9_999.5
"""Percent of the threshold from which on it is said to be more; the chart has the same rule (static/score_chart.js)."""
COMMAS: Final = {"zh": "，"}
AT_WORK: Final = frozenset({"ok", "behind"})
Row = Mapping[str, Any]
Sentence = tuple[str, str]
"""(level, text): level is ok, warn or alarm."""


def judge_fault(judge: Row | None, now_ms: int | None, lang: str = "en") -> Sentence | None:
    """Return why nothing that the models last said is of now; None while the judge is at work. `judge` is health's row of it."""
    if not judge or judge.get("state") == "off":
        cause = judge.get("cause") if judge else None
        return ("warn", word(cause, (judge or {}).get("params"), lang)) if cause else ("ok", word("judged.off", None, lang))
    if judge["state"] == "starting":
        return "warn", word("judged.starting", None, lang)
    heard_ms = judge.get("heard_ms")
    silent_ms = now_ms - heard_ms if isinstance(heard_ms, int) and isinstance(now_ms, int) else None
    if judge["state"] in AT_WORK and silent_ms is not None and silent_ms <= HEARD_MS_MAX:
        return None
    reason = " " + word("judged.because", {"reason": phrase(judge["cause"], judge.get("params"), lang)}, lang) if judge.get("cause") else ""
    code = "judged.away" if silent_ms is None else "judged.away.for"
    return "alarm", word(code, {"age": span_text(silent_ms or 0), "reason": reason}, lang)


def score_age_ms(model: Row, now_ms: int | None) -> int | None:
    """Return how old the newest score is, below 0 when it is of a time to come; None when there is none."""
    cell_ms = model.get("cell_ms")
    return now_ms - cell_ms if isinstance(cell_ms, int) and isinstance(now_ms, int) else None


def is_of_now(model: Row, judge: Row | None, now_ms: int | None) -> bool:
    """Tell whether the score of a model may be shown as the present one."""
    age_ms = score_age_ms(model, now_ms)
    fresh = age_ms is not None and -SCORE_AHEAD_MS <= age_ms <= SCORE_OLD_MS
    return fresh and judge_fault(judge, now_ms) is None and model["state"] in SCORING


def state_sentence(model: Row, judge: Row | None, now_ms: int | None, lang: str = "en") -> Sentence:
    """Return what a model says, the most important thing first."""
    fault = judge_fault(judge, now_ms, lang)
    if fault is not None:
        return fault
    if model.get("refused"):
        refused = model["refused"]
        return "alarm", word("judged.refused", {"reason": phrase(refused["code"], refused.get("params"), lang)}, lang)
    state = model["state"]
    if state == "off" and not model.get("manifest_hash"):
        return "ok", word("judged.model.blank", None, lang)
    if state not in SCORING:
        return "ok", progress_text(model, lang) if state == "learning" else word(f"judged.model.{state}", None, lang)
    said = _verdict(model, now_ms, lang)
    return said if state == "armed" else _on_trial(state, said, lang)


def _verdict(model: Row, now_ms: int | None, lang: str) -> Sentence:
    age_ms = score_age_ms(model, now_ms)
    if age_ms is None:
        return "warn", word("judged.no_score", None, lang)
    if age_ms < -SCORE_AHEAD_MS:
        return "warn", word(f"judged.ahead{'.maker' * bool(model.get('imported'))}", {"age": span_text(-age_ms)}, lang)
    if age_ms > SCORE_OLD_MS:
        return "warn", word("judged.old", {"age": span_text(age_ms)}, lang)
    if leads_by_open(model):
        return "alarm", word("judged.open", {"what": open_text(model, lang), "score": _score_text(model, lang)}, lang)
    if model.get("abstained"):
        return "warn", word("judged.abstained", {"why": abstained_text(model, lang)}, lang)
    values = {"share": share_text(model), "tag": first_tag(model) or "?"}
    if model.get("alarming") and not _is_over(model):  # what weighs most now is not what it was about
        return "alarm", word(f"judged.not_normal.still{'.checking' * (model['state'] == 'checking')}", values, lang)
    if model.get("alarming"):
        said = word("judged.not_normal", values, lang)
        if of_rules(model):
            besides = open_text({"open": of_rules(model)[::-1]}, lang)
            said = word("judged.not_normal.besides", {"said": said, "what": besides}, lang)
        return "alarm", said
    return ("warn", word("judged.normal.uncovered", values, lang)) if is_uncovered(model) else ("ok", word("judged.normal", values, lang))


def is_uncovered(model: Row) -> bool:
    """Whether a model is known to have learned too little: what it calls normal tells little then."""
    return not (model.get("coverage") or {"covered": True})["covered"]


def of_rules(model: Row) -> list[Row]:
    """Return what has begun and not ended that a rule has found and not the score, the newest first."""
    return [each for each in reversed(model.get("open") or ()) if each["rule"] != MODEL_RULE]


def leads_by_rule(model: Row) -> bool:
    """Whether what a rule found is to be said first. A value beyond its limits is no input: the score alone goes down while it grows."""
    return bool(of_rules(model)) and not (model.get("alarming") and _is_over(model))


def leads_by_open(model: Row) -> bool:
    """Whether what was found and goes on is said in place of the score, also where there is none."""
    return leads_by_rule(model) or bool(model.get("open") and not model.get("alarming"))


def _is_over(model: Row) -> bool:
    score, threshold = model.get("score"), model.get("threshold")
    return isinstance(score, int | float) and isinstance(threshold, int | float) and score > threshold


def with_values(model: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's row that says of what goes on what its tag reads now; `values` are the newest numbers by tag."""
    now = {tag: value for tag, value in values.items() if _is_number(value)}
    return {**model, "open": [{**each, "now": now.get(each["tag"])} for each in model.get("open") or ()]}


def tag_rows(model: Row) -> list[list[Any]]:
    """Return [tag, share, value, low, high] of the tags to look at, the first first; share None: a rule found it, beside the score."""
    scored = {row[0]: list(row) for row in model.get("contributions") or ()}
    found: dict[str, list[Any]] = {}
    for each in of_rules(model):
        tag, (low, high) = each["tag"], each.get("band") or (None, None)
        _, share, value, *_ = scored.get(tag) or [tag, None, (each.get("evidence") or {}).get("value")]
        found.setdefault(tag, [tag, share, value if each.get("now") is None else each["now"], low, high])
    first, then = (found, scored) if leads_by_rule(model) else (scored, found)
    return [*first.values(), *(row for tag, row in then.items() if tag not in first)]


def open_text(model: Row, lang: str = "en") -> str:
    """Return what has begun and not ended, what rules found before what the score did, the newest first, and how many more."""
    newest, *more = of_rules(model) + [each for each in reversed(model["open"]) if each["rule"] == MODEL_RULE]
    what = rule_text(newest, lang)
    if facts := _limit_facts(newest, lang):
        what = word("judged.finding", {"what": what, "facts": COMMAS.get(lang, ", ").join(facts)}, lang)
    return what + (word("judged.open.more", {"count": len(more)}, lang) if more else "")


def rule_text(found: Row, lang: str = "en") -> str:
    """Return what a rule has found, with its tag."""
    known = f"judged.rule.{found['rule']}"
    return word(known if known in catalogue("en") else "judged.rule.other", {"rule": found["rule"], "tag": found["tag"]}, lang)


def _limit_facts(found: Row, lang: str) -> list[str]:
    """Return the value and the limits that it broke; where what it reads now is not known, or breaks none, what it was at first."""
    numbers, now = found.get("evidence") or {}, found.get("now")
    limits = {name: numbers[name] for name in ("low", "high") if _is_number(numbers.get(name))}
    if not limits:
        return []
    said = [] if now is None else [word("judged.open.now", {"value": short_number(now)}, lang)]
    broken, first = _broken(now, limits), numbers.get("value")
    if not broken and _is_number(first):
        said.insert(0, word("judged.open.was", {"value": short_number(first)}, lang))
        broken = _broken(first, limits)
    return said + [word(f"evidence.{name}", {"value": short_number(limit)}, lang) for name, limit in (broken or limits).items()]


def _broken(value: float | None, limits: Mapping[str, float]) -> dict[str, float]:
    return {} if value is None else {name: limit for name, limit in limits.items() if (value < limit if name == "low" else value > limit)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _score_text(model: Row, lang: str) -> str:
    if model.get("abstained"):
        return word("judged.abstained", {"why": abstained_text(model, lang)}, lang)
    return word("judged.open.score", {"share": share_text(model)}, lang)


def is_not_normal(model: Row) -> bool:
    """Whether a model says that its machine is not normal: by its score, or by a finding that goes on, whatever the score is."""
    return bool(model.get("alarming") or model.get("open"))


def abstained_text(model: Row, lang: str = "en") -> str:
    """Return why a model gives no score; where it was learned for one recipe only, for which: it never guesses about another."""
    why, gates = model["abstained"], model.get("gates")
    if why == GATE and gates:
        states = ", ".join(f"{tag} = {' | '.join(map(short, values))}" for tag, values in gates)
        return word("judged.abstained.gate.of", {"states": states}, lang)
    return worded(f"judged.abstained.{why}", str(why), lang)


def _on_trial(state: str, said: Sentence, lang: str) -> Sentence:
    """A model that is not armed alarms nobody."""
    level, text = said
    return ("warn" if level == "alarm" else level), word(f"judged.{state}", {"said": text}, lang)


def first_tag(model: Row) -> str | None:
    """Return the tag that the newest score is about: whom an alarm names, else what contributes most."""
    contributions = model.get("contributions") or []
    return str(contributions[0][0]) if contributions else None


def share_text(model: Row) -> str:
    """Return the score as a share of the threshold: 62 %. A dash where one of them is not known."""
    score, threshold = model.get("score"), model.get("threshold")
    if not isinstance(score, int | float) or not isinstance(threshold, int | float) or threshold <= 0:
        return "—"
    share = 100 * score / threshold
    return f"{share:,.0f} %" if share < SHARE_MAX else "> 9,999 %"


def side_of(value: float | None, low: float | None, high: float | None) -> str:
    """Return where a value is beside its normal band: below, within, above, or unknown where one of them is not there."""
    if value is None or low is None or high is None:
        return "unknown"
    return "below" if value < low else "above" if value > high else "within"


def progress_text(model: Row, lang: str = "en") -> str:
    """Return how far the learning is."""
    progress = model.get("progress")
    if not progress:
        return word("judged.learning", None, lang)
    stage = worded(f"judged.stage.{progress['stage']}", progress["stage"], lang)
    return word("judged.learning.at", {"stage": stage, "percent": f"{100 * min(1.0, max(0.0, progress['share'])):.0f}"}, lang)


def failure_text(model: Row, lang: str = "en") -> str:
    """Return why the newest learning came to nothing; empty where it did not, and while one is under way."""
    ended = model.get("ended")
    if not ended or ended["code"] == LEARNED or model.get("progress"):
        return ""
    return word("judged.learning.failed", {"reason": word(ended["code"], ended.get("params"), lang)}, lang)


def learned_text(learned: Row | None, lang: str = "en") -> str:
    """Return how many rows a model was learned from and how many were left out; empty where that was not told."""
    if not learned or not all(isinstance(learned.get(each), int) for each in ("rows", "left_out", "settling")):
        return ""
    code = "judged.learned" if learned["left_out"] or learned["settling"] else "judged.learned.whole"
    return word(code, {key: f"{value:,}" for key, value in learned.items() if isinstance(value, int)}, lang)


def coverage_text(model: Row, lang: str = "en", reader: PageReader | None = None) -> str:
    """Return whether what was learned covers what came after, how much more data is needed when it does not, and of when that is."""
    coverage = model.get("coverage")
    if not coverage:
        return word("judged.coverage.unknown", None, lang)
    said, at_ms = _coverage_said(model, coverage, lang), coverage.get("at_ms")
    if not at_ms:
        return said
    by = coverage["by"] if coverage.get("by") in {LEARNED, MAKER} else "check"
    if by == MAKER and coverage.get("blind"):
        return said  # reckoned here: no word of its maker's, and no check would change it
    if by == MAKER:
        return word("judged.coverage.by.maker", {"at": moment_for(at_ms // 1000, lang, reader), "said": said}, lang)
    learned = model.get("learned") or {}
    if coverage.get("blind") and "unlike_from_ms" in learned and "unlike_to_ms" in learned:
        span = {name: moment_for(learned[f"unlike_{name}_ms"] // 1000, lang, reader) for name in ("from", "to")}
        said = " ".join([said, word("judged.coverage.unlike", span, lang)])
    parts = [said, word(f"judged.coverage.by.{by}", {"at": moment_for(at_ms // 1000, lang, reader)}, lang)]
    if not coverage["covered"] and not coverage.get("blind") and model["state"] in SCORING:
        parts.append(word("judged.coverage.since", None, lang))
    return " ".join(parts)


def _coverage_said(model: Row, coverage: Row, lang: str) -> str:
    percent = f"{100 * (coverage['alarmed_share'] or 0):.1f}"
    rows = coverage.get("rows_wanted")
    span = span_text(rows * model["grid_ms"]) if rows and model.get("grid_ms") else ""
    missing = {"rows": f"{rows or 0:,}", "span": f" ({span})" if span else ""}
    if coverage.get("blind"):
        return word(f"judged.coverage.blind{'.few' * _learned_little(model)}", missing, lang)
    if not coverage["covered"] and rows and coverage["alarmed_share"] is None:
        return word("judged.coverage.untried", missing, lang)
    if coverage["covered"]:
        return word("judged.coverage.yes", {"percent": percent}, lang)
    if not rows:
        return word("judged.coverage.no", {"percent": percent}, lang)
    if (coverage["alarmed_share"] or 0) <= COVERED_SHARE_MAX:
        return word("judged.coverage.few", missing, lang)
    return word("judged.coverage.more", {"percent": percent, **missing}, lang)


def _learned_little(model: Row) -> bool:
    """Whether a model that would find hardly anything was learned here, from too little to tell why."""
    coverage = model.get("coverage") or {}
    return bool(coverage.get("rows_wanted")) and coverage.get("by") in {LEARNED, "check"} and not model.get("imported")


def labels_text(model: Row, lang: str = "en") -> str:
    """Return what people said of the model's findings, and what follows for its precision and recall."""
    labels = model.get("labels") or {}
    counts = {name: labels.get(name) or 0 for name in ("normal", "not_normal", "unsure")}
    if not any(counts.values()):
        return word("judged.labels.none", None, lang)
    enough = {"precision": (labels.get("judged") or 0) >= LABELS_MIN, "recall": counts["not_normal"] >= LABELS_MIN}
    if not any(enough.values()):
        return word("judged.labels.few", counts | {"least": LABELS_MIN}, lang)
    shares = {name: f"{100 * labels[name]:.0f} %" if told and labels.get(name) is not None else "—" for name, told in enough.items()}
    return word("judged.labels", counts | shares, lang)


def next_step(model: Row, lang: str = "en") -> tuple[str, str | None]:
    """Return what a person may do next with a model, and the command for it where there is one."""
    state, name = model["state"], model["name"]
    coverage, imported = model.get("coverage") or {}, bool(model.get("imported"))
    covered = bool(coverage.get("covered"))
    if model.get("refused"):
        return word("judged.next.refused", None, lang), None if imported else _command("learn", name)
    match state, covered:
        case "learning", _:
            return word("judged.next.learning", None, lang), None
        case "checking" | "shadow", False if coverage.get("blind"):
            more = ".maker" * imported or ".few" * _learned_little(model)
            return word(f"judged.next.blind{more}", None, lang), None if imported else _command("learn", name)
        case "checking" | "shadow", False if imported:
            return word("judged.next.uncovered.maker", None, lang), _command("check", name)
        case "checking" | "shadow", False:
            return word("judged.next.uncovered", None, lang), _command("learn", name)
        case "checking", True:
            return word("judged.next.checking", None, lang), _command("shadow", name)
        case "shadow", _:
            return word("judged.next.shadow", None, lang), _command("arm", name)
        case "armed", _:
            return word("judged.next.armed", None, lang), _command("disarm", name)
    if imported:
        return word("judged.next.checking", None, lang), _command("shadow", name)
    return word("judged.next.off", None, lang), _command("learn", name)


def drift_text(model: Row, lang: str = "en") -> str:
    """Return what a model that has drifted advises, empty where none does; what was not learned here is not to be learned again here."""
    advice = model.get("drift")
    if not advice:
        return ""
    own = f"judged.drift.{advice}.maker"
    return worded(own if model.get("imported") and own in catalogue("en") else f"judged.drift.{advice}", str(advice), lang)


def label_command(name: str) -> str:
    """Return the command that labels a finding of a model."""
    return f"witnessmark model label {name} --finding ENTRY --as not_normal --by NAME"


def worded(code: str, fallback: str, lang: str) -> str:
    """Return the text of a code, or what came where no catalogue has it: a part of another version may say new things."""
    return word(code, None, lang) if code in catalogue(lang if lang in LANGUAGES else "en") else fallback


def span_text(span_ms: float) -> str:
    """Return a span of time in the unit that reads best: 12 s, 40 min, 3.5 h, 2 d."""
    seconds = max(0.0, span_ms / 1000)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def _command(verb: str, name: str) -> str:
    return f'witnessmark model {verb} {name} --reason "…"'


def short_number(value: Any) -> str:
    """Return a number with four digits that say something, without an exponent where people do without; a dash for none."""
    if not isinstance(value, int | float):
        return "—"
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def moment_of(wall_ms: int | None) -> str:
    """Return a wall time to the second, in UTC."""
    return moment_s(wall_ms // 1000 if isinstance(wall_ms, int) else None)
