"""The strict CBOR of this room: maps with text keys, arrays, text, bytes, whole numbers, floats; one encoding for each value.

Room: ground, bottom floor: `manifest` calls it. It never repairs input, and a hostile file costs it no more than its own size.
The encoding is the canonical one of cbor2: RFC 7049 section 3.9 (shorter keys first, shortest whole numbers and floats). Reading is
by hand, because cbor2 would build dates, decimals and patterns out of tags; then the value is encoded again and compared.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final

import cbor2

DEPTH_MAX: Final = 8
"""Nesting allowed."""
FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
SIMPLE: Final = {20: False, 21: True, 22: None}


class CanonicalError(ValueError):
    """Bytes that are not the one encoding of a value; the text says why, in few words."""


def encode(value: Any) -> bytes:
    """Return the canonical encoding of a plain value: dict with text keys, list or tuple, str, bytes, int, float, bool, None."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, size_max: int) -> Any:
    """Return the value of exactly these bytes: arrays as lists, maps as dicts with text keys, every float finite.

    Raises:
        CanonicalError: longer than size_max, cut, followed by more, too deep, of another type, or not the canonical encoding.
    """
    if len(data) > size_max:
        raise CanonicalError("too long")
    value, end = _read(data, 0, 0)
    if end != len(data):
        raise CanonicalError("trailing bytes")
    if encode(value) != data:
        raise CanonicalError("not canonical")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the value that starts at `at` and the position after it."""
    if depth > DEPTH_MAX:
        raise CanonicalError("too deep")
    major, info, argument, at = _head(data, at)
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        raw = data[at : at + argument]
        if len(raw) != argument:
            raise CanonicalError("cut")
        return (raw if major == 2 else _text(raw)), at + argument
    if major == 4:
        if argument > len(data) - at:
            raise CanonicalError("cut")
        values = []
        for _ in range(argument):
            value, at = _read(data, at, depth + 1)
            values.append(value)
        return values, at
    if major == 5:
        return _read_map(data, at, argument, depth)
    if major == 7 and info in FLOATS:
        number = struct.unpack(FLOATS[info], data[at - (1 << (info - 24)) : at])[0]
        if not math.isfinite(number):
            raise CanonicalError("not finite")
        return number, at
    if major == 7 and info in SIMPLE:
        return SIMPLE[info], at
    raise CanonicalError("type")


def _read_map(data: bytes, at: int, pairs: int, depth: int) -> tuple[dict[str, Any], int]:
    if pairs > len(data) - at:
        raise CanonicalError("cut")
    found: dict[str, Any] = {}
    for _ in range(pairs):
        key, at = _read(data, at, depth + 1)
        if not isinstance(key, str) or key in found:
            raise CanonicalError("key")
        found[key], at = _read(data, at, depth + 1)
    return found, at


def _head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Return major type, additional information, argument, and the position after the head."""
    if at >= len(data):
        raise CanonicalError("cut")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        return major, info, info, at
    if info > 27:
        raise CanonicalError("indefinite")
    raw = data[at : at + (1 << (info - 24))]
    if len(raw) != 1 << (info - 24):
        raise CanonicalError("cut")
    return major, info, int.from_bytes(raw, "big"), at + len(raw)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CanonicalError("text") from error
