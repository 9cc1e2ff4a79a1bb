"""A case of the decoding detective: looks at a device, as plain data that a file or a page keeps between two of them.

Room: hall, commissioning. The verb `detect` and the register bench call it. Registers are read before the display's numbers are taken down
and once more after, so that a value that moves meanwhile still fits. A damaged case is refused, never half used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from drivers.driver import DriverError
from drivers.modbus.detective import Finding, Look, Quantity, Question, read_shown
from drivers.modbus.detective.question import Place, reach
from drivers.modbus.exception_codes import gateway_codes, lacking_codes
from drivers.modbus.notation import read_notation
from drivers.option_error import OptionError
from runtime.commissioning.line_places import cause_of
from runtime.faces.feed import RequestRefusedError

VERSION: Final = 1
LOOKS_MAX: Final = 64
BETWEEN_S: Final = 0.5
SUNSPEC_AT: Final = 40000
SUNSPEC_MARK: Final = (0x5375, 0x6E53)
SUNSPEC_REACH: Final = 40
"""Registers behind a value of a SunSpec model in which its power of ten is looked for."""
TABLES: Final = ("holding", "input")
Case = dict[str, Any]
Fetch = Callable[[str, int, int], Awaitable[dict[int, int]]]
"""Table, first address, count -> address -> register of what could be read. Raises DriverError, RequestRefusedError."""


class CaseError(ValueError):
    """A case that is not one."""


def new_case() -> Case:
    """Return a case without looks."""
    return {"version": VERSION, "sunspec": False, "near": {}, "looks": []}


def checked(case: Any) -> Case:
    """Return a case that came from outside. Raises CaseError unless it is one."""
    try:
        if case["version"] != VERSION:
            raise CaseError(f"version {case['version']}")
        question_of(case)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CaseError(str(error)[:80] or "not a case") from error
    found: Case = case
    return found


def question_of(case: Case) -> Question:
    """Return the question that a case asks. Raises ValueError, KeyError, TypeError, AttributeError for one that is not well formed."""
    quantities = tuple(Quantity(str(name), tuple(_places(str(near)))) for name, near in case["near"].items())
    looks = []
    for look in case["looks"]:
        reads = tuple({_place(str(at)): _register(word) for at, word in read.items()} for read in look["reads"])
        shown = {str(name): read_shown(f"{name}={text}")[1] for name, text in look["shown"].items()}
        looks.append(Look(reads, shown, float(look["at_s"])))
    return Question(quantities, tuple(looks), bool(case["sunspec"]))


def asked(case: Case, near: Sequence[str], shows: Sequence[str]) -> dict[str, tuple[str, int, str, str]]:
    """Return name -> table, 0-based address, address as written, number as shown. Raises OptionError for what cannot be used."""
    named = {}
    for place, text in zip(near, shows, strict=True):
        table, start = read_notation(place)
        if table not in TABLES:
            raise OptionError("detect_no_registers", table=table)
        name = read_shown(text)[0] or place
        if name in named or case["near"].get(name, place) != place:
            raise OptionError("detect_name_twice", name=name)
        named[name] = (table, start, place, text.split("=", 1)[-1].strip())
    return named


async def add_look(case: Case, fetch: Fetch, near: Sequence[str], shows: Sequence[str], at_s: float) -> None:
    """Read the registers around every address and add a look to the case; the newest LOOKS_MAX stay.

    Raises OptionError for an address or a shown number that cannot be used, `detect_refused` where the device refuses an address and all
    around it, and what `fetch` raises.
    """
    named = asked(case, near, shows)
    if not case["looks"]:
        case["sunspec"] = await _is_sunspec(fetch)
    reads = []
    for again in range(2):
        reads.append(await _around(fetch, [(table, start) for table, start, _, _ in named.values()], bool(case["sunspec"])))
        if not again:
            for table, start, place, _ in named.values():
                await _require_readable(fetch, reads[0], table, start, place)
            await asyncio.sleep(BETWEEN_S)
    case["near"] |= {name: place for name, (_, _, place, _) in named.items()}
    shown = {name: text for name, (_, _, _, text) in named.items()}
    written = [{f"{table}:{at}": word for (table, at), word in read.items()} for read in reads]
    case["looks"].append({"at_s": at_s, "shown": shown, "reads": written})
    case["looks"] = case["looks"][-LOOKS_MAX:]


async def _around(fetch: Fetch, places: Sequence[Place], sunspec: bool) -> dict[Place, int]:
    """Read around every place, in its table and in the other one of registers."""
    found: dict[Place, int] = {}
    for _, start in places:
        first, last = max(start - reach, 0), min(start + (SUNSPEC_REACH if sunspec else reach), 0xFFFF)
        for table in TABLES:
            if (table, start) not in found:
                words, _ = await _held(fetch, table, first, last - first + 1)
                found |= {(table, at): word for at, word in words.items()}
    return found


async def _held(fetch: Fetch, table: str, start: int, count: int) -> tuple[dict[int, int], int | float | str | None]:
    """Return what could be read of a range; nothing, and the exception code, where the device refuses. One that is busy is no answer."""
    try:
        return await fetch(table, start, count), None
    except (DriverError, RequestRefusedError) as error:
        code = error.params.get("code", "?")
        if cause_of(error) != "device_exception" or code not in lacking_codes | gateway_codes:
            raise
        return {}, code


async def _require_readable(fetch: Fetch, read: Mapping[Place, int], table: str, start: int, place: str) -> None:
    """Ask once more for an address around which nothing could be read, alone: then the device says with which code it refuses.

    What it has in the other table only may be what is meant, unless this one was not reached at all.
    """
    near = {name for name, at in read if abs(at - start) <= reach}
    if table in near:
        return
    words, code = await _held(fetch, table, start, 1)
    if not words and code is not None and (not near or code in gateway_codes):
        raise OptionError("detect_refused", address=place, code=code)


async def _is_sunspec(fetch: Fetch) -> bool:
    words, _ = await _held(fetch, "holding", SUNSPEC_AT, len(SUNSPEC_MARK))
    return tuple(words.get(SUNSPEC_AT + at) for at in range(len(SUNSPEC_MARK))) == SUNSPEC_MARK


def _places(near: str) -> list[Place]:
    table, start = read_notation(near)
    return [(table, start), *((other, start) for other in TABLES if other != table)]


def _place(text: str) -> Place:
    table, _, at = text.partition(":")
    return table, int(at)


def _register(word: object) -> int:
    if not isinstance(word, int) or isinstance(word, bool) or not 0 <= word <= 0xFFFF:
        raise CaseError("not a register")
    return word


def plain(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data, every candidate with its options and the values that it gives."""
    return {
        "quantity": finding.quantity,
        "verdict": finding.verdict,
        "doubts": list(finding.doubts),
        "odd_look": finding.odd_look,
        "broken": [{"relation": each.name, "quantities": list(each.quantities)} for each in finding.broken],
        "candidates": [
            {"options": each.hypothesis.options(), "share": each.share, "values": list(each.values)} for each in finding.candidates
        ],
    }
