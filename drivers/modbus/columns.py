"""The ways in which a run of like values becomes a column: each a few C loops, compiled once for each block.

Room: ground, driver `modbus`; pure. `codec.py` puts the fields of a block into runs and gives each run its cells. Only texts and clocks
cost a Python call for each tag.

A `Run` is one way of becoming a value: what the run's bytes are unpacked as, and what makes values of the cells. A value that
cannot be made is None, and its status is put into the dict that comes with the call, under the place of the tag in its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import and_, contains, itemgetter, ne, rshift
from typing import Any, Final

from drivers.modbus.address import Address, Missing, byte_places, flag_kinds, float_kinds, native_codes, time_kinds
from drivers.modbus.times import compile_reader, time_code
from drivers.reading import Status, Value
from drivers.scaling import Step, scale_steps

Cells = Sequence[Any]
Bad = dict[int, int]
Convert = Callable[[Cells, Bad], list[Value]]
always_zero: Final = 255
"""An answer has at most 250 bytes and is filled up with zeros to 256: the last one stands in for bytes that a value lacks."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value inside a block: its place in the group, its first register (or bit) in the block, its address, orders resolved."""

    index: int
    at: int
    address: Address


@dataclass(frozen=True, slots=True)
class Run:
    """Fields that become values in the same way: the bytes they need, the struct codes of those, and what makes values of the cells."""

    fields: tuple[Field, ...]
    gather: bytes
    codes: str
    cells: int
    convert: Convert | None
    """None: the cells are the values."""


def run_key(address: Address) -> tuple[Any, ...]:
    """Return what fields must have in common to stand in one run; keys of one block can be sorted."""
    kind = address.kind
    if kind in time_kinds or kind == "string":
        return ("time" if kind in time_kinds else kind, 0, (), False)
    if kind in flag_kinds:
        return ("flags", int(kind == "bool" or address.bit_count == 1), (), address.missing is not None)
    way = next((prefix for prefix in ("bcd", "m10k", "signmag") if kind.startswith(prefix)), "shift" if kind in shifts else "native")
    width = address.count if way == "m10k" else 0
    return (way, width, address.scaling.terms(kind not in float_kinds).shape, address.missing is not None)


def compile_run(fields: tuple[Field, ...]) -> Run:
    """Return the run of fields that share one key."""
    addresses = [field.address for field in fields]
    way = run_key(addresses[0])[0]
    gather = b"".join(_places(field) for field in fields)
    codes, cells = _codes(way, addresses)
    return Run(fields, gather, codes, cells, _convert(way, fields, addresses))


shifts: Final = {"int24": (8, "i"), "int48": (16, "q")}
"""Signed types narrower than a struct code: read into its upper bytes, then shifted down, which keeps the sign."""


def _places(field: Field) -> bytes:
    places, kind = byte_places(field.at, field.address), field.address.kind
    if kind == "int24":
        return places[1:] + bytes((always_zero,))
    if kind == "uint24":
        return bytes((always_zero,)) + places[1:]
    if kind == "int48":
        return places + bytes((always_zero,) * 2)
    return bytes((always_zero,) * 2) + places if kind == "uint48" else places


def _codes(way: str, addresses: Sequence[Address]) -> tuple[str, int]:
    """Return the struct codes of a run and how many cells they give."""
    registers = sum(address.count for address in addresses)
    if way == "bcd":
        return f"{registers * 2}s", 1
    if way == "m10k":
        return f"{registers}h", registers
    return "".join(_code(way, address) for address in addresses), len(addresses)


def _code(way: str, address: Address) -> str:
    if way == "string":
        return f"{address.count * (1 if address.byte else 2)}s"
    if way == "time":
        return time_code(address)
    if way == "signmag":
        return {1: "H", 2: "I", 4: "Q"}[address.count]
    return shifts[address.kind][1] if way == "shift" else native_codes[address.kind]


def _convert(way: str, fields: tuple[Field, ...], addresses: Sequence[Address]) -> Convert | None:
    indexes = [field.index for field in fields]
    if way == "time":
        return _times(addresses, indexes)
    if way == "string":
        return _numbers(_texts(addresses), [], addresses, indexes)
    if way == "flags":
        return _numbers(None, _flag_steps(addresses), addresses, indexes)
    steps = scale_steps([address.scaling.terms(address.kind not in float_kinds) for address in addresses])
    makers = {"shift": _shifted, "signmag": _sign_magnitude, "bcd": _bcd, "m10k": _m10k}
    return _numbers(makers[way](addresses) if way in makers else None, steps, addresses, indexes)


def _numbers(
    make: Callable[[Cells], Cells] | None, steps: Sequence[Step], addresses: Sequence[Address], indexes: Sequence[int]
) -> Convert | None:
    """Return cells -> raw (by `make`) -> not missing -> scaled."""
    watch = _watch([address.missing for address in addresses])
    if watch is None and make is None:
        return _scaled(steps)

    def convert(cells: Cells, bad: Bad) -> list[Value]:
        raw = make(cells) if make else cells
        lost: dict[int, int] = watch(raw) if watch else {}
        if make and None in raw:
            lost = lost | {at: Status.BAD_DECODING_ERROR for at, cell in enumerate(raw) if cell is None}
            raw = [0 if cell is None else cell for cell in raw]
        column: Any = raw
        for operation, operands in steps:
            column = map(operation, column, operands)
        values: list[Value] = list(column)
        for at, status in lost.items():
            values[at] = None
            bad[indexes[at]] = status
        return values

    return convert


