"""A template against the answers that are recorded in it: what its tags make of them.

Room: ground; pure. The verb `templates test` and the tests call it. Modbus frames are taken apart, laid into registers and decoded by the
driver's own layout; the recorded nodes of other protocols need a server, so there only the options are judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from drivers.modbus.address import Address, bit_tables, data_bytes
from drivers.modbus.config import DeviceOptions
from drivers.modbus.layout import Layout
from drivers.modbus.planner import Block
from drivers.modbus.request import read_tables
from drivers.reading import Status, Tag, TagGroup
from drivers.registry import load_config, load_factory
from drivers.templates.template import Recorded, Template, expanded, own_keys

common_keys = ("type", "asset", "enabled", "timeout_s", "groups", *own_keys)
"""Keys of a device that are not its driver's."""
common_tag_keys = ("name", "was", "unit", "calibration", "decimals", "writable", "write", "report", "description", "instrument", "range")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one recording: `faults` say what differs, in words of the template's author."""

    name: str
    tags: int
    faults: tuple[str, ...]


def try_template(template: Template) -> list[Trial]:
    """Return a trial of each recording. Never raises for what stands in the template."""
    trials = []
    for recorded in template.recorded:
        try:
            raw = expanded({"parameters": recorded.parameters}, template)
            options, groups = judged(raw)
            faults = _differences(options, groups, recorded)
            trials.append(Trial(recorded.name, sum(len(group.tags) for group in groups), tuple(faults)))
        except (ValidationError, ValueError, TypeError, KeyError, IndexError) as error:
            trials.append(Trial(recorded.name, 0, (str(error).replace("\n", " ")[:300],)))
    return trials


def judged(raw: Mapping[str, Any]) -> tuple[BaseModel, list[TagGroup]]:
    """Return the options and groups of an expanded device with usual places filled in. Raises pydantic.ValidationError, ValueError."""
    place = {"modbus": {"host": "127.0.0.1"}, "opcua": {"endpoint": "opc.tcp://127.0.0.1:4840"}}.get(str(raw["type"]), {})
    own = {key: value for key, value in raw.items() if key not in common_keys}
    if own.get("serial_port") or own.get("transport") in ("rtu", "ascii"):
        place = {"serial_port": "/dev/null"}
    options = load_config(str(raw["type"]), "template", {**place, **own})
    factory, uid, groups = load_factory(str(raw["type"])), 0, []
    for at, group in enumerate(raw["groups"]):
        tags = []
        for tag in group["tags"]:
            tag_options = factory.TAG_OPTIONS.model_validate({key: value for key, value in tag.items() if key not in common_tag_keys})
            uid += 1
            address = factory.make_tag_address(tag_options)
            kind, digits = factory.value_type(tag_options), factory.exponent(tag_options)
            tags.append(Tag(uid, tag["name"], "template", kind, tag.get("unit", ""), address, digits))
        groups.append(TagGroup(at + 1, "template", group["name"], group["period_ms"], tuple(tags), group.get("mode", "poll")))
    return options, groups


def registers_of(frames: Iterable[list[str]]) -> dict[tuple[str, int], int]:
    """Return the registers (and bits, as 0 and 1) that recorded frames of functions 1 to 4 tell of. Raises ValueError for other frames."""
    held: dict[tuple[str, int], int] = {}
    for asked, answered in frames:
        request, answer = bytes.fromhex(asked), bytes.fromhex(answered)
        start, count = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        table, data = read_tables[request[0]], answer[2:]
        if len(request) != 5 or answer[0] != request[0] or answer[1] != len(data) or len(data) != data_bytes(table, count):
            raise ValueError(f"frame {asked} {answered[:20]}: answer and request do not belong together")
        for at in range(count):
            bit = data[at // 8] >> at % 8 & 1 if table in bit_tables else None
            held[table, start + at] = int.from_bytes(data[at * 2 : at * 2 + 2], "big") if bit is None else bit
    return held


def _differences(options: BaseModel, groups: list[TagGroup], recorded: Recorded) -> list[str]:
    wanted = {**recorded.values, **dict.fromkeys(recorded.bad)}
    names = [tag.name for group in groups for tag in group.tags]
    faults = [f"{name}: nothing recorded for it" for name in names if name not in wanted]
    faults += [f"{name}: recorded, and no such tag" for name in wanted if name not in names]
    if not isinstance(options, DeviceOptions):
        return faults
    held = registers_of(recorded.frames)
    for group in groups:
        layout = Layout(group, options)
        blocks = [Block(span.table, span.start, span.count, (span,)) for span in layout.spans]
        answers = [_bytes_of(held, block.table, block.start, block.count) for block in blocks]
        scan = layout.scan(layout.arrange(blocks, {}), answers, 0)
        for at, tag in enumerate(group.tags):
            status = scan.statuses[at] if scan.statuses else 0
            value, expected = scan.values[at], wanted.get(tag.name)
            if status != recorded.bad.get(tag.name, 0) or (tag.name in recorded.values and not _same(value, expected)):
                faults.append(f"{tag.name}: {value!r} with status 0x{status:08X} for {expected!r}")
            elif not isinstance(tag.address, Address):
                faults.append(f"{tag.name}: no Modbus address")
    return faults


def _bytes_of(held: Mapping[tuple[str, int], int], table: str, start: int, count: int) -> bytes | int:
    """Return the data of an answer, or a status where the recording lacks a part of it."""
    words = [held[table, start + at] for at in range(count) if (table, start + at) in held]
    if len(words) != count:
        return int(Status.BAD_NO_COMMUNICATION)
    if table in bit_tables:
        packed = bytearray(data_bytes(table, count))
        for at, bit in enumerate(words):
            packed[at // 8] |= bit << at % 8
        return bytes(packed)
    return b"".join(word.to_bytes(2, "big") for word in words)


def _same(value: object, expected: object) -> bool:
    if isinstance(value, float) and isinstance(expected, (int, float)):
        return math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-12)
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)
