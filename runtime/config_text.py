"""Changing single values in a config text without touching anything else of it: comments, order and spacing stay. Pure.

Room: hall. The door's config edit calls it when a face asks for some values instead of sending a whole text. Places are named as
faults name them: `devices.filler.groups.fast.tags.level.unit`, groups, tags and anchors by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Item, Table

from runtime.config_faults import ConfigError, Fault

SCALARS: Final = (bool, int, float, str)


def with_values(text: str, changes: Iterable[tuple[str, Any]]) -> str:
    """Return the text with each (place, value) set. Raises ConfigError for a text that is not TOML or a place that is not there."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError([Fault("", "config_not_toml", {"detail": str(error)})]) from error
    faults = []
    for place, value in dict(changes).items():
        *path, key = place.split(".")
        table = _find(document, path)
        if value is None or isinstance(value, bytes):
            faults.append(Fault(place, "config_no_toml_value", {}))
        elif isinstance(table, Mapping):
            last = _last_line(table) if key not in table and isinstance(value, SCALARS) else None
            if last is None:
                table[key] = value  # type: ignore[index]  # a tomlkit table is a mutable mapping
            else:
                _write_below(last, key, value)
        else:
            faults.append(Fault(place, "config_place_missing", {"place": place}))
    if faults:
        raise ConfigError(faults)
    return tomlkit.dumps(document)


def _last_line(table: Any) -> Item | None:
    """Return what ends on the last written line of a table of its own: its last key, or its header; None where that is not plain to see."""
    if not isinstance(table, Table) or table.is_super_table():
        return None
    written = [(key, each) for key, each in table.value.body if key is not None]
    if any(key.is_dotted() for key, _ in written):
        return None
    return next((each for _, each in reversed(written) if not isinstance(each, Table | AoT)), table)


def _write_below(last: Item, key: str, value: Any) -> None:
    """Write a key directly below `last`. tomlkit would write it below the comments that follow, which speak of the next table."""
    end = "\r\n" if "\r\n" in last.trivia.trail else "\n"
    above = last.trivia.trail if last.trivia.trail.endswith("\n") else end
    last.trivia.trail = f"{above}{last.trivia.indent}{tomlkit.key(key).as_string()} = {tomlkit.item(value).as_string()}{end}"


def _find(table: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(table, Mapping):
            table = table.get(part)
        elif isinstance(table, list):
            table = next((row for row in table if isinstance(row, Mapping) and row.get("name") == part), None)
        else:
            return None
    return table
