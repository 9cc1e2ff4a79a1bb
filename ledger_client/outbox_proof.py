"""A consistency proof that has been checked before it leaves: a damaged index of ours must not look like a fork to an anchor.

Room: ground. `outbox` makes one for each submission, in its thread; blocking, it reads the disk.
"""

from __future__ import annotations

from ledger_client.checkpoint import Checkpoint
from ledger_client.errors import StoreError
from ledger_client.merkle import EMPTY_ROOT, Subtree, consistency_path, consistent, range_root


def checked_proof(subtree: Subtree, old: int, checkpoint: Checkpoint) -> list[bytes]:
    """Return the proof from the first `old` entries to the checkpoint.

    Raises StoreError `tree_damaged` or as the subtree does, ValueError beyond the checkpoint, OSError.
    """
    path = consistency_path(subtree, old, checkpoint.size)
    old_root = range_root(subtree, 0, old) if old else EMPTY_ROOT
    if not consistent(old, checkpoint.size, old_root, checkpoint.root, path):
        raise StoreError("tree_damaged", size=old)
    return path
