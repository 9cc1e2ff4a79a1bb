"""`witnessmark tags export | import DEVICE FILE`: the tags of a device as a table for spreadsheets, and back; `tags write-out DEVICE`.

Room: hall. `cli.app` registers it. An import becomes an edit of the configuration through the door of the running gateway, or of the config
file where none runs; it writes nothing while a single cell is wrong. Exit codes: 0 done, 1 faults in the table or a refusal, 2 it could
not be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from runtime.cli.act_verbs import send_act
from runtime.cli.console import console, fail, print_json
from runtime.cli.worded_faults import worded_faults
from runtime.faces.feed import CONFIG_TEXT_MAX
from runtime.messages.catalogue import word

if TYPE_CHECKING:
    from runtime.cli.config_source import Source

Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A device of the config file.")]
State = Annotated[Path, typer.Option("--state", help="The state folder.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A config file, instead of the running gateway or that of STATE.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    group = typer.Typer(no_args_is_help=True, help="Tags of a device as a table for spreadsheets (CSV), and back.")
    group.command("export")(export)
    group.command("import")(take_in)
    group.command("write-out")(write_out)
    app.add_typer(group, name="tags")


def export(
    device: Device,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    state: State = Path("state"),
    config: ConfigFile = None,
    semicolons: Annotated[bool, typer.Option("--semicolons", help="Semicolons and decimal commas, where people write 0,1.")] = False,
    every: Annotated[bool, typer.Option("--every", help="Every column that there may be, not only those in use.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE when it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the tags of a device into a table."""
    from runtime.cli.tag_numbers import numbers_kept
    from runtime.commissioning.tag_tables import options_of, table_in
    from runtime.config import parse_config
    from runtime.tag_sheet.rows import numbers_of, table_of
    from runtime.tag_sheet.sheet import sheet_bytes

    with worded_faults(config or state, device, as_json=as_json):
        source = _source(state, config)
        parse_config(source.text)
        table = table_in(source.text, device)
        kinds, needed = options_of(table)
        numbers = numbers_of(device, table, numbers_kept(state))
    uids = {name.partition("/")[2]: uid for name, uid in numbers.items() if name.startswith(device + "/")}
    columns, rows = table_of(table, kinds, needed, uids, every=every)
    try:
        with file.open("wb" if overwrite else "xb") as out:
            out.write(sheet_bytes(columns, rows, semicolons=semicolons))
    except FileExistsError:
        fail("tags_file_exists", {"path": str(file)}, as_json=as_json)
    except OSError as error:
        fail("file_not_written", {"path": str(file), "reason": error.strerror or "?"}, as_json=as_json)
    if as_json:
        print_json({"file": str(file), "tags": len(rows), "columns": columns})
    else:
        console().print(word("tags_exported", {"count": len(rows), "path": str(file)}), markup=False)


