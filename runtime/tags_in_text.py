"""The groups and tags of one device put into a config text: what is the same stays as it is written, comments included. Pure.

Room: hall. The verb `tags import` calls it with what `tag_sheet` made of a table. It judges nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, Null, Whitespace


def with_groups(text: str, device: str, groups: Sequence[Mapping[str, Any]], renamed: Mapping[str, str]) -> str:
    """Return the text with a device's groups as given. `renamed`: tag's new name -> the one in the text.

    The text must be a configuration that parses and has the device. Raises ValueError when the text cannot be made to say so.
    """
    document = tomlkit.parse(text)
    table: Any = document["devices"][device]
    written = table["groups"]
    names = {group["name"] for group in groups}
    for at in reversed(range(len(written))):
        if written[at]["name"] not in names:
            del written[at]
    known = {str(each["name"]): each for each in written}
    for group in groups:
        there = known.get(group["name"])
        if there is None:
            _add_group(written, group)
            continue
        _amend(there, {key: value for key, value in group.items() if key != "tags"}, keep="tags")
        _put_tags(there, group["tags"], renamed)
    made = tomlkit.dumps(document)
    if tomllib.loads(made)["devices"][device]["groups"] != _as_said(made, device, groups):
        raise ValueError(device)
    return made


def _as_said(made: str, device: str, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups in the order of the text, each with the tags that it should have in the order of the text."""
    by_name = {group["name"]: group for group in groups}
    found = tomllib.loads(made)["devices"][device]["groups"]
    if {group["name"] for group in found} != by_name.keys():
        raise ValueError(device)
    said = []
    for group in found:
        tags = {tag["name"]: tag for tag in by_name[group["name"]]["tags"]}
        if len(tags) != len(group["tags"]) or any(tag["name"] not in tags for tag in group["tags"]):
            raise ValueError(device)
        said.append({**by_name[group["name"]], "tags": [tags[tag["name"]] for tag in group["tags"]]})
    return said


def _put_tags(group: Any, tags: Sequence[Mapping[str, Any]], renamed: Mapping[str, str]) -> None:
    written = group["tags"]
    wanted = {renamed.get(tag["name"], tag["name"]): tag for tag in tags}
    for at in reversed(range(len(written))):
        tag = wanted.pop(written[at]["name"], None)
        if tag is None:
            del written[at]
        else:
            _amend(written[at], tag)
    has_lines = wanted and isinstance(written, Array) and "\n" in written.as_string()  # asked once: it writes out the whole array
    for tag in wanted.values():
        if isinstance(written, AoT):
            written.append(_table(tag))
        elif has_lines:
            written.add_line(_written(tag), indent="  ")
        else:
            written.append(_written(tag))


def _add_group(written: Any, group: Mapping[str, Any]) -> None:
    if not isinstance(written, AoT):
        written.append(_written(group))
        return
    table = _table({key: value for key, value in group.items() if key != "tags"})
    lines = "\n".join(f"  {_text(tag)}," for tag in group["tags"])
    table["tags"] = tomlkit.parse(f"v = [\n{lines}\n]\n")["v"]
    table.add(tomlkit.nl())
    written.append(table)


def _amend(there: MutableMapping[str, Any], wanted: Mapping[str, Any], keep: str = "") -> None:
    """Make a written table say what is wanted, touching nothing that does so already."""
    differs = [key for key in {**there, **wanted} if key != keep and there.get(key) != wanted.get(key)]
    is_spaced = bool(differs) and isinstance(there, InlineTable) and there.as_string().endswith(" }")
    for key in [key for key in there if key not in wanted and key != keep]:
        del there[key]
    for key, value in wanted.items():
        now = there.get(key)
        if now == value and isinstance(now, bool) == isinstance(value, bool):
            continue
        if isinstance(value, Mapping) and isinstance(now, MutableMapping):
            _amend(now, value)
        else:
            there[key] = _written(value)
    if differs and isinstance(there, InlineTable):
        _close(there, " " if is_spaced else "")


def _close(table: InlineTable, blank: str) -> None:
    """End a table with this before its bracket: keys that were added or taken away leave none, or too many."""
    body = table.value.body
    while body and isinstance(body[-1][1], Null | Whitespace):
        body.pop()
    if blank and body:
        body.append((None, Whitespace(blank)))


def _table(values: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    for key, value in values.items():
        table[key] = _written(value)
    return table


def _written(value: Any) -> Any:
    return tomlkit.parse(f"v = {_text(value)}\n")["v"]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{tomlkit.key(key).as_string()} = {_text(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(each) for each in value) + "]"
    return str(tomlkit.item(value).as_string())
