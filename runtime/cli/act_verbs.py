"""`witnessmark act device.write | device.call | config.edit`: change something through the door of the running gateway, as its admin.

Room: hall. It talks to the core over the feed's socket and decides nothing: the core checks, records the intent, acts, records the
outcome. Exit codes: 0 done, 1 refused or failed, 2 not known (the gateway does not answer, or the act's effect is not certain).
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.as_called import with_runnable
from runtime.cli.console import CANNOT_TELL, console, fail, print_json, unreadable
from runtime.faces.feed import CONFIG_TEXT_MAX, RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.messages.catalogue import word
from runtime.run_folder import feed_of

State = Annotated[Path, typer.Option("--state", help="The state folder of the running gateway.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
ACT_S: Final = 75.0
ASK_S: Final = 5.0
NOT_KNOWN: Final = frozenset({"unknown", "write_unknown", "core_away", "request_timeout"})


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(
        no_args_is_help=True, help="Write a setpoint, call a method or change the configuration of the running gateway; recorded."
    )
    group.command("device.write")(device_write)
    group.command("device.call")(device_call)
    group.command("config.edit")(config_edit)
    app.add_typer(group, name="act")


def device_write(
    tag: Annotated[str, typer.Option("--tag", help="device/tag, as in the config.")],
    value: Annotated[str, typer.Option("--value", help="A number, true, false, or text.")],
    reason: Reason,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Write one setpoint at once, unseen: for scripts. Allowed by device_writes, and writable with a write table. See `write`."""
    send_act(state, {"action": "device.write", "target": tag, "params": {"value": parse_value(value)}, "reason": reason}, as_json=as_json)


def device_call(
    device: Annotated[str, typer.Option("--device", help="A device of the config.")],
    owner: Annotated[str, typer.Option("--object", help="The object that has the method, such as ns=2;s=Line.")],
    method: Annotated[str, typer.Option("--method", help="The method, such as ns=2;s=Line.Reset.")],
    reason: Reason,
    argument: Annotated[list[str] | None, typer.Option("--argument", help="int16:5, double:1.5, boolean:true or string:text.")] = None,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Call a method of a device. The configuration must allow it: device_writes, and method_calls at the device."""
    params = {"object": owner, "method": method} | {str(n): text for n, text in enumerate(argument or ())}
    send_act(state, {"action": "device.call", "target": device, "params": params, "reason": reason}, as_json=as_json)


def config_edit(
    file: Annotated[Path, typer.Option("--file", help="The whole new configuration.")],
    reason: Reason,
    state: State = Path("state"),
    revision: Annotated[int | None, typer.Option("--revision", help="What the file was made from; default: what is in force.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a new configuration in force without a restart; it becomes the next revision."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail("config_unreadable", unreadable(file, error), as_json=as_json)
    if len(text.encode()) > CONFIG_TEXT_MAX:
        fail("file_too_long", {"size": len(text.encode()), "size_max": CONFIG_TEXT_MAX}, as_json=as_json)
    expected = revision if revision is not None else ask(state, "status", {}, ASK_S, as_json=as_json)["gateway"]["revision"]
    request = {"action": "config.edit", "target": "", "params": {"text": text}, "expected_revision": expected, "reason": reason}
    send_act(state, request, as_json=as_json)


def parse_value(text: str) -> str | int | float | bool:
    """Return a setpoint as written on the command line: a number, true or false; all else, and what stands in quotes, is text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float) else text


def send_act(state: Path, request: dict[str, Any], *, as_json: bool) -> None:
    """Ask the running gateway to do one act, and say what came of it."""
    outcome = do_act(state, request, as_json=as_json)
    params, seq = outcome["params"], outcome["seq"]
    text = word("act_done", {"seq": seq}) if seq is not None else word("act_done_unrecorded")
    if "revision" in params:
        text += " " + word("act_restart_needed" if params.get("restart_needed") else "act_revision", params)
    for file in params.keys() & {"kept", "waits"}:
        text += " " + word(f"act_{file}", params)
    if "reading_seq" in params:
        text += " " + word("act_entered", params)
    if "advice" in params:
        text += " " + word("act_advice", params)
    if request["action"] == "model.shadow" and params.get("covered") is False:
        text += " " + word("act_shadow_uncovered")
    if as_json:
        print_json({"action": request["action"], **outcome, "text": text})
    else:
        names = sorted(params, key=lambda name: (len(name), name)) if request["action"] == "device.call" else []  # out2 before out10
        outputs = [str(params[name]) for name in names]
        console().print(" ".join([with_runnable(text), *outputs]), markup=False)


def do_act(state: Path, request: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Ask the running gateway to do one act, and return its outcome; one that was not done is said, and ends the verb."""
    outcome = ask(state, "act", {"id": os.urandom(16), **request}, ACT_S, as_json=as_json)
    if outcome["code"] != "done":
        fail(outcome["code"], outcome["params"], as_json=as_json, exit_code=exit_code_of(outcome["code"]))
    return outcome


def ask(state: Path, method: str, params: dict[str, Any], timeout_s: float, *, as_json: bool) -> dict[str, Any]:
    """Ask the running gateway one thing; a refusal is said, and ends the verb."""
    try:
        answer: dict[str, Any] = asyncio.run(ask_once(feed_of(state), "cli", method, params, timeout_s))
    except RequestRefusedError as error:
        code, params = error.code, error.params
        if code == "core_away" and not as_json:  # people mostly forget --state; scripts know the code
            code, params = "state_not_running", {"state": str(state)}
        fail(code, params, as_json=as_json, exit_code=exit_code_of(error.code))
    return answer


def exit_code_of(code: str) -> int:
    """Return 2 where nobody knows what became of it, else 1."""
    return CANNOT_TELL if code in NOT_KNOWN else 1
