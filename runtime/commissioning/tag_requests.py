"""Requests of the tag page: a device's tags as a table, what an edited table or a file would change, and a file to take along.

Room: hall, commissioning. `desk` calls it in its executor. Rows of the page and bytes of a file are judged by the same function, and
nothing is put in force here: what is right comes back as a config text for the door.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from drivers.option_error import OptionError
from runtime.commissioning.judged_text import judged as judged_text
from runtime.commissioning.tag_tables import judged, sheet_of, table_shown
from runtime.revisions import Revision
from runtime.tag_sheet.sheet import ENCODINGS, SheetError

CELL_MAX: Final = 4_000


def table(asked: Mapping[str, Any], revision: Revision, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return {revision, columns, kinds, rows, template, …} of {device, every}."""
    return {"revision": revision.number, **_shown(asked, revision, numbers, every=asked.get("every") is True)}


def judge(asked: Mapping[str, Any], revision: Revision, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return what {device} with {columns, rows}, or a file as {data} or in base64 as {file}, {encoding}, and {remove} would become.

    Faults: {revision, faults}, each {row, column, code, params}; rows count as in a spreadsheet, the header is 1. Else: {revision, faults,
    text, added, changed, renamed, removed, advice, diff, lines}, `faults` empty.
    """
    device = _device(asked)
    data = asked.get("data")
    if data is None:
        data = b64decode(asked["file"], validate=True) if asked.get("file") else sheet_of(asked["columns"], _cells(asked["rows"]))
    encoding = asked.get("encoding") or None
    if not isinstance(data, bytes):
        raise TypeError("data")
    if encoding is not None and encoding not in ENCODINGS:
        raise OptionError("sheet_encoding_unknown", encoding=str(encoding)[:20], known=", ".join(ENCODINGS))
    try:
        text, done = judged(revision.text, device, data, numbers, encoding=encoding, remove=asked.get("remove") is True)
    except LookupError as error:
        raise OptionError("device_unknown", device=device[:80]) from error
    except SheetError as error:
        faults = [{"row": each.row, "column": each.column, "code": each.code, "params": dict(each.params)} for each in error.faults]
        return {"revision": revision.number, "faults": faults}
    told = judged_text(text, revision.text)
    return {"revision": revision.number, "faults": [], "text": text, **done, "diff": told["diff"], "lines": told["lines"]}


def sheet(asked: Mapping[str, Any], revision: Revision, numbers: Mapping[str, int]) -> bytes:
    """Return the tags of {device} as a file for spreadsheets; {semicolons}, {every}."""
    shown = _shown(asked, revision, numbers, every=asked.get("every") is True)
    return sheet_of(shown["columns"], shown["rows"], semicolons=asked.get("semicolons") is True)


def _shown(asked: Mapping[str, Any], revision: Revision, numbers: Mapping[str, int], *, every: bool) -> dict[str, Any]:
    device = _device(asked)
    try:
        return table_shown(revision.text, device, numbers, every=every)
    except LookupError as error:
        raise OptionError("device_unknown", device=device[:80]) from error


def _device(asked: Mapping[str, Any]) -> str:
    device = asked["device"]
    if not isinstance(device, str):
        raise TypeError("device")
    return device


def _cells(rows: Any) -> list[list[Any]]:
    """Return a page's rows: each cell a text, a number, a truth or nothing. Raises TypeError."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise TypeError("rows")
    for row in rows:
        for cell in row:
            if not (cell is None or isinstance(cell, bool | int | float) or (isinstance(cell, str) and len(cell) <= CELL_MAX)):
                raise TypeError("cell")
    return rows
