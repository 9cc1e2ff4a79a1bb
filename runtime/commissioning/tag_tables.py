"""The tags of a device as a table, and what a table makes of the configuration: files of spreadsheets and the tag page alike. Pure.

Room: hall, commissioning. The verbs `tags` and the tag page call it. A page's rows become a sheet first and are judged as one, so that a
table edited by the page and one imported from a file mean the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from drivers.registry import load_factory
from runtime.bus_budget import accept_config
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Faults
from runtime.config_model import TAGS_MAX
from runtime.config_templates import with_template
from runtime.faces.feed import RequestRefusedError
from runtime.tag_sheet.cells import needed_options, option_kinds
from runtime.tag_sheet.into_config import edited
from runtime.tag_sheet.rows import NAME, columns_of, numbers_of, table_of
from runtime.tag_sheet.sheet import SheetError, read_sheet, sheet_bytes
from runtime.tags_in_text import with_groups


def judged(
    text: str, device: str, data: bytes, known: Mapping[str, int], *, encoding: str | None = None, remove: bool = False
) -> tuple[str, dict[str, Any]]:
    """Return the config text that a table makes of one, and what it changes.

    Raises SheetError with every fault of the table, ConfigError for the text, LookupError, RequestRefusedError.
    """
    parse_config(text)
    raw = tomllib.loads(text)["devices"][device]
    if "template" in raw:
        raise RequestRefusedError("tags_of_template", template=str(raw["template"]), device=device)
    kinds, _ = options_of(raw)
    sheet = read_sheet(data, columns_of(kinds), NAME, encoding)
    change = edited(device, raw, sheet, kinds, numbers_of(device, raw, known), remove=remove)
    faults, advice, made = list(change.faults), [], text
    if change.groups and all(len(group["tags"]) <= TAGS_MAX for group in change.groups):  # what is far too long is not even written
        made = with_groups(text, device, change.groups, change.renamed)
        try:
            advice = [each.text() for each in accept_config(made).advice]
        except ConfigError as error:
            places, line_before = {(fault.row, fault.column) for fault in faults}, _line_before(text, made)
            placed = [change.place(device, replace(fault, line=line_before(fault.line))) for fault in error.faults]
            faults += [fault for fault in placed if (fault.row, fault.column) not in places]
    if faults:
        raise SheetError(faults)
    return made, {
        "added": change.added, "changed": change.changed, "renamed": change.renamed, "removed": change.removed, "advice": advice,
        "cells": change.cells, "groups": change.group_cells,
    }  # fmt: skip


def table_in(text: str, device: str) -> Mapping[str, Any]:
    """Return a device's table, a template expanded. Raises LookupError."""
    raw = tomllib.loads(text)["devices"][device]
    found: Mapping[str, Any] = with_template(Faults(text), ("devices", device), f"devices.{device}", raw)
    return found


def options_of(table: Mapping[str, Any]) -> tuple[Mapping[str, frozenset[str]], list[str]]:
    """Return the columns of a device's tags with what they hold, and those that no tag can do without."""
    options = load_factory(table["type"]).TAG_OPTIONS
    return option_kinds(options), needed_options(options)


def table_shown(text: str, device: str, known: Mapping[str, int], *, every: bool = False) -> dict[str, Any]:
    """Return {columns, kinds, rows, template}: a row a tag, a cell a value or None; `kinds` say what a column's cells may hold.

    `template` is the name of the device's template, whose tags cannot be edited here, or None. Raises LookupError.
    """
    table = table_in(text, device)
    kinds, needed = options_of(table)
    numbers = numbers_of(device, table, known)
    uids = {name.partition("/")[2]: uid for name, uid in numbers.items() if name.startswith(device + "/")}
    columns, rows = table_of(table, kinds, needed, uids, every=every)
    shown = {name: sorted(kinds[name]) for name in columns if name in kinds}
    template = tomllib.loads(text)["devices"][device].get("template")
    return {"columns": columns, "kinds": shown, "rows": rows, "template": template, "all_columns": columns_of(kinds), "needed": needed}


def sheet_of(columns: Sequence[str], rows: Sequence[Sequence[object]], *, semicolons: bool = False) -> bytes:
    """Return a page's rows as the bytes of a sheet. Raises SheetError through `judged` when they are none."""
    return sheet_bytes(columns, rows, semicolons=semicolons)


def _line_before(before: str, after: str) -> Callable[[int | None], int | None]:
    """Return what tells where a line stood that is outside of what changed; of one within it that may be another, or None."""
    old, new = before.splitlines(), after.splitlines()
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))

    def stood(line: int | None) -> int | None:
        if line is None or line <= same:
            return line
        line -= len(new) - len(old)
        return line if 0 < line <= len(old) else None

    return stood
