"""The root of a growing tree at every size so far, in little memory: what cosigned checkpoints are compared with. Pure.

Room: ground. The ledger verifier appends each leaf that it has itself hashed; no stored tree hash is ever believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ledger_client.merkle import EMPTY_ROOT, Frontier, node_hash

STRIDE: Final = 1 << 12
"""Frontiers are kept for this many sizes back, and for every multiple of it for good."""

LeavesOf = Callable[[int, int], Iterable[bytes]]
"""(start, end) -> leaf hashes [start, end), read anew."""


class PastRoots:
    """Gives `root(size)` for sizes up to the present one. Old sizes off the stride read up to STRIDE leaves again."""

    def __init__(self, leaves_of: LeavesOf) -> None:
        self._leaves_of = leaves_of
        self._now = Frontier()
        self._recent: list[tuple[bytes, ...]] = [()] * STRIDE
        self._kept: list[tuple[bytes, ...]] = [()]

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._now.size

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        self._now.append(leaf)
        size, hashes = self._now.size, tuple(self._now.hashes)
        self._recent[size % STRIDE] = hashes
        if size % STRIDE == 0:
            self._kept.append(hashes)

    def root(self, size: int) -> bytes:
        """Return the root at a size. Raises ValueError beyond the present one, and what reading leaves again raises."""
        if not 0 <= size <= self._now.size:
            raise ValueError(f"no root at {size} in a tree of {self._now.size}")
        if size > self._now.size - STRIDE:
            return _root(self._recent[size % STRIDE])
        start = size - size % STRIDE
        frontier = Frontier(start, self._kept[start // STRIDE])
        for leaf in self._leaves_of(start, size):
            frontier.append(leaf)
        return frontier.root()


def _root(hashes: tuple[bytes, ...]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root
