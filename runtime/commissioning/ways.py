"""What the same registers say under every type and order of bytes, side by side. Pure.

Room: hall, commissioning. The verb `read --all` and the register bench show what comes out. The driver's own codec decodes, so what stands
here is what a tag with these options would read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.modbus.detective.hypotheses import Shape, raw_number, shapes

WIDEST: Final = 4
LIKELY_MAX: Final = 1e9
LIKELY_MIN: Final = 1e-3
LIKELY_LEAST: Final = -1e7
"""Counters grow large, and upwards: what is far below zero is another number read the wrong way."""
ODD_KINDS: Final = ("uint24", "int24", "uint48", "int48", "signmag", "m10k", "float16", "bcd")
FLOAT_KINDS: Final = ("float32", "float64")
BYTES_LEAST: Final = 1 << 24
"""From here on a whole number has bits in the place of a floating number's exponent."""
HALF_LEAST: Final = 1 << 12
"""What is smaller stays a number of its own: hardly a float's first register, and seldom the lower half of what it measures."""
TEXT_REGISTERS: Final = 16
ENTITY: Final = {"holding": "4", "input": "3"}
CLASSES: Final = ("big", "word", "byte", "little")
"""The four orders of a number of several registers: as the protocol has it, words swapped, bytes swapped, both."""
MEASURED_LEAST: Final = 0.1
USUAL_CLASSES: Final = CLASSES[:2]
HALF_KINDS: Final = ("uint16", "int16")


def readings_at(table: str, start: int, registers: Mapping[tuple[str, int], int]) -> list[dict[str, Any]]:
    """Return rows of data, order, value, plausible; plausible ones first."""
    rows = []
    beside = beside_float(table, start, registers)
    for shape in shapes():
        value = raw_number(shape, table, start, registers)
        if value is not None:
            form = shape.order or shape.byte
            marked = plausible(shape.kind, form, value, beside)
            rows.append({"data": shape.kind, "order": form, "value": value, "plausible": marked})
    rows.sort(key=lambda row: not row["plausible"])
    return rows


def beside_float(table: str, start: int, registers: Mapping[tuple[str, int], int]) -> str:
    """Return whether the registers are a floating number of usual size, other than 0; of any two registers every second pair is, by chance.

    `usual`: one of two registers from MEASURED_LEAST on, its words in one of the two usual orders; `odd`: another one; empty: none.
    """
    found = ""
    for shape in shapes():
        if shape.kind in FLOAT_KINDS:
            value = raw_number(shape, table, start, registers)
            if value is not None and value != 0 and _is_usual(value):
                if shape.kind == "float32" and shape.order_class in USUAL_CLASSES and abs(value) >= MEASURED_LEAST:
                    return "usual"
                found = "odd"
    return found


def plausible(kind: str, order: str, value: float, beside: str = "") -> bool:
    """Tell whether a number looks like something that a device measures: not astronomic, not a speck, of a usual type and order.

    A floating number is told by its size, whatever the order of its bytes. `beside` says, as `beside_float` does, that the same registers
    are one, so that halves of registers and large whole numbers are most likely its bytes, and under a usual order one register its half.
    """
    if kind in FLOAT_KINDS:
        return _is_usual(value)
    is_half = order in ("high", "low")
    usual = not kind.startswith(ODD_KINDS) and (is_half or order[:1] in "ACEG")
    least = HALF_LEAST if beside == "usual" and kind in HALF_KINDS else BYTES_LEAST
    return usual and _is_usual(value) and not (beside and (is_half or abs(value) >= least))


def _is_usual(value: float) -> bool:
    return value == 0 or (abs(value) >= LIKELY_MIN and LIKELY_LEAST < value < LIKELY_MAX)


def side_by_side(table: str, start: int, words: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return a row for each type with its readings under the four orders, from the first of `words` on.

    Each row is {data, registers, usual, cells: [{order, text, plausible} or None, …]}, cells in the order of CLASSES; `text` has all digits
    of a whole number, which a number of JSON has not.
    """
    registers = {(table, start + at): word for at, word in enumerate(words[:WIDEST]) if word is not None}
    rows: dict[str, dict[str, Any]] = {}
    beside = beside_float(table, start, registers)
    for shape in shapes():
        row = rows.setdefault(
            shape.kind,
            {
                "data": shape.kind,
                "registers": shape.count,
                "usual": shape.kind.startswith("bcd") or not shape.kind.startswith(ODD_KINDS),
                "cells": [None] * len(CLASSES),
            },
        )
        value = raw_number(shape, table, start, registers)
        if value is not None:
            form = shape.order or shape.byte
            marked = plausible(shape.kind, form, value, beside)
            row["cells"][_column(shape)] = {"order": form, "text": shown(value), "plausible": marked}
    return [row for row in rows.values() if any(row["cells"])]


def _column(shape: Shape) -> int:
    if shape.byte:
        return 0 if shape.byte == "low" else 2
    return CLASSES.index(shape.order_class) if shape.order_class else 0


def shown(value: float) -> str:
    """Return whole numbers with all their digits, others with nine."""
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def register_rows(table: str, found: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return each register as hexadecimal digits, unsigned, signed, and two characters; with its address in the three ways of manuals."""
    return [
        {
            "at": at, "one": at + 1, "entity": entity_of(table, at), "hex": f"{word:04X}", "unsigned": word,
            "signed": word - 0x10000 if word & 0x8000 else word, "text": characters([word]),
        }
        for at, word in sorted(found.items())
    ]  # fmt: skip


def entity_of(table: str, at: int) -> str:
    """Return the entity number of a register: five digits where those are enough, else six."""
    first = ENTITY[table]
    return f"{first}{at + 1:04d}" if at < 9999 else f"{first}{at + 1:05d}"


def characters(words: Sequence[int], *, swapped: bool = False) -> str:
    """Return registers as text, a dot for what is no printable ASCII."""
    data = b"".join(word.to_bytes(2, "little" if swapped else "big") for word in words[:TEXT_REGISTERS])
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
