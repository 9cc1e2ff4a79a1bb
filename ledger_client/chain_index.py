"""The chain's hold on its Merkle index: grows it, flushes it at roll-over, builds it again in the background when it is lost.

Room: ground. Only `chain` calls it. Whatever reads or writes the disk runs off the loop: in the evidence executor, and `subtree` in the
thread of whoever proves, one at a time. While the index is being built, appends go on and `subtree` says `tree_not_ready`; the
root never depends on the index.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar

from ledger_client.disk import Disk
from ledger_client.errors import LedgerError, StoreError
from ledger_client.reader import LedgerReader
from ledger_client.tree import Tree, TreeFiles

Result = TypeVar("Result")
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


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
        self._using = Lock()
        self.stopped: LedgerError | OSError | None = None

    @property
    def ready(self) -> bool:
        """Whether `subtree` can be asked."""
        return self._tree is not None

    def append(self, leaf: bytes) -> None:
        """Take in the leaf of a durable entry; a disk that fails here costs the index only. Blocking: a full subtree is read."""
        with self._using:
            if self._tree is None:
                self._waiting.append(leaf)
                return
            try:
                self._tree.append(leaf)
            except OSError as error:
                self._tree, self.stopped = None, error

    def subtree(self, start: int, size: int) -> bytes:
        """See merkle.Subtree. Blocking. Raises StoreError `tree_not_ready`, ValueError, OSError."""
        with self._using:
            if self._tree is None:
                raise StoreError("tree_not_ready")
            return self._tree.subtree(start, size)

    def flush(self) -> None:
        """Write what is in memory to the files, before a new segment is named. Blocking. Raises OSError."""
        with self._using:
            if self._tree is not None:
                self._tree.flush()

    async def rebuild(self, run: Run, is_closing: Callable[[], bool]) -> None:
        """Hash all entries before the newest segment and write what follows, one segment at a time; then take in what came meanwhile."""
        tree = Tree(self._files)
        try:
            await run(self._files.erase)
            for first_seq in await run(self._segments_before):
                await run(partial(self._take_segment, tree, first_seq))
                if is_closing():
                    return
            await run(partial(self._take_over, tree))
        except (LedgerError, OSError) as error:
            self.stopped = error

    def close(self) -> None:
        """Close the files. Blocking."""
        self._reader.close()
        self._files.close()

    def _take_segment(self, tree: Tree, first_seq: int) -> None:
        tree.extend(self._reader.leaves(first_seq))
        try:
            tree.flush()
        except OSError as error:
            if error.errno not in NO_SPACE:  # without space it waits in memory, as a grown one does
                raise

    def _take_over(self, tree: Tree) -> None:
        if tree.size != self._from:
            raise StoreError("segment_short", first_seq=self._from, seq=tree.size)
        with self._using:
            tree.extend(self._waiting)
            self._tree, self._waiting = tree, []

    def _segments_before(self) -> list[int]:
        return [first for first in self._reader.segments() if first < self._from]