def take_in(
    device: Device,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    state: State = Path("state"),
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Tags without a row are taken out; without it, they are a fault.")] = False,
    encoding: Annotated[str | None, typer.Option("--encoding", help="utf-8, utf-16, gbk or windows-1252; default: found out.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "",
    as_json: AsJson = False,
    lang: Annotated[str, typer.Option("--lang", help="en or zh")] = "en",
) -> None:
    """Make the tags of a device what a table says."""
    from runtime.cli.tag_numbers import numbers_kept
    from runtime.commissioning.tag_tables import judged
    from runtime.tag_sheet.sheet import ENCODINGS, SheetError

    if encoding is not None and encoding not in ENCODINGS:
        fail("sheet_encoding_unknown", {"encoding": encoding, "known": ", ".join(ENCODINGS)}, as_json=as_json)
    data = _bytes_of(file, as_json=as_json)
    with worded_faults(config or state, device, as_json=as_json):
        source = _source(state, config)
        try:
            text, done = judged(source.text, device, data, numbers_kept(state), encoding=encoding, remove=remove)
        except SheetError as error:
            _say_faults(error, file, lang, as_json=as_json)
    if dry_run or text == source.text:
        _say(done, "tags_would" if text != source.text else "tags_same", as_json=as_json)
        return
    if source.revision is not None and not as_json:
        _say(done, "tags_will", as_json=False)
    if not _put_in_force(source, text, state, reason or f"tags of {device} from {file.name}"[:200], as_json=as_json):
        _say({**done, "path": str(source.file)}, "tags_written", as_json=as_json)


def write_out(
    device: Device,
    state: State = Path("state"),
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the configuration as it would be.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the template that a device names into the configuration, so that its tags can be edited. The device stays what it is."""
    from runtime.commissioning.written_out import written_out
    from runtime.config import parse_config

    with worded_faults(config or state, device, as_json=as_json):
        source = _source(state, config)
        text = written_out(source.text, device)
        parse_config(text)
    if dry_run:
        print(text, end="")
        return
    if not _put_in_force(source, text, state, reason or f"tags of {device} written out of its template", as_json=as_json):
        done = {"device": device, "path": str(source.file)}
        if as_json:
            print_json({**done, "code": "tags_written_out"})
        else:
            console().print(word("tags_written_out", done), markup=False)


def _put_in_force(source: Source, text: str, state: Path, reason: str, *, as_json: bool) -> bool:
    """Put a text in force through the door of the running gateway and return True; where none runs, write the file and return False."""
    if source.revision is None:
        _write(source.file, text, state, as_json=as_json)
        return False
    if (size := len(text.encode())) > CONFIG_TEXT_MAX:
        fail("file_too_long", {"size": size, "size_max": CONFIG_TEXT_MAX}, as_json=as_json)
    request = {"action": "config.edit", "target": "", "params": {"text": text}, "expected_revision": source.revision, "reason": reason}
    send_act(state, request, as_json=as_json)
    return True


def _source(state: Path, config: Path | None) -> Source:
    """Return the file that was named, else the configuration in force. Raises OSError, RequestRefusedError."""
    from runtime.cli.config_source import file_source, running_source

    return (None if config is not None else running_source(state)) or file_source(state, config)


def _bytes_of(file: Path, *, as_json: bool) -> bytes:
    from runtime.tag_sheet.sheet import SIZE_BYTES_MAX

    try:
        with file.open("rb") as source:
            return source.read(SIZE_BYTES_MAX + 1)
    except OSError as error:
        fail("tags_file_unreadable", {"path": str(file), "reason": error.strerror or "?"}, as_json=as_json)


def _write(file: Path, text: str, state: Path, *, as_json: bool) -> None:
    from ledger_client.disk import RealDisk, write_atomically
    from runtime.layout import Layout

    if file.resolve().parent == Layout(state).revisions.resolve():
        fail("tags_config_elsewhere", {"state": str(state)}, as_json=as_json)
    try:
        write_atomically(RealDisk(), file.resolve(), text.encode())
    except OSError as error:
        fail("file_not_written", {"path": str(file), "reason": error.strerror or "?"}, as_json=as_json)


def _say(done: Mapping[str, Any], code: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**done, "code": code})
        return
    counts = {name: len(done[name]) for name in ("added", "changed", "renamed", "removed")}
    console().print(word(code, {**counts, "path": done.get("path", "")}), markup=False)
    cells = done["cells"]
    for new, former in done["renamed"].items():
        console().print(f"  {former} -> {new}{_cells_said(cells.get(new, {}))}", markup=False, soft_wrap=True)
    for sign, names in (("+", done["added"]), ("*", done["changed"]), ("-", done["removed"])):
        for name in names:
            console().print(f"  {sign} {name}{_cells_said(cells.get(name, {}))}", markup=False, soft_wrap=True)
    for name, said in done["groups"].items():
        console().print(f"  * [{name}]{_cells_said(said)}", markup=False, soft_wrap=True)
    for each in done["advice"]:
        console().print(word("act_advice", {"advice": each}), markup=False)


def _cells_said(cells: Mapping[str, list[object]]) -> str:
    """Return `: unit kW -> W, scale 0.1 -> 100` of the cells that differ; empty where there is none."""
    said = (f"{column} {_cell_said(before)} -> {_cell_said(after)}" for column, (before, after) in cells.items())
    return ": " + ", ".join(said) if cells else ""


def _cell_said(cell: object) -> str:
    """Return a cell as it is written, `-` for one in which nothing stands."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return "-" if cell in (None, "") else str(cell)


def _say_faults(error: Any, file: Path, lang: str, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"faults": [fault.plain() for fault in error.faults]})
    else:
        for fault in error.faults:
            print(fault.text(lang) if fault.is_elsewhere else f"{file.name}: {fault.text(lang)}")
    raise typer.Exit(1)
