"""`witnessmark model rows NAME FOLDER`: what a model was given, as a table, for somebody who trains another one elsewhere.

Room: hall. It reads a state folder or a copy of one, beside a running gateway as well, and writes two files: `rows.csv`, one row of
features for each cell that was normal (times of alarms and of labels "not normal" are left out, as in learning), and `manifest.json`,
the recipe of those rows, to be filled in. docs/bring-your-own-model.md goes on from there. It needs the extra `models`.
"""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger_client.disk import RealDisk
from ledger_client.errors import LedgerError
from runtime.cli.console import console, fail, print_json
from runtime.cli.evidence_verbs import AsJson, Epoch, State
from runtime.cli.places import fail_reading, open_place
from runtime.cli.times import wall_ms
from runtime.layout import Layout
from runtime.messages.catalogue import word

if TYPE_CHECKING:
    from models.input_stream import Rows
    from models.manifest import Manifest

ROWS, MANIFEST = "rows.csv", "manifest.json"


def rows(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of this gateway: its plan is used.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where rows.csv and manifest.json are written.")],
    start: Annotated[str | None, typer.Option("--from", help="First time; where the model's own training began by default.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last time; where the model's own training ended by default.")] = None,
    state: State = Path("state"),
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Write the rows that a model learns from, to train one elsewhere: rows.csv, and manifest.json to fill in."""
    if find_spec("numpy") is None:
        fail("models_not_installed", as_json=as_json)
    place = open_place(state, epoch, as_json=as_json)
    manifest = _newest(place.state, name)
    if manifest is None:
        fail("model_unknown", {"model": name}, as_json=as_json, exit_code=1)
    from_ms = manifest.first_ms if start is None else wall_ms(start, as_json=as_json)
    to_ms = manifest.last_ms if end is None else wall_ms(end, as_json=as_json)
    from runtime.judgement.training_set import gather

    try:
        gathered = gather(place.reader, place.reader.size(), manifest.plan, manifest.name, from_ms, to_ms, lambda *_: None)
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    count = write_rows(gathered.rows, manifest, from_ms, to_ms, folder, as_json=as_json)
    found = {"rows": count, "left_out": gathered.left_out, "folder": str(folder)}
    if as_json:
        print_json({"model": name, "from_ms": from_ms, "to_ms": to_ms, **found})
    else:
        console().print(word("model_rows_written", found), markup=False)


def _newest(state: Path, name: str) -> Manifest | None:
    """Return the manifest of this name that was made last. One that is damaged is passed over: nothing runs by what is read here."""
    from models.model_fault import ModelFault
    from runtime.judgement.store import ModelStore

    store, found = ModelStore(RealDisk(), Layout(state).models), []
    for each in store.hashes():
        try:
            manifest = store.load(each).manifest
        except (ModelFault, OSError):
            continue
        if manifest.name == name:
            found.append(manifest)
    return max(found, key=lambda manifest: manifest.made_ms, default=None)


def write_rows(found: Rows, manifest: Manifest, from_ms: int, to_ms: int, folder: Path, *, as_json: bool) -> int:
    """Write both files; return how many rows. Ends the command, with the place named, when they cannot be written."""
    usable = found.usable
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ROWS, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["end_ms", *manifest.plan.feature_names()])
            for cell, features in zip(found.cells[usable].tolist(), found.features[usable].tolist(), strict=True):
                table.writerow([cell * manifest.plan.grid_ms, *(repr(each) for each in features)])
        with open(folder / MANIFEST, "w", encoding="utf-8") as file:
            json.dump(manifest.plain() | {"first_ms": from_ms, "last_ms": to_ms}, file, indent=1, ensure_ascii=False)
    except OSError as error:  # a full disk names no file
        fail("file_not_written", {"path": str(error.filename or folder), "reason": error.strerror or "?"}, as_json=as_json)
    return int(usable.sum())
