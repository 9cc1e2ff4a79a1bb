"""Changing single values in a config text without touching anything else of it: comments, order and spacing stay. Pure.

Room: hall. The door's config edit calls it when a face asks for some values instead of sending a whole text. Places are named as
faults name them: `devices.filler.groups.fast.tags.level.unit`, groups, tags and anchors by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from runtime.config_faults import ConfigError, Fault


def with_values(text: str, changes: Iterable[tuple[str, Any]]) -> str:
    """Return the text with each (place, value) set. Raises ConfigError for a text that is not TOML or a place that is not there."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError([Fault("", "config_not_toml", {"detail": str(error)})]) from error
    faults = []
    for place, value in changes:
        *path, key = place.split(".")
        table = _find(document, path)
        if value is None or isinstance(value, bytes):
            faults.append(Fault(place, "config_no_toml_value", {}))
        elif isinstance(table, Mapping):
            table[key] = value  # type: ignore[index]  # a tomlkit table is a mutable mapping
        else:
            faults.append(Fault(place, "config_place_missing", {"place": place}))
    if faults:
        raise ConfigError(faults)
    return tomlkit.dumps(document)


def _find(table: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(table, Mapping):
            table = table.get(part)
        elif isinstance(table, list):
            table = next((row for row in table if isinstance(row, Mapping) and row.get("name") == part), None)
        else:
            return None
    return table
