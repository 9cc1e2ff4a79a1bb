"""The strict CBOR gate: deterministic bytes out, nothing else in.

Room: ground, bottom floor: everybody here calls it, it calls cbor2 only. It never repairs input. Sources: RFC 8949
section 4.2.1 (deterministic encoding). cbor2 by itself accepts non-minimal integers, indefinite lengths, duplicate keys
and trailing bytes, so `decode` encodes again and compares.
"""

from __future__ import annotations

from typing import Any

import cbor2

from ledger_client.errors import FormatError

DEPTH_MAX = 8
"""Nesting allowed in signed data (docs/ledger-format.md section 2)."""
MAP_MAX = 8
"""Pairs of a map: there are none but the COSE header and a COSE_Key."""
TAG_SIGN1 = 18
"""The one tag allowed: around an entry."""


EncodeError = cbor2.CBOREncodeError
"""What `encode` raises for what is no plain data; for a text that UTF-8 does not have it is UnicodeEncodeError, a ValueError."""


def encode(value: Any) -> bytes:
    """Return the deterministic encoding of ints, floats, bytes, text, None, bools, lists and tuples, one-byte-key maps and tags."""
    return cbor2.dumps(value, canonical=True)


def bytes_head(size: int) -> bytes:
    """Return the head of a byte string of this size, the shortest: for what is put together from encoded parts."""
    if size < 24:
        return bytes((0x40 | size,))
    if size < 1 << 8:
        return bytes((0x58, size))
    if size < 1 << 16:
        return b"\x59" + size.to_bytes(2, "big")
    return b"\x5a" + size.to_bytes(4, "big")


def decode(data: bytes, *, size_max: int, what: str, values_max: int | None = None, map_max: int = MAP_MAX) -> Any:
    """Decode strictly.

    Args:
        data: the bytes; exactly one value.
        size_max: most bytes allowed, checked first.
        what: names the input in the error.
        values_max: most values allowed, arrays included: a list takes eight times the room of its bytes, and longer to build.
        map_max: most entries of a map; signed data has none larger than a COSE_Key, the feed's frames have.

    Raises:
        FormatError: too long, too many values, too deep, a tag other than 18, not CBOR, or not the one deterministic encoding of its value.
    """
    if len(data) > size_max:
        raise FormatError("cbor_too_long", what=what, size=len(data), size_max=size_max)
    _check_heads(data, what, len(data) if values_max is None else values_max, map_max)
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except (
        cbor2.CBORError,
        ValueError,
        TypeError,
        OverflowError,
        EOFError,
        RecursionError,
        MemoryError,
        AttributeError,
        LookupError,
    ) as error:
        raise FormatError("cbor_invalid", what=what, reason=type(error).__name__) from error
    if again != data:
        raise FormatError("cbor_not_deterministic", what=what)
    return value


def peek(data: bytes) -> Any:
    """Decode fast and without the strict gate: only for bytes that a checksum shows to be our own. Raises FormatError."""
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, EOFError, RecursionError, AttributeError, LookupError) as error:
        raise FormatError("cbor_invalid", what="stored", reason=type(error).__name__) from error


def _check_heads(data: bytes, what: str, values_max: int, map_max: int) -> None:
    """Walk the heads once, without building anything, and refuse deep nesting, indefinite lengths and lengths beyond the input."""
    position, end = 0, len(data)
    open_counts: list[int] = []
    while True:
        values_max -= 1
        if values_max < 0:
            raise FormatError("cbor_invalid", what=what, reason="too many values")
        if position >= end:
            raise FormatError("cbor_invalid", what=what, reason="truncated")
        head = data[position]
        major, info = head >> 5, head & 31
        position += 1
        if info < 24:
            argument = info
        elif info < 28:
            width = 1 << (info - 24)
            argument = int.from_bytes(data[position : position + width], "big")
            position += width
        else:
            raise FormatError("cbor_invalid", what=what, reason="indefinite")
        if major in (2, 3):
            position += argument
        elif major == 6 and argument != TAG_SIGN1:  # cbor2 would build dates, decimals, patterns ... from the others
            raise FormatError("cbor_invalid", what=what, reason="tag")
        elif major == 5 and argument > map_max:
            raise FormatError("cbor_invalid", what=what, reason="map")
        children = 0 if major < 4 or major == 7 else argument if major == 4 else 2 * argument if major == 5 else 1
        if position > end or children > end - position:
            raise FormatError("cbor_invalid", what=what, reason="truncated")
        if children:
            open_counts.append(children)
            if len(open_counts) > DEPTH_MAX:
                raise FormatError("cbor_too_deep", what=what)
            continue
        while open_counts:
            open_counts[-1] -= 1
            if open_counts[-1]:
                break
            open_counts.pop()
        if not open_counts:
            if position != end:
                raise FormatError("cbor_invalid", what=what, reason="trailing")
            return
