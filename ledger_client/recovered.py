"""A ledger folder made again out of what a mirror holds, for whoever lost the gateway: `ledger verify`, `export` and `prove` work on it.

Room: ground. `ledger fetch` calls it. It writes segment files as the store's readers know them, whole ones at a time, and goes on
where an earlier attempt stopped. It checks that entries follow each other; what they are worth is for the verifier to say. The
folder has no key and no FORMAT file: nobody can go on with that ledger by mistake. Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger_client.anchors.mirror import MirrorClient
from ledger_client.anchors.package import ENTRIES_MAX, Held
from ledger_client.disk import Disk, write_atomically
from ledger_client.entry import ZERO_HASH, parse
from ledger_client.errors import FormatError, StoreError
from ledger_client.heads import Heads
from ledger_client.kinds import Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.reader import LedgerReader, epochs, ledger_folder
from ledger_client.records import SEGMENT_MAGIC, Header, pack_header, pack_record
from ledger_client.recovery import segment_path

SEGMENT_ENTRIES_MAX: Final = 4_096
SEGMENT_BYTES_MAX: Final = 4 << 20


class Copy:
    """A growing copy of one log. `size` entries are taken, those before `kept` are in files."""

    def __init__(self, disk: Disk, state: Path, origin: str) -> None:
        """Find what an earlier attempt left. Blocking. Raises StoreError `fetch_into_gateway` for a folder that a gateway lives in."""
        if {"FORMAT", "private"} & set(disk.names(state)):
            raise StoreError("fetch_into_gateway", folder=str(state))
        self._disk, self._state, self._origin = disk, state, origin
        self._heads: Heads | None = None
        self._tree, self._head_hash = Frontier(), ZERO_HASH
        self.kept = 0
        for epoch in epochs(disk, state):
            reader = LedgerReader(disk, state, epoch)
            size = reader.size()
            heads = reader.heads(size)
            if heads.origin == origin and size:
                self._heads, self._tree, self._head_hash = heads, reader.frontier_at(size), sha256(reader.entry(size - 1)).digest()
                self.kept = size
        self._header: Header | None = None
        self._records: list[bytes] = []
        self._bytes = 0

    @property
    def size(self) -> int:
        """Entries taken so far."""
        return self._tree.size

    @property
    def epoch(self) -> int | None:
        """The epoch that its genesis entry names."""
        return None if self._heads is None else self._heads.epoch

    def take(self, rows: Sequence[Held]) -> None:
        """Add entries that follow. Blocking. Raises FormatError: these do not; OSError."""
        for raw, body in rows:
            payload = parse(raw).payload
            if payload.seq != self.size or payload.prev != self._head_hash:
                raise FormatError("fetched_entry_misfit", seq=self.size)
            if self._heads is None:
                self._heads = self._first_heads(payload.kind, payload.detail)
            if self._header is None:
                self._header = Header(self.size, self._head_hash, tuple(self._tree.hashes), self._heads.copy())
            self._heads.apply(payload.kind, payload.seq, payload.boot, payload.mono_ms, payload.wall_ms, payload.detail)
            self._tree.append(leaf_hash(raw))
            self._head_hash = sha256(raw).digest()
            record = pack_record(raw, body or b"")
            self._records.append(record)
            self._bytes += len(record)
            if len(self._records) >= SEGMENT_ENTRIES_MAX or self._bytes >= SEGMENT_BYTES_MAX:
                self.flush()

    def flush(self) -> None:
        """Put what is in memory into a segment file. Blocking. Raises OSError."""
        if self._header is None or self._heads is None:
            return
        folder = ledger_folder(self._state, self._heads.epoch)
        for parent in (self._state, folder.parent, folder):
            self._disk.mkdir(parent)
        raw = pack_header(SEGMENT_MAGIC, self._header) + b"".join(self._records)
        write_atomically(self._disk, segment_path(folder, self._header.first_seq), raw)
        self._header, self._records, self._bytes = None, [], 0
        self.kept = self.size

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` entries, all of which are in files. Blocking. Raises StoreError, OSError."""
        if self._heads is None:
            raise StoreError("ledger_missing", folder=str(self._state))
        return LedgerReader(self._disk, self._state, self._heads.epoch).root_at(size)

    def _first_heads(self, kind: int, detail: Sequence[Any]) -> Heads:
        """Return what is in force before a genesis entry, as the gateway's own first segment has it."""
        if kind != Kind.GENESIS or detail[0] != self._origin:
            raise FormatError("fetched_entry_misfit", seq=0)
        origin, epoch, cose_key, _next, _previous, policy_hash = detail
        return Heads(origin, epoch, 0, 0, 0, None, None, (cose_key, 0), policy_hash, None)


async def fetch(mirror: MirrorClient, copy: Copy, origin: str, end: int, said: Callable[[int], None]) -> None:
    """Take what a mirror holds beyond what the copy has, up to entry `end`; keeps it also when it ends early.

    `said` gets the size now and then.

    Raises AnchorError, FormatError, OSError.
    """
    try:
        while copy.size < end and (rows := await mirror.read(origin, copy.size, min(ENTRIES_MAX, end - copy.size))):
            copy.take(rows)
            said(copy.size)
    finally:
        copy.flush()
