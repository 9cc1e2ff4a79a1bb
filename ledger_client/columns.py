"""One column of a batch body: which cells are there, and their values by the codec that suits them. Pure.

Room: ground. The batch builder encodes, the body reader decodes; both a whole column at a time. A number keeps its kind: an
int never becomes a float, NaN and -0.0 keep their bits. Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import copysign, isnan
from struct import pack, unpack

from ledger_client.codecs import Cursor, pack_ints, put_indexes, put_varint, read_indexes, read_ints
from ledger_client.errors import FormatError
from ledger_client.leaf import INT_MIN, UINT_MAX, Value

NONE, INT, DECIMAL, FLOAT32, FLOAT64, BOOL, TEXT, CONSTANT, MIXED = range(9)
"""Codecs of a column's values."""
HAS_CELLS = 0x80
"""Set in a column's codec byte when cells are written."""
DIGITS_MAX = 15
EXACT_MAX = 1 << 53
TEXT_SIZE_MAX = 65_535
"""Bytes of UTF-8 in one text value."""
STATUS_MAX = (1 << 32) - 1

VALUE, NULL, ABSENT = range(3)
"""States of a cell: present with a value, present without one, not in this scan."""

Cell = tuple[int, int]
"""(state, status)"""

_FORGET_AFTER = 64
_IS_FLOAT32, _IS_FLOAT64 = -1, -2
_TOO_MANY_DIGITS = 9
"""From here on a decimal column is tried as binary32 first: raw registers can look decimal by chance."""


class CodecHints:
    """What suited each tag's floats in the last batch (decimal digits, or a binary width): saves the search in the next one."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def get(self, uid: int) -> int | None:
        """Return the hint, None when there is none or it has been used often enough to be tried afresh."""
        form, uses = self._known.get(uid, (0, 0))
        if not uses:
            return None
        if uses > _FORGET_AFTER:
            del self._known[uid]
            return None
        self._known[uid] = (form, uses + 1)
        return form

    def put(self, uid: int, form: int) -> None:
        """Remember what was used."""
        if self._known.get(uid, (None, 0))[0] != form:
            self._known[uid] = (form, 1)


def encode_values(values: list[Value], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    """Return codec and data of a column's values (none of them None)."""
    if not values:
        return NONE, b""
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return MIXED, b"".join([_alone(v) for v in values])
    kind, first = kinds.pop(), values[0]
    if len(values) > 1 and values[1] == first and values.count(first) == len(values) and (first or kind is not float or _one_zero(values)):
        return CONSTANT, _alone(first)
    if kind is float:
        return _encode_floats(values, uid, hints)  # type: ignore[arg-type]
    if kind is int:
        return INT, pack_ints(values)  # type: ignore[arg-type]
    if kind is bool:
        size = (len(values) + 7) >> 3
        text = "".join(["1" if v else "0" for v in values])
        return BOOL, int(text + "0" * (8 * size - len(values)), 2).to_bytes(size, "big")
    return TEXT, _encode_texts(values)  # type: ignore[arg-type]


def decode_values(cursor: Cursor, codec: int, count: int) -> list[Value]:
    """Return `count` values. Raises FormatError for an unknown codec and for anything that is not exactly `count` values."""
    if codec == NONE or not count:
        if codec != NONE or count:
            raise FormatError("body_invalid", reason="column count")
        return []
    if codec == CONSTANT:
        return decode_values(cursor, _plain_codec(cursor), 1) * count
    if codec == MIXED:
        mixed: list[Value] = []
        for _ in range(count):
            mixed += decode_values(cursor, _plain_codec(cursor), 1)
        return mixed
    if codec == BOOL:
        size = (count + 7) >> 3
        text = bin(int.from_bytes(b"\x01" + cursor.take(size), "big"))[3:]
        if "1" in text[count:]:
            raise FormatError("body_invalid", reason="bool padding")
        return [c == "1" for c in text[:count]]
    if codec == TEXT:
        return _decode_texts(cursor, count)
    if codec == INT:
        return list(_in_range(read_ints(cursor, count), INT_MIN, UINT_MAX))
    return _decode_floats(cursor, codec, count)


def encode_cells(cells: Sequence[Cell]) -> bytes:
    """Return the runs of a column that has anything but good cells with values."""
    out = bytearray()
    for (state, status), run in groupby(cells):
        out.append(state)
        put_varint(out, status)
        put_varint(out, sum(1 for _ in run))
    return bytes(out)


def decode_cells(cursor: Cursor, scans: int) -> list[Cell]:
    """Return one cell per scan. Raises FormatError: runs that do not cover the scans exactly, equal neighbours, a run without need."""
    cells: list[Cell] = []
    last: Cell | None = None
    while len(cells) < scans:
        cell, length = (cursor.byte(), cursor.varint()), cursor.varint()
        if cell[0] > ABSENT or cell[1] > STATUS_MAX or (cell[0] == ABSENT and cell[1]) or cell == last:
            raise FormatError("body_invalid", reason="cells")
        if not 0 < length <= scans - len(cells) or (cell == (VALUE, 0) and length == scans):
            raise FormatError("body_invalid", reason="cell run")
        cells += [cell] * length
        last = cell
    return cells


def _alone(value: Value) -> bytes:
    """Return codec and data of one value, as constants and mixed columns hold it."""
    codec, data = encode_values([value], 0, CodecHints())
    return bytes([codec]) + data


