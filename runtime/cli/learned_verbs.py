"""`witnessmark learned show | export | forget`: what the gateway found out about the maps of its devices.

Room: hall. `show` and `export` read the state folder and need no running gateway (what was learned in the last seconds may be missing);
`forget` goes through the door of the running one. It judges nothing and changes no file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger_client.disk import RealDisk, read_whole
from runtime.cli.act_verbs import Reason, send_act
from runtime.cli.console import console, fail, print_json, unreadable
from runtime.layout import Layout
from runtime.learned_maps import FILE_SIZE_MAX, FOLDER, SUFFIX, parse
from runtime.messages.catalogue import word

ODD: Final = 256
"""As in drivers/modbus/learned.py, which needs more than the base install has."""
State = Annotated[Path, typer.Option("--state", help="The state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="As in the config.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="What was learned of devices: which registers they lack, what may be read over.")
    group.command("show")(show)
    group.command("export")(export)
    group.command("forget")(forget)
    app.add_typer(group, name="learned")


def show(
    device: Annotated[str | None, typer.Argument(metavar="[DEVICE]", help="As in the config; default: all.")] = None,
    state: State = Path("state"),
    as_json: AsJson = False,
) -> None:
    """Say what was learned."""
    found = _read(state, device, as_json=as_json)
    if as_json:
        print_json({"devices": found})
        return
    if not found:
        console().print(word("learned_nothing_at_all"), markup=False)
    for name, kept in found.items():
        console().print(f"{name} ({kept['type']})", style="bold", markup=False)
        for line in lines(kept["facts"]):
            console().print(f"  {line}", markup=False)


def export(device: Device, state: State = Path("state")) -> None:
    """Print the facts of one device as JSON: for a fault report, or to compare two devices."""
    print_json(_read(state, device, as_json=True)[device])


def forget(device: Device, reason: Reason, state: State = Path("state"), as_json: AsJson = False) -> None:
    """Let the running gateway forget what it learned of one device, as after a change of its firmware; it is recorded."""
    send_act(state, {"action": "learned.forget", "target": device, "params": {}, "reason": reason}, as_json=as_json)


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the facts as lines of words; what has no words here is shown as it is."""
    tables = facts.get("tables")
    for key, value in facts.items():
        if key not in ("tables", "version", "reach") and value:
            yield f"{key}: {', '.join(f'{name} {each}' for name, each in value.items()) if isinstance(value, dict) else value}"
    if not isinstance(tables, dict):
        return
    for table, rows in tables.items():
        for kind, intervals in rows.items() if isinstance(rows, dict) else ():
            if intervals:
                yield f"{table} {kind}: {', '.join(_interval(row) for row in intervals)}"


def _interval(row: Any) -> str:
    """Return an interval of addresses as people write it; a third number is why."""
    if not isinstance(row, list) or len(row) not in (2, 3):
        return str(row)
    start, end, *code = row
    addresses = str(start) if end == start + 1 else f"{start}-{end - 1}"
    if code and end > start + 1:  # the request was refused; each of its registers need not be
        addresses = word("learned_together", {"addresses": addresses})
    return f"{addresses} ({_why(code[0])})" if code else addresses


def _why(code: Any) -> str:
    return word("learned_odd") if code == ODD else word("learned_exception", {"code": code})


def _read(state: Path, device: str | None, *, as_json: bool) -> dict[str, Any]:
    """Return device name -> {type, facts}."""
    disk, folder = RealDisk(), Layout(state).private / FOLDER
    found: dict[str, Any] = {}
    try:
        names = [name.removesuffix(SUFFIX) for name in disk.names(folder) if name.endswith(SUFFIX)]
        for name in names if device is None else [each for each in names if each == device]:
            path = folder / (name + SUFFIX)
            driver_type, facts = parse(read_whole(disk, path, FILE_SIZE_MAX) or b"", name)
            found[name] = {"type": driver_type, "facts": facts}
    except OSError as error:
        fail("config_unreadable", unreadable(folder, error), as_json=as_json)
    except ValueError as error:
        fail("learned_damaged", {"path": str(path), "detail": str(error)}, as_json=as_json)
    if device is not None and device not in found:
        code, params = _why_nothing(state, device)
        fail(code, params, as_json=as_json)
    return found


def _why_nothing(state: Path, device: str) -> tuple[str, dict[str, str]]:
    """Return the code and params that tell a device of which nothing was learned from one that is not there, where the config tells."""
    try:
        from runtime.cli.read_once import config_of  # needs more than the base install has

        file = config_of(state)
        devices = tomllib.loads(file.read_text(encoding="utf-8")).get("devices")
    except (ImportError, OSError, ValueError, RecursionError):
        return "learned_nothing", {"device": device}
    if isinstance(devices, dict) and device in devices:
        return "learned_nothing_yet", {"device": device}
    known = ", ".join(devices) if isinstance(devices, dict) else ""
    return "learned_no_device", {"device": device, "path": str(file), "known": known or "-"}
