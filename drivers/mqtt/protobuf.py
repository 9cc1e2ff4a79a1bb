"""The protobuf wire format, as far as Sparkplug B needs it: bounded reading, plain writing; pure.

Room: ground, driver `mqtt`. Only `sparkplug.py` calls it. The format is described in "Encoding" of the Protocol Buffers
documentation: a field is a varint key (number << 3 | wire type) and its content. Why not the library: docs/decisions/0013.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

varint_bytes_max: Final = 10
field_number_max: Final = (1 << 29) - 1
uint64_max: Final = (1 << 64) - 1


class WireError(ValueError):
    """These bytes are no protobuf message, or one with parts that nobody needs (groups)."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned number at a place, and the place after it. Raises WireError beyond 64 bits or the end."""
    value = shift = 0
    for place in range(at, min(at + varint_bytes_max, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > uint64_max:
                raise WireError("varint beyond 64 bits")
            return value, place + 1
        shift += 7
    raise WireError("varint without end")


def read_fields(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (field number, wire type, number, content) of each field: a number for VARINT, bytes for the others.

    Raises WireError at the first byte that cannot be. Lengths are checked against what is there before anything is cut out.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if not 0 < number <= field_number_max:
            raise WireError("field number out of range")
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, wire, value, b""
            continue
        if wire == BYTES:
            size, at = read_varint(data, at)
        elif wire == FIXED64:
            size = 8
        elif wire == FIXED32:
            size = 4
        else:
            raise WireError("a group, or no wire type")
        if size > end - at:
            raise WireError("a field longer than its message")
        yield number, wire, 0, data[at : at + size]
        at += size


def write_varint(value: int) -> bytes:
    """Return an unsigned number of up to 64 bits. Raises ValueError for any other."""
    if not 0 <= value <= uint64_max:
        raise ValueError(f"{value} is no unsigned number of 64 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_number(number: int, value: int) -> bytes:
    """Return a VARINT field."""
    return write_varint(number << 3 | VARINT) + write_varint(value)


def write_bytes(number: int, content: bytes) -> bytes:
    """Return a BYTES field: a text, bytes, or a message."""
    return write_varint(number << 3 | BYTES) + write_varint(len(content)) + content


def write_fixed(number: int, content: bytes) -> bytes:
    """Return a FIXED32 or FIXED64 field of 4 or 8 bytes, least significant first."""
    return write_varint(number << 3 | (FIXED32 if len(content) == 4 else FIXED64)) + content
