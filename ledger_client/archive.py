"""Splitting closed segments into entries and bodies, and letting bodies go.

Room: ground. A low-priority caller runs it, beside a running chain or without one; blocking. The whole file counts until it is
gone, so a split can be interrupted anywhere and is simply done again. The newest segment is never touched, and an entry is
never removed: after `drop_bodies` the chain and its proofs hold as before, and what was measured is WITHHELD.
Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from ledger_client.disk import Disk, write_atomically
from ledger_client.entry import parse
from ledger_client.errors import CorruptError
from ledger_client.kinds import KINDS_KEPT
from ledger_client.records import BODIES_MAGIC, BODY_HEAD, ENTRIES_MAGIC, ENTRY_HEAD, pack_header
from ledger_client.recovery import BODIES_SUFFIX, ENTRIES_SUFFIX, SEGMENT_SUFFIX, first_seqs, segment_path
from ledger_client.segment_view import SplitSegment, WholeSegment


def split_closed(disk: Disk, folder: Path, *, keep: int = 1, is_stopping: Callable[[], bool] = lambda: False) -> list[int]:
    """Split every closed segment but the newest `keep` (at least 1); return their first seqs.

    Raises CorruptError for a closed segment that ends too early (it stays as it is), OSError.
    """
    known = first_seqs(disk.names(folder))
    closed = list(pairwise(sorted(known)))
    done: list[int] = []
    for first, following in closed[: len(closed) + 1 - max(1, keep)]:
        if is_stopping():
            break
        if SEGMENT_SUFFIX in known[first]:
            split(disk, folder, first, following)
            done.append(first)
    return done


def split(disk: Disk, folder: Path, first_seq: int, end_seq: int) -> None:
    """Split the segment of entries [first_seq, end_seq); durable on return. Raises CorruptError, OSError."""
    whole = WholeSegment(disk, segment_path(folder, first_seq))
    if whole.count != end_seq - first_seq:
        raise CorruptError("segment_short", first_seq=first_seq, seq=first_seq + whole.count)
    entries = [pack_header(ENTRIES_MAGIC, whole.header)]
    bodies = [pack_header(BODIES_MAGIC, whole.header)]
    for index in range(whole.count):
        entry, body = whole.entry(index), whole.body(index)
        entries += (ENTRY_HEAD.pack(len(entry), crc32(entry)), entry)
        if body:
            bodies += (BODY_HEAD.pack(first_seq + index, len(body), crc32(body)), body)
    for suffix, parts in ((BODIES_SUFFIX, bodies), (ENTRIES_SUFFIX, entries)):
        write_atomically(disk, segment_path(folder, first_seq, suffix), b"".join(parts))
    disk.unlink(segment_path(folder, first_seq))
    disk.sync_folder(folder)


def drop_bodies(disk: Disk, folder: Path, first_seq: int) -> bool:
    """Delete the bodies of a split segment for good; return whether there were any. Raises ValueError for one that is not split.

    Those of receipts and schema entries stay: they hold no readings, and without them nobody could check any longer when the
    others were confirmed, nor read what follows. Raises CorruptError, OSError.
    """
    suffixes = first_seqs(disk.names(folder)).get(first_seq, set())
    if SEGMENT_SUFFIX in suffixes or ENTRIES_SUFFIX not in suffixes:
        raise ValueError(f"segment {first_seq} is not split")
    if BODIES_SUFFIX not in suffixes:
        return False
    old = SplitSegment(disk, folder, first_seq)
    kept, dropped = [pack_header(BODIES_MAGIC, old.header)], False
    for index in range(old.count):
        body = old.body(index)
        if body and parse(old.entry(index)).payload.kind in KINDS_KEPT:
            kept += (BODY_HEAD.pack(first_seq + index, len(body), crc32(body)), body)
        else:
            dropped = dropped or bool(body)
    if dropped:
        write_atomically(disk, segment_path(folder, first_seq, BODIES_SUFFIX), b"".join(kept))
    return dropped
