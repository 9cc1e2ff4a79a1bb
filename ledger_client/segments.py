"""Writing segments: pre-zeroed files, one write and one flush per entry, and the next file made ready in small steps.

Room: ground. The chain calls it, always in the evidence executor (`fits` and the counters aside). It never signs, never
judges, and never tries again on a handle whose flush failed. Source: docs/ledger-format.md section 8.

The life of a file: `next.new` is filled with zeros a chunk at a time, each chunk flushed, one chunk after each entry; at
roll-over its header is written and flushed, and only then it gets its name. So a named segment always has its zeros and its
header, and a full disk shows while the current segment still has room, never inside a record. The last `reserve_bytes`
of each segment are kept for entries that must be possible when nothing else is (gap, close, outcome of an act).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger_client.disk import Disk
from ledger_client.errors import StoreError
from ledger_client.records import HEADER_SIZE_MAX, SEGMENT_MAGIC, Header, pack_header, pack_record
from ledger_client.recovery import Scanned, segment_path

NEXT_NAME = "next.new"


@dataclass(frozen=True, slots=True)
class SegmentShape:
    """How large segments are. The defaults suit flash; tests take tiny ones. All in bytes but the two counts of entries."""

    size_bytes: int = 4 << 20
    reserve_bytes: int = 64 << 10
    entries_max: int = 4096
    reserve_entries: int = 256
    chunk_bytes: int = 256 << 10
    spare_bytes: int = 1 << 20
    """What preparing a segment leaves on the disk for everybody else."""


@dataclass(slots=True)
class _Ready:
    handle: int
    zeroed: int = 0


class SegmentStore:
    """The newest segment of one ledger, open for records, and the next one in the making."""

    def __init__(self, disk: Disk, folder: Path, shape: SegmentShape, seen: Scanned, handle: int) -> None:
        """Take over the handle that `recover` gave. `seen.fault` must be None."""
        self._disk = disk
        self._folder = folder
        self._shape = shape
        self._handle = handle
        self._next: _Ready | None = None
        self.first_seq = seen.header.first_seq
        self.position = seen.end
        self.capacity = len(seen.data)
        self.count = len(seen.places)

    def fits(self, record_bytes: int, *, reserve: bool, entries: int = 1) -> bool:
        """Tell whether a record of this size (or so many of this size together) can be written without a roll-over."""
        held = (0, 0) if reserve else (self._shape.reserve_bytes, self._shape.reserve_entries)
        return self.position + record_bytes <= self.capacity - held[0] and self.count + entries <= self._shape.entries_max - held[1]

    @property
    def reserve_left(self) -> int:
        """Bytes that entries of the reserve can still have in this segment."""
        return max(0, self.capacity - self.position)

    @property
    def is_unprepared(self) -> bool:
        """Whether the next segment still needs a step of `prepare`."""
        return self._next is None or self._next.zeroed < self._shape.size_bytes

    def write(self, entry: bytes, body: bytes) -> None:
        """Append one record, durable on return. Raises OSError: the handle is then lost for this process."""
        record = pack_record(entry, body)
        self._disk.write_through(self._handle, record, self.position)
        self.position += len(record)
        self.count += 1

    def prepare(self) -> None:
        """Do one step towards the next segment, if one is due. Raises OSError."""
        if self._next is None:
            if self._disk.free_bytes(self._folder) < self._shape.size_bytes + self._shape.spare_bytes:
                return
            self._next = _Ready(create_draft(self._disk, self._folder))
        size = min(self._shape.chunk_bytes, self._shape.size_bytes - self._next.zeroed)
        if size > 0:
            self._zero(self._next, size)

    def roll(self, header: Header, record_bytes: int) -> None:
        """Make a segment with room for such a record the current one; everything before it is durable already.

        Raises StoreError `disk_full` when there is no space for it (nothing has changed then), OSError.
        """
        raw = pack_header(SEGMENT_MAGIC, header)
        wanted = max(self._shape.size_bytes, len(raw) + record_bytes + self._shape.reserve_bytes)
        if self._next is None:
            check_space(self._disk, self._folder, wanted + self._shape.spare_bytes)
            self._next = _Ready(create_draft(self._disk, self._folder))
        elif wanted > self._next.zeroed:
            check_space(self._disk, self._folder, wanted - self._next.zeroed)
        while self._next.zeroed < wanted:
            self._zero(self._next, min(self._shape.chunk_bytes, wanted - self._next.zeroed))
        handle = self._next.handle
        name_segment(self._disk, self._folder, handle, header.first_seq, raw)
        self._disk.close(self._handle)
        self._handle, self._next = handle, None
        self.first_seq, self.position, self.capacity, self.count = header.first_seq, len(raw), wanted, 0

    def drop_draft(self) -> None:
        """Give back the space of a half-made next segment, after it could not be finished."""
        if self._next is not None:
            self._disk.close(self._next.handle)
            self._next = None
            self._disk.unlink(self._folder / NEXT_NAME)

    def close(self) -> None:
        """Close the handles; flushes nothing, since every record already is."""
        self._disk.close(self._handle)
        if self._next is not None:
            self._disk.close(self._next.handle)
            self._next = None

    def _zero(self, ready: _Ready, size: int) -> None:
        self._disk.pwrite(ready.handle, bytes(size), ready.zeroed)
        self._disk.fdatasync(ready.handle)
        ready.zeroed += size


def create_draft(disk: Disk, folder: Path) -> int:
    """Open a new, empty `next.new`; one of an earlier process goes, since nobody knows how much of it is zero."""
    path = folder / NEXT_NAME
    if NEXT_NAME in disk.names(folder):
        disk.unlink(path)
    return disk.open(path, create=True)


def name_segment(disk: Disk, folder: Path, handle: int, first_seq: int, raw_header: bytes) -> None:
    """Give the zeroed draft its header, and then its name; durable on return. Raises OSError."""
    disk.pwrite(handle, raw_header, 0)
    disk.fdatasync(handle)
    disk.replace(folder / NEXT_NAME, segment_path(folder, first_seq))
    disk.sync_folder(folder)


def create_first(disk: Disk, folder: Path, header: Header, shape: SegmentShape) -> None:
    """Make a ledger's first segment, without entries. Raises StoreError `disk_full`, OSError."""
    check_space(disk, folder, shape.size_bytes + HEADER_SIZE_MAX)
    handle = create_draft(disk, folder)
    try:
        disk.pwrite(handle, bytes(shape.size_bytes), 0)
        disk.fdatasync(handle)
        name_segment(disk, folder, handle, header.first_seq, pack_header(SEGMENT_MAGIC, header))
    finally:
        disk.close(handle)


def check_space(disk: Disk, folder: Path, needed: int) -> None:
    """Raise StoreError `disk_full` when the folder's disk has less than `needed` bytes."""
    free = disk.free_bytes(folder)
    if free < needed:
        raise StoreError("disk_full", needed=needed, free=free)
