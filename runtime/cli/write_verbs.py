"""`witnessmark write`, `approve` and `read-only`: commands by way of the desk of the running gateway.

Room: hall. It shows what the core says would be done, asks, and confirms; it decides nothing. Exit codes as of `witnessmark act`; a command
that waits for a second person ends with 0.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.act_verbs import ACT_S, AsJson, Reason, State, ask, do_act, exit_code_of, parse_value
from runtime.cli.console import console, fail, print_json
from runtime.messages.catalogue import word
from runtime.messages.command_words import headline, preview_lines

PREPARE_S: Final = 10.0
LITERAL: Final = {"ignore_unknown_options": True}
"""So that -1.5 is a value."""
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; a script has read the rules.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command("write", context_settings=LITERAL)(write)
    app.command("approve")(approve)
    app.command("read-only")(read_only)


def write(
    target: Annotated[str, typer.Argument(metavar="DEVICE/TAG", help="As in the config; DEVICE/METHOD() calls a method.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="VALUE", help="A number, true, false or text; of a method its arguments.")],
    reason: Reason,
    yes: Yes = False,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Write one setpoint: see what would be done, then confirm it."""
    given = values or []
    value: Any = given if target.endswith("()") else parse_value(given[0]) if len(given) == 1 else None
    seen = ask(state, "command.prepare", {"target": target, "value": value}, PREPARE_S, as_json=as_json)
    if seen["refusal"] is not None:
        if not as_json:
            _show(preview_lines(seen)[:-1])
        fail(seen["refusal"]["code"], seen["refusal"]["params"], as_json=as_json, exit_code=1)
    _agree(preview_lines(seen), yes=yes, as_json=as_json)
    params = {"nonce": seen["nonce"], "value": seen["value"], "old": seen["old"]}
    outcome = _confirm(state, {"action": "command.confirm", "target": target, "params": params, "reason": reason}, as_json=as_json)
    _tell("command.confirm", outcome, as_json=as_json)


def approve(
    proposal: Annotated[str, typer.Argument(help="Its number, as `witnessmark approve list` shows it; `list` shows what waits.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded. Only `list` does without.")] = "",
    yes: Yes = False,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Approve a command of high risk that somebody else asked for."""
    if proposal != "list" and not reason.strip():
        fail("approve_reason_missing", {"proposal": proposal}, as_json=as_json, exit_code=1)
    waiting = ask(state, "commands", {}, PREPARE_S, as_json=as_json)["waiting"]
    if proposal == "list":
        if as_json:
            print_json(waiting)
        else:
            _show([f"{each['id']}  {each['by']}: {headline(each)} {each['reason']}" for each in waiting])
        return
    found = next((each for each in waiting if each["id"] == proposal), None)
    if found is None:
        fail("command_proposal_gone", {}, as_json=as_json, exit_code=1)
    _agree([f"{found['by']}: {headline(found)} {found['reason']}"], yes=yes, as_json=as_json)
    params = {"proposal": proposal, "value": found["value"], "old": found["old"]}
    outcome = _confirm(state, {"action": "command.approve", "target": found["target"], "params": params, "reason": reason}, as_json=as_json)
    _tell("command.approve", outcome, as_json=as_json)


def read_only(
    switch: Annotated[str, typer.Argument(metavar="on|off", help="on: nothing is written any more.")],
    reason: Reason,
    device: Annotated[str, typer.Option("--device", help="One device; otherwise the whole gateway.")] = "",
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Switch the gateway, or one device, to read-only and back."""
    if switch not in ("on", "off"):
        raise typer.BadParameter("on or off")
    request = {"action": "gateway.read_only", "target": device, "params": {"on": switch == "on"}, "reason": reason}
    outcome = do_act(state, request, as_json=as_json)
    text = word(f"read_only_{switch}", {"seq": outcome["seq"]})
    if as_json:
        print_json({"action": "gateway.read_only", **outcome, "text": text})
    else:
        _show([text])


def _agree(lines: list[str], *, yes: bool, as_json: bool) -> None:
    """Show what would be done and wait for a yes; programs that read JSON have to bring it along."""
    if not as_json:
        _show(lines)
    if not yes and (as_json or not typer.confirm(word("command_ask"), default=False)):
        fail("command_not_confirmed", {}, as_json=as_json, exit_code=1)


def _confirm(state: Path, request: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    outcome = ask(state, "act", {"id": os.urandom(16), **request}, ACT_S, as_json=as_json)
    if outcome["code"] not in ("done", "command_waits"):
        fail(outcome["code"], outcome["params"], as_json=as_json, exit_code=exit_code_of(outcome["code"]))
    return outcome


def _tell(action: str, outcome: dict[str, Any], *, as_json: bool) -> None:
    params = {**outcome["params"], "seq": outcome["seq"]}
    code = "command_waiting" if outcome["code"] == "command_waits" else "command_done" if "read_back" in params else "act_done"
    text = word(code if outcome["seq"] is not None else "act_done_unrecorded", params)
    if as_json:
        print_json({"action": action, **outcome, "text": text})
    else:
        _show([text])


def _show(lines: list[str]) -> None:
    for line in lines:
        console().print(line, markup=False)
