"""The tags of a device's table in the configuration as rows for a spreadsheet. Pure.

Room: hall, tag sheets. The verb `tags export` calls `table_of`; `into_config` reads rows by the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runtime.tag_sheet.cells import Kinds, cell_of, option

GROUP: Final = "group"
NAME: Final = "name"
WAS: Final = "was"
UID: Final = "tag_uid"
OF_GROUP: Final[Mapping[str, Kinds]] = {"period_ms": frozenset({"whole"}), "mode": frozenset({"text"})}


def columns_of(kinds: Mapping[str, Kinds]) -> list[str]:
    """Return every column that a table of a device with these options of a tag may have, in the order in which they are written."""
    return [GROUP, NAME, UID, WAS, *kinds, *OF_GROUP]


def table_of(
    device: Mapping[str, Any], kinds: Mapping[str, Kinds], needed: Sequence[str], uids: Mapping[str, int | None], *, every: bool = False
) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows of a device's tags. `uids` are by the tag's name; not `every`: only columns that some tag uses."""
    found = [{column: _cell(group, tag, column, uids) for column in columns_of(kinds)} for group, tag in tags_of(device)]
    kept = {GROUP, NAME, UID, "unit", "period_ms", *needed} | {name for row in found for name, cell in row.items() if cell is not None}
    columns = [name for name in columns_of(kinds) if every or name in kept]
    return columns, [[row[name] for name in columns] for row in found]


def tags_of(device: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each tag's table with its group's, in the order of the file."""
    for group in device.get("groups", []):
        for tag in group.get("tags", []):
            yield group, tag


def numbers_of(name: str, device: Mapping[str, Any], known: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers by `device/tag`, those of tags that were renamed and are not numbered anew yet under their new names."""
    numbers = dict(known)
    for _, tag in tags_of(device):
        full, was = f"{name}/{tag['name']}", tag.get(WAS)
        if full not in numbers and was in numbers:
            numbers[full] = numbers.pop(was)
    return numbers


def _cell(group: Mapping[str, Any], tag: Mapping[str, Any], column: str, uids: Mapping[str, int | None]) -> object:
    if column == GROUP:
        return group.get("name")
    if column == UID:
        return uids.get(str(tag.get("name")))
    return cell_of(group.get(column) if column in OF_GROUP else option(tag, column))
