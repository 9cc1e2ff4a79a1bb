"""One leaf of a readings root: the fixed-width form of readings, their salts and hashes. Pure, and the hottest code here.

Room: ground. The batch builder and the body reader hash whole columns with `column_leaves`; a disclosure hashes its one leaf
with `leaf_of`. Source: docs/ledger-format.md section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256, sha512
from itertools import islice
from operator import add
from struct import Struct, pack, unpack
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
_FLOATS = {float}


def head_of(time_ms: int, source_ms: int | None, status: int) -> bytes:
    """Return the 20 bytes before a reading's vtype: read time, source time (wall ms) and 32-bit status."""
    return _head(time_ms, NO_SOURCE if source_ms is None else source_ms, status)


def tail_of(value: Value) -> bytes:
    """Return vtype and value. Raises TypeError for another type, struct.error for an int outside -2^63 .. 2^64 - 1."""
    return _TAILS[type(value)](value)


def tails_of(values: Sequence[Value]) -> list[bytes]:
    """Return tail_of each value. A text is hashed once, however often it stands there: a hostile body says 64 KiB a million times."""
    tails = _TAILS
    if str in set(map(type, values)):
        texts = {v: tails[str](v) for v in {v for v in values if type(v) is str}}
        return [texts[v] if type(v) is str else tails[type(v)](v) for v in values]
    return [tails[type(v)](v) for v in values]


def salts(secret: bytes, section: int, column: int, count: int) -> tuple[bytes, ...]:
    """Return at least the first `count` salts of a column, four from each SHA-512."""
    prefix = secret + pack(">II", section, column)
    if count == 1:
        return (sha512(prefix + bytes(4)).digest()[:SALT_SIZE],)
    quads = (count + 3) // 4
    blocks = b"".join([sha512(prefix + number).digest() for number in _quad_numbers(quads)])
    return unpack("16s" * (4 * quads), blocks)


def leaf_of(salt: bytes, descriptor_hash: bytes, readings: bytes) -> bytes:
    """Return one leaf hash; `readings` is head and tail of 1 to 16 readings, one after the other."""
    return sha256(b"\x00" + descriptor_hash + salt + readings).digest()


def column_leaves(
    secret: bytes, section: int, column: int, descriptor_hash: bytes, heads: Sequence[bytes], values: Sequence[Value], span: int
) -> list[bytes]:
    """Return the leaf hashes of one column; `heads` and `values` are those of its present readings, in time order."""
    count, hash_of, prefix = len(values), sha256, b"\x00" + descriptor_hash
    leaves = (count + span - 1) // span
    salted = salts(secret, section, column, leaves)
    if count == 1:
        return [leaf_of(salted[0], descriptor_hash, heads[0] + tail_of(values[0]))]
    if span == 1 and set(map(type, values)) == _FLOATS:  # the common case, without a call per value
        numbers = unpack("8s" * count, pack(f">{count}d", *values))
        return [hash_of(prefix + salt + head + b"\x02" + number).digest() for salt, head, number in zip(salted, heads, numbers)]  # noqa: B905
    tails = tails_of(values)
    if span == 1:
        return [hash_of(prefix + salt + head + tail).digest() for salt, head, tail in zip(salted, heads, tails)]  # noqa: B905
    readings = map(add, heads, tails)
    return [hash_of(prefix + salt + b"".join(islice(readings, span))).digest() for salt in salted[:leaves]]


@cache
def _quad_numbers(count: int) -> tuple[bytes, ...]:
    return tuple(n.to_bytes(4, "big") for n in range(count))


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
