"""One field of a block as one Python expression over the cells that its bytes are unpacked to.

Room: ground, driver `modbus`; pure. `codec.py` puts the expressions of a block into one function and compiles it. An expression holds
numbers written by `repr`, names given here and nothing that a configuration or a device could put into words: no text of theirs
becomes code.

The cells of a field are c0, c1, ... in the order of its struct codes. `lost(bad, index, status)` notes why there is no value and is
None. `v` is the raw number (or text) where an expression needs it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.modbus.address import Address, byte_places, flag_kinds, float_kinds, native_codes, time_kinds, whole_kinds
from drivers.modbus.missing import bounds
from drivers.modbus.times import no_digits, of_bcd, time_codes, time_terms
from drivers.reading import Status, Value
from drivers.scaling import Scaling

always_zero: Final = 255
"""An answer has at most 250 bytes and is filled up with zeros to 256: the last one stands in for bytes that a value lacks."""
kept_min: Final = -(1 << 63)
kept_max: Final = (1 << 64) - 1
"""The whole numbers that a reading may be."""
_shifts: Final = {"int24": (8, "i"), "int48": (16, "q")}
"""Signed types narrower than a struct code: read into its upper bytes, then shifted down, which keeps the sign."""
_unsigned_codes: Final = {1: "H", 2: "I", 4: "Q"}


@dataclass(slots=True)
class Expression:
    """`code` is what the value is; `places` the bytes that it needs, `struct_codes` what they unpack to; `names` what it calls."""

    places: bytes
    struct_codes: str
    cells: tuple[str, ...]
    code: str = ""
    names: dict[str, Any] = field(default_factory=dict)


def compose(index: int, at: int, first_cell: int, address: Address) -> Expression:
    """Return the expression of a value whose first register is `at`, orders resolved; `index` is the tag's place in its group."""
    codes, count = _struct_codes(address)
    cells = tuple(f"c{first_cell + n}" for n in range(count))
    made = Expression(_places(at, address), codes, cells)
    if address.kind in time_kinds:
        terms = time_terms(address, cells, index)
        made.names |= terms.names
        nonsense = f"v is None or {terms.doubt}" if terms.doubt else "v is None"
        raw, value = terms.start, terms.value
        checks = [*_missing_checks(index, address, cells[0], made), (nonsense, Status.BAD_DECODING_ERROR)]
    else:
        raw, nonsense = _raw(index, address, made)
        again = raw if raw.isidentifier() else "v"
        checks = [(nonsense, Status.BAD_DECODING_ERROR)] if nonsense else []
        checks += _missing_checks(index, address, again, made) + _size_checks(address, again)
        value = _value(address, again if checks else raw)
    unbound = next((n for n, (condition, _) in enumerate(checks) if condition.startswith("v ")), None)
    for n, (condition, status) in reversed(list(enumerate(checks))):
        bound = f"(v := {raw}){condition[1:]}" if n == unbound else condition
        value = f"lost(bad, {index}, {int(status)}) if {bound} else {value}"
    made.code = value
    return made


def _places(at: int, address: Address) -> bytes:
    places, zero = byte_places(at, address), bytes((always_zero,))
    if address.kind == "int24":
        return places[1:] + zero
    if address.kind == "uint24":
        return zero + places[1:]
    if address.kind == "int48":
        return places + zero * 2
    return zero * 2 + places if address.kind == "uint48" else places


def _struct_codes(address: Address) -> tuple[str, int]:
    """Return the struct codes of a value's bytes, and how many cells they give."""
    kind, count = address.kind, address.count
    if kind in time_kinds:
        return time_codes(address)
    if kind == "string":
        return f"{count * (1 if address.byte else 2)}s", 1
    if kind.startswith("bcd"):
        return "B" * (count * 2), count * 2
    if kind.startswith("m10k"):
        return "h" * count, count
    if kind.startswith("signmag"):
        return _unsigned_codes[count], 1
    return _shifts[kind][1] if kind in _shifts else native_codes[kind], 1


