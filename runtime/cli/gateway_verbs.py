"""The verbs of a gateway: run, demo, check, read, status.

Room: hall. `cli.app` registers them. They parse, call one function of the runtime and print; with --json one line for other programs.
Nothing heavy is imported before its verb runs. Exit codes: 0 fine, 1 what was asked is not so (a fault, a refusal), 2 it cannot be told.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger_client.errors import LedgerError
from runtime.cli.console import CANNOT_TELL, console, fail, print_json
from runtime.messages.catalogue import word

StateOption = Annotated[Path, typer.Option("--state", help="The state folder.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]
STATE_DEFAULT: Final = Path("state")
STATUS_S: Final = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (run, demo, check, read, status):
        app.command()(verb)


def run(
    state: StateOption = STATE_DEFAULT,
    config: Annotated[Path | None, typer.Option("--config", help="The config file; default: STATE/config/witnessmark.toml.")] = None,
    json_lines: JsonOption = False,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C."""
    from runtime.app import run_gateway
    from runtime.cli.log import set_up_log

    set_up_log(json_lines=json_lines)

    def ready() -> None:
        if json_lines:
            print_json({"state": str(state), "ready": True})
        else:
            console().print(f"running on {state}; `witnessmark status --state {state}` tells how it is, Ctrl-C stops it")

    async def main(stop: asyncio.Event) -> None:
        await run_gateway(state, config, stop, ready)

    raise typer.Exit(_until_stopped(main, as_json=json_lines))


def demo(
    state: StateOption = Path("state-demo"),
    for_s: Annotated[float | None, typer.Option("--for", help="Stop after so many seconds, verify, and report.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port of the page; default: 8480, or a free one.")] = None,
    speed: Annotated[float, typer.Option("--speed", help="Plant seconds per second.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same plant.")] = 1,
    witnesses: Annotated[int, typer.Option("--witnesses", min=0, max=5)] = 1,
    json_lines: JsonOption = False,
) -> None:
    """A simulated filling line, a witness and a gateway, all on this machine."""
    from runtime.cli.log import set_up_log
    from runtime.demo import DemoOptions, run_demo

    set_up_log(json_lines=json_lines)
    options = DemoOptions(state, for_s, port, speed, seed, witnesses)

    async def main(stop: asyncio.Event) -> int:
        return await run_demo(options, stop, _tell_nobody if json_lines else _tell_demo, print_json)

    raise typer.Exit(_until_stopped(main, as_json=json_lines))


def check(
    config: Annotated[Path, typer.Argument(help="The config file.")],
    json_lines: JsonOption = False,
    lang: Annotated[str, typer.Option("--lang", help="en or zh")] = "en",
) -> None:
    """List every fault of a config file at once."""
    from runtime.config import parse_config
    from runtime.config_faults import ConfigError

    try:
        found = parse_config(config.read_text(encoding="utf-8"))
    except ConfigError as error:
        if json_lines:
            print_json({"faults": [fault.plain() for fault in error.faults]})
        else:
            for fault in error.faults:
                print(fault.text(str(config), lang))
        raise typer.Exit(1) from error
    except (OSError, UnicodeDecodeError) as error:
        fail("config_unreadable", {"path": str(config), "detail": str(error)}, as_json=json_lines)
    tags = sum(len(group.tags) for device in found.devices for group in device.groups)
    if json_lines:
        print_json({"faults": [], "devices": len(found.devices), "tags": tags})
    else:
        print(f"{config}: no fault; {len(found.devices)} devices, {tags} tags")


def read(
    target: Annotated[str, typer.Argument(metavar="DEVICE[/TAG]")],
    state: StateOption = STATE_DEFAULT,
    config: Annotated[Path | None, typer.Option("--config", help="The config file; default: STATE/config/witnessmark.toml.")] = None,
    json_lines: JsonOption = False,
) -> None:
    """Read a device once, by its own driver, without recording anything."""
    from runtime.cli.log import set_up_log
    from runtime.cli.read_once import rows_of
    from runtime.config_faults import ConfigError

    set_up_log(json_lines=json_lines)
    try:
        rows = asyncio.run(rows_of(config or state / "config" / "witnessmark.toml", target))
    except ConfigError as error:
        fail("config_invalid", {"count": len(error.faults), "first": error.faults[0].text()}, as_json=json_lines)
    except OSError as error:
        fail("config_unreadable", {"path": str(config or state), "detail": str(error)}, as_json=json_lines)
    except LookupError:
        fail("tag_unknown", {"tag": target}, as_json=json_lines)
    if json_lines:
        print_json({"readings": rows})
    else:
        _print_rows(rows)
    raise typer.Exit(0 if any(row["quality"] != "bad" for row in rows) else 1)


def status(state: StateOption = STATE_DEFAULT, json_lines: JsonOption = False) -> None:
    """Say how a gateway is: from the running core, or from its state folder when it does not run."""
    from runtime.cli.status_text import status_at_rest, status_text
    from runtime.faces.feed import RequestRefusedError
    from runtime.faces.feed_client import ask_once
    from runtime.layout import Layout

    try:
        found: dict[str, Any] = asyncio.run(ask_once(Layout(state).feed, "cli", "status", {}, STATUS_S))
        found["running"] = True
    except RequestRefusedError:
        found = {**status_at_rest(state), "running": False}
    if json_lines:
        print_json(found)
    else:
        console().print(status_text(found))
    raise typer.Exit(CANNOT_TELL if found.get("ledger") is None else 0)


def _until_stopped(main: Any, *, as_json: bool) -> int:
    """Run a program that ends when its event is set; SIGTERM and Ctrl-C set it. Return the exit code."""
    from runtime.config_faults import ConfigError

    async def with_signals() -> int:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return int(await main(stop) or 0)

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(with_signals())
    except (ConfigError, LedgerError, OSError, ExceptionGroup) as error:
        return _say_why(error, as_json=as_json)


def _say_why(error: Exception, *, as_json: bool) -> int:
    """Say why a program could not start and return its exit code; what is no fault of that kind is raised again."""
    from runtime.config_faults import ConfigError

    found: BaseException = error
    while isinstance(found, BaseExceptionGroup):  # a task group wraps the one that ended it
        found = found.exceptions[0]
    match found:
        case ConfigError():
            if as_json:
                print_json({"faults": [fault.plain() for fault in found.faults]})
            for fault in () if as_json else found.faults:
                console(errors=True).print(fault.text(), markup=False)
            return 1
        case LedgerError():
            fail(found.code, found.params, as_json=as_json)
        case OSError():
            fail("start_failed", {"detail": str(found)}, as_json=as_json)
    raise error


def _loop_factory() -> Any:
    """Return uvloop's loop where there is a wheel of it, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("tag", "value", "unit", "quality", box=None, pad_edge=False)
    for row in rows:
        words = row["quality"] if row["cause"] is None else f"{row['quality']}: {word(row['cause'], row['params'])}"
        value = "" if row["value"] is None else str(row["value"])
        table.add_row(*map(Text, (row["tag"], value, row["unit"], words)))  # a device's text is no markup of ours
    console().print(table)


def _tell_nobody(facts: dict[str, Any]) -> None:
    """With --json the last line says it all."""


def _tell_demo(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        console().print(f"[bold]{name}[/bold]  {value}")
