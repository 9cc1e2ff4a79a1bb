"""`witnessmark browse DEVICE`: what a device has, as tag lines to paste into the configuration.

Room: hall. `cli.app` registers it. It uses the device's own driver and the config file, records nothing and needs no running core. It
reads names and types, never values, and is bounded in things, depth and time. Exit codes: 0 all was seen, 1 a bound ended it, 2 it
could not be done.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.abilities import Bounds, Browser, Found
from drivers.driver import DriverError
from runtime.cli.console import console, print_json
from runtime.cli.worded_faults import worded_faults
from runtime.messages.catalogue import word
from runtime.tag_sheet.sheet import no_formula

NAME_MAX: Final = 64
PATH_SHOWN_MAX: Final = 200


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command()(browse)


def browse(
    device: Annotated[str, typer.Argument(help="A device of the config file.")],
    start: Annotated[str | None, typer.Option("--from", help="Where to begin, such as ns=2;s=Line.")] = None,
    depth: Annotated[int, typer.Option("--depth", min=1, max=50, help="Levels below it.")] = 8,
    count: Annotated[int, typer.Option("--count", min=1, max=100_000, help="Things found, at most.")] = 10_000,
    time_s: Annotated[float, typer.Option("--time", min=1, max=3600, help="Seconds, at most.")] = 60.0,
    state: Annotated[Path, typer.Option("--state", help="The state folder.")] = Path("state"),
    config: Annotated[Path | None, typer.Option("--config", help="The config file; default: that of STATE, as with `read`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet.")] = False,
) -> None:
    """List what a device has, as tag lines ready to paste."""
    from runtime.cli.log import set_up_log
    from runtime.cli.read_once import config_of

    set_up_log(json_lines=as_json)
    found: list[Found] = []
    with worded_faults(config or state, device, as_json=as_json):
        stopped = asyncio.run(_browse(config or config_of(state), device, start, Bounds(depth, count, time_s), found))
    if as_json:
        print_json({"found": [_plain(each) for each in found], "stopped": stopped})
    elif as_csv:
        print(table(found), end="")
    else:
        print("\n".join(tag_lines(found)))
    if stopped is not None and not as_json:
        console(errors=True).print(word("browse_stopped", {"bound": stopped, "count": len(found)}), markup=False)
    raise typer.Exit(0 if stopped is None else 1)


def tag_lines(found: Iterable[Found]) -> list[str]:
    """Return TOML rows of a group's `tags = [...]`; what cannot be a tag as it is stands as a comment."""
    taken: set[str] = set()
    lines = []
    for each in found:
        path = _shown("/".join(each.path))
        if each.kind == "folder":
            continue
        if not each.options:
            lines.append(f"# {each.kind} {path}: {_shown(each.node)}{' ' + _shown(each.type) if each.type else ''}")
            continue
        options = ", ".join(f"{key} = {_quoted(value)}" for key, value in each.options.items())
        writable = ", writable = true" if each.writable else ""
        lines.append(f"  {{ name = {_quoted(_name(each.path, taken))}, {options}{writable} }},  # {path}, {_shown(each.type)}")
    return lines


def table(found: Iterable[Found]) -> str:
    """Return the same as CSV, with a header."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("path", "kind", "node", "type", "data", "writable"))
    for each in found:
        cells = ("/".join(each.path), each.kind, each.node, each.type, each.options.get("data", ""), "yes" if each.writable else "no")
        rows.writerow([no_formula(cell) for cell in cells])  # a device's names are not ours
    return out.getvalue()


async def _browse(file: Path, device: str, start: str | None, bounds: Bounds, found: list[Found]) -> str | None:
    from runtime.cli.read_once import opened_device

    async with opened_device(file, device) as (known, driver):
        if not isinstance(driver, Browser):
            raise DriverError("browse_not_supported", type=known.type)
        return await driver.browse(start, bounds, found.append)


def _plain(each: Found) -> dict[str, Any]:
    return {
        "path": list(each.path), "kind": each.kind, "node": each.node, "type": each.type, "writable": each.writable,
        "options": dict(each.options),
    }  # fmt: skip


def _name(path: tuple[str, ...], taken: set[str]) -> str:
    """Return a tag name out of the last names of a path, unlike any before it."""
    words = [re.sub(r"[^A-Za-z0-9.]+", "_", part).strip("_.") for part in path[-2:]]
    stem = ".".join(word for word in words if word)[-NAME_MAX + 6 :].lstrip("._") or "tag"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    return json.dumps(text).replace("\x7f", "\\u007F")


def _shown(text: str) -> str:
    """Return a device's text as one line of a comment."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:PATH_SHOWN_MAX])
