"""The Merkle tree of RFC 6962 section 2.1: roots, frontiers, proofs and their verification. Pure.

Room: ground. Called by checkpoint, chain, proof, verify and the anchor's witness. It holds no tree: proofs are made from a
`subtree` function that answers for the hash of a full aligned subtree, whoever stores those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from ledger_client.errors import FormatError

EMPTY_ROOT = sha256(b"").digest()
PATH_MAX = 63

Subtree = Callable[[int, int], bytes]
"""(start, size) -> root of leaves [start, start + size); size a power of two, start a multiple of it."""


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the RFC 6962 root over leaf hashes (EMPTY_ROOT for none)."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        paired = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2])]  # noqa: B905 - an odd one follows
        if len(level) & 1:
            paired.append(level[-1])
        level = paired
    return level[0]


class Frontier:
    """The full subtrees of a growing tree, largest first: enough to append and to give the root, in O(log n) memory."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size.bit_count() != len(hashes) or any(len(h) != 32 for h in hashes):
            raise FormatError("frontier_invalid", size=size, hashes=len(hashes))
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self.hashes.pop(), carry)
            size >>= 1
        self.hashes.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        """Return an independent frontier of the same tree."""
        return Frontier(self.size, self.hashes)


def range_root(subtree: Subtree, start: int, end: int) -> bytes:
    """Return MTH over leaves [start, end) of a tree; `start` must be aligned as RFC 6962's recursion gives it."""
    count = end - start
    if count & (count - 1) == 0:
        return subtree(start, count)
    split = _split(count)
    return node_hash(subtree(start, split), range_root(subtree, start + split, end))


def inclusion_path(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]) of RFC 6962, from the leaf up. Raises ValueError when index >= size."""
    if not 0 <= index < size:
        raise ValueError(f"index {index} is outside a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(subtree, middle, end))
            end = middle
        else:
            path.append(range_root(subtree, start, middle))
            start = middle
    return path[::-1]


def consistency_path(subtree: Subtree, old: int, new: int) -> list[bytes]:
    """Return PROOF(old, D[new]) of RFC 6962; empty when old is 0 or equals new. Raises ValueError when old > new."""
    if not 0 <= old <= new:
        raise ValueError(f"no consistency from {old} to {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(subtree, middle, end))
            end = middle
        else:
            path.append(range_root(subtree, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_root(subtree, start, end))
    return path[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Return the root that `path` gives for `leaf` at `index` (RFC 9162 section 2.1.3.2). Raises FormatError when it cannot."""
    if not 0 <= index < size or len(path) > PATH_MAX:
        raise FormatError("inclusion_invalid", index=index, size=size)
    node, last, root = index, size - 1, leaf
    for step in path:
        if last == 0 or len(step) != 32:
            raise FormatError("inclusion_invalid", index=index, size=size)
        if node & 1 or node == last:
            root = node_hash(step, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    if last:
        raise FormatError("inclusion_invalid", index=index, size=size)
    return root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether `path` proves that the tree of `new` extends the tree of `old` (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new or len(path) > PATH_MAX or any(len(step) != 32 for step in path):
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, step)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(count: int) -> int:
    """Return the largest power of two smaller than count (count >= 2)."""
    return 1 << ((count - 1).bit_length() - 1)
