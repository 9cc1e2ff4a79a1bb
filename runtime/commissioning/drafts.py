"""Drafts: a config text with a device more, a device less, or values changed; comments, order and spacing stay. Pure.

Room: hall, commissioning. The pages ask for drafts through `desk`; the verb `templates show` writes a device's table in the same words. It
judges nothing: `judged_text` does, and the door puts a draft in force or refuses it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from drivers.option_error import OptionError
from runtime.config_text import with_values
from runtime.config_toml import tables_of
from runtime.tags_in_text import with_groups

NAME_MAX: Final = 64


def toml_of(device: str, raw: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the table of a device as TOML, one line for each tag. Pure text; nothing is judged."""
    head = f"devices.{tomlkit.key(device).as_string()}"
    lines = [f"# {_one_line(line)}" for line in comments if line] + [f"[{head}]"]
    lines += [f"{_key(key)} = {inline(value)}" for key, value in raw.items() if key != "groups" or not value]
    for group in raw.get("groups") or ():
        lines += ["", f"[[{head}.groups]]"]
        lines += [f"{_key(key)} = {inline(value)}" for key, value in group.items() if key != "tags"]
        lines += ["tags = [", *(f"  {inline(tag)}," for tag in group["tags"]), "]"]
    return "\n".join(lines) + "\n"


def inline(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline(each) for each in value) + "]"
    return str(tomlkit.item(value).as_string())


def with_device(text: str, device: str, raw: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the text with a new device at its end. Raises OptionError `draft_device_there`, ConfigError for no TOML."""
    if not device or len(device) > NAME_MAX:
        raise OptionError("draft_device_name", name=device[:NAME_MAX])
    if device in tables_of(text).get("devices", {}):
        raise OptionError("draft_device_there", device=device)
    added = text.rstrip("\n") + "\n\n" + toml_of(device, raw, comments)
    try:
        made = tomllib.loads(added)["devices"][device]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise OptionError("draft_not_possible", device=device, detail=str(error)[:200]) from error
    if made != _unfrozen(raw):
        raise OptionError("draft_would_differ", device=device)
    return added


def with_copy(text: str, device: str, name: str, changes: Mapping[str, Any]) -> str:
    """Return the text with a device once more under another name, some of its options changed. Raises as `with_device`, OptionError."""
    raw = tables_of(text).get("devices", {}).get(device)
    if not isinstance(raw, dict):
        raise OptionError("device_unknown", device=device)
    return with_device(text, name, {**_without_was(raw), **changes})


def without_device(text: str, device: str) -> str:
    """Return the text without a device. Raises OptionError `device_unknown`, ConfigError."""
    if device not in tables_of(text).get("devices", {}):
        raise OptionError("device_unknown", device=device)
    document: Any = tomlkit.parse(text)
    del document["devices"][device]
    made = tomlkit.dumps(document)
    if device in tomllib.loads(made).get("devices", {}):
        raise OptionError("draft_would_keep", device=device)
    return made


def with_tag(text: str, device: str, group: str, period_ms: int, tag: Mapping[str, Any]) -> str:
    """Return the text with one tag more in a device, in a group that is there or a new one.

    Raises ConfigError, OptionError: `draft_tag_there` where any group of the device has a tag of this name, which is never replaced.
    """
    raw = tables_of(text).get("devices", {}).get(device)
    if not isinstance(raw, dict):
        raise OptionError("device_unknown", device=device)
    if "template" in raw:
        raise OptionError("tags_of_template", template=str(raw["template"]), device=device)
    groups = [{**each, "tags": list(each.get("tags", ()))} for each in raw.get("groups", ())]
    name = tag.get("name")
    taken = next((each for each in groups if any(other.get("name") == name for other in each["tags"])), None)
    if taken is not None:
        raise OptionError("draft_tag_there", device=device, tag=str(name)[:NAME_MAX], group=str(taken.get("name"))[:NAME_MAX])
    there = next((each for each in groups if each.get("name") == group), None)
    if there is None:
        groups.append({"name": group, "period_ms": period_ms, "tags": [dict(tag)]})
    else:
        there["tags"].append(dict(tag))
    try:
        return with_groups(text, device, groups, {})
    except (ValueError, KeyError, TOMLKitError) as error:
        raise OptionError("draft_not_possible", device=device, detail=str(error)[:200]) from error


def with_setting(text: str, table: str, key: str, value: Any) -> str:
    """Return the text with one key of a top table set, the table made where it is missing. Raises ConfigError."""
    if table not in tables_of(text):
        return text.rstrip("\n") + f"\n\n[{table}]\n{_key(key)} = {inline(value)}\n"
    return with_values(text, [(f"{table}.{key}", value)])


def _without_was(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a device's table without former names: a copy was never called anything else."""
    groups = [
        {**{key: value for key, value in group.items() if key != "was"},
         "tags": [{key: value for key, value in tag.items() if key != "was"} for tag in group.get("tags", ())]}
        for group in raw.get("groups", ())
    ]  # fmt: skip
    return {**raw, "groups": groups} if groups else dict(raw)


def _unfrozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unfrozen(each) for key, each in value.items()}
    return [_unfrozen(each) for each in value] if isinstance(value, list | tuple) else value


def _key(key: str) -> str:
    return str(tomlkit.key(key).as_string())


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:300]
