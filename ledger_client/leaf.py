"""One leaf of a readings root: the fixed-width form of readings, their salts and hashes. Pure, and the hottest code here.

Room: ground. The batch builder and the body reader hash whole columns with `column_leaves`; a disclosure hashes its one leaf
with `leaf_of`. Source: docs/ledger-format.md section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from hashlib import sha256, sha512
from itertools import islice
from operator import add
from struct import Struct
from typing import Any

LEAVES_MAX = 1024
"""Leaves of one section."""
SPANS = (1, 16)
SALT_SIZE = 16
INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
NO_SOURCE = INT_MIN
"""What stands for "the device gave no time" in a leaf."""

Value = bool | int | float | str | None

_SIZES_KEPT = 64
"""Column lengths whose struct formats are kept: a gateway has a few, a hostile ledger all of them."""
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
    tails, float_tail = _TAILS, _FLOAT
    kinds = set(map(type, values))
    if str in kinds:
        texts = {v: tails[str](v) for v in {v for v in values if type(v) is str}}
        return [texts[v] if type(v) is str else tails[type(v)](v) for v in values]
    if float in kinds:  # without a call through the table for the commonest kind
        return [float_tail(2, v) if type(v) is float else tails[type(v)](v) for v in values]
    return [tails[type(v)](v) for v in values]


def salts(secret: bytes, section: int, column: int, count: int) -> tuple[bytes, ...]:
    """Return at least the first `count` salts of a column, four from each SHA-512."""
    prefix = secret + _PLACE(section, column)
    if count <= 4:
        block = sha512(prefix + _FIRST_QUAD).digest()
        return (block[:16],) if count == 1 else (block[:16], block[16:32], block[32:48], block[48:])
    numbers, split = _quads((count + 3) >> 2)
    return split(b"".join([sha512(prefix + number).digest() for number in numbers]))


def leaf_of(salt: bytes, descriptor_hash: bytes, readings: bytes) -> bytes:
    """Return one leaf hash; `readings` is head and tail of 1 to 16 readings, one after the other."""
    return sha256(b"\x00" + descriptor_hash + salt + readings).digest()


def column_leaves(
    secret: bytes, section: int, column: int, descriptor_hash: bytes, heads: Sequence[bytes], values: Sequence[Value], span: int
) -> list[bytes]:
    """Return the leaf hashes of one column; `heads` and `values` are those of its present readings, in time order."""
    count, hash_of, prefix = len(values), sha256, b"\x00" + descriptor_hash
    if count == 1:
        salt = sha512(secret + _PLACE(section, column) + _FIRST_QUAD).digest()[:SALT_SIZE]
        return [hash_of(prefix + salt + heads[0] + tail_of(values[0])).digest()]
    leaves = (count + span - 1) // span
    salted = salts(secret, section, column, leaves)
    if span == 1 and set(map(type, values)) == _FLOATS:  # the common case, without a call per value
        tails = _float_tails(values)
    else:
        tails = tails_of(values)
    if span == 1:
        return [hash_of(prefix + salt + head + tail).digest() for salt, head, tail in zip(salted, heads, tails)]  # noqa: B905
    readings = map(add, heads, tails)
    return [hash_of(prefix + salt + b"".join(islice(readings, span))).digest() for salt in salted[:leaves]]


def columns_leaves(
    secret: bytes,
    section: int,
    places: Sequence[int],
    counts: Sequence[int],
    prefixes: Sequence[bytes],
    heads: Iterable[bytes],
    values: Sequence[Value],
) -> list[bytes]:
    """Return the leaf hashes of several columns, a leaf for each reading: `column_leaves` of each, with less work between hashes.

    Args:
        places: the columns' numbers.
        counts: how many readings each of them has; at least one.
        prefixes: the byte 0 and the hash of each column's descriptor.
        heads: `head_of` each reading, column after column.
        values: the readings' values likewise.
    """
    keyed, hash_of, salt_of = secret + section.to_bytes(4, "big"), sha256, sha512
    least, most = min(counts), max(counts)
    salted: Sequence[bytes]
    if most == 1:
        first = _first_quads()
        salted = [salt_of(keyed + first[place]).digest()[:SALT_SIZE] for place in places]
    else:
        if least == most:
            numbers, split = _salts_of_columns(most, len(places))
            keys = [keyed + place.to_bytes(4, "big") for place in places]
            salted = split(b"".join([salt_of(key + number).digest() for key in keys for number in numbers]))
        else:
            salted = [salt for place, count in zip(places, counts, strict=True) for salt in salts(secret, section, place, count)[:count]]
        prefixes = [prefix for prefix, count in zip(prefixes, counts, strict=True) for _ in range(count)]
    rows = zip(prefixes, salted, heads, tails_of(values), strict=True)
    return [hash_of(prefix + salt + head + tail).digest() for prefix, salt, head, tail in rows]


@lru_cache(maxsize=_SIZES_KEPT)
def _salts_of_columns(count: int, columns: int) -> tuple[tuple[bytes, ...], Callable[[bytes], tuple[bytes, ...]]]:
    """Return the numbers of the blocks of salts that a column of so many readings needs, and what picks the salts of so many columns."""
    numbers, _ = _quads((count + 3) >> 2)
    spare = 4 * SALT_SIZE * len(numbers) - SALT_SIZE * count
    return numbers, Struct(("16s" * count + f"{spare}x") * columns).unpack


@lru_cache(maxsize=_SIZES_KEPT)
def _quads(count: int) -> tuple[tuple[bytes, ...], Callable[[bytes], tuple[bytes, ...]]]:
    """Return the numbers of the first blocks of salts, and what splits those blocks."""
    return tuple(n.to_bytes(4, "big") for n in range(count)), Struct("16s" * (4 * count)).unpack


@cache
def _first_quads() -> tuple[bytes, ...]:
    """Return what makes the first block of salts of each column: its number and that of the block."""
    return tuple(n.to_bytes(4, "big") + _FIRST_QUAD for n in range(LEAVES_MAX))


def _float_tails(values: Sequence[Value]) -> Sequence[bytes]:
    """Return tail_of each float."""
    count = len(values)
    to_bytes, split = _tail_forms(count)
    tails = bytearray(to_bytes(*values))
    tails[::_TAIL_SIZE] = b"\x02" * count
    return split(tails)


@lru_cache(maxsize=_SIZES_KEPT)
def _tail_forms(count: int) -> tuple[Callable[..., bytes], Callable[[bytearray], tuple[bytes, ...]]]:
    """Return what turns so many floats into bytes, each after a byte left zero, and what splits those."""
    return Struct(">" + "xd" * count).pack, Struct(f"{_TAIL_SIZE}s" * count).unpack


def _int_tail(value: int) -> bytes:
    return _SIGNED(1, value) if value <= INT_MAX else _UNSIGNED(5, value)


_TAIL_SIZE = 9
_FIRST_QUAD = bytes(4)
_PLACE = Struct(">II").pack
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
