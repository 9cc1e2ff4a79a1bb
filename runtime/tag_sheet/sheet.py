"""The bytes of a table as spreadsheets write it become rows of cells, and rows become bytes that are safe to open. Pure.

Room: hall, tag sheets. `rows`, `browse`, trends and the audit trail call it; it knows nothing of tags. Read: UTF-8 with and without its
mark, UTF-16, GBK, Windows-1252; commas, semicolons or tabs; any line end; decimal commas where the separator is no comma. What could mean
two things is a fault and never a guess. CSV as in RFC 4180. Cells that a spreadsheet would run as formulas: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.config_meant import closest
from runtime.messages.catalogue import word
from runtime.tag_sheet.encodings import guesses

SIZE_BYTES_MAX: Final = 8 << 20
ROWS_MAX: Final = 50_000
FAULTS_MAX: Final = 1000
SEPARATORS: Final = (",", ";", "\t")
ENCODINGS: Final = ("utf-8", "utf-16", "gbk", "windows-1252")
WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How an .xlsx or .ods begins (a ZIP archive), and an .xls."""
FORMULA_BEGINS: Final = "=+-@\t\r＝＋－＠"
BLANKS: Final = " \t\r\n\xa0\ufeff"
_GUARDED: Final = re.compile(f"['{re.escape(FORMULA_BEGINS)}]")
_CELL_WITHIN: Final = re.compile(rf"[,;\t][\"'\s]*[{re.escape(FORMULA_BEGINS)}]")
"""Where the other separator is in use, a new cell would begin here."""
_FORMULA: Final = re.compile(rf"((?:^|[;\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029])[\s\"'\ufeff]*)(?=[{re.escape(FORMULA_BEGINS)}])")
"""Where a spreadsheet would begin a formula: in a cell, or in one that some locales begin at a semicolon or a line's end within."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class SheetFault:
    """One thing to mend. `row` counts as a spreadsheet does, the header is 1; 0 is the file as a whole. `column` is a header's name.

    What the table would make wrong elsewhere in the configuration has row 0, and its place there as `column`.
    """

    row: int
    column: str
    code: str
    params: Mapping[str, str | int | float]

    @property
    def is_elsewhere(self) -> bool:
        """Whether it stands in the configuration and in no cell."""
        return not self.row and self.column != ""

    def text(self, lang: str = "en") -> str:
        """Return where it is and what is wrong."""
        said = word(self.code, self.params, lang)
        if not self.row:
            return f"{self.column}: {said}" if self.is_elsewhere else said
        place = "sheet_place" if self.column else "sheet_row"
        return word(place, {"row": self.row, "column": self.column}, lang) + " " + said

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, with its English text."""
        return {
            "row": self.row,
            "column": self.column,
            "code": self.code,
            "params": dict(self.params),
            "text": word(self.code, self.params),
        }


class SheetError(Exception):
    """The table cannot be used. `faults` holds every one that was found, by row."""

    def __init__(self, faults: Iterable[SheetFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.row, fault.column)))[:FAULTS_MAX]
        super().__init__("; ".join(fault.text() for fault in self.faults[:3]))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows below a header, each (row number, column name -> cell); cells are bare of blanks and guards, empty ones left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    decimal_comma: bool | None
    """None: the file does not tell."""
    faults: tuple[SheetFault, ...] = ()


def read_sheet(data: bytes, known: Sequence[str], needed: str, encoding: str | None = None) -> Sheet:
    """Return the table. `known` are the columns that there may be, `needed` one that there must be; `# …` columns are notes.

    Raises SheetError for what is no table at all; what is wrong within it stands in `faults`, so that all can be said at once.
    """
    if len(data) > SIZE_BYTES_MAX:
        raise SheetError([SheetFault(0, "", "sheet_too_long", {"size": len(data), "size_max": SIZE_BYTES_MAX})])
    if data.startswith(WORKBOOKS):
        raise SheetError([SheetFault(0, "", "sheet_workbook", {})])
    text = _decoded(data, encoding)
    hint = re.match(r"sep=(.)(\r\n|\r|\n)", text)
    text = text[hint.end() :] if hint else text
    separators = (hint[1],) if hint else SEPARATORS
    told = {separator: _fields(text, separator, 1) for separator in separators}
    separator = max(separators, key=lambda each: sum(name.casefold() in known for name in map(_bare, (told[each] or [[]])[0])))
    table = _fields(text, separator, ROWS_MAX + 2)
    if len(table) > ROWS_MAX + 1:
        raise SheetError([SheetFault(0, "", "sheet_too_many_rows", {"limit": ROWS_MAX})])
    header = [_bare(name).casefold() for name in (table or [[]])[0]]
    if needed not in header:
        if meant_so := next((name for name in header[:FAULTS_MAX] if name not in known and closest(name, known) == needed), None):
            raise SheetError([_unknown(meant_so, known)])
        raise SheetError([SheetFault(0, "", "sheet_no_header", {"column": needed, "known": ", ".join(known)})])
    faults = _header_faults(header, known)
    rows = []
    for number, cells in enumerate(table[1:], start=2):
        row = _row(number, header, cells, faults)
        if row:
            rows.append((number, row))
    return Sheet(tuple(name for name in header if name in known), tuple(rows), _decimal_comma(separator, rows), tuple(faults))


