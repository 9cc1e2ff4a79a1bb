"""Opening a ledger after whatever happened: reads the newest segment, tells what is whole, and cuts a torn last record.

Room: ground. The chain calls `recover` once at start, the signer and readers call `read_newest`, which writes nothing. Only
names and the newest segment are read, so a start takes the same time however long the ledger is. It never cuts a record
that a good one follows, and never writes behind a bad one before the rest of the segment is zero and synced.

What a power cut can leave, given how segments are written (see segments.py): one flush is in flight at a time, so only the
last record can miss sectors, in any combination, its head included; a segment gets its name only after its zeros and header
are durable, so a named segment with a damaged header is damage, unless it holds no record at all. A process that died
may also leave a whole record that is in the page cache only, possibly after a failed flush: the last record is therefore
written again and flushed before anything is built on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger_client import cbor
from ledger_client.disk import Disk
from ledger_client.entry import parse
from ledger_client.errors import CorruptError, FormatError, StoreError
from ledger_client.heads import Heads
from ledger_client.keys import from_cose
from ledger_client.merkle import Frontier
from ledger_client.records import RECORD_HEAD, SEGMENT_MAGIC, Header, Place, entry_of, pack_record, parse_header, record_at

SEGMENT_SUFFIX = ".wmlog"
ENTRIES_SUFFIX = ".entries"
BODIES_SUFFIX = ".bodies"


@dataclass(slots=True)
class Scanned:
    """The good prefix of a segment and what follows from it. `fault` is set when more than a torn tail is wrong."""

    header: Header
    data: bytes
    places: list[Place]
    heads: Heads
    tree: Frontier
    head_hash: bytes
    end: int
    leaves: list[bytes] = field(default_factory=list)
    last_kind: int | None = None
    last_key: bytes = b""
    """COSE_Key in force at the last entry."""
    torn_bytes: int = 0
    fault: CorruptError | None = None

    @property
    def size(self) -> int:
        """Entries in the whole log, up to the end of the good prefix."""
        return self.tree.size


def first_seqs(names: list[str]) -> dict[int, set[str]]:
    """Return first seq -> suffixes present, for the segment files among the names of a ledger's folder."""
    found: dict[int, set[str]] = {}
    for name in names:
        stem, dot, suffix = name.partition(".")
        if len(stem) == 16 and dot + suffix in {SEGMENT_SUFFIX, ENTRIES_SUFFIX, BODIES_SUFFIX} and set(stem) <= set("0123456789abcdef"):
            found.setdefault(int(stem, 16), set()).add(dot + suffix)
    return found


def segment_path(folder: Path, first_seq: int, suffix: str = SEGMENT_SUFFIX) -> Path:
    """Return the path of a segment's file."""
    return folder / f"{first_seq:016x}{suffix}"


def read_file(disk: Disk, path: Path) -> bytes:
    """Return a whole file. Raises OSError."""
    handle = disk.open(path, write=False)
    try:
        return disk.pread(handle, disk.size(handle), 0)
    finally:
        disk.close(handle)


def read_newest(disk: Disk, folder: Path) -> Scanned:
    """Read and judge the newest segment without writing. Raises StoreError (`ledger_missing`), CorruptError, OSError."""
    known = first_seqs(disk.names(folder))
    for first_seq in sorted(known, reverse=True):
        if SEGMENT_SUFFIX not in known[first_seq]:
            raise CorruptError("segment_missing", first_seq=first_seq)
        data = read_file(disk, segment_path(folder, first_seq))
        try:
            header, start = parse_header(SEGMENT_MAGIC, data)
            if header.first_seq != first_seq:
                raise FormatError("header_invalid", reason="first seq")
        except FormatError as error:
            if _holds_no_record(data):
                continue
            raise CorruptError("segment_header_damaged", first_seq=first_seq) from error
        return scan(data, header, start)
    raise StoreError("ledger_missing", folder=folder.name)


