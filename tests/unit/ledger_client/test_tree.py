"""The index of hashes against roots computed from the leaves."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest

from ledger_client.merkle import Frontier, inclusion_path, root_from_inclusion, root_of
from ledger_client.tree import Tree, TreeFiles, load_tree
from tests.simulation.disk import ShimDisk

FOLDER = Path("/state/index/1")


def leaves(count: int) -> list[bytes]:
    return [sha256(b"%d" % n).digest() for n in range(count)]


def stored(count: int, every: int) -> tuple[ShimDisk, Tree]:
    """Build a tree as the chain does, flushing now and then."""
    disk = ShimDisk()
    tree = Tree(TreeFiles(disk, FOLDER))
    for number, leaf in enumerate(leaves(count), 1):
        tree.append(leaf)
        if number % every == 0:
            tree.flush()
    return disk, tree


@pytest.mark.parametrize("every", [100, 256, 5000])
def test_any_subtree_is_the_root_of_its_leaves(every: int) -> None:
    count = 3000
    _disk, tree = stored(count, every)
    hashes = leaves(count)
    rng = random.Random(every)
    for _try in range(100):
        size = 1 << rng.randrange(12)
        start = rng.randrange(count // size) * size
        assert tree.subtree(start, size) == root_of(hashes[start : start + size])
    root = root_of(hashes)
    for index in (0, 255, 256, 2999):
        assert root_from_inclusion(index, count, hashes[index], inclusion_path(tree.subtree, index, count)) == root
    for start, size in ((0, 3), (1, 2), (2048, 1024), (0, 4096)):
        with pytest.raises(ValueError, match="no subtree"):
            tree.subtree(start, size)


def test_files_are_taken_up_again_only_when_they_agree() -> None:
    disk, _tree = stored(1500, 300)
    hashes = leaves(1500)

    def frontier(size: int) -> list[bytes]:
        tree = Frontier()
        for leaf in hashes[:size]:
            tree.append(leaf)
        return tree.hashes

    for size in (0, 256, 1000, 1500):
        again = load_tree(TreeFiles(disk, FOLDER), size, frontier(size))
        assert again is not None
        again.extend(hashes[size:])
        assert again.subtree(0, 1024) == root_of(hashes[:1024])
    wrong = frontier(1500)
    wrong[-1] = bytes(32)
    assert load_tree(TreeFiles(disk, FOLDER), 1500, wrong) is None
    longer = Frontier()
    for leaf in leaves(1501):
        longer.append(leaf)
    assert load_tree(TreeFiles(disk, FOLDER), 1501, longer.hashes) is None
    TreeFiles(disk, FOLDER).erase()
    assert load_tree(TreeFiles(disk, FOLDER), 1500, frontier(1500)) is None


def test_three_levels() -> None:
    count = 65_536 + 300
    _disk, tree = stored(count, 4096)
    hashes = leaves(count)
    assert tree.subtree(0, 65_536) == root_of(hashes[:65_536])
    assert tree.subtree(65_536, 256) == root_of(hashes[65_536 : 65_536 + 256])
