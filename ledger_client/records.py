"""The bytes of a segment: its header, and the records behind it. Pure.

Room: ground. The store writes with `pack_*`, recovery and readers walk with `record_at`. It opens no file and judges no
chain: whether a record follows the one before it is recovery's and the verifier's. Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from ledger_client import cbor
from ledger_client.details import BODY_SIZE_MAX
from ledger_client.entry import ENTRY_SIZE_MAX
from ledger_client.errors import FormatError
from ledger_client.heads import Heads, parse_heads
from ledger_client.merkle import Frontier

SEGMENT_MAGIC: Final = b"WMSEG1\n\0"
ENTRIES_MAGIC: Final = b"WMENT1\n\0"
BODIES_MAGIC: Final = b"WMBOD1\n\0"
HEADER_UNIT: Final = 4096
HEADER_SIZE_MAX: Final = 16 * HEADER_UNIT
RECORD_HEAD: Final = struct.Struct("<III")
ENTRY_HEAD: Final = struct.Struct("<II")
BODY_HEAD: Final = struct.Struct("<QII")
_FIRST: Final = struct.Struct("<8sII")


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first record: everything that the entries before this segment leave behind."""

    first_seq: int
    prev_hash: bytes
    frontier: tuple[bytes, ...]
    heads: Heads

    @property
    def tree(self) -> Frontier:
        """The tree of size first_seq."""
        return Frontier(self.first_seq, self.frontier)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one record lies in its file: offset of its head, and the two lengths in bytes."""

    offset: int
    entry_len: int
    body_len: int

    @property
    def end(self) -> int:
        """Offset of the next record."""
        return self.offset + record_size(self.entry_len, self.body_len)


def record_size(entry_len: int, body_len: int) -> int:
    """Return how many bytes of a segment a record takes."""
    return padded(RECORD_HEAD.size + entry_len + body_len)


def padded(size: int) -> int:
    """Return the next multiple of 8."""
    return size + 7 & ~7


def pack_header(magic: bytes, header: Header) -> bytes:
    """Return the header's bytes, filled with zeros to a multiple of 4,096."""
    data = cbor.encode([1, header.first_seq, header.prev_hash, header.frontier, header.heads.row()])
    raw = _FIRST.pack(magic, len(data), crc32(data)) + data
    return raw + bytes(-len(raw) % HEADER_UNIT)


def parse_header(magic: bytes, raw: bytes) -> tuple[Header, int]:
    """Return the header and its size in the file. Raises FormatError."""
    if len(raw) < _FIRST.size:
        raise FormatError("header_invalid", reason="short")
    found, size, checksum = _FIRST.unpack_from(raw)
    data = raw[_FIRST.size : _FIRST.size + size]
    if found != magic or size > HEADER_SIZE_MAX - _FIRST.size or len(data) != size or crc32(data) != checksum:
        raise FormatError("header_invalid", reason="checksum")
    row = cbor.decode(data, size_max=HEADER_SIZE_MAX, what="segment header")
    if not isinstance(row, list | tuple) or len(row) != 5 or row[0] != 1 or not isinstance(row[3], list | tuple):
        raise FormatError("header_invalid", reason="shape")
    _version, first_seq, prev_hash, hashes, heads = row
    good = isinstance(first_seq, int) and 0 <= first_seq < 1 << 63 and isinstance(prev_hash, bytes) and len(prev_hash) == 32
    if not good or not all(isinstance(h, bytes) for h in hashes):
        raise FormatError("header_invalid", reason="shape")
    header = Header(first_seq, prev_hash, tuple(hashes), parse_heads(heads))
    Frontier(first_seq, header.frontier)
    used = _FIRST.size + size
    return header, used + -used % HEADER_UNIT


def pack_record(entry: bytes, body: bytes) -> bytes:
    """Return one record of a segment."""
    head = RECORD_HEAD.pack(len(entry), len(body), crc32(body, crc32(entry)))
    return b"".join((head, entry, body, bytes(-(RECORD_HEAD.size + len(entry) + len(body)) % 8)))


def record_at(data: bytes | memoryview, offset: int) -> Place | None:
    """Return the place of a whole record with a right checksum at `offset`, None when there is none."""
    if offset + RECORD_HEAD.size > len(data):
        return None
    entry_len, body_len, checksum = RECORD_HEAD.unpack_from(data, offset)
    start = offset + RECORD_HEAD.size
    if not 0 < entry_len <= ENTRY_SIZE_MAX or body_len > BODY_SIZE_MAX or start + entry_len + body_len > len(data):
        return None
    if crc32(data[start : start + entry_len + body_len]) != checksum:
        return None
    return Place(offset, entry_len, body_len)


def entry_of(data: bytes | memoryview, place: Place) -> bytes:
    """Return the entry's exact bytes."""
    start = place.offset + RECORD_HEAD.size
    return bytes(data[start : start + place.entry_len])


def body_of(data: bytes | memoryview, place: Place) -> bytes:
    """Return the body's exact bytes (empty for a kind without one)."""
    start = place.offset + RECORD_HEAD.size + place.entry_len
    return bytes(data[start : start + place.body_len])