def _header_faults(header: Sequence[str], known: Sequence[str]) -> list[SheetFault]:
    """Return what is wrong with the names of columns, no more than are told of a table."""
    seen: set[str] = set()
    twice, others = list[SheetFault](), list[str]()
    for name in header:
        if name in seen and name:
            twice.append(SheetFault(1, name, "sheet_column_twice", {}))
        elif name and not name.startswith("#") and name not in known:
            others.append(name)
        seen.add(name)
    return [*twice[:FAULTS_MAX], *(_unknown(name, known) for name in others[:FAULTS_MAX])]


def _unknown(name: str, known: Sequence[str]) -> SheetFault:
    params = {"name": name[:60], "known": ", ".join(known)}
    meant = closest(name, known)
    return SheetFault(1, name, "sheet_column_unknown", params | ({"meant": meant} if meant else {}))


def sheet_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]], *, semicolons: bool = False) -> bytes:
    """Return a table as UTF-8 with its mark, which spreadsheets need to see; with semicolons, numbers have decimal commas."""
    return "\ufeff".encode() + rows_bytes([columns, *rows], semicolons=semicolons)


def rows_bytes(rows: Iterable[Sequence[object]], *, semicolons: bool = False) -> bytes:
    """Return rows of a table as they stand in a file of `sheet_bytes`, without its mark."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if semicolons else ",", lineterminator="\r\n")
    for row in rows:
        writer.writerow([_shown(cell, semicolons) for cell in row])
    return out.getvalue().encode()


def no_formula(text: str) -> str:
    """Return a text as a cell of a table with commas that only people read: with a ' wherever a formula would begin."""
    return _FORMULA.sub(r"\1'", text)


def _shown(cell: object, decimal_comma: bool) -> str:
    """Return what stands in the file for a value: numbers bare, texts so that no spreadsheet takes them for a formula."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell).replace(".", ",") if decimal_comma else str(cell)
    text = str(cell)
    if text != text.strip(BLANKS) or text.startswith('"') or _CONTROL.search(text) or _CELL_WITHIN.search(text):
        escaped = json.dumps(text)  # ASCII, so that no control character and no other separator is left in it
        return escaped.replace(",", "\\u002c").replace(";", "\\u003b")
    return "'" + text if _GUARDED.match(text) else text


def _bare(cell: str) -> str:
    """Return a cell without blanks around it and without the guard before a formula; a quoted one as the text that it means."""
    text = cell.strip(BLANKS)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        try:
            meant = json.loads(text)
            meant.encode()  # half of a character in two escapes is no text
        except ValueError:
            return text
        return str(meant)
    return text[1:] if text.startswith("'") and _GUARDED.match(text[1:]) else text


def _row(number: int, header: Sequence[str], cells: Sequence[str], faults: list[SheetFault]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, cell in enumerate(cells):
        name = header[at] if at < len(header) else ""
        meant = _bare(cell)
        quoted = cell.strip(BLANKS).startswith('"')
        if not meant and not quoted:
            continue
        fault: SheetFault | None = None
        if not name:
            fault = SheetFault(number, "", "sheet_cell_beyond", {"value": meant[:60]})
        elif name.startswith("#"):
            continue
        elif not quoted and _CONTROL.search(meant):
            fault = SheetFault(number, name, "sheet_control", {})
        else:
            found[name] = meant
        if fault is not None and len(faults) < FAULTS_MAX:  # more are not told
            faults.append(fault)
    return found


def _decimal_comma(separator: str, rows: Iterable[tuple[int, Mapping[str, str]]]) -> bool | None:
    """Tell what stands in fractions: a table with tabs shows it only where a number cannot be thousands."""
    if separator != "\t":
        return separator == ";"
    cells = [cell for _, row in rows for cell in row.values()]
    commas, points = (any(re.fullmatch(rf"-?\d+{mark}(\d{{1,2}}|\d{{4,}})|-?0{mark}\d+", cell) for cell in cells) for mark in (",", r"\."))
    return commas if commas != points else None


def _fields(text: str, separator: str, rows_max: int) -> list[list[str]]:
    table: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            table.append(row)
            if len(table) == rows_max:
                break
    except csv.Error as error:
        if rows_max == 1:
            return []
        raise SheetError([SheetFault(len(table) + 1, "", "sheet_not_csv", {"detail": str(error)})]) from error
    return table


def _decoded(data: bytes, encoding: str | None) -> str:
    """Return the text. Raises SheetError where it could be more than one, or none."""
    for name in [encoding] if encoding else guesses(data):
        try:
            return data.decode({"gbk": "gb18030", "utf-8": "utf-8-sig"}.get(name, name))
        except UnicodeDecodeError as error:
            raise SheetError([SheetFault(0, "", "sheet_encoding_wrong", {"encoding": name, "at": error.start})]) from error
    raise SheetError([SheetFault(0, "", "sheet_encoding_unclear", {"known": ", ".join(ENCODINGS)})])