def _scaled(steps: Sequence[Step]) -> Convert | None:
    """Return the shortest way through 0, 1 or more operations."""
    if not steps:
        return None
    if len(steps) == 1:
        ((operation, operands),) = steps
        return lambda cells, _bad: list(map(operation, cells, operands))

    def convert(cells: Cells, _bad: Bad) -> list[Value]:
        column: Any = cells
        for operation, operands in steps:
            column = map(operation, column, operands)
        return list(column)

    return convert


def _watch(missing: Sequence[Missing | None]) -> Callable[[Cells], dict[int, int]] | None:
    """Return what finds the cells that mean "no value": place in the run -> status."""
    if not any(missing):
        return None
    sets = [each.values if each else frozenset() for each in missing]
    nans = [at for at, each in enumerate(missing) if each and each.nan]
    pick = itemgetter(*nans) if len(nans) > 1 else None

    def watch(raw: Cells) -> dict[int, int]:
        lost: dict[int, int] = {}
        if True in map(contains, sets, raw):
            lost = {at: Status.BAD_NO_DATA for at, (cell, those) in enumerate(zip(raw, sets, strict=True)) if cell in those}
        if nans:
            picked = pick(raw) if pick else (raw[nans[0]],)
            if True in map(ne, picked, picked):
                lost |= {at: Status.BAD_NO_DATA for at, cell in zip(nans, picked, strict=True) if cell != cell}  # noqa: PLR0124
        return lost

    return watch


def _flag_steps(addresses: Sequence[Address]) -> list[Step]:
    """Return the operations that cut bits out of registers; one bit becomes a bool, a register as `bool` is true unless 0."""
    if addresses[0].kind == "bool" or addresses[0].bit_count == 1:
        masks = [0xFFFF if address.kind == "bool" else 1 << address.bit for address in addresses]
        return [(and_, masks), (ne, [0] * len(masks))]
    return [(rshift, [a.bit for a in addresses]), (and_, [(1 << a.bit_count) - 1 for a in addresses])]


def _shifted(addresses: Sequence[Address]) -> Callable[[Cells], Cells]:
    places = [shifts[address.kind][0] for address in addresses]
    return lambda cells: list(map(rshift, cells, places))


def _sign_magnitude(addresses: Sequence[Address]) -> Callable[[Cells], Cells]:
    tops = [1 << address.count * 16 - 1 for address in addresses]
    return lambda cells: [cell if cell < top else top - cell for cell, top in zip(cells, tops, strict=True)]


def _bcd(addresses: Sequence[Address]) -> Callable[[Cells], Cells]:
    """Digits as text, all at once; int() of what has a digit above 9 fails, and then each is looked at."""
    ends = [0]
    for address in addresses:
        ends.append(ends[-1] + address.count * 4)
    cuts = [slice(a, b) for a, b in pairwise(ends)]

    def make(cells: Cells) -> Cells:
        digits = cells[0].hex()
        texts = [digits[cut] for cut in cuts]
        try:
            return list(map(int, texts))
        except ValueError:
            return [int(text) if text.isdecimal() else None for text in texts]

    return make


def _m10k(addresses: Sequence[Address]) -> Callable[[Cells], Cells]:
    """Registers of four digits each (PowerLogic modulo 10,000), every one with the sign of the whole."""
    count = addresses[0].count

    def make(cells: Cells) -> Cells:
        made: Cells = cells[::count]
        for n in range(1, count):
            made = [a * 10_000 + b for a, b in zip(made, cells[n::count], strict=True)]
        if max(cells) <= 9999 and min(cells) >= 0:
            return made
        rows = zip(made, *(cells[n::count] for n in range(count)), strict=True)
        return [whole if min(row) >= -9999 and max(row) <= 9999 and not min(row) < 0 < max(row) else None for whole, *row in rows]

    return make


def _texts(addresses: Sequence[Address]) -> Callable[[Cells], Cells]:
    """Text ends at the first NUL; trailing blanks are padding. Bytes that the encoding does not have give None."""
    encodings = [address.text.encoding for address in addresses]

    def make(cells: Cells) -> Cells:
        try:
            return [str(cell.partition(b"\0")[0], code).rstrip(" ") for cell, code in zip(cells, encodings, strict=True)]
        except UnicodeDecodeError:
            return [_text(cell, code) for cell, code in zip(cells, encodings, strict=True)]

    return make


def _text(cell: bytes, encoding: str) -> Value:
    try:
        return str(cell.partition(b"\0")[0], encoding).rstrip(" ")
    except UnicodeDecodeError:
        return None


def _times(addresses: Sequence[Address], indexes: Sequence[int]) -> Convert:
    readers = [compile_reader(address) for address in addresses]
    absent = [address.missing.values if address.missing else frozenset() for address in addresses]
    watched = any(absent)

    def convert(cells: Cells, bad: Bad) -> list[Value]:
        values = [read(cell) for read, cell in zip(readers, cells, strict=True)]
        if watched or None in values:
            for at, (value, cell, those) in enumerate(zip(values, cells, absent, strict=True)):
                if cell in those:
                    values[at] = None
                    bad[indexes[at]] = Status.BAD_NO_DATA
                elif value is None:
                    bad[indexes[at]] = Status.BAD_DECODING_ERROR
        return values

    return convert
