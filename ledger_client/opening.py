"""Everything that has to be read before a chain can go on, in one blocking call for the evidence executor.

Room: ground. `Chain` calls `open_ledger` once. It writes only what recovery must (see recovery.py), and never an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger_client.disk import Disk
from ledger_client.entry import ZERO_HASH
from ledger_client.errors import CorruptError, LedgerError, StoreError
from ledger_client.heads import Heads
from ledger_client.keys import PublicKey
from ledger_client.reader import LedgerReader, index_folder, ledger_folder
from ledger_client.records import Header
from ledger_client.recovery import Scanned, first_seqs, read_newest, recover
from ledger_client.schema import SchemaState
from ledger_client.segments import SegmentShape, SegmentStore, create_first
from ledger_client.tree import Tree, TreeFiles, load_tree


@dataclass(slots=True)
class Opened:
    """What an opened ledger is. `store` is None when it must not be written; `tree` is None until the index is built again."""

    seen: Scanned
    schema: SchemaState
    files: TreeFiles
    tree: Tree | None
    store: SegmentStore | None
    fault: LedgerError | None


def open_ledger(disk: Disk, state: Path, epoch: int, shape: SegmentShape) -> Opened:
    """Recover the ledger of an epoch. Raises StoreError `ledger_missing`, CorruptError when its header is damaged, OSError."""
    folder = ledger_folder(state, epoch)
    seen, handle = recover(disk, folder)
    files = TreeFiles(disk, index_folder(state, epoch))
    store: SegmentStore | None = SegmentStore(disk, folder, shape, seen, handle)
    fault: LedgerError | None = seen.fault
    schema = SchemaState()
    try:
        tree = _index_of(files, seen)
        try:
            schema = LedgerReader(disk, state, epoch).schema_at(seen.size)
        except LedgerError as error:
            fault = fault or CorruptError("schema_damaged", reason=error.code)
    except OSError:
        if store is not None:
            store.close()
        files.close()
        raise
    if fault is not None and store is not None:
        store.close()
        store = None
    return Opened(seen, schema, files, tree, store, fault)


def _index_of(files: TreeFiles, seen: Scanned) -> Tree | None:
    """Return the tree that the index gives, None when it has to be built again: also where the disk cannot read it."""
    try:
        tree = load_tree(files, seen.header.first_seq, seen.header.frontier)
        if tree is not None:
            tree.extend(seen.leaves)
    except OSError:
        return None
    return tree


def make_ledger(disk: Disk, state: Path, key: PublicKey, shape: SegmentShape, *, origin: str, epoch: int, policy_hash: bytes) -> None:
    """Make the folders and the empty first segment of a ledger; going on after an interrupted attempt is fine.

    Raises StoreError `ledger_exists` when it holds an entry already, `disk_full`; OSError.
    """
    folder = ledger_folder(state, epoch)
    heads = Heads(origin, epoch, 0, 0, 0, None, None, (key.cose, 0), policy_hash, None)
    if first_seqs(disk.names(folder)):
        seen = read_newest(disk, folder)
        if seen.size or seen.heads != heads:
            raise StoreError("ledger_exists", epoch=epoch)
        return
    for place in (folder, state / "private"):
        disk.mkdir(place)
        for parent in (place.parent, state):
            disk.sync_folder(parent)
    create_first(disk, folder, Header(0, ZERO_HASH, (), heads), shape)