def scan(data: bytes, header: Header, start: int) -> Scanned:
    """Walk the records of a segment: checksums, seq and prev of each, the signature of the last (which binds the others)."""
    seen = Scanned(header, data, [], header.heads.copy(), header.tree, header.prev_hash, start)
    while (place := record_at(data, seen.end)) is not None:
        raw = entry_of(data, place)
        try:
            _version, kind, seq, prev, boot, mono_ms, wall_ms, _clock, _seen, detail = _payload_of(raw)
            if seq != seen.size or prev != seen.head_hash:
                seen.fault = CorruptError("record_misfit", offset=place.offset, seq=seen.size)
                return seen
            seen.last_key = seen.heads.key[0]
            seen.heads.apply(kind, seq, boot, mono_ms, wall_ms, detail)
        except (FormatError, TypeError, ValueError, AttributeError, LookupError) as error:
            seen.fault = CorruptError("record_invalid", offset=place.offset, reason=type(error).__name__)
            return seen
        leaf = sha256(b"\x00" + raw).digest()
        seen.tree.append(leaf)
        seen.leaves.append(leaf)
        seen.places.append(place)
        seen.head_hash, seen.last_kind, seen.end = sha256(raw).digest(), kind, place.end
    _judge_tail(seen)
    return seen


def recover(disk: Disk, folder: Path) -> tuple[Scanned, int]:
    """Read the newest segment, make its good prefix durable and cut a torn tail.

    Returns what was found and an open handle on the segment, ready for the next record. With `fault` set nothing was
    written. Raises StoreError when there is no ledger, CorruptError, OSError.
    """
    seen = read_newest(disk, folder)
    handle = disk.open(segment_path(folder, seen.header.first_seq), write=seen.fault is None)
    try:
        if seen.fault is None:
            if seen.torn_bytes:
                disk.pwrite(handle, bytes(seen.torn_bytes), seen.end)
            if seen.places:
                last = seen.places[-1]
                disk.pwrite(handle, seen.data[last.offset : last.end], last.offset)
            disk.fdatasync(handle)
            _drop_unreadable_newer(disk, folder, seen.header.first_seq)
    except OSError:
        disk.close(handle)
        raise
    return seen, handle


def _payload_of(raw: bytes) -> Any:
    return cbor.peek(cbor.peek(raw).value[2])


def _holds_no_record(data: bytes) -> bool:
    """Whether nothing but (part of) a header can be in this file."""
    return not data[4096:].strip(b"\0")


def _drop_unreadable_newer(disk: Disk, folder: Path, newest: int) -> None:
    """Remove files that `read_newest` passed over: named segments whose header never became whole."""
    newer = [seq for seq in first_seqs(disk.names(folder)) if seq > newest]
    for seq in newer:
        disk.unlink(segment_path(folder, seq))
    if newer:
        disk.sync_folder(folder)


def _judge_tail(seen: Scanned) -> None:
    """Decide what stands after the last good record: nothing, a torn record, or damage in front of good records."""
    junk = seen.data[seen.end :].rstrip(b"\0")
    try:
        key, *coming = [from_cose(cose) for cose, _ in (seen.heads.key, *seen.heads.coming)]
        last = parse(entry_of(seen.data, seen.places[-1])) if seen.places else None
    except FormatError as error:
        seen.fault = CorruptError("record_invalid", offset=seen.end, reason=error.code)
        return
    if last is not None and not last.verify_signature(from_cose(seen.last_key)):
        seen.fault = CorruptError("record_signature", seq=last.seq)
        return
    seen.torn_bytes = len(junk)
    for offset in range(seen.end + 8, seen.end + len(junk), 8):
        # A record's entry starts with the tag of COSE_Sign1; only our key can have signed one that is still to come.
        if seen.data[offset + RECORD_HEAD.size : offset + RECORD_HEAD.size + 2] != b"\xd2\x84":
            continue
        place = record_at(seen.data, offset)
        if place is None:
            continue
        try:
            found = parse(entry_of(seen.data, place))
        except FormatError:
            continue
        if found.seq >= seen.size and any(found.verify_signature(k) for k in (key, *coming)):
            seen.fault = CorruptError("record_damaged", seq=seen.size, good_seq=found.seq)
            return


__all__ = [
    "BODIES_SUFFIX", "ENTRIES_SUFFIX", "SEGMENT_SUFFIX", "Scanned", "first_seqs", "pack_record", "read_file", "read_newest", "recover",
    "scan", "segment_path",
]  # fmt: skip
