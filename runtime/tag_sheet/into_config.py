"""The rows of a sheet become the tags of a device, with what that changes and every fault by row and column. Pure.

Room: hall, tag sheets. The verb `tags import` calls `edited`; `config_text` writes what comes out into the text. It judges what a table
can say (numbers, doubled names, tag numbers); the values themselves are judged by the configuration's own models, whose faults are
brought to their cells here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.option_error import OptionError
from runtime.config_faults import Fault
from runtime.config_model import TAGS_MAX
from runtime.tag_sheet.cells import Kinds, cell_of, option, set_option, value_of
from runtime.tag_sheet.rows import GROUP, NAME, OF_GROUP, UID, WAS, tags_of
from runtime.tag_sheet.sheet import Sheet, SheetFault

PERIOD: Final = "period_ms"
Row = Mapping[str, str]


@dataclass
class Change:
    """What a sheet makes of a device: its groups as tables, and what is new, other, renamed or gone, by tag names."""

    groups: list[dict[str, Any]]
    rows: dict[tuple[str, str], int]
    """(group, tag) -> row of the sheet."""
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    """New name -> former one."""
    removed: list[str] = field(default_factory=list)
    cells: dict[str, dict[str, list[object]]] = field(default_factory=dict)
    """Tag that is other than it was, by its new name -> column -> [before, after], None where nothing stands."""
    group_cells: dict[str, dict[str, list[object]]] = field(default_factory=dict)
    """The same of what is said of a group."""
    faults: list[SheetFault] = field(default_factory=list)
    _starts: dict[str, int] | None = None

    def place(self, device: str, fault: Fault) -> SheetFault:
        """Return a fault of the configuration as one of the sheet: at its cell where it is about one, else at its place there.

        `fault.line` is that in the text as it was. Who names a tag that the sheet renames or takes out is told so: its name was right.
        """
        for start, row in self._owners(device, fault.where):
            return SheetFault(row, fault.where[len(start) + 1 :], fault.code, fault.params)
        owner, _, former = str(fault.params.get("tag", "")).partition("/")
        if owner == device and fault.line is not None:
            named: dict[str, str | int | float] = {"line": fault.line, "tag": f"{device}/{former}"}
            if former in self.removed:
                return SheetFault(0, fault.where, "sheet_removed_named", named)
            if (name := next((new for new, old in self.renamed.items() if old == former), None)) is not None:
                return SheetFault(0, fault.where, "sheet_renamed_named", {**named, "name": name})
        return SheetFault(0, fault.where, fault.code, fault.params)

    def _owners(self, device: str, where: str) -> Iterator[tuple[str, int]]:
        """Yield each tag's or group's place that a place is in, the innermost first, and its row: a group's is that of its first tag."""
        if self._starts is None:
            self._starts = {}
            for (group, tag), row in self.rows.items():
                start = f"devices.{device}.groups.{group}"
                self._starts.setdefault(start, row)
                self._starts[f"{start}.tags.{tag}"] = row
        end = len(where)
        while end > 0:
            if (found := self._starts.get(where[:end])) is not None:
                yield where[:end], found
            end = where.rfind(".", 0, end)


def edited(
    device: str, table: Mapping[str, Any], sheet: Sheet, kinds: Mapping[str, Kinds], uids: Mapping[str, int], *, remove: bool = False
) -> Change:
    """Return what a device's table becomes. `uids` are of all tags that ever were, by `device/tag`.

    Cells that say what is there already leave it as it is written; columns that the sheet lacks keep their values. A tag without a row
    stays out only with `remove`; without, its lack is a fault.
    """
    reading = _Reading(device, table, sheet, kinds, uids)
    change = reading.change
    for number, row in sheet.rows:
        reading.take(number, row)
    gone = [name for name in reading.present if name not in reading.taken]
    if gone and not remove:
        shown = ", ".join(gone[:10]) + (", …" if len(gone) > 10 else "")
        change.faults.append(SheetFault(0, "", "sheet_tags_missing", {"count": len(gone), "names": shown}))
    change.removed = gone
    before = {str(group["name"]): group for group in table.get("groups", [])}
    for name in before.keys() & reading.groups.keys():
        if differs := _differences(before[name], reading.groups[name], OF_GROUP):
            change.group_cells[name] = differs
    change.groups = [group for group in reading.groups.values() if group["tags"]]
    for group in change.groups:
        if len(group["tags"]) > TAGS_MAX:
            first = change.rows[group["name"], group["tags"][TAGS_MAX]["name"]]
            change.faults.append(SheetFault(first, GROUP, "config_too_many", {"limit": TAGS_MAX}))
    if not change.groups and not change.faults:
        change.faults.append(SheetFault(0, "", "sheet_empty", {"device": device}))
    change.faults[:0] = sheet.faults
    return change


