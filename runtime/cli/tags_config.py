"""What the verbs `tags` need of a configuration: a device's table, its options, its numbers, and what a sheet makes of it.

Room: hall. `tags_verb` calls it. It reads the numbers that the gateway gave and writes nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.registry import load_factory
from ledger_client.disk import RealDisk
from runtime.bus_budget import accept_config
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Faults
from runtime.config_templates import with_template
from runtime.faces.feed import RequestRefusedError
from runtime.layout import Layout
from runtime.tag_ids import load_tag_ids
from runtime.tag_sheet.cells import needed_options, option_kinds
from runtime.tag_sheet.into_config import edited
from runtime.tag_sheet.rows import NAME, columns_of, numbers_of
from runtime.tag_sheet.sheet import SheetError, read_sheet
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
    if change.groups:
        made = with_groups(text, device, change.groups, change.renamed)
        try:
            advice = [each.text() for each in accept_config(made).advice]
        except ConfigError as error:
            places = {(fault.row, fault.column) for fault in faults}
            placed = [change.place(device, fault) for fault in error.faults]
            faults += [fault for fault in placed if (fault.row, fault.column) not in places]
    if faults:
        raise SheetError(faults)
    return made, {
        "added": change.added, "changed": change.changed, "renamed": change.renamed, "removed": change.removed, "advice": advice,
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


def numbers_kept(state: Path) -> dict[str, int]:
    """Return the tag numbers that a gateway has given, by `device/tag`; none where there was none yet. Raises OSError, FormatError."""
    ids = load_tag_ids(RealDisk(), Layout(state).private)
    return {name: uid for uid, name in ids.tags.rows()} if ids is not None else {}
