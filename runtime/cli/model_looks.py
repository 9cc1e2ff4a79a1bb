"""`witnessmark model list | score | explain`: what the models of the running gateway say.

Room: hall. It asks the core over the feed's socket and decides nothing; sentences are those of the page (`runtime.messages.judged`).
Exit codes of `score`: 0 normal, 1 not normal, 2 nothing that can be told now (no score and nothing that goes
on, an old one, no judge, no gateway).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from runtime.cli.act_verbs import ASK_S, AsJson, State, ask
from runtime.cli.as_called import runnable, with_runnable
from runtime.cli.console import CANNOT_TELL, console, fail, print_json
from runtime.cli.times import wall_ms
from runtime.messages import judged
from runtime.messages.catalogue import word
from runtime.messages.finding_words import finding_tags, finding_text
from runtime.messages.values import moment

STYLES: Final = {"ok": "green", "warn": "yellow", "alarm": "bold red"}
POINTS_MAX: Final = 2_000
SCORES_S: Final = 30.0
Model = Mapping[str, Any]


def list_models(state: State = Path("state"), as_json: AsJson = False) -> None:
    """Say of each model what state it is in, what it says, and what to do next."""
    found = ask(state, "models", {}, ASK_S, as_json=as_json)
    if as_json:
        print_json(found)
        return
    if not found["models"]:
        console().print(word("models_none"), markup=False)
        return
    table = Table("model", "state", "score", "", box=None, pad_edge=False)
    for row in found["models"]:
        model = judged.with_values(row, found.get("values") or {})
        level, text = judged.state_sentence(model, found["judge"], _now_ms())
        said = Text(with_runnable("\n".join([text, *_more(model)])), style=STYLES[level])
        table.add_row(model["name"], word(f"web.model.state.{model['state']}"), judged.share_text(model), said)
    console().print(table)


def score(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="As in the configuration.")],
    start: Annotated[str | None, typer.Option("--from", help="List the recorded scores from here: ms since 1970, or ISO 8601.")] = None,
    end: Annotated[str, typer.Option("--to", help='"now", or as --from.')] = "now",
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Say what a model's newest score is, or list the scores of a span of time."""
    if start is not None:
        _list_scores(state, name, wall_ms(start, as_json=as_json), wall_ms(end, as_json=as_json), as_json=as_json)
        return
    model, found = _model(state, name, as_json=as_json)
    now_ms = _now_ms()
    level, text = judged.state_sentence(model, found["judge"], now_ms)
    heard = judged.is_of_now(model, found["judge"], now_ms)
    of_now = heard and model.get("score") is not None
    if as_json:
        print_json({"model": model, "judge": found["judge"], "of_now": of_now, "text": text})
    else:
        console().print(Text(text, style=STYLES[level]))
        age_ms = judged.score_age_ms(model, now_ms)
        if age_ms is not None:
            values = {
                "score": judged.short_number(model.get("score")),
                "threshold": judged.short_number(model.get("threshold")),
                "age": judged.span_text(age_ms),
            }
            console().print(word("model_score_line", values), markup=False)
    tells = of_now or (heard and judged.leads_by_open(model))
    raise typer.Exit(int(judged.is_not_normal(model)) if tells else CANNOT_TELL)


def explain(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="As in the configuration.")],
    finding: Annotated[int | None, typer.Option("--finding", min=0, help="The entry of a finding; default: the newest score.")] = None,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Say which tags make a score or a finding, and where each is beside its normal band."""
    model, found = _model(state, name, as_json=as_json)
    said: Model = model
    _, text = judged.state_sentence(model, found["judge"], _now_ms())
    if finding is not None:
        own = {each["seq"]: each for each in found["findings"] if each["model"] == name}
        if finding not in own:
            fail("finding_unknown", {"seq": finding}, as_json=as_json, exit_code=1)
        said, text = own[finding], f"{moment(own[finding]['at_ms'])}  {finding_text(own[finding])}"
    rows = judged.tag_rows(said) if finding is None else finding_tags(said)
    if as_json:
        keys = ("tag", "share", "value", "low", "high")
        print_json({"model": name, "finding": finding, "text": text, "contributions": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    console().print(text, markup=False)
    if rows and any(row[1] is None for row in rows):
        console().print(word("web.judged.by_rule"), markup=False)
    console().print(explanation(rows) if rows else word("web.judged.no_tags"))


def explanation(rows: Sequence[Sequence[Any]]) -> Table:
    """Return [tag, share, value, low, high] rows as a table; share None: a rule found it."""
    table = Table("tag", "share", "value", "normal", "", box=None, pad_edge=False)
    for tag, share, value, low, high in rows:
        band = "-" if low is None or high is None else f"{judged.short_number(low)} to {judged.short_number(high)}"
        side = judged.side_of(value, low, high)
        where = Text(word(f"web.judged.side.{side}"), style="" if side == "within" else "red")
        table.add_row(tag, "-" if share is None else f"{100 * share:.0f} %", judged.short_number(value), band, where)
    return table


def known_model(found: Mapping[str, Any], name: str, *, as_json: bool) -> Model:
    """Return a model of the core's answer; ends the verb when it is not there."""
    rows = {model["name"]: model for model in found["models"]}
    if name not in rows:
        fail("model_unknown", {"model": name}, as_json=as_json, exit_code=1)
    return dict(rows[name])


def _model(state: Path, name: str, *, as_json: bool) -> tuple[Model, Mapping[str, Any]]:
    found = ask(state, "models", {}, ASK_S, as_json=as_json)
    return judged.with_values(known_model(found, name, as_json=as_json), found.get("values") or {}), found


def _list_scores(state: Path, name: str, from_ms: int, to_ms: int, *, as_json: bool) -> None:
    params = {"model": name, "from_ms": from_ms, "to_ms": to_ms, "points_max": POINTS_MAX}
    found = ask(state, "scores", params, SCORES_S, as_json=as_json)
    if as_json:
        print_json({"model": name, **found})
        return
    threshold = found.get("threshold")
    for ms, each, _ in found["points"]:
        said = word("web.judged.chart.abstained") if each is None else judged.short_number(each)
        is_beyond = each is not None and threshold is not None and each > threshold  # that it alarms begins and ends later
        print(f"{moment(ms)}  {said}" + (f"  {word('web.judged.legend.beyond')}" if is_beyond else ""))
    if found.get("cut_ms") is not None:
        console().print(word("model_scores_cut", {"name": name, "from": moment(found["cut_ms"])}), markup=False)
    if found.get("earlier"):
        console().print(word("web.judged.chart.earlier"), markup=False)
    if not found["points"]:
        console().print(word("model_scores_none", {"name": name}), markup=False)


def _more(model: Model) -> list[str]:
    """What else is to be said of a model: refusal, drift, coverage where it decides, the next step."""
    lines = []
    if advice := judged.drift_text(model):
        lines.append(advice)
    if failure := judged.failure_text(model):
        lines.append(failure)
    if model["state"] == "checking" or (model["state"] in judged.SCORING and judged.is_uncovered(model)):
        lines.append(judged.coverage_text(model))
    todo, command = judged.next_step(model)
    return [*lines, f"{todo} {runnable(command)}" if command else todo]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
