"""Passing over columns of a batch body that nobody asked for: where does this one end? Pure.

Room: ground. `body_reader.Some` calls it, so that a view of eight tags need not decode a thousand. It judges nothing that it passes
over: a verifier reads whole bodies. Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from typing import Final

from ledger_client.codecs import (
    BOOL,
    CONSTANT,
    DECIMAL,
    DICTIONARY,
    DIFFERENCES,
    FLOAT32,
    FLOAT64,
    INT,
    LEVELS,
    MIXED,
    NONE,
    PATCHED,
    TEXT,
    VARINTS,
    Cursor,
)  # fmt: skip
from ledger_client.columns import ABSENT, HAS_CELLS, VALUE
from ledger_client.errors import FormatError

_PACKED: Final = frozenset({INT, FLOAT32, FLOAT64})
_RICE: Final = frozenset({DIFFERENCES, LEVELS})
_FLOAT_SIZE: Final = 8


def skip_columns(data: bytes, at: int, codecs: bytes, scans: int) -> int:
    """Return the place behind columns of these codecs that begin at `at`. Raises FormatError where that cannot be told.

    Whole columns of numbers, which is what most are, are passed over within this one loop: in CPython every call costs as much.
    """
    try:
        for codec in codecs:
            if codec == DECIMAL or codec in _PACKED:
                start = at + (codec == DECIMAL)
                pack = data[start]
                if pack in _RICE:
                    start += 1
                    while data[start] > 127:
                        start += 1
                    size = data[start + 2]
                    if size < 128:
                        at = start + 3 + size
                        continue
                elif pack == VARINTS:
                    at = start + 1
                    for _ in range(scans):
                        while data[at] > 127:
                            at += 1
                        at += 1
                    continue
            at = _skip_column(data, at, codec, scans)
    except IndexError as error:
        raise FormatError("body_invalid", reason="cut off") from error
    if at > len(data):
        raise FormatError("body_invalid", reason="cut off")
    return at


def _skip_column(data: bytes, at: int, codec: int, scans: int) -> int:
    if codec & HAS_CELLS:
        values, at = _skip_cells(data, at, scans)
        return _skip_values(data, at, codec & ~HAS_CELLS, values) if values else at
    return _skip_values(data, at, codec, scans)


def _skip_values(data: bytes, at: int, codec: int, count: int) -> int:
    if codec == DECIMAL:
        return _skip_ints(data, at + 1, count)
    if codec in _PACKED:
        return _skip_ints(data, at, count)
    if codec == CONSTANT:
        return _skip_alone(data, at)
    if codec == BOOL:
        return at + ((count + 7) >> 3)
    if codec == TEXT:
        texts, at = _number(data, at)
        for _ in range(min(texts, count)):
            at = _skip_bytes(data, at)
        return _skip_rice(data, at) if texts > 1 else at
    if codec == PATCHED:
        inner = data[at]
        patches, at = _number(data, at + 1)
        for _ in range(min(patches, count)):
            at = _skip_varints(data, at, 1) + _FLOAT_SIZE
        if inner not in {DECIMAL, FLOAT32}:
            raise FormatError("body_invalid", reason="patches")
        return _skip_values(data, at, inner, count)
    if codec == MIXED:
        for _ in range(count):
            at = _skip_alone(data, at)
        return at
    if codec == NONE:
        return at
    raise FormatError("codec_unknown", codec=codec)


def _skip_alone(data: bytes, at: int) -> int:
    codec = data[at]
    if not INT <= codec <= TEXT:
        raise FormatError("codec_unknown", codec=codec)
    return _skip_values(data, at + 1, codec, 1)


def _skip_cells(data: bytes, at: int, scans: int) -> tuple[int, int]:
    """Return how many values the cells of a column announce, and the place behind the cells."""
    values = covered = 0
    while covered < scans:
        state = data[at]
        length, at = _number(data, _skip_varints(data, at + 1, 1))
        covered += length
        values += length if state == VALUE else 0
        if not length or state > ABSENT:
            raise FormatError("body_invalid", reason="cells")
    return min(values, scans), at


def _skip_ints(data: bytes, at: int, count: int) -> int:
    pack = data[at]
    if pack == VARINTS:
        return _skip_varints(data, at + 1, count)
    if pack == DICTIONARY:
        size, at = _number(data, at + 1)
        at = _skip_varints(data, at, min(size, len(data)))
        return _skip_rice(data, at) if size > 1 else at
    return _skip_rice(data, _skip_varints(data, at + 1, 1))


def _skip_varints(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        while data[at] > 127:
            at += 1
        at += 1
    return at


def _skip_rice(data: bytes, at: int) -> int:
    size = data[at + 1]
    return at + 2 + size if size < 128 else _skip_bytes(data, at + 1)


def _skip_bytes(data: bytes, at: int) -> int:
    size, at = _number(data, at)
    return at + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    cursor = Cursor(data)
    cursor.position = at
    number = cursor.varint()
    return number, cursor.position
