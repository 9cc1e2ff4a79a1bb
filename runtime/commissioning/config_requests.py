"""Requests about config texts: what one would mean, a draft of the next one, the text of an earlier revision.

Room: hall, commissioning. `desk` calls it in its executor: reading a large config takes a second of CPU. Nothing is put in force here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drivers.option_error import OptionError
from ledger_client.disk import Disk, read_whole
from runtime.commissioning import drafts
from runtime.commissioning.judged_text import judged
from runtime.commissioning.written_out import written_out
from runtime.config import CONFIG_SIZE_MAX
from runtime.config_text import with_values
from runtime.revisions import Revision

SHOWN: Final = frozenset({"transport", "host", "port", "serial_port", "baud", "parity", "unit_id", "endpoint", "security"})


def judge(asked: Mapping[str, Any], revision: Revision) -> dict[str, Any]:
    """Return {revision, …} with what `judged_text.judged` says of {text} against the revision in force, or against {against}."""
    text = _text(asked)
    against = asked.get("against", revision.text)
    if not isinstance(against, str):
        raise TypeError("against")
    return {"revision": revision.number, **judged(text, against)}


def draft(asked: Mapping[str, Any], revision: Revision) -> dict[str, Any]:
    """Return {text, revision, …} of {kind, …}: the revision in force, or {text}, with one thing changed, judged.

    Kinds: `device` {device, raw, comments}, `template` {device, template, options}, `copy` {device, name, changes}, `remove` {device},
    `write_out` {device}, `tag` {device, group, period_ms, tag}, `setting` {table, key, value}, `values` {values}, `text` (nothing changed).
    """
    before = _text(asked) if "text" in asked else revision.text
    made = _drafted(asked, before)
    return {"text": made, "revision": revision.number, **judged(made, revision.text)}


def _drafted(asked: Mapping[str, Any], before: str) -> str:
    match asked:
        case {"kind": "device", "device": str(device), "raw": dict(raw), **more}:
            comments = [line for line in more.get("comments", ()) if isinstance(line, str)]
            return drafts.with_device(before, device, raw, comments)
        case {"kind": "template", "device": str(device), "template": str(template), "options": dict(options)}:
            return drafts.with_device(before, device, {"template": template, **options})
        case {"kind": "copy", "device": str(device), "name": str(name), "changes": dict(changes)}:
            return drafts.with_copy(before, device, name, changes)
        case {"kind": "remove", "device": str(device)}:
            return drafts.without_device(before, device)
        case {"kind": "write_out", "device": str(device)}:
            return written_out(before, device)
        case {"kind": "tag", "device": str(device), "group": str(group), "period_ms": int(period_ms), "tag": dict(tag)}:
            return drafts.with_tag(before, device, group, period_ms, tag)
        case {"kind": "setting", "table": str(table), "key": str(key), "value": bool() | int() | float() | str() as value}:
            return drafts.with_setting(before, table, key, value)
        case {"kind": "values", "values": dict(values)}:
            return with_values(before, values.items())
        case {"kind": "text"}:
            return before
    raise OptionError("bench_shape", method="draft")


def text_of(disk: Disk, folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return {number, text} of an earlier revision, {number}. Raises OptionError `revision_unknown`."""
    number = asked["number"]
    if type(number) is not int or number < 1:
        raise OptionError("revision_unknown", revision=str(number)[:20])
    data = read_whole(disk, folder / f"{number}.toml", CONFIG_SIZE_MAX)
    if data is None:
        raise OptionError("revision_unknown", revision=number)
    return {"number": number, "text": data.decode()}


def places(revision: Revision, own_files: Mapping[str, str]) -> dict[str, Any]:
    """Return {revision, commissioning, devices, own_files}: what the pages begin with.

    Each device is {name, type, enabled, template, asset, groups: [name], period_ms: [ms], tags: count, options}; options are those that say
    where it is, and no paths. `own_files` are where our own certificate and key for OPC UA are.
    """
    raw = tomllib.loads(revision.text).get("devices", {})
    rows = [
        {
            "name": each.name, "type": each.type, "enabled": each.enabled, "template": raw[each.name].get("template"), "asset": each.asset,
            "groups": [group.name for group in each.groups], "period_ms": [group.period_ms for group in each.groups],
            "tags": sum(len(group.tags) for group in each.groups),
            "options": {key: value for key, value in each.options.model_dump(exclude_unset=True).items() if key in SHOWN},
        }
        for each in revision.config.devices
    ]  # fmt: skip
    return {
        "revision": revision.number, "commissioning": revision.config.gateway.commissioning, "devices": rows, "own_files": dict(own_files),
    }  # fmt: skip


def _text(asked: Mapping[str, Any]) -> str:
    text = asked["text"]
    if not isinstance(text, str):
        raise TypeError("text")
    if (size := len(text.encode())) > CONFIG_SIZE_MAX:
        raise OptionError("file_too_long", size=size, size_max=CONFIG_SIZE_MAX)
    return text