def _raw(index: int, address: Address, made: Expression) -> tuple[str, str]:
    """Return the number or text before scaling, and the condition on `v` under which its bytes mean nothing (empty: never)."""
    kind, cell = address.kind, made.cells[0]
    if kind == "string":
        made.names[f"text{index}"] = _text_reader(address.text.encoding)
        return f"text{index}({cell})", "v is None"
    if kind.startswith("bcd"):
        made.names["of_bcd"] = of_bcd
        halves = [made.cells[n : n + 4] for n in range(0, len(made.cells), 4)]  # eight digits fit one machine word of an int
        return "(" + " * 100000000 + ".join(_two_digits_each(half) for half in halves) + ")", f"v >= {no_digits}"
    if kind.startswith("m10k"):  # every register has the sign of the whole (PowerLogic modulo 10,000)
        whole = cell
        for each in made.cells[1:]:
            whole = f"({whole} * 10000 + {each})"
        up = " and ".join(f"0 <= {each} < 10000" for each in made.cells)
        down = " and ".join(f"0 >= {each} > -10000" for each in made.cells)
        return f"({whole} if {up} or {down} else None)", "v is None"
    if kind.startswith("signmag"):
        top = 1 << address.count * 16 - 1
        return f"({cell} if {cell} < {top} else {top} - {cell})", ""
    return (f"({cell} >> {_shifts[kind][0]})" if kind in _shifts else cell), ""


def _two_digits_each(cells: Sequence[str]) -> str:
    whole = f"of_bcd[{cells[0]}]"
    for each in cells[1:]:
        whole = f"({whole} * 100 + of_bcd[{each}])"
    return whole


def _missing_checks(index: int, address: Address, raw: str, made: Expression) -> list[tuple[str, Status]]:
    """Return the conditions under which the device says that it has no value."""
    checks: list[tuple[str, Status]] = []
    missing = address.missing
    if missing is not None and missing.values:
        made.names[f"absent{index}"] = missing.values
        checks.append((f"{raw} in absent{index}", Status.BAD_NO_DATA))
    if missing is not None and missing.nan:
        checks.append((f"{raw} != {raw}", Status.BAD_NO_DATA))
    return checks


def _size_checks(address: Address, raw: str) -> list[tuple[str, Status]]:
    """Return the condition under which a whole number that is scaled up is too big to be kept: it has no value, and spoils no other."""
    if address.kind not in whole_kinds or address.scale_factor is not None or not address.scaling.keeps_int():
        return []
    factor, (low, high) = int(address.scaling.terms(whole=True).factor), bounds(address.kind)
    if kept_min <= low * factor and high * factor <= kept_max:
        return []
    return [(f"{raw} > {kept_max // factor} or {raw} < {-(-kept_min // factor)}", Status.BAD_OUT_OF_RANGE)]


def _value(address: Address, raw: str) -> str:
    kind = address.kind
    if kind in flag_kinds:
        if kind == "bool":
            return f"{raw} != 0"
        if address.bit_count == 1:
            return f"{raw} & {1 << address.bit} != 0"
        return f"{raw} >> {address.bit} & {(1 << address.bit_count) - 1}"
    if kind == "string":
        return raw
    return _scaled(address.scaling, raw, whole=kind not in float_kinds)


def _scaled(scaling: Scaling, raw: str, *, whole: bool) -> str:
    terms = scaling.terms(whole)
    code = raw if terms.factor == 1 else f"{raw} * {terms.factor!r}"
    if terms.offset != 0:
        code = f"{code} + {terms.offset!r}"
    if terms.divisor is None:
        return code
    return f"({code}) / {terms.divisor!r}" if code != raw else f"{raw} / {terms.divisor!r}"


def _text_reader(encoding: str) -> Callable[[bytes], Value]:
    """Text ends at the first NUL; trailing blanks are padding. Bytes that the encoding does not have give None."""

    def read(cell: bytes) -> Value:
        try:
            return str(cell.partition(b"\0")[0], encoding).rstrip(" ")
        except UnicodeDecodeError:
            return None

    return read
