"""Requests of the register bench: a raw read under every type, a look of the detective, a scaling, the library of templates.

Room: hall, commissioning. `desk` calls it. Parameters come from a face and are judged here; what is wrong with them is an OptionError, what
a device answers wrongly a DriverError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.modbus.detective import Finding, judge
from drivers.modbus.notation import read_notation
from drivers.option_error import OptionError
from drivers.templates import Library
from runtime.commissioning import looks
from runtime.commissioning.raw_reads import fetch_of
from runtime.commissioning.two_points import scaling_of
from runtime.commissioning.ways import WIDEST, characters, register_rows, side_by_side
from runtime.config import Config
from runtime.registers_asked import RegisterField

COUNT_MAX: Final = 125
WAYS_MAX: Final = 16
"""Registers that a read words under every type at once: each takes some ms."""
NEAR_MAX: Final = 8
PAGE_LOOKS_MAX: Final = 16
"""Looks that a page's case may bring along: it goes to and fro with every one."""
ADDRESSES: Final = 0x10000


@dataclass(frozen=True, slots=True)
class Looked:
    """What was read: registers by address, of `count` from `start` on."""

    table: str
    start: int
    count: int
    at_ms: int
    found: Mapping[int, int]


async def read(asked: Mapping[str, Any], config: Config, field: RegisterField, wall_ms: int) -> Looked:
    """Return what the registers of {where, address, count} hold."""
    table, start = _registers_at(asked["address"])
    count = asked["count"]
    if type(count) is not int or not 1 <= count <= COUNT_MAX:
        raise OptionError("bench_count", limit=COUNT_MAX)
    count = min(count, ADDRESSES - start)
    async with fetch_of(asked["where"], config, field) as fetch:
        found = await fetch(table, start, count)
    return Looked(table, start, count, wall_ms, found)


def shown(looked: Looked) -> dict[str, Any]:
    """Return {at_ms, table, start, registers, ways, text, text_swapped, missing}. Takes CPU.

    `ways` is by address, as `ways.side_by_side`, of the first WAYS_MAX registers (`ways_asked` tells of any other); `missing` counts
    registers that could not be read.
    """
    table, found = looked.table, looked.found
    ways = {str(at): side_by_side(table, at, [found.get(at + n) for n in range(WIDEST)]) for at in sorted(found)[:WAYS_MAX]}
    words = [found.get(at, 0) for at in range(looked.start, looked.start + looked.count)]
    return {
        "at_ms": looked.at_ms, "table": table, "start": looked.start, "registers": register_rows(table, found), "ways": ways,
        "text": characters(words), "text_swapped": characters(words, swapped=True), "missing": looked.count - len(found),
    }  # fmt: skip


async def look(asked: Mapping[str, Any], config: Config, field: RegisterField, wall_ms: int) -> looks.Case:
    """Return the case of {where, near, shows, case} with one look more."""
    near, shows = asked["near"], asked["shows"]
    if len(near) != len(shows) or not 1 <= len(near) <= NEAR_MAX or not all(isinstance(each, str) for each in (*near, *shows)):
        raise OptionError("detect_pairs", near=len(near), shows=len(shows))
    case = looks.new_case() if asked.get("case") is None else looks.checked(asked["case"])
    if len(case["looks"]) > PAGE_LOOKS_MAX:
        raise looks.CaseError("too many looks")
    looks.asked(case, near, shows)
    async with fetch_of(asked["where"], config, field) as fetch:
        await looks.add_look(case, fetch, near, shows, wall_ms / 1000)
    case["looks"] = case["looks"][-PAGE_LOOKS_MAX:]
    return case


def ways_asked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return {ways} of {address, words}: up to four registers from the address on, null for one that could not be read. Takes CPU."""
    table, start = _registers_at(asked["address"])
    words = asked["words"]
    if len(words) > WIDEST or not all(word is None or (type(word) is int and 0 <= word <= 0xFFFF) for word in words):
        raise OptionError("bench_count", limit=WIDEST)
    return {"ways": side_by_side(table, start, words)}


def findings(case: looks.Case) -> dict[str, Any]:
    """Return {case, findings, registers} with what the detective says of a case, and what its newest look held, by table. Takes CPU.

    A look reads twice: it is the read whose value the first candidate gives.
    """
    found = judge(looks.question_of(case))
    return {"case": case, "findings": [looks.plain(each) for each in found], "registers": _newest(case, found)}


def _newest(case: looks.Case, found: Sequence[Finding]) -> dict[str, Any]:
    reads = case["looks"][-1]["reads"]
    best = next((candidate for finding in found for candidate in finding.candidates), None)
    values = best.every[-len(reads) :] if best is not None else ()
    read = reads[values.index(best.values[-1])] if best is not None and best.values[-1] in values else reads[-1]
    held: dict[str, dict[int, int]] = {}
    for place, word in read.items():
        table, _, at = place.partition(":")
        held.setdefault(table, {})[int(at)] = word
    return {table: register_rows(table, words) for table, words in held.items()}


def scaling(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scaling of {points: [[raw, value], …]}."""
    points = [(float(raw), float(value)) for raw, value in asked["points"]]
    return scaling_of(points)


def templates() -> dict[str, Any]:
    """Return the built-in templates with what a device of each must be told. Blocking: reads their files."""
    library = Library()
    rows = []
    for name in library.names():
        template = library.find(name).template
        tags = [
            {"name": tag["name"], "unit": tag.get("unit", ""), "group": group["name"]} for group in template.groups for tag in group["tags"]
        ]
        rows.append(
            {"name": name, "title": template.title, "type": template.type, "source": template.source, "note": template.note,
             "parameters": template.parameters, "device": template.device, "tags": tags}
        )  # fmt: skip
    return {"templates": rows}


def _registers_at(address: str) -> tuple[str, int]:
    table, start = read_notation(address)
    if table not in looks.TABLES:
        raise OptionError("detect_no_registers", table=table)
    return table, start
