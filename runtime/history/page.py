"""A page: blocks of columns under numbers (tags, or tag groups), in one file that is written once. Encoding is that of batch bodies.

Room: hall, history. `index` writes pages and reads them. A page is rebuildable, so it is not portable: its arrays are the machine's own.
Every part has a checksum; what does not fit is a DamagedPageError, never a wrong number. Nothing here knows what a clock is.

    "WMH1"  block...  directory (zlib: count u32, numbers u64[], sizes u32[], checksums u32[], first ms i64[], last ms i64[])
    directory's offset u64, size u32, CRC-32 u32, "WMHE"
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

from ledger_client.codecs import Cursor, put_varint
from ledger_client.columns import decode_values, put_values
from ledger_client.errors import FormatError
from ledger_client.float_columns import CodecHints
from runtime.history.gather import Held
from runtime.history.rollups import NAN, Strip

MAGIC, END_MAGIC = b"WMH1", b"WMHE"
_TRAILER: Final = struct.Struct("<QII4s")
BLOCK_ROWS_MAX: Final = 1 << 20
Block = tuple[int, int, int, bytes]
"""(number, first ms, last ms, bytes)"""


class DamagedPageError(Exception):
    """The file is not what was written."""


def strip_block(uid: int, strip: Strip, span_ms: int, hints: CodecHints) -> Block:
    """Return the block of a strip that is not empty; `hints` are kept from page to page."""
    out = bytearray()
    put_varint(out, len(strip))
    places = [start // span_ms for start in strip.starts]
    for ints in ([places[0], *[b - a for a, b in pairwise(places)]], list(strip.count), list(strip.bad)):
        _put(out, ints, uid, hints)
    shown = [i for i, count in enumerate(strip.count) if count] if 0 in strip.count else None
    for column in (strip.low, strip.high, strip.first, strip.last):
        floats = list(column) if shown is None else [column[i] for i in shown]
        if floats:
            _put(out, floats, uid, hints)
    return uid, min(strip.starts), max(strip.starts), bytes(out)


def read_strip(data: bytes, span_ms: int) -> Strip:
    """Return the strip of a block. Raises DamagedPageError."""
    try:
        cursor = Cursor(data)
        rows = _rows(cursor)
        strip = Strip()
        strip.starts = array("q", [place * span_ms for place in accumulate(_ints(cursor, rows))])
        strip.count, strip.bad = array("L", _ints(cursor, rows)), array("L", _ints(cursor, rows))
        shown = [i for i, count in enumerate(strip.count) if count]
        for name in ("low", "high", "first", "last"):
            floats: list[float] = decode_values(cursor, cursor.byte(), len(shown)) if shown else []  # type: ignore[assignment]
            column = array("d", floats if len(shown) == rows else [NAN]) * (1 if len(shown) == rows else rows)
            if len(shown) < rows:
                for i, value in zip(shown, floats, strict=True):
                    column[i] = value
            setattr(strip, name, column)
        cursor.end()
    except (FormatError, TypeError, ValueError, OverflowError) as error:
        raise DamagedPageError(str(error)) from error
    return strip


def held_block(group: int, held: Held) -> Block:
    """Return the block of the batches of a group."""
    out, hints = bytearray(), CodecHints()
    put_varint(out, len(held.seqs))
    for ints in (held.seqs, held.first_ms, [b - a for a, b in zip(held.first_ms, held.last_ms, strict=True)]):
        _put(out, list(ints), group, hints)
    return group, min(held.first_ms), max(held.last_ms), bytes(out)


def read_held(data: bytes) -> Held:
    """Return the batches of a block. Raises DamagedPageError."""
    try:
        cursor = Cursor(data)
        rows = _rows(cursor)
        held = Held()
        held.seqs, held.first_ms = array("q", _ints(cursor, rows)), array("q", _ints(cursor, rows))
        held.last_ms = array("q", [a + more for a, more in zip(held.first_ms, _ints(cursor, rows), strict=True)])
        cursor.end()
    except (FormatError, TypeError, ValueError, OverflowError) as error:
        raise DamagedPageError(str(error)) from error
    return held


def page_bytes(blocks: Iterable[Block]) -> bytes:
    """Return a whole page of blocks with ascending numbers."""
    rows, parts = [], [MAGIC]
    for number, first_ms, last_ms, data in blocks:
        rows.append((number, len(data), zlib.crc32(data), first_ms, last_ms))
        parts.append(data)
    columns = [array(kind, [row[i] for row in rows]).tobytes() for i, kind in enumerate("QIIqq")]
    directory = zlib.compress(b"".join([len(rows).to_bytes(4, "little"), *columns]), 6)
    offset = sum(map(len, parts))
    return b"".join([*parts, directory, _TRAILER.pack(offset, len(directory), zlib.crc32(directory), END_MAGIC)])


class Page:
    """One page of a folder, its directory in memory; the file is opened for each look."""

    def __init__(self, path: Path) -> None:
        """Read the directory. Raises DamagedPageError, OSError (FileNotFoundError too is damage to whoever knows that it must be there)."""
        self._path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < len(MAGIC) + _TRAILER.size:
                raise DamagedPageError("short")
            file.seek(size - _TRAILER.size)
            offset, length, checksum, magic = _TRAILER.unpack(file.read(_TRAILER.size))
            if magic != END_MAGIC or offset + length + _TRAILER.size != size:
                raise DamagedPageError("trailer")
            file.seek(offset)
            packed = file.read(length)
        if zlib.crc32(packed) != checksum:
            raise DamagedPageError("directory")
        raw = zlib.decompress(packed)
        count, at, columns = int.from_bytes(raw[:4], "little"), 4, []
        for kind in "QIIqq":
            column = array(kind)
            end = at + count * column.itemsize
            column.frombytes(raw[at:end])
            columns.append(column)
            at = end
        self.numbers, sizes, self._checksums, self._first_ms, self._last_ms = columns
        self._offsets = array("Q", accumulate(sizes, initial=len(MAGIC)))

    def block(self, number: int, t0_ms: int, t1_ms: int) -> bytes | None:
        """Return the bytes under a number, None when there are none that touch [t0, t1]. Raises DamagedPageError, OSError."""
        place = bisect_left(self.numbers, number)
        if place == len(self.numbers) or self.numbers[place] != number:
            return None
        if self._last_ms[place] < t0_ms or self._first_ms[place] > t1_ms:
            return None
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._offsets[place])
            data = file.read(self._offsets[place + 1] - self._offsets[place])
        if zlib.crc32(data) != self._checksums[place]:
            raise DamagedPageError("block")
        return data


def _put(out: bytearray, values: Sequence[int] | Sequence[float], uid: int, hints: CodecHints) -> None:
    place = len(out)
    out.append(0)
    out[place] = put_values(out, values, uid, hints)


def _rows(cursor: Cursor) -> int:
    rows = cursor.varint()
    if not 0 < rows <= BLOCK_ROWS_MAX:
        raise FormatError("body_invalid", reason="rows")
    return rows


def _ints(cursor: Cursor, rows: int) -> list[int]:
    return decode_values(cursor, cursor.byte(), rows)  # type: ignore[return-value]
