"""Reading a ledger from its files: what history, the verifier, proofs and the signer's start use. Never writes.

Room: ground. Safe beside a running chain, from another process too. A record that is whole in the file may not be durable
yet, so whoever lets something leave the process binds the reader to the core's published size with `head`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ledger_client import cbor
from ledger_client.details import body_commitment
from ledger_client.disk import Disk
from ledger_client.entry import parse
from ledger_client.errors import CorruptError, FormatError, StoreError
from ledger_client.heads import Heads
from ledger_client.kinds import Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.recovery import first_seqs
from ledger_client.schema import SchemaState
from ledger_client.segment_view import SegmentView, WholeSegment, open_view, read_header
from ledger_client.tree import Tree, TreeFiles, load_tree

VIEWS_KEPT = 3
SCHEMAS_KEPT = 8


class LedgerReader:
    """One epoch's ledger, read-only. Blocking; raises StoreError and OSError for the disk, IndexError beyond the size."""

    def __init__(self, disk: Disk, state: Path, epoch: int, *, head: Callable[[], int] | None = None) -> None:
        """`head` gives the size that the core has published; without it everything whole in the files counts."""
        self._disk = disk
        self._folder = ledger_folder(state, epoch)
        self._index_folder = index_folder(state, epoch)
        self._head = head
        self._known: dict[int, set[str]] = {}
        self._order: list[int] = []
        self._views: OrderedDict[int, SegmentView] = OrderedDict()
        self._schemas: OrderedDict[int, SchemaState] = OrderedDict()
        self._tree: Tree | None = None
        self._files: TreeFiles | None = None

    def size(self) -> int:
        """Look at the files and return how many entries can be read."""
        self._list()
        newest = self._view(self._order[-1])
        if isinstance(newest, WholeSegment):
            newest.grow()
        size = self._order[-1] + newest.count
        return size if self._head is None else min(size, self._head())

    def entry(self, seq: int) -> bytes:
        """Return an entry's exact bytes."""
        view, index = self._find(seq)
        return view.entry(index)

    def body(self, seq: int) -> bytes | None:
        """Return an entry's body: empty when it commits to none, None when it is withheld."""
        view, index = self._find(seq)
        body = view.body(index)
        if body:
            return body
        _version, kind, *_rest, detail = _payload(view.entry(index))
        committed = body_commitment(kind, detail) if kind < 128 else None
        return b"" if committed is None or committed[0] == 0 else None

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the entries [start, end), segment by segment."""
        seq = start
        while seq < end:
            view, index = self._find(seq)
            for position in range(index, min(view.count, index + end - seq)):
                yield view.entry(position)
                seq += 1

    def heads(self, at: int) -> Heads:
        """Return what was in force before entry `at` (`at` = size: now)."""
        first = self._first_of(at)
        view = self._view(first)
        heads = view.header.heads.copy()
        for seq in range(first, at):
            _version, kind, _seq, _prev, boot, mono_ms, wall_ms, _clock, _seen, detail = _payload(view.entry(seq - first))
            heads.apply(kind, seq, boot, mono_ms, wall_ms, detail)
        return heads

    def schema_at(self, seq: int) -> SchemaState:
        """Return the schema in force before entry `seq`. Raises StoreError `schema_withheld`, FormatError when it does not fit its hash."""
        named = self.heads(seq).schema
        if named is None:
            return SchemaState()
        full_seq, last_seq, state_hash = named
        found = self._schemas.get(last_seq)
        if found is None:
            found = self._build_schema(full_seq, last_seq)
            if found.state_hash != state_hash:
                raise FormatError("schema_hash_differs", seq=last_seq)
            self._schemas[last_seq] = found
            while len(self._schemas) > SCHEMAS_KEPT:
                self._schemas.popitem(last=False)
        return found

    def root_at(self, size: int) -> bytes:
        """Return the root of the first `size` entries; reads one segment."""
        return self.frontier_at(size).root()

    def frontier_at(self, size: int) -> Frontier:
        """Return the frontier of the first `size` entries; reads one segment."""
        first = self._first_of(size)
        view = self._view(first)
        tree = view.header.tree
        for index in range(size - first):
            tree.append(leaf_hash(view.entry(index)))
        return tree

    def subtree(self, start: int, size: int) -> bytes:
        """Return the root of an aligned full subtree (see merkle.Subtree), from the index or, where that fails, the entries."""
        known = self.size()
        if self._tree is None:
            self._tree = self._load_tree()
        while self._tree.size < known:
            self._tree.append(leaf_hash(self.entry(self._tree.size)))
        return self._tree.subtree(start, size)

    def leaves(self, first_seq: int) -> list[bytes]:
        """Return the leaf hashes of the segment that begins at `first_seq`."""
        self._list()
        view = self._view(first_seq)
        return [leaf_hash(view.entry(i)) for i in range(view.count)]

    def segments(self) -> dict[int, set[str]]:
        """Return first seq -> suffixes of the files there, in order."""
        self._list()
        return {first: self._known[first] for first in self._order}

    def close(self) -> None:
        """Release the index's handles."""
        if self._files is not None:
            self._files.close()

    def _list(self) -> None:
        known = first_seqs(self._disk.names(self._folder))
        if not known:
            raise StoreError("ledger_missing", folder=self._folder.name)
        if known != self._known:
            self._known, self._order = known, sorted(known)
            if self._order[-1] not in self._views and self._views:
                # The segment that was newest has been closed since it was read: take it in again when asked.
                self._views.clear()

    def _first_of(self, seq: int) -> int:
        if not self._order or seq >= self._order[-1]:
            self._list()
        position = bisect_right(self._order, seq)
        if seq < 0 or not position:
            raise IndexError(seq)
        return self._order[position - 1]

    def _find(self, seq: int) -> tuple[SegmentView, int]:
        if self._head is not None and seq >= self._head():
            raise IndexError(seq)
        first = self._first_of(seq)
        view = self._view(first)
        if seq - first >= view.count and isinstance(view, WholeSegment):
            view.grow()
        if seq - first >= view.count:
            if first != self._order[-1]:
                raise CorruptError("segment_short", first_seq=first, seq=seq)
            raise IndexError(seq)
        return view, seq - first

    def _view(self, first: int) -> SegmentView:
        view = self._views.get(first)
        if view is None:
            try:
                view = open_view(self._disk, self._folder, first, self._known.get(first, set()))
            except FileNotFoundError:
                self._list()
                view = open_view(self._disk, self._folder, first, self._known.get(first, set()))
            self._views[first] = view
            while len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(first)
        return view

    def _build_schema(self, full_seq: int, last_seq: int) -> SchemaState:
        state = SchemaState()
        for seq, raw in enumerate(self.entries(full_seq, last_seq + 1), full_seq):
            if _payload(raw)[1] != Kind.SCHEMA:
                continue
            body = self.body(seq)
            if body is None:
                raise StoreError("schema_withheld", seq=seq)
            state = state.apply(body, full=bool(parse(raw).payload.detail[3]))
        return state

    def _load_tree(self) -> Tree:
        """Load the index; of a ledger without one (a copy, an export) hash everything into memory."""
        newest = self._order[-1]
        header = read_header(self._disk, self._folder, newest, self._known[newest])
        self._files = TreeFiles(self._disk, self._index_folder, write=False)
        loaded = load_tree(self._files, newest, header.frontier)
        return Tree(None) if loaded is None else loaded


def ledger_folder(state: Path, epoch: int) -> Path:
    """Return the folder of an epoch's segments."""
    return state / "ledger" / str(epoch)


def index_folder(state: Path, epoch: int) -> Path:
    """Return the folder of an epoch's rebuildable index."""
    return state / "index" / str(epoch)


def epochs(disk: Disk, state: Path) -> list[int]:
    """Return the epochs that have a folder, ascending."""
    return sorted(int(name) for name in disk.names(state / "ledger") if name.isascii() and name.isdigit())


def older_epochs(disk: Disk, state: Path, epoch: int) -> dict[int, LedgerReader]:
    """Return readers of the epochs before one."""
    return {each: LedgerReader(disk, state, each) for each in epochs(disk, state) if each < epoch}


def _payload(raw: bytes) -> Any:
    """Take a stored entry apart without judging it. Raises CorruptError."""
    try:
        row = cbor.peek(cbor.peek(raw).value[2])
        if len(row) == 10:
            return row
    except (FormatError, AttributeError, LookupError, TypeError) as error:
        raise CorruptError("record_invalid", offset=0, reason="entry") from error
    raise CorruptError("record_invalid", offset=0, reason="entry")
