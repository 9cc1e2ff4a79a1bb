"""The chain's hold on its Merkle index: grows it, flushes it at roll-over, builds it again in the background when it is lost.

Room: ground. Only `chain` calls it, on the loop; what blocks is marked and goes to the evidence executor. While the index is
being built, appends go on and `subtree` says `tree_not_ready`; the root never depends on the index.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from ledger_client.disk import Disk
from ledger_client.errors import LedgerError, StoreError
from ledger_client.reader import LedgerReader
from ledger_client.tree import Tree, TreeFiles

Result = TypeVar("Result")


class Run(Protocol):
    """Runs a blocking call in the evidence executor."""

    def __call__(self, call: Callable[[], Result], /) -> Awaitable[Result]:
        """Return what the call returns."""
        ...


class ChainIndex:
    """`ready` until it is lost; `stopped` tells why it will not come back before a restart."""

    def __init__(self, disk: Disk, state: Path, epoch: int, files: TreeFiles, tree: Tree | None, newest: tuple[int, list[bytes]]) -> None:
        """`newest` = first seq and leaf hashes of the newest segment: what is kept beside the files while there is no tree."""
        self._reader = LedgerReader(disk, state, epoch)
        self._files = files
        self._tree = tree
        self._from, self._waiting = newest if tree is None else (0, [])
        self.stopped: LedgerError | OSError | None = None

    @property
    def ready(self) -> bool:
        """Whether `subtree` can be asked."""
        return self._tree is not None

    def append(self, leaf: bytes) -> None:
        """Take in the leaf of a durable entry; a disk that fails here costs the index only."""
        if self._tree is None:
            self._waiting.append(leaf)
            return
        try:
            self._tree.append(leaf)
        except OSError as error:
            self._tree, self.stopped = None, error

    def subtree(self, start: int, size: int) -> bytes:
        """See merkle.Subtree. Raises StoreError `tree_not_ready`, ValueError, OSError."""
        if self._tree is None:
            raise StoreError("tree_not_ready")
        return self._tree.subtree(start, size)

    async def flush(self, run: Run) -> None:
        """Write what is in memory to the files, before a new segment is named. Raises OSError."""
        tree = self._tree
        if tree is not None:
            tree.flushed(await run(tree.flush))

    async def rebuild(self, run: Run, is_closing: Callable[[], bool]) -> None:
        """Hash all entries before the newest segment, one segment at a time, then take in what came meanwhile."""
        tree = Tree(self._files)
        try:
            await run(self._files.erase)
            for first_seq in await run(self._segments_before):
                leaves = await run(partial(self._reader.leaves, first_seq))
                if is_closing():
                    return
                tree.extend(leaves)
            if tree.size != self._from:
                raise StoreError("segment_short", first_seq=self._from, seq=tree.size)
            tree.extend(self._waiting)
        except (LedgerError, OSError) as error:
            self.stopped = error
            return
        self._tree, self._waiting = tree, []

    def close(self) -> None:
        """Close the files. Blocking."""
        self._reader.close()
        self._files.close()

    def _segments_before(self) -> list[int]:
        return [first for first in self._reader.segments() if first < self._from]
