"""A device that names a template, written out: the same device with the template's options, groups and tags in the config text. Pure.

Room: hall, commissioning. `config_requests` drafts it for the pages, the verb `tags write-out` for the command line. What the device is
stays as it was, tag by tag, so tags keep their numbers and polling goes on; from then on its tags can be edited, and a later release of the
template changes nothing in it. It judges nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Null, Whitespace

from drivers.option_error import OptionError
from drivers.templates import Library, expanded
from runtime.commissioning.drafts import toml_of, with_device, without_device
from runtime.config_toml import tables_of

HEADER: Final = "["


def written_out(text: str, device: str) -> str:
    """Return the text with a device's template written into it, at its place, its comments above it.

    Raises OptionError `device_unknown`, `device_no_template`, `draft_would_differ`, those of the template; ConfigError for no TOML.
    """
    raw = tables_of(text).get("devices", {}).get(device)
    if not isinstance(raw, dict):
        raise OptionError("device_unknown", device=device)
    if "template" not in raw:
        raise OptionError("device_no_template", device=device)
    name = str(raw["template"])
    whole = expanded(raw, Library().find(name).template)
    lines = text.splitlines(keepends=True)
    start, end = _place(lines, device) or (0, len(lines))
    comments = [f"written out of the template {name}", *_comments("".join(lines[start:end]), device)]
    made = "".join([*lines[:start], toml_of(device, whole, comments), *lines[end:]])
    if not _says(made, text, device, whole):
        made = with_device(without_device(text, device), device, whole, comments)
    if not _says(made, text, device, whole):
        raise OptionError("draft_would_differ", device=device)
    return made


def _says(made: str, text: str, device: str, whole: dict[str, Any]) -> bool:
    """Whether a text says what another says, but for one device."""
    try:
        found, wanted = tomllib.loads(made), tables_of(text)
    except tomllib.TOMLDecodeError:
        return False
    wanted["devices"] = {**wanted["devices"], device: whole}
    return found == wanted


def _place(lines: list[str], device: str) -> tuple[int, int] | None:
    """Return from where to where the lines of a device's table go; None where they cannot be told."""
    headers = list(_headers(lines))
    ours = [at for at, path in headers if path == ["devices", device]]
    if not ours:
        return None
    after = [at for at, path in headers if at > ours[0] and path != ["devices", device]]
    if not after:
        return ours[0], len(lines)
    end = after[0]
    while end > ours[0] + 1 and (not (line := lines[end - 1].strip()) or line.startswith("#")):
        end -= 1  # what stands right above the next table speaks of that one
    return ours[0], end


def _headers(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, the first two keys) of each line that begins a table. What only looks like one is found out by `_says`."""
    for at, line in enumerate(lines):
        if not line.lstrip().startswith(HEADER):
            continue
        try:
            found: Any = tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
        path: list[str] = []
        while len(path) < 2 and isinstance(found, dict) and found:
            path.append(next(iter(found)))
            found = found[path[-1]]
        yield at, path


def _comments(text: str, device: str) -> list[str]:
    """Return what the comments inside of a device's table say, in their order."""
    try:
        table: Any = tomlkit.parse(text)["devices"][device]
    except (TOMLKitError, KeyError):
        return []  # lines that only looked like its table
    return [said for comment in _comments_of(table) if (said := comment.lstrip("# ").rstrip())]


def _comments_of(table: Any) -> Iterator[str]:
    for each in getattr(table, "body", ()):  # of an array of tables
        yield from _comments_of(each)
    for _, each in getattr(getattr(table, "value", None), "body", ()):
        if isinstance(each, Comment):
            yield each.as_string()
        elif not isinstance(each, Null | Whitespace):
            yield each.trivia.comment
            yield from _comments_of(each)
