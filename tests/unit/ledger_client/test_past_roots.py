"""Roots at any size so far."""

from __future__ import annotations

import pytest

from ledger_client.merkle import leaf_hash, root_of
from ledger_client.past_roots import STRIDE, PastRoots


def test_past_roots_are_those_of_the_tree() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(STRIDE + 700)]
    read: list[tuple[int, int]] = []

    def again(start: int, end: int) -> list[bytes]:
        read.append((start, end))
        return leaves[start:end]

    roots = PastRoots(again)
    assert roots.root(0) == root_of([])
    for leaf in leaves:
        roots.append(leaf)
    for size in (0, 1, 2, 699, 700, 701, 4095, STRIDE, STRIDE + 1, STRIDE + 699, STRIDE + 700):
        assert roots.root(size) == root_of(leaves[:size]), size
    assert all(end - start < STRIDE for start, end in read)
    with pytest.raises(ValueError):
        roots.root(STRIDE + 701)
