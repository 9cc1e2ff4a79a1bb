"""The tree against the recursive definitions of RFC 6962, and against every way to bend a proof that we know of."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.errors import FormatError
from ledger_client.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    consistent,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_root,
    root_from_inclusion,
    root_of,
)  # fmt: skip


def mth(entries: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    n = len(entries)
    if n == 0:
        return sha256().digest()
    if n == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path_of(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    n = len(entries)
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*path_of(m, entries[:k]), mth(entries[k:])]
    return [*path_of(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    n = len(entries)
    if m == n:
        return [] if whole else [mth(entries)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


ENTRIES = [n.to_bytes(2, "big") * (n % 5) for n in range(70)]
LEAVES = [leaf_hash(e) for e in ENTRIES]


def subtree(start: int, size: int) -> bytes:
    assert size & (size - 1) == 0
    assert start % size == 0
    return root_of(LEAVES[start : start + size])


@pytest.mark.parametrize("size", range(71))
def test_roots_and_frontiers_are_those_of_the_rfc(size: int) -> None:
    expected = mth(ENTRIES[:size])
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    assert root_of(LEAVES[:size]) == expected == frontier.root() == Frontier(size, frontier.hashes).copy().root()
    if size:
        assert range_root(subtree, 0, size) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 70])
def test_paths_are_those_of_the_rfc(size: int) -> None:
    root = mth(ENTRIES[:size])
    for index in range(size):
        path = inclusion_path(subtree, index, size)
        assert path == path_of(index, ENTRIES[:size])
        assert root_from_inclusion(index, size, LEAVES[index], path) == root
    for old in range(size + 1):
        path = consistency_path(subtree, old, size)
        assert path == (subproof(old, ENTRIES[:size], True) if old else [])
        assert consistent(old, size, mth(ENTRIES[:old]), root, path)


def bent_paths(path: list[bytes], extra: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The mutations of the transparency-dev proof tests: drop, add, repeat, swap, flip."""
    for other in (b"", bytes(32), sha256(b"").digest(), *extra):
        yield [*path, other]
        yield [other, *path]
    for i in range(len(path)):
        yield path[:i] + path[i + 1 :]
        yield [*path[:i], path[i], *path[i:]]
        yield [*path[:i], path[i][:-1], *path[i + 1 :]]
        for bit in (0, 100, 255):
            step = bytearray(path[i])
            step[bit >> 3] ^= 1 << (bit & 7)
            yield [*path[:i], bytes(step), *path[i + 1 :]]
    if len(path) > 1 and path[0] != path[-1]:
        yield [path[-1], *path[1:-1], path[0]]
    yield path * 70


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13, 33])
def test_bent_inclusion_proofs_lead_elsewhere(size: int) -> None:
    root = mth(ENTRIES[:size])
    for index in range(size):
        path, leaf = inclusion_path(subtree, index, size), LEAVES[index]
        bent = [(index, size, leaf, p) for p in bent_paths(path, (root, leaf)) if p != path]
        bent += [(i, size, leaf, path) for i in (-1, index ^ 1, index + 1, index - 1, index ^ 2, size, 1 << 62) if i != index]
        bent += [(index, s, leaf, path) for s in (0, 2 * size + 1, index) if s != size]
        bent += [(index, size, other, path) for other in (bytes(32), root if size > 1 else bytes(32), sha256(ENTRIES[index]).digest())]
        for case in bent:
            try:
                found = root_from_inclusion(*case)
            except FormatError:
                continue
            assert found != root, case


def other_sizes(old: int, new: int) -> list[tuple[int, int]]:
    return [(old - 1, new), (old + 1, new), (old, 2 * new), (old, old), (new, old), (0, new), (-1, new)]


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 5), (3, 7), (4, 8), (6, 8), (7, 13), (8, 33), (31, 33), (32, 64), (33, 70)])
def test_bent_consistency_proofs_are_refused(old: int, new: int) -> None:
    first, second = mth(ENTRIES[:old]), mth(ENTRIES[:new])
    path = consistency_path(subtree, old, new)
    assert consistent(old, new, first, second, path)
    bent = [(old, new, first, second, p) for p in bent_paths(path, (first, second)) if p != path]
    bent += [
        (o, n, first, second, path)
        for o, n in ((old - 1, new), (old + 1, new), (old, 2 * new), (old, old), (new, old), (0, new), (-1, new))
    ]
    bent += [
        (old, new, second, second, path),
        (old, new, first, first, path),
        (old, new, second, first, path),
        (old, new, bytes(32), second, path),
    ]
    bent += [(old, new, first, second, path[::-1])] if path[::-1] != path else []
    bent += [(old, new, first, second, [])]
    for case in bent:
        assert not consistent(*case), case


def test_the_empty_tree_and_equal_trees() -> None:
    root = mth(ENTRIES[:5])
    assert consistent(0, 5, EMPTY_ROOT, root, [])
    assert not consistent(0, 5, bytes(32), root, [])
    assert not consistent(0, 5, EMPTY_ROOT, root, [root])
    assert consistent(5, 5, root, root, [])
    assert not consistent(5, 5, root, bytes(32), [])
    assert not consistent(5, 5, root, root, [root])


def test_a_leaf_is_never_a_node() -> None:
    left, right = LEAVES[:2]
    assert node_hash(left, right) != leaf_hash(left + right)
    assert root_of([left, right]) == node_hash(left, right)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0))
def test_a_tree_with_another_past_is_never_consistent(old: int, more: int, seed: int) -> None:
    rng = random.Random(seed)
    hashes = [rng.randbytes(32) for _ in range(old + more)]

    def own(start: int, size: int) -> bytes:
        return root_of(hashes[start : start + size])

    path, root = consistency_path(own, old, old + more), root_of(hashes)
    assert consistent(old, old + more, root_of(hashes[:old]), root, path)
    if old:
        hashes[rng.randrange(old)] = rng.randbytes(32)
        assert not consistent(old, old + more, root_of(hashes[:old]), root, path)


def test_wrong_requests_and_frontiers_are_refused() -> None:
    for call in (lambda: inclusion_path(subtree, 3, 3), lambda: inclusion_path(subtree, -1, 3), lambda: consistency_path(subtree, 4, 3)):
        with pytest.raises(ValueError):
            call()
    for size, hashes in ((1, []), (0, [bytes(32)]), (3, [bytes(32)]), (1, [bytes(31)])):
        with pytest.raises(FormatError):
            Frontier(size, hashes)