class _Reading:
    """One sheet being read, row by row."""

    def __init__(self, device: str, table: Mapping[str, Any], sheet: Sheet, kinds: Mapping[str, Kinds], uids: Mapping[str, int]) -> None:
        self._device, self._sheet, self._kinds, self._uids = device, sheet, kinds, uids
        self._names = {uid: name for name, uid in uids.items()}
        self.present = {str(tag["name"]): (str(group["name"]), dict(tag)) for group, tag in tags_of(table)}
        self.groups = {str(group["name"]): {**group, "tags": []} for group in table.get("groups", [])}
        self._in_file = {name: cells for _, row in sheet.rows for name, cells in [(row.get(NAME, ""), row)]}
        self.taken: dict[str, int] = {}
        """Former name -> the row that goes on with it."""
        self._named: dict[str, int] = {}
        self._of_group: dict[tuple[str, str], tuple[int, object]] = {}
        self.change = Change([], {})

    def take(self, number: int, row: Row) -> None:
        """Read one row."""
        name = row.get(NAME, "")
        if not name:
            self._fault(number, NAME, "sheet_name_missing")
            return
        if (first := self._named.setdefault(name, number)) != number:
            self._fault(number, NAME, "sheet_name_twice", name=name, other=first)
            return
        former = self._former(number, row, name)
        group = self._group(number, row, former)
        tag = self._tag(number, row, former)
        tag[NAME] = name
        if former is not None and former != name:
            self._rename(number, row, former, tag)
            self.change.renamed[name] = former
        elif former is None:
            self.change.added.append(name)
        elif (group, tag) != self.present[former]:
            self.change.changed.append(name)
        if former is not None:
            self._note_cells(name, former, group, tag)
        if group:
            self.groups[group]["tags"].append(tag)
            self.change.rows[group, name] = number

    def _note_cells(self, name: str, former: str, group: str, tag: Mapping[str, Any]) -> None:
        """Note what a tag that was there has in other cells now, but for what renaming it does."""
        group_before, before = self.present[former]
        columns = [column for column in self._kinds if column not in (NAME, WAS)] + ([WAS] if name == former else [])
        moved: dict[str, list[object]] = {GROUP: [group_before, group]} if group not in ("", group_before) else {}
        if differs := {**moved, **_differences(before, tag, columns)}:
            self.change.cells[name] = differs

    def _former(self, number: int, row: Row, name: str) -> str | None:
        """Return the name under which a row's tag is in the configuration now, None for a new one."""
        former = name if name in self.present else None
        if (cell := row.get(UID)) is not None:
            former = self._numbered(number, cell, name)
        elif former is None and row.get(WAS, "").startswith(f"{self._device}/"):
            was = row[WAS].partition("/")[2]
            former = was if was in self.present and was not in self._in_file else None
        if former is not None and (first := self.taken.setdefault(former, number)) != number:
            self._fault(number, UID, "sheet_uid_twice", name=former, other=first)
            return None
        return former

    def _numbered(self, number: int, cell: str, name: str) -> str | None:
        """Return the present name of the tag that has a number; faults where number and name contradict each other."""
        try:
            uid = value_of(cell, frozenset({"whole"}), decimal_comma=self._sheet.decimal_comma)
        except OptionError as error:
            self._fault(number, UID, error.code, **error.params)
            return None
        present = name if name in self.present else None
        own = self._uids.get(f"{self._device}/{name}")
        if own == uid:
            return present
        if own is not None:
            self._fault(number, UID, "sheet_uid_other", name=name, uid=own)
            return present
        known = self._names.get(uid, "").removeprefix(f"{self._device}/")
        if known not in self.present or known in self._in_file:
            self._fault(number, UID, "sheet_uid_unknown", uid=uid, device=self._device)
            return present
        return known

    def _rename(self, number: int, row: Row, former: str, tag: dict[str, Any]) -> None:
        """Let a tag keep its number under its new name."""
        said, before = row.get(WAS), self.present[former][1].get(WAS)
        tag[WAS] = f"{self._device}/{former}"
        if said not in (None, before, tag[WAS]):
            self._fault(number, WAS, "sheet_was_other", was=tag[WAS])

    def _group(self, number: int, row: Row, former: str | None) -> str:
        """Return the name of a row's group, made when it is new; empty after a fault."""
        name = row.get(GROUP, "") or (self.present[former][0] if former is not None and GROUP not in self._sheet.columns else "")
        if not name and GROUP not in self._sheet.columns and len(self.groups) == 1:
            name = next(iter(self.groups))
        if not name:
            self._fault(number, GROUP, "sheet_group_missing")
            return ""
        group = self.groups.setdefault(name, {NAME: name, "tags": []})
        for column, kinds in OF_GROUP.items():
            if column not in row:
                continue
            try:
                value = value_of(row[column], kinds, decimal_comma=self._sheet.decimal_comma)
            except OptionError as error:
                self._fault(number, column, error.code, **error.params)
                continue
            first, said = self._of_group.setdefault((name, column), (number, value))
            if said != value:
                self._fault(number, column, "sheet_group_differs", group=name, other=first)
            elif group.get(column) != value:
                group[column] = value
        return name

    def _tag(self, number: int, row: Row, former: str | None) -> dict[str, Any]:
        """Return a row's tag as a table: what it was, but for the cells that say something else."""
        tag: dict[str, Any] = dict(self.present[former][1]) if former is not None else {NAME: row[NAME]}
        for column in self._sheet.columns:
            kinds = frozenset({"text"}) if column == WAS else self._kinds.get(column)
            if kinds is None:
                continue
            now, cell = option(tag, column), row.get(column)
            if cell is None:
                if now not in (None, ""):
                    set_option(tag, column, None)
                continue
            if now is not None and cell == str(cell_of(now)):
                continue
            try:
                value = value_of(cell, kinds, decimal_comma=self._sheet.decimal_comma)
            except OptionError as error:
                self._fault(number, column, error.code, **error.params)
                continue
            if value != now or isinstance(value, bool) != isinstance(now, bool):
                set_option(tag, column, value)
        return tag

    def _fault(self, row: int, column: str, code: str, /, **params: str | int | float) -> None:
        self.change.faults.append(SheetFault(row, column, code, params))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], columns: Iterable[str]) -> dict[str, list[object]]:
    """Return column -> [before, after] as cells, where they differ."""
    pairs = {column: (option(before, column), option(after, column)) for column in columns}
    return {
        column: [None if each is None else cell_of(each) for each in pair]
        for column, pair in pairs.items()
        if pair[0] != pair[1] or isinstance(pair[0], bool) != isinstance(pair[1], bool)
    }
