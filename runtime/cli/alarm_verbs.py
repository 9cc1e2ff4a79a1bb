"""`witnessmark alarm list | history | ack | shelve | unshelve | reset | test`: alarms of the running gateway, as its own user.

Room: hall. It talks to the core over the feed's socket and decides nothing. Exit codes as of `witnessmark act`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.act_verbs import ASK_S, AsJson, State, ask, do_act
from runtime.cli.console import console, print_json
from runtime.faces.web.alarm_lines import alarm_line, history_lines
from runtime.messages.catalogue import word
from runtime.messages.values import moment

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="As in the config.")]
Note = Annotated[str, typer.Option("--reason", help="A remark; it is recorded.")]
STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "", "advisory": "dim"}


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Alarms of the running gateway: look at them, acknowledge, shelve.")
    group.command("list")(list_alarms)
    group.command("history")(history)
    for name, verb in (("ack", ack), ("shelve", shelve), ("unshelve", unshelve), ("reset", reset), ("test", try_target)):
        group.command(name)(verb)
    app.add_typer(group, name="alarm")


def list_alarms(
    state: State = Path("state"),
    everything: Annotated[bool, typer.Option("--all", help="Those that are normal too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alarms that wait or are active, the most urgent first, and how calling people goes."""
    told = ask(state, "alarms", {"all": everything, "limit": 500}, ASK_S, as_json=as_json)
    if as_json:
        print_json(told)
        return
    out, summary = console(), told["summary"]
    if not told["rows"]:
        out.print(word("alarm.empty.quiet" if summary["defined"] else "alarm.empty.none", {"count": summary["defined"]}), markup=False)
    for row in told["rows"]:
        line = alarm_line(row, "en")
        style = STYLES[line.priority] if line.waits else "dim"
        out.print(f"{line.letter} {line.name}: {line.state_text}, {moment(line.since_ms)}", style=style, markup=False)
        own, about = line.title if line.title != line.name else "", f"{line.about}{f' ({line.value})' if line.value else ''}"
        for text in (own, about, line.action, f"{row.get('by', '')} {line.note}".strip()):
            if text:
                out.print(f"    {text}", markup=False)
    if summary["cause"]:
        cause = word(summary["cause"], summary["params"])
        out.print(word("alarm.unrecorded", {"count": summary["unrecorded"], "cause": cause}), style="red", markup=False)
    for target in summary["notify"]:
        why = word(target["cause"], target["params"]) if target["cause"] else ""
        out.print(f"{target['name']} ({target['type']}): {word('alarm.sent', target)} {why}".rstrip(), markup=False)


def history(
    name: Annotated[str, typer.Option("--name", help="Of one alarm only.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500)] = 50,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Tell what happened to alarms, the newest first, as far back as the gateway remembers; the ledger has the rest."""
    told = ask(state, "alarm_history", {"limit": limit} | ({"name": name} if name else {}), ASK_S, as_json=as_json)
    if as_json:
        print_json(told)
        return
    if not told["rows"]:
        console().print(word("alarm.history.empty"), markup=False)
    for line in history_lines(told["rows"], "en"):
        entry = word("web.entry") + f" {line.seq}" if line.seq is not None else word(f"web.state.{line.recorded}")
        console().print(f"{moment(line.at_ms)}  {line.text}  [{entry}]", markup=False, highlight=False)


def ack(names: Names, reason: Note = "", state: State = Path("state"), as_json: AsJson = False) -> None:
    """Acknowledge alarms: somebody knows of them."""
    _act(state, "alarm.ack", names, {}, reason, as_json=as_json)


def shelve(
    names: Names,
    minutes: Annotated[int, typer.Option("--minutes", min=1, help="For how long; then it comes back by itself.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")],
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Put alarms aside for a while."""
    _act(state, "alarm.shelve", names, {"minutes": minutes}, reason, as_json=as_json)


def unshelve(names: Names, reason: Note = "", state: State = Path("state"), as_json: AsJson = False) -> None:
    """Take alarms from the shelf."""
    _act(state, "alarm.unshelve", names, {}, reason, as_json=as_json)


def reset(names: Names, reason: Note = "", state: State = Path("state"), as_json: AsJson = False) -> None:
    """Reset latched alarms that are acknowledged and back to normal."""
    _act(state, "alarm.reset", names, {}, reason, as_json=as_json)


def try_target(
    target: Annotated[str, typer.Argument(help="A target of [notify].")], state: State = Path("state"), as_json: AsJson = False
) -> None:
    """Let a target hear from the gateway; `alarm list` says what came of it."""
    outcome = do_act(state, {"action": "alarm.test", "target": target, "params": {}, "reason": "test"}, as_json=as_json)
    _say(outcome, as_json=as_json)


def _act(state: Path, action: str, names: list[str], params: Mapping[str, Any], reason: str, *, as_json: bool) -> None:
    request = {"action": action, "target": "", "params": {"names": "\n".join(names), **params}, "reason": reason}
    _say(do_act(state, request, as_json=as_json), as_json=as_json)


def _say(outcome: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(dict(outcome))
        return
    seq = outcome["seq"]
    text = word("act_done", {"seq": seq}) if seq is not None else word("act_done_unrecorded")
    skipped = outcome["params"].get("skipped")
    console().print(text + (" " + word("alarm.skipped", {"count": skipped}) if skipped else ""), markup=False)
