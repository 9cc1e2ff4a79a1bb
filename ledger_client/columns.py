"""One column of a batch body: which cells are there, and their values by the codec that suits them. Pure.

Room: ground. The batch builder encodes, the body reader decodes; both a whole column at a time. A number keeps its kind: an
int never becomes a float, NaN and -0.0 keep their bits. Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import copysign

from ledger_client.codecs import (
    BOOL,
    CONSTANT,
    DECIMAL,
    FLOAT32,
    FLOAT64,
    INT,
    MIXED,
    NONE,
    PATCHED,
    TEXT,
    VARINTS,
    Cursor,
    in_range,
    pack_ints,
    put_indexes,
    put_varint,
    read_indexes,
    read_ints,
    zigzag,
)  # fmt: skip
from ledger_client.errors import FormatError
from ledger_client.float_columns import CodecHints, decode_floats, encode_floats, put_float
from ledger_client.leaf import INT_MIN, UINT_MAX, Value

FLOAT_CODECS = frozenset({DECIMAL, FLOAT32, FLOAT64, PATCHED})
HAS_CELLS = 0x80
"""Set in a column's codec byte when cells are written."""
TEXT_SIZE_MAX = 65_535
"""Bytes of UTF-8 in one text value."""
STATUS_MAX = (1 << 32) - 1

VALUE, NULL, ABSENT = range(3)
"""States of a cell: present with a value, present without one, not in this scan."""

Cell = tuple[int, int]
"""(state, status)"""
_FLOATS, _INTS, _BOOLS = {float}, {int}, {bool}


def encode_values(values: Sequence[Value], uid: int, hints: CodecHints) -> tuple[int, bytes]:
    """Return codec and data of a column's values (none of them None)."""
    out = bytearray()
    return put_values(out, values, uid, hints), bytes(out)


def put_values(out: bytearray, values: Sequence[Value], uid: int, hints: CodecHints) -> int:
    """Append the data of a column's values (none of them None); return their codec."""
    if len(values) < 2:
        return put_alone(out, values[0], uid, hints) if values else NONE
    first = values[0]
    if len(kinds := set(map(type, values))) > 1:
        for value in values:
            _put_with_codec(out, value)
        return MIXED
    if values[1] == first and values.count(first) == len(values) and (first or kinds != _FLOATS or _one_zero(values)):
        _put_with_codec(out, first)
        return CONSTANT
    if kinds == _FLOATS:
        codec, data = encode_floats(values, uid, hints)  # type: ignore[arg-type]
        out += data
        return codec
    if kinds == _INTS:
        out += pack_ints(values)  # type: ignore[arg-type]
        return INT
    if kinds == _BOOLS:
        size = (len(values) + 7) >> 3
        text = "".join(["1" if v else "0" for v in values])
        out += int(text + "0" * (8 * size - len(values)), 2).to_bytes(size, "big")
        return BOOL
    out += _encode_texts(values)  # type: ignore[arg-type]
    return TEXT


def put_alone(out: bytearray, value: Value, uid: int, hints: CodecHints | None) -> int:
    """Append the data of a column's only value, not None; return its codec. Without hints every form is tried."""
    kind = type(value)
    if kind is float:
        return put_float(out, value, uid, hints)  # type: ignore[arg-type]
    if kind is int:
        out.append(VARINTS)
        put_varint(out, zigzag(value))  # type: ignore[arg-type]
        return INT
    if kind is bool:
        out.append(0x80 if value else 0)
        return BOOL
    out += _encode_texts([value])  # type: ignore[list-item]
    return TEXT


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
        return list(in_range(read_ints(cursor, count), INT_MIN, UINT_MAX))
    if codec in FLOAT_CODECS:
        return [*decode_floats(cursor, codec, count)]
    raise FormatError("codec_unknown", codec=codec)


def encode_cells(cells: Sequence[Cell]) -> bytes:
    """Return the runs of a column that has anything but good cells with values."""
    out = bytearray()
    for (state, status), run in groupby(cells):
        out.append(state)
        put_varint(out, status)
        put_varint(out, len(list(run)))
    return bytes(out)


def put_places(out: bytearray, places: Sequence[int], scans: int) -> None:
    """Append the runs of a column that is good, with a value, in the scans of `places` (ascending, not all) and absent from the others."""
    if not places:
        _put_run(out, ABSENT, scans)
        return
    start, end = places[0], places[0] + 1
    if start:
        _put_run(out, ABSENT, start)
    for place in places[1:]:
        if place != end:
            _put_run(out, VALUE, end - start)
            _put_run(out, ABSENT, place - end)
            start = place
        end = place + 1
    _put_run(out, VALUE, end - start)
    if end < scans:
        _put_run(out, ABSENT, scans - end)


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


def _put_run(out: bytearray, state: int, length: int) -> None:
    if length < 128:
        out += bytes((state, 0, length))
    else:
        out += bytes((state, 0))
        put_varint(out, length)


def _put_with_codec(out: bytearray, value: Value) -> None:
    """Append codec and data of one value, as constants and mixed columns hold it. What suits the tag otherwise need not suit this one."""
    place = len(out)
    out.append(NONE)
    out[place] = put_alone(out, value, 0, None)


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


def _one_zero(values: Sequence[Value]) -> bool:
    return len({copysign(1.0, v) for v in values}) == 1  # type: ignore[arg-type]
