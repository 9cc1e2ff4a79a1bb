"""One leaf of a readings root: the fixed-width form of readings, their salts and hashes. Pure, and the hottest code here.

Room: ground. The batch builder and the body reader hash whole columns with `column_leaves`; a disclosure hashes its one leaf
with `leaf_of`. Source: docs/ledger-format.md section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256, sha512
from itertools import islice
from operator import add
from struct import Struct, pack
from typing import Any

LEAVES_MAX = 1024
"""Leaves of one section."""
SPANS = (1, 16)
SALT_SIZE = 16
INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
NO_SOURCE = INT_MIN
"""What stands for "the device gave no time" in a leaf."""

Value = bool | int | float | str | None

_head = Struct(">qqI").pack
_F64 = b"\x02"


def head_of(time_ms: int, source_ms: int | None, status: int) -> bytes:
    """Return the 20 bytes before a reading's vtype: read time, source time (wall ms) and 32-bit status."""
    return _head(time_ms, NO_SOURCE if source_ms is None else source_ms, status)


def tail_of(value: Value) -> bytes:
    """Return vtype and value. Raises TypeError for another type, struct.error for an int outside -2^63 .. 2^64 - 1."""
    return _TAILS[type(value)](value)


def tails_of(values: Sequence[Value]) -> list[bytes]:
    """Return tail_of each value, fast where all are floats."""
    if set(map(type, values)) == {float}:
        data = pack(f">{len(values)}d", *values)
        return [_F64 + data[i : i + 8] for i in range(0, len(data), 8)]
    tails = _TAILS
    return [tails[type(v)](v) for v in values]


def salts(secret: bytes, section: int, column: int, count: int) -> list[bytes]:
    """Return the first `count` salts of a column, four from each SHA-512."""
    prefix = secret + pack(">II", section, column)
    out: list[bytes] = []
    for quad in range((count + 3) // 4):
        block = sha512(prefix + quad.to_bytes(4, "big")).digest()
        out += (block[:16], block[16:32], block[32:48], block[48:])
    return out[:count]


def leaf_of(salt: bytes, descriptor_hash: bytes, readings: bytes) -> bytes:
    """Return one leaf hash; `readings` is head and tail of 1 to 16 readings, one after the other."""
    return sha256(b"\x00" + salt + descriptor_hash + readings).digest()


def column_leaves(
    secret: bytes, section: int, column: int, descriptor_hash: bytes, heads: Sequence[bytes], values: Sequence[Value], span: int
) -> list[bytes]:
    """Return the leaf hashes of one column; `heads` and `values` are those of its present readings, in time order."""
    count = (len(values) + span - 1) // span
    salted = salts(secret, section, column, count)
    tails = tails_of(values)
    hash_of = sha256
    if span == 1:
        return [
            hash_of(b"\x00" + salt + descriptor_hash + head + tail).digest() for salt, head, tail in zip(salted, heads, tails, strict=True)
        ]
    readings = map(add, heads, tails)
    return [hash_of(b"\x00" + salt + descriptor_hash + b"".join(islice(readings, span))).digest() for salt in salted]


def _int_tail(value: int) -> bytes:
    return _SIGNED(1, value) if value <= INT_MAX else _UNSIGNED(5, value)


_SIGNED = Struct(">Bq").pack
_UNSIGNED = Struct(">BQ").pack
_FLOAT = Struct(">Bd").pack
_TAILS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"\x00" + bytes(8),
    int: _int_tail,
    float: lambda v: _FLOAT(2, v),
    bool: lambda v: b"\x03" + bytes(7) + (b"\x01" if v else b"\x00"),
    str: lambda v: b"\x04" + sha256(v.encode()).digest(),
}
