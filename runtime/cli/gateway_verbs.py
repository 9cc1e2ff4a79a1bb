"""The verbs of a gateway: run, check, read, status.

Room: hall. `cli.app` registers them. They parse, call one function of the runtime and print; with --json one line for other programs.
Nothing heavy is imported before its verb runs. Exit codes: 0 fine, 1 what was asked is not so (a fault, a refusal), 2 it cannot be told.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.as_called import with_runnable
from runtime.cli.console import CANNOT_TELL, console, fail, print_json, unreadable
from runtime.messages.catalogue import word
from runtime.messages.values import value_text

StateOption = Annotated[Path, typer.Option("--state", help="The state folder.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]
STATE_DEFAULT: Final = Path("state")
STATUS_S: Final = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (run, check, read, status):
        app.command()(verb)


def run(
    state: StateOption = STATE_DEFAULT,
    config: Annotated[Path | None, typer.Option("--config", help="The config file; default: STATE/config/witnessmark.toml.")] = None,
    json_lines: JsonOption = False,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C."""
    from runtime.core_process import become

    become(state, config, as_json=json_lines)


def check(
    config: Annotated[Path, typer.Argument(help="The config file.")],
    json_lines: JsonOption = False,
    lang: Annotated[str, typer.Option("--lang", help="en or zh")] = "en",
) -> None:
    """List every fault of a config file at once, and say how much of their time its lines need."""
    from runtime.bus_budget import accept_config
    from runtime.calibrations import Calibrations
    from runtime.clock import SystemClock
    from runtime.config_faults import ConfigError

    try:
        accepted = accept_config(config.read_text(encoding="utf-8"))
    except ConfigError as error:
        if json_lines:
            print_json({"faults": [fault.plain() for fault in error.faults]})
        else:
            for fault in error.faults:
                print(fault.text(str(config), lang))
        raise typer.Exit(1) from error
    except (OSError, UnicodeDecodeError) as error:
        fail("config_unreadable", unreadable(config, error), as_json=json_lines)
    found = accepted.config
    tags = sum(len(group.tags) for device in found.devices for group in device.groups)
    said = [*accepted.advice, *Calibrations(found).advice(SystemClock().wall_ms())]
    if json_lines:
        advice = [each.plain() for each in said]
        lines = [line.plain() for line in accepted.lines]
        print_json({"faults": [], "devices": len(found.devices), "tags": tags, "advice": advice, "lines": lines})
        return
    counts = {"devices": word("check_devices", {"count": len(found.devices)}, lang), "tags": word("check_tags", {"count": tags}, lang)}
    print(word("check_no_fault", {"path": str(config), **counts}, lang))
    for line in accepted.lines:
        print(word("config_line_load", line.params(usual=True), lang))
    for each in said:
        print(each.text(str(config), lang))


def read(
    target: Annotated[str, typer.Argument(metavar="DEVICE[/TAG]")],
    state: StateOption = STATE_DEFAULT,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="A config file: read past a running gateway. Default: that of STATE, for what no gateway reads."),
    ] = None,
    json_lines: JsonOption = False,
    address: Annotated[str | None, typer.Argument(help="With --all: a register, such as holding:100.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show the registers at ADDRESS under every type and order of bytes.")] = False,
) -> None:
    """Read a device once without recording anything: through the gateway that runs on the state folder, else by itself."""
    from runtime.cli.log import set_up_log
    from runtime.cli.read_once import NeedsGatewayError, config_of, read_target
    from runtime.config_faults import ConfigError
    from runtime.faces.feed import RequestRefusedError

    set_up_log(json_lines=json_lines)
    if every or address is not None:
        from runtime.cli.register_table import show_every_way

        show_every_way(target, address, state, config, every=every, as_json=json_lines)
    try:
        found = asyncio.run(read_target(target, state, config))
    except ConfigError as error:
        fail("config_invalid", {"count": len(error.faults), "first": error.first}, as_json=json_lines)
    except (OSError, UnicodeDecodeError) as error:
        fail("config_unreadable", unreadable(config or state, error), as_json=json_lines)
    except LookupError:
        fail("target_unknown", {"target": target, "path": str(config or config_of(state))}, as_json=json_lines)
    except NeedsGatewayError as error:
        fail(str(error), {"device": target.partition("/")[0], "state": str(state)}, as_json=json_lines)
    except RequestRefusedError as error:
        fail(error.code, error.params, as_json=json_lines)
    note = None if found.note is None else word(*found.note)
    if json_lines:
        print_json({"readings": found.rows, "through": found.through} | ({} if note is None else {"note": note}))
    else:
        _print_rows(found.rows)
        if note is not None:
            console(errors=True).print(with_runnable(note), style="yellow", markup=False)
    raise typer.Exit(0 if any(row["quality"] != "bad" for row in found.rows) else 1)


def status(state: StateOption = STATE_DEFAULT, json_lines: JsonOption = False) -> None:
    """Say how a gateway is. Ends with 0 when it runs and records, 1 when it runs but does not record, 2 when it cannot be told."""
    from runtime.cli.status_text import page_certificate, status_of, status_text

    found = {**asyncio.run(status_of(state, STATUS_S)), "certificate": page_certificate(state)}
    if json_lines:
        print_json(found)
    else:
        console().print(status_text(found))
        if found.get("certificate"):
            print(word("status_certificate", found["certificate"]))  # whole, however narrow the terminal: it is there to be compared
    raise typer.Exit(CANNOT_TELL if not found["running"] else int(not found["recording"]))


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("tag", "value", "unit", "quality", box=None, pad_edge=False)
    before, known = "", set[str]()
    for row in rows:
        cause = "" if row["cause"] is None else word(row["cause"], row["params"])
        words = f"{row['quality']}: {word('read_as_above') if cause == before else cause}" if cause else _status(row, known)
        before = cause
        value = "" if row["value"] is None else value_text(row["value"])
        table.add_row(*map(Text, (row["tag"], value, row["unit"], words)))  # a device's text is no markup of ours
    console().print(table)


def _status(row: dict[str, Any], known: set[str]) -> str:
    """Return the quality, and of one that is not good its status; what that means only where it is not among `known`, where it goes."""
    from drivers.reading import status_name
    from runtime.messages.status_words import status_said

    if row["quality"] == "good":
        return "good"
    name = status_name(row["status"])
    said = name if name in known else status_said(name)
    known.add(name)
    return f"{row['quality']}: {said}"
