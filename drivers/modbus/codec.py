"""The bytes of a Modbus answer become values, and a value becomes registers.

Room: ground, driver `modbus`; pure. `compile_registers` and `compile_bits` run when a block is planned; the decoder they
return runs once per answer, without a Python call per tag for the plain types.

How: the answer (at most 250 bytes) is used as the *table* of `bytes.translate`, and a constant string of byte indices as
its input. That one C call picks every wanted byte in any order, so each byte and word order, each hole and each register
that two tags share costs the same, and a single big-endian `struct.Struct` decodes the rest. Fields are sorted by what must
happen next (nothing, exact decimal division, a*x+b, bit test, bit field, a function), so each step is one C loop
or one comprehension.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import truediv
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.address import Address, float_kinds, unscaled
from drivers.reading import Status, Value
from drivers.scaling import Scaling

formats: Final = {
    "bool": "H", "bits": "H", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I",
}  # fmt: skip
"""Data type -> struct code, big-endian once the bytes are gathered."""

Decode = Callable[[bytes], list[Value]]


@dataclass(frozen=True, slots=True)
class Field:
    """One value inside a block: its place in the group, its first register (or bit) in the block, its address, orders resolved."""

    index: int
    at: int
    address: Address


@dataclass(frozen=True, slots=True)
class Decoder:
    """What decodes one block. `decode` gives the values in the order of `order`, which holds places in the group.

    `fallible` holds the positions in that list that are None when the device's bytes mean nothing (BCD, text).
    """

    order: tuple[int, ...]
    decode: Decode
    fallible: tuple[int, ...] = ()


def compile_bits(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of coils or discrete inputs (bit 0 of byte 0 is the first; MODBUS V1.1b3, 6.1)."""
    gather = bytes(field.at // 8 for field in fields)
    masks = bytes(1 << field.at % 8 for field in fields)

    def decode(raw: bytes) -> list[Value]:
        return [cell & mask != 0 for cell, mask in zip(gather.translate(raw.ljust(256, b"\0")), masks, strict=True)]

    return Decoder(tuple(field.index for field in fields), decode)


def compile_registers(fields: Sequence[Field]) -> Decoder:
    """Return the decoder of an answer of holding or input registers."""
    steps: list[list[Field]] = [[], [], [], [], [], []]
    for field in fields:
        steps[_step(field.address)].append(field)
    plain, decimal, linear, flag, bits, odd = steps
    ordered = [field for step in steps for field in step]
    gather = b"".join(byte_indices(field.at, field.address) for field in ordered)
    unpack = struct.Struct(">" + "".join(_format(field.address) for field in ordered)).unpack
    order = tuple(field.index for field in ordered)
    if len(plain) == len(ordered):
        return Decoder(order, lambda raw: list(unpack(gather.translate(raw.ljust(256, b"\0")))))

    a = len(plain)
    b = a + len(decimal)
    c = b + len(linear)
    d = c + len(flag)
    e = d + len(bits)
    divisors = [10 ** (field.address.scaling.places or 0) for field in decimal]
    factors = [_factors(field.address.scaling) for field in linear]
    masks = [0xFFFF if field.address.kind == "bool" else 1 << field.address.bit for field in flag]
    cuts = [(field.address.bit, (1 << field.address.bit_count) - 1) for field in bits]
    makers = [_odd_decoder(field.address) for field in odd]

    def decode(raw: bytes) -> list[Value]:
        cells = unpack(gather.translate(raw.ljust(256, b"\0")))
        values: list[Value] = list(cells[:a])
        values += map(truediv, cells[a:b], divisors)
        values += [cell * factor + offset for cell, (factor, offset) in zip(cells[b:c], factors, strict=True)]
        values += [cell & mask != 0 for cell, mask in zip(cells[c:d], masks, strict=True)]
        values += [cell >> low & mask for cell, (low, mask) in zip(cells[d:e], cuts, strict=True)]
        values += [make(cell) for cell, make in zip(cells[e:], makers, strict=True)]
        return values

    return Decoder(order, decode, tuple(range(e, len(ordered))))


def byte_indices(at: int, address: Address) -> bytes:
    """Return where the bytes of a value stand in the answer, most significant first (text: first character first)."""
    first = at * 2
    words = [(first + 2 * n, first + 2 * n + 1) for n in range(address.count)]
    if address.byte_order == "little":
        words = [(low, high) for high, low in words]
    if address.word_order == "little" and address.kind != "string":
        words.reverse()
    return bytes(index for word in words for index in word)


def encode_registers(address: Address, value: Value) -> list[int]:
    """Return the registers that make the device hold `value`, rounded to the nearest step the device can hold.

    Raises DriverError `write_out_of_range` when the type cannot hold it, `write_not_supported` for bit fields.
    """
    if address.kind == "bits":
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
    try:
        wire = _encode_text(address, value) if address.kind == "string" else _encode_number(address, value)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
    places = byte_indices(0, address)
    laid = bytearray(len(wire))
    for place, byte in zip(places, wire, strict=True):
        laid[place] = byte
    return list(struct.unpack(f">{address.count}H", laid))


def encode_mask(address: Address, value: Value) -> tuple[int, int]:
    """Return the AND and OR masks of function 22 that set a bit field and leave the rest alone (V1.1b3, 6.16).

    Raises DriverError `write_out_of_range` when the field is too narrow.
    """
    if not isinstance(value, (bool, int)) or not 0 <= int(value) < 1 << address.bit_count:
        raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
    field = ((1 << address.bit_count) - 1) << address.bit
    keep, put = 0xFFFF & ~field, int(value) << address.bit
    if address.byte_order == "little":
        keep, put = _swap(keep), _swap(put)
    return keep, put


def _step(address: Address) -> int:
    if address.kind in ("bcd16", "bcd32", "string"):
        return 5
    if address.kind == "bool" or (address.kind == "bits" and address.bit_count == 1):
        return 3
    if address.kind == "bits":
        return 4
    places = address.scaling.places
    if places is None or places < 0:
        return 2
    return 1 if places else 0


def _factors(scaling: Scaling) -> tuple[float, float]:
    places = scaling.places
    return (scaling.scale, scaling.offset) if places is None else (10**-places, 0)


def _format(address: Address) -> str:
    return f"{address.count * 2}s" if address.kind == "string" else formats[address.kind]


def _odd_decoder(address: Address) -> Callable[..., Value]:
    if address.kind == "string":
        return _decode_text
    scaling = address.scaling

    def bcd(cell: int) -> Value:
        digits = f"{cell:x}"
        return scaling.apply(int(digits)) if digits.isdecimal() else None

    return bcd


def _decode_text(cell: bytes) -> Value:
    """Text ends at the first NUL; trailing blanks are padding. Bytes that are no UTF-8 give None."""
    try:
        return cell.partition(b"\0")[0].decode("utf-8").rstrip(" ")
    except UnicodeDecodeError:
        return None


def _encode_text(address: Address, value: Value) -> bytes:
    if not isinstance(value, str):
        raise TypeError("text wanted")
    text = value.encode("utf-8")
    if len(text) > address.count * 2 or b"\0" in text:
        raise ValueError("text too long")
    return text.ljust(address.count * 2, b"\0")


def _encode_number(address: Address, value: Value) -> bytes:
    if not isinstance(value, (bool, int, float)):
        raise TypeError("number wanted")
    code = ">" + formats[address.kind]
    if address.kind == "bool":
        return struct.pack(code, 1 if value else 0)
    if address.kind in float_kinds:
        raw = float(value) if address.scaling == unscaled else float(address.scaling.invert(value))
        return struct.pack(code, raw)
    number = round(address.scaling.invert(value))
    if address.kind in ("bcd16", "bcd32"):
        if not 0 <= number < 10 ** (address.count * 4):
            raise ValueError("too many digits")
        number = int(str(number), 16)
    return struct.pack(code, number)


def _swap(register: int) -> int:
    return register >> 8 | (register & 0xFF) << 8
