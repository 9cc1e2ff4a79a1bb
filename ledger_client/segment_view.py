"""Reading one segment, in either form: the open `.wmlog`, or the split `.entries` with `.bodies` that may be gone.

Room: ground. `LedgerReader` keeps a few of these; `archive` writes the split form. They check the checksums of the framing and
nothing else: what an entry says is the verifier's. Never writes. Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from zlib import crc32

from ledger_client.disk import Disk
from ledger_client.errors import CorruptError, FormatError
from ledger_client.records import (
    BODIES_MAGIC,
    BODY_HEAD,
    ENTRIES_MAGIC,
    ENTRY_HEAD,
    HEADER_SIZE_MAX,
    RECORD_HEAD,
    SEGMENT_MAGIC,
    Header,
    Place,
    body_of,
    entry_of,
    parse_header,
    record_at,
    record_size,
)
from ledger_client.recovery import BODIES_SUFFIX, ENTRIES_SUFFIX, SEGMENT_SUFFIX, read_file, segment_path

GROWTH_BYTES = 64 << 10


class SegmentView(Protocol):
    """Entries and bodies of one segment, by position from its first."""

    header: Header

    @property
    def count(self) -> int:
        """How many entries are known."""
        ...

    def entry(self, index: int) -> bytes:
        """Return the exact bytes of an entry."""
        ...

    def body(self, index: int) -> bytes | None:
        """Return what is stored as its body (empty when nothing), None when the bodies are gone."""
        ...


class WholeSegment:
    """A `.wmlog`, read once; `grow` takes in what was written since."""

    def __init__(self, disk: Disk, path: Path) -> None:
        """Read it. Raises OSError, CorruptError for a damaged header."""
        self._disk = disk
        self._path = path
        raw = read_file(disk, path)
        self.header, start = _header(SEGMENT_MAGIC, raw, path)
        self._places: list[Place] = []
        self._end = start
        self._data = raw
        self._base = 0
        self._walk()
        self._data = raw[: self._end]

    @property
    def count(self) -> int:
        """See SegmentView."""
        return len(self._places)

    @property
    def size_bytes(self) -> int:
        """Bytes up to the end of the last whole record."""
        return self._end

    def entry(self, index: int) -> bytes:
        """See SegmentView."""
        return entry_of(self._data, self._places[index])

    def body(self, index: int) -> bytes | None:
        """See SegmentView."""
        return body_of(self._data, self._places[index])

    def grow(self) -> None:
        """Read on behind the last whole record. Raises OSError."""
        handle = self._disk.open(self._path, write=False)
        try:
            while True:
                fresh = self._disk.pread(handle, GROWTH_BYTES, self._end)
                if len(fresh) >= RECORD_HEAD.size:
                    entry_len, body_len, _checksum = RECORD_HEAD.unpack_from(fresh)
                    wanted = record_size(entry_len, body_len)
                    if GROWTH_BYTES < wanted < 1 << 25:
                        fresh = self._disk.pread(handle, wanted, self._end)
                before = len(self._places)
                self._data = self._data[: self._end] + fresh
                self._walk()
                self._data = self._data[: self._end]
                if len(self._places) == before:
                    return
        finally:
            self._disk.close(handle)

    def _walk(self) -> None:
        while (place := record_at(self._data, self._end)) is not None and place.end <= len(self._data):
            self._places.append(place)
            self._end = place.end


class SplitSegment:
    """A closed segment after its split. `.bodies` is read when the first body is asked for."""

    def __init__(self, disk: Disk, folder: Path, first_seq: int) -> None:
        """Read the entries. Raises OSError, CorruptError: these files are complete before they get their names."""
        self._disk = disk
        self._bodies_path = segment_path(folder, first_seq, BODIES_SUFFIX)
        self._bodies: dict[int, bytes] | None = None
        self._bodies_read = False
        path = segment_path(folder, first_seq, ENTRIES_SUFFIX)
        raw = read_file(disk, path)
        self.header, offset = _header(ENTRIES_MAGIC, raw, path)
        self._entries: list[bytes] = []
        while offset < len(raw):
            if offset + ENTRY_HEAD.size > len(raw):
                raise CorruptError("record_invalid", offset=offset, reason="split entries")
            size, checksum = ENTRY_HEAD.unpack_from(raw, offset)
            entry = raw[offset + ENTRY_HEAD.size : offset + ENTRY_HEAD.size + size]
            if len(entry) != size or crc32(entry) != checksum:
                raise CorruptError("record_invalid", offset=offset, reason="split entries")
            self._entries.append(entry)
            offset += ENTRY_HEAD.size + size

    @property
    def count(self) -> int:
        """See SegmentView."""
        return len(self._entries)

    def entry(self, index: int) -> bytes:
        """See SegmentView."""
        return self._entries[index]

    def body(self, index: int) -> bytes | None:
        """See SegmentView."""
        if not self._bodies_read:
            self._bodies, self._bodies_read = self._read_bodies(), True
        if self._bodies is None:
            return None
        return self._bodies.get(self.header.first_seq + index, b"")

    def _read_bodies(self) -> dict[int, bytes] | None:
        try:
            raw = read_file(self._disk, self._bodies_path)
        except FileNotFoundError:
            return None
        _same, offset = _header(BODIES_MAGIC, raw, self._bodies_path)
        found: dict[int, bytes] = {}
        while offset < len(raw):
            if offset + BODY_HEAD.size > len(raw):
                raise CorruptError("record_invalid", offset=offset, reason="split bodies")
            seq, size, checksum = BODY_HEAD.unpack_from(raw, offset)
            body = raw[offset + BODY_HEAD.size : offset + BODY_HEAD.size + size]
            if len(body) != size or crc32(body) != checksum:
                raise CorruptError("record_invalid", offset=offset, reason="split bodies")
            found[seq] = body
            offset += BODY_HEAD.size + size
        return found


def open_view(disk: Disk, folder: Path, first_seq: int, suffixes: set[str]) -> SegmentView:
    """Open a segment in the form that counts: whole as long as the whole file is there. Raises OSError, CorruptError."""
    if SEGMENT_SUFFIX in suffixes:
        return WholeSegment(disk, segment_path(folder, first_seq))
    if ENTRIES_SUFFIX in suffixes:
        return SplitSegment(disk, folder, first_seq)
    raise CorruptError("segment_missing", first_seq=first_seq)


def read_header(disk: Disk, folder: Path, first_seq: int, suffixes: set[str]) -> Header:
    """Read only the header of a segment. Raises OSError, CorruptError."""
    whole = SEGMENT_SUFFIX in suffixes
    path = segment_path(folder, first_seq, SEGMENT_SUFFIX if whole else ENTRIES_SUFFIX)
    handle = disk.open(path, write=False)
    try:
        raw = disk.pread(handle, HEADER_SIZE_MAX, 0)
    finally:
        disk.close(handle)
    return _header(SEGMENT_MAGIC if whole else ENTRIES_MAGIC, raw, path)[0]


def _header(magic: bytes, raw: bytes, path: Path) -> tuple[Header, int]:
    try:
        return parse_header(magic, raw)
    except FormatError as error:
        raise CorruptError("segment_header_damaged", file=path.name) from error
