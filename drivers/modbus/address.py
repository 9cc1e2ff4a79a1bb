"""Where one value stands on a Modbus unit, and how it is read: the frozen noun that the rest of the driver works on.

Room: ground, driver `modbus`; pure. `tag_options.py` makes addresses, planner and codec use them. It validates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from drivers.scaling import Scaling

tables: Final = ("coil", "discrete", "holding", "input")
bit_tables: Final = ("coil", "discrete")
unscaled: Final = Scaling()

native_codes: Final = {
    "bool": "H", "bits": "H", "bits32": "I", "bits64": "Q",
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "uint24": "I", "int32": "i", "uint32": "I",
    "uint48": "Q", "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
"""Data types that one struct code decodes, big-endian once the bytes are gathered (24 and 48 bits: with zero bytes in front)."""

flag_kinds: Final = ("bool", "bits", "bits32", "bits64")
float_kinds: Final = ("float16", "float32", "float64")
whole_kinds: Final = (
    "int8", "uint8", "int16", "uint16", "int24", "uint24", "int32", "uint32", "int48", "uint48", "int64", "uint64",
    "signmag16", "signmag32", "signmag64", "bcd16", "bcd32", "bcd64", "m10k32", "m10k48", "m10k64",
)  # fmt: skip
"""Whole numbers before scaling."""

epoch_kinds: Final = ("unix_s32", "unix_s64", "unix_ms64", "sunspec_s32")
"""Times that are one number: seconds or milliseconds since 1970, seconds since 2000."""
part_kinds: Final = ("datetime_registers", "datetime_bytes", "datetime_bcd")
"""Times whose year, month, day ... stand in registers or bytes of their own, in the order of `TimeForm.parts`."""
time_kinds: Final = (*epoch_kinds, "cp56", "s7_datetime", *part_kinds)


def data_bytes(table: str, count: int) -> int:
    """Return the data bytes of an answer with `count` registers or bits of a table (V1.1b3, 6.1 to 6.4)."""
    return (count + 7) // 8 if table in bit_tables else count * 2


@dataclass(frozen=True, slots=True)
class TextForm:
    """How characters become bytes; `padding` (`nul` or `space`) is what fills the rest of the registers in a write."""

    encoding: str = "utf-8"
    padding: str = "nul"


@dataclass(frozen=True, slots=True)
class TimeForm:
    """The zone that the device's clock shows, what a value becomes (ISO text in UTC, or ms since 1970 UTC), and the order of parts."""

    zone: tzinfo = UTC
    as_ms: bool = False
    parts: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """What the device sends instead of a value: raw numbers before scaling (or texts), and whether NaN is one of them."""

    values: frozenset[float | str] = frozenset()
    nan: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where one value stands on a Modbus unit and how it is read. Orders None mean the device's.

    `start` is the 0-based protocol address (a manual's 40001 is holding 0); `count` is in registers, or 1 bit in the
    bit tables. `bit` and `bit_count` are for the `bits` kinds: bit 0 is the least significant one. `order` spells the bytes as they
    come over the wire (A is the most significant) and stands above `byte_order` and `word_order`. `byte` (`high`, `low`) is the half of
    each register that an 8-bit number or a character stands in. `scale_factor` is the table and register of a power of ten.
    """

    table: str
    start: int
    kind: str
    count: int
    byte_order: str | None = None
    word_order: str | None = None
    bit: int = 0
    bit_count: int = 1
    scaling: Scaling = unscaled
    order: str = ""
    byte: str = ""
    missing: Missing | None = None
    scale_factor: tuple[str, int] | None = None
    text: TextForm = TextForm()
    time: TimeForm = TimeForm()

    @property
    def written_by_mask(self) -> bool:
        """Whether a write changes only some bits of its register (function 22)."""
        return self.kind in ("bits", "int8", "uint8")


def byte_places(at: int, address: Address) -> bytes:
    """Return where the bytes of a value stand when its first register is `at`, most significant first (text: first character first).

    A value whose `byte` is stated has one byte in each register, any other two.
    """
    first = at * 2
    if address.order:
        return bytes(first + address.order.index(letter) for letter in sorted(address.order))
    words = [(first + 2 * n, first + 2 * n + 1) for n in range(address.count)]
    if address.byte_order == "little":
        words = [(low, high) for high, low in words]
    if address.word_order == "little" and address.kind != "string" and address.kind not in part_kinds:
        words.reverse()
    if address.byte:
        return bytes(word[address.byte == "low"] for word in words)
    return bytes(index for word in words for index in word)


def value_type(address: Address) -> str:
    """Return bool, int, float32, float64 or text: what the decoder gives."""
    kind = address.kind
    if kind == "string":
        return "text"
    if kind in time_kinds:
        return "int" if address.time.as_ms else "text"
    if kind in flag_kinds:
        return "bool" if kind == "bool" or address.bit_count == 1 else "int"
    if address.scale_factor is not None or kind == "float64":
        return "float64"
    if kind in float_kinds:
        return "float32" if address.scaling.places == 0 else "float64"
    return "int" if address.scaling.keeps_int() else "float64"


def exponent(address: Address) -> int | None:
    """Return -k for a whole number with scale 10**-k, else None."""
    if address.kind not in whole_kinds or address.scale_factor is not None or address.scaling.places is None:
        return None
    return -address.scaling.places
