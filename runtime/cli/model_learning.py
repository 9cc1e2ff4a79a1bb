"""Waiting until a model has learned: progress on the way, and how it ended.

Room: hall. `witnessmark model learn` calls it. The gateway learns on its own; a person who leaves (Ctrl-C) stops nothing. Exit codes: 0 it
has learned, 1 it could not, 2 nothing more is heard of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from runtime.cli.act_verbs import ASK_S, ask, do_act
from runtime.cli.as_called import runnable
from runtime.cli.console import console, fail, print_json
from runtime.cli.model_looks import known_model
from runtime.messages import judged
from runtime.messages.catalogue import word

LOOK_EVERY_S: Final = 0.5
QUIET_S_MAX: Final = 120.0
"""Learning that makes no step for so long is given up on: by this verb, not by the gateway."""


def wait_until_learned(state: Path, request: dict[str, Any], *, as_json: bool) -> None:
    """Ask for the act and stay until the learning has ended; says how."""
    name = request["target"]
    before = known_model(ask(state, "models", {}, ASK_S, as_json=as_json), name, as_json=as_json).get("ended")
    outcome = do_act(state, request, as_json=as_json)
    model = _watch(state, name, before, as_json=as_json)
    ended = model["ended"]
    if ended["code"] != judged.LEARNED:
        fail(ended["code"], ended["params"], as_json=as_json, exit_code=1)
    todo, command = judged.next_step(model)
    said = [word("model_learned", {"name": name}), judged.learned_text(model.get("learned")), judged.coverage_text(model), todo]
    said += [] if command is None else [runnable(command)]
    text = " ".join(each for each in said if each)
    if as_json:
        print_json({"action": request["action"], **outcome, "model": model, "text": text})
    else:
        console().print(text, markup=False)


def _watch(state: Path, name: str, before: Mapping[str, Any] | None, *, as_json: bool) -> Mapping[str, Any]:
    """Return the model's row once its learning has ended: differently from how the one before did."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(errors=True), transient=True, disable=as_json) as bar:
        task = bar.add_task(word("judged.learning"), total=100)
        step, since_s = None, time.monotonic()
        while True:
            if time.monotonic() - since_s > QUIET_S_MAX:
                fail("model_no_learning", {"name": name}, as_json=as_json)
            model = known_model(ask(state, "models", {}, ASK_S, as_json=as_json), name, as_json=as_json)
            progress, ended = model.get("progress"), model.get("ended")
            if progress is None and ended is not None and ended != before:
                return model
            if progress is not None:
                bar.update(task, description=judged.progress_text(model), completed=100 * progress["share"])
            if progress != step:
                step, since_s = progress, time.monotonic()
            time.sleep(LOOK_EVERY_S)