def _encode_floats(values: list[float], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    hint = hints.get(uid)
    if hint is None or hint >= 0:
        found = _decimals(values, hint)
        if found is not None and (found[0] < _TOO_MANY_DIGITS or _float32_bits(values, pack(f"<{len(values)}d", *values)) is None):
            digits, numbers = found
            hints.put(uid, digits)
            return DECIMAL, bytes([digits]) + pack_ints(numbers)
    data = pack(f"<{len(values)}d", *values)
    if hint != _IS_FLOAT64:
        bits = _float32_bits(values, data)
        if bits is not None:
            hints.put(uid, _IS_FLOAT32)
            return FLOAT32, pack_ints([i if i >= 0 else i ^ 0x7FFFFFFF for i in bits])
    hints.put(uid, _IS_FLOAT64)
    wide = unpack(f"<{len(values)}q", data)
    return FLOAT64, pack_ints([i if i >= 0 else i ^ 0x7FFFFFFFFFFFFFFF for i in wide])


def _decimals(values: list[float], hint: int | None) -> tuple[int, list[int]] | None:
    """Return (k, m) with every value == m / 10^k, correctly rounded, k the smallest; None when there is none."""
    try:
        digits = hint if hint is not None else _digits(values)
        if digits is None:
            return None
        power = 10.0**digits
        numbers = [round(v * power) for v in values]
        if [m / power for m in numbers] != values:
            return _decimals(values, None) if hint is not None else None
    except (OverflowError, ValueError):  # infinities and NaN
        return None
    if max(numbers) > EXACT_MAX or min(numbers) < -EXACT_MAX or (0 in numbers and not _all_plus_zeros(values)):
        return None
    while digits and not any(m % 10 for m in numbers):
        digits, numbers = digits - 1, [m // 10 for m in numbers]
    return digits, numbers


def _digits(values: Sequence[float]) -> int | None:
    digits, power = 0, 1.0
    for value in values:
        while round(value * power) / power != value:
            digits += 1
            if digits > DIGITS_MAX:
                return None
            power = 10.0**digits
    return digits


def _float32_bits(values: Sequence[float], data: bytes) -> tuple[int, ...] | None:
    """Return the binary32 bits as signed ints where they give back exactly these doubles, and no NaN is among them."""
    try:
        narrow = pack(f"<{len(values)}f", *values)
    except OverflowError:
        return None
    if pack(f"<{len(values)}d", *unpack(f"<{len(values)}f", narrow)) != data or any(map(isnan, values)):
        return None
    return unpack(f"<{len(values)}i", narrow)


def _decode_floats(cursor: Cursor, codec: int, count: int) -> list[Value]:
    if codec == DECIMAL:
        digits = cursor.byte()
        if digits > DIGITS_MAX:
            raise FormatError("body_invalid", reason="decimal digits")
        power = 10.0**digits
        return [m / power for m in _in_range(read_ints(cursor, count), -EXACT_MAX, EXACT_MAX)]
    if codec == FLOAT32:
        narrow = _in_range(read_ints(cursor, count), -(1 << 31), (1 << 31) - 1)
        floats = unpack(f"<{count}f", pack(f"<{count}i", *[i if i >= 0 else i ^ 0x7FFFFFFF for i in narrow]))
        if any(map(isnan, floats)):  # binary32 need not keep which NaN it was
            raise FormatError("body_invalid", reason="NaN as binary32")
        return list(floats)
    if codec == FLOAT64:
        wide = _in_range(read_ints(cursor, count), INT_MIN, -INT_MIN - 1)
        return list(unpack(f"<{count}d", pack(f"<{count}q", *[i if i >= 0 else i ^ 0x7FFFFFFFFFFFFFFF for i in wide])))
    raise FormatError("codec_unknown", codec=codec)


def _encode_texts(values: Sequence[str]) -> bytes:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    ranked = sorted(counts, key=lambda text: -counts[text])
    places = {text: i for i, text in enumerate(ranked)}
    out = bytearray()
    put_varint(out, len(ranked))
    for text in ranked:
        raw = text.encode()
        put_varint(out, len(raw))
        out += raw
    put_indexes(out, [places[v] for v in values])
    return bytes(out)


def _decode_texts(cursor: Cursor, count: int) -> list[Value]:
    size = cursor.varint()
    if not 0 < size <= count:
        raise FormatError("body_invalid", reason="dictionary size")
    known: list[str] = []
    for _ in range(size):
        length = cursor.varint()
        if length > TEXT_SIZE_MAX:
            raise FormatError("body_invalid", reason="text length")
        try:
            known.append(cursor.take(length).decode())
        except UnicodeDecodeError as error:
            raise FormatError("body_invalid", reason="text") from error
    return [known[i] for i in read_indexes(cursor, count, size)]


def _plain_codec(cursor: Cursor) -> int:
    codec = cursor.byte()
    if not INT <= codec <= TEXT:
        raise FormatError("codec_unknown", codec=codec)
    return codec


def _in_range(values: list[int], least: int, most: int) -> list[int]:
    if min(values) < least or max(values) > most:
        raise FormatError("body_invalid", reason="number out of range")
    return values


def _one_zero(values: Sequence[Value]) -> bool:
    return len({copysign(1.0, v) for v in values}) == 1  # type: ignore[arg-type]


def _all_plus_zeros(values: Sequence[float]) -> bool:
    return all(v or copysign(1.0, v) > 0 for v in values)
