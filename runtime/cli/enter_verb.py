"""`witnessmark enter STATION/TAG VALUE --by NAME`: a reading that a person took, through the door of the running gateway.

Room: hall. It says `done` only when the core has said that the reading is durable. Exit codes as of `witnessmark act`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.act_verbs import AsJson, State, send_act
from runtime.cli.console import fail

LITERAL = {"ignore_unknown_options": True}
"""So that -1.5 is a value."""


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("enter", context_settings=LITERAL)(enter)


def enter(
    tag: Annotated[str, typer.Argument(metavar="STATION/TAG", help="As in the config.")],
    value: Annotated[str, typer.Argument(help="As the instrument shows it: 21.5 or 21,5; yes or no; or text.")],
    by: Annotated[str, typer.Option("--by", help="Who read it; it is recorded.")],
    taken: Annotated[
        str | None, typer.Option("--taken", help="When, if not now: 2026-03-01T06:00 (this machine's time) or with an offset.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="A remark; it is recorded.")] = "",
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Enter a reading at a manual station."""
    params: dict[str, Any] = {"value": value, "by": by}
    if taken is not None:
        params["taken_ms"] = _wall_ms(taken, as_json=as_json)
    send_act(state, {"action": "manual.enter", "target": tag, "params": params, "reason": reason}, as_json=as_json)


def _wall_ms(text: str, *, as_json: bool) -> int:
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        fail("time_invalid", {"text": text[:80]}, as_json=as_json)
