"""`witnessmark model learn | check | shadow | arm | disarm | label | import | replay`: acts on models, through the gateway's door.

Room: hall. It decides nothing: the core checks, records the intent, acts, records the outcome; the judge learns and scores. Looking at
models is `model_looks`. Exit codes as of `witnessmark act`: 0 done, 1 refused or failed, 2 not known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.act_verbs import AsJson, State, do_act, send_act
from runtime.cli.console import console, fail, print_json
from runtime.cli.evidence_verbs import Epoch
from runtime.cli.model_learning import wait_until_learned
from runtime.cli.model_looks import explain, list_models, score
from runtime.cli.model_rows_verb import rows
from runtime.cli.places import read_evidence
from runtime.cli.replay_verb import replay
from runtime.cli.times import wall_ms
from runtime.messages import judged

LABELS: Final = ("normal", "not_normal", "unsure")
FILE_SIZE_MAX: Final = 900_000
"""Of model, manifest and signature together: an act is one frame of the feed."""
Name = Annotated[str, typer.Argument(metavar="MODEL", help="As in the configuration.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
From = Annotated[str | None, typer.Option("--from", help="ms since 1970, or ISO 8601 (local time where it names no zone).")]
To = Annotated[str | None, typer.Option("--to", help='"now", or as --from.')]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Learn what is normal on this gateway, and look at what its models say.")
    group.command("list")(list_models)
    group.command("learn")(learn)
    group.command("check")(check)
    group.command("shadow")(shadow)
    group.command("arm")(arm)
    group.command("disarm")(disarm)
    group.command("score")(score)
    group.command("explain")(explain)
    group.command("label")(label)
    group.command("import")(import_model)
    group.command("rows")(rows)
    group.command("replay")(replay_model)
    app.add_typer(group, name="model")


def learn(
    name: Name,
    reason: Reason,
    start: From = None,
    end: To = None,
    recipe: Annotated[
        str,
        typer.Option("--recipe", help="What the machine makes then; it is kept with the model. Gates of the definition choose the rows."),
    ] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has learned, and say how it ended.")] = True,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Learn what is normal from what was recorded: the newest hour unless a span is named. It becomes a new model, to be checked."""
    params: dict[str, Any] = _span(start, end, as_json=as_json)
    if recipe:
        params["recipe"] = recipe
    request = {"action": "model.learn", "target": name, "params": params, "reason": reason}
    if not wait:
        send_act(state, request, as_json=as_json)
        return
    wait_until_learned(state, request, as_json=as_json)


def check(name: Name, reason: Reason, state: State = Path("state"), as_json: AsJson = False) -> None:
    """Check what was learned against what the model has scored since: how much of it would have alarmed."""
    outcome = do_act(state, {"action": "model.check", "target": name, "params": {}, "reason": reason}, as_json=as_json)
    text = judged.coverage_text({"coverage": outcome["params"]})
    if as_json:
        print_json({"action": "model.check", **outcome, "text": text})
    else:
        console().print(text, markup=False)


def shadow(name: Name, reason: Reason, state: State = Path("state"), as_json: AsJson = False) -> None:
    """Set a model on trial: it scores, its scores are recorded, and it alarms nobody."""
    _act("shadow", name, reason, state, as_json=as_json)


def arm(name: Name, reason: Reason, state: State = Path("state"), as_json: AsJson = False) -> None:
    """Let a model report what is not normal. Refused while what it learned does not cover the machine."""
    _act("arm", name, reason, state, as_json=as_json)


def disarm(name: Name, reason: Reason, state: State = Path("state"), as_json: AsJson = False) -> None:
    """Take a model one step down: from armed to on trial, from on trial to off. What it recorded stays."""
    _act("disarm", name, reason, state, as_json=as_json)


def label(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="Who says so; it is recorded.")],
    what: Annotated[str, typer.Option("--as", help="normal, not_normal or unsure.")],
    finding: Annotated[int | None, typer.Option("--finding", min=0, help="The entry of the finding.")] = None,
    start: From = None,
    end: To = None,
    reason: Annotated[str, typer.Option("--reason", help="A remark; it is recorded.")] = "",
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Say whether a finding was right, or how the machine was in a span of time; it feeds the model's precision and recall."""
    if what not in LABELS:
        fail("label_unknown", {"label": what}, as_json=as_json)
    span = _span(start, end, as_json=as_json)
    if (finding is None) == (len(span) != 2) or (finding is not None and span):
        fail("label_needs_what", as_json=as_json)
    params: dict[str, Any] = {"label": what, "by": by, **({"seq": finding} if finding is not None else span)}
    _act("label", name, reason, state, params, as_json=as_json)


def import_model(
    name: Name,
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="The model.")],
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What it takes and gives: docs/bring-your-own-model.md.")],
    reason: Reason,
    signature: Annotated[Path | None, typer.Option("--signature", help="The vendor's signature of the manifest (COSE_Sign1).")] = None,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Bring a model that was trained elsewhere. It is examined before anything loads it, then checked and set on trial like any other."""
    files = {"model": model, "manifest": manifest, **({"signature": signature} if signature is not None else {})}
    params: dict[str, Any] = {key: read_evidence(path, FILE_SIZE_MAX, as_json=as_json) for key, path in files.items()}
    size = sum(map(len, params.values()))
    if size > FILE_SIZE_MAX:
        fail("file_too_long", {"size": size, "size_max": FILE_SIZE_MAX}, as_json=as_json)
    _act("import", name, reason, state, params, as_json=as_json)


def replay_model(
    name: Name,
    state: State = Path("state"),
    first: Annotated[int, typer.Option("--from", min=0, help="First entry.")] = 0,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last entry; the newest by default.")] = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Reckon recorded scores again from recorded readings, to the bit: the same as `ledger replay --model`."""
    replay(name, state, first, last, epoch, as_json=as_json)


def _act(verb: str, name: str, reason: str, state: Path, params: dict[str, Any] | None = None, *, as_json: bool) -> None:
    send_act(state, {"action": f"model.{verb}", "target": name, "params": params or {}, "reason": reason}, as_json=as_json)


def _span(start: str | None, end: str | None, *, as_json: bool) -> dict[str, Any]:
    """Return the times that were named, in ms."""
    named = {"from_ms": start, "to_ms": end}
    return {key: wall_ms(text, as_json=as_json) for key, text in named.items() if text is not None}
