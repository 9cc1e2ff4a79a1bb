"""The hashes behind every proof: full subtrees of 256^level leaves, in files that can be made again from the entries.

Room: ground. The chain appends a leaf per durable entry and flushes at segment roll-over; readers load it read-only. The
files hold only leaves before the newest segment, and are flushed before that segment gets its name: a start takes the rest
from the segment itself, and a power cut costs nothing. A damaged or missing index is noticed against the header's frontier
and built again; it never changes what a proof must prove. Source: docs/ledger-format.md section 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from ledger_client.disk import Disk
from ledger_client.merkle import root_of

FANOUT_BITS: Final = 8
FANOUT: Final = 1 << FANOUT_BITS
LEVELS_MAX: Final = 8
HASH_SIZE: Final = 32


class TreeFiles:
    """The files `tree.<level>` of one epoch. Blocking; every call raises OSError as the disk does."""

    def __init__(self, disk: Disk, folder: Path, *, write: bool = True) -> None:
        self._disk = disk
        self._folder = folder
        self._write = write
        self._handles: dict[int, int] = {}
        self._opening = Lock()

    def read(self, level: int, index: int, count: int) -> list[bytes]:
        """Return up to `count` hashes from `index` on; fewer when the file is shorter or missing."""
        handle = self._open(level, create=False)
        raw = b"" if handle is None else self._disk.pread(handle, count * HASH_SIZE, index * HASH_SIZE)
        return [raw[i : i + HASH_SIZE] for i in range(0, len(raw) - HASH_SIZE + 1, HASH_SIZE)]

    def write(self, level: int, index: int, hashes: Sequence[bytes]) -> None:
        """Put hashes in their place, durable on return."""
        handle = self._open(level, create=True)
        assert handle is not None
        self._disk.pwrite(handle, b"".join(hashes), index * HASH_SIZE)
        self._disk.fdatasync(handle)

    def erase(self) -> None:
        """Remove all files; a rebuild starts from nothing."""
        self.close()
        for name in self._disk.names(self._folder):
            if name.startswith("tree."):
                self._disk.unlink(self._folder / name)

    def close(self) -> None:
        """Close the handles."""
        while self._handles:
            self._disk.close(self._handles.popitem()[1])

    def _open(self, level: int, *, create: bool) -> int | None:
        # Two readers of the history may be the first to need a level.
        with self._opening:
            return self._handle_of(level, create=create)

    def _handle_of(self, level: int, *, create: bool) -> int | None:
        if level not in self._handles:
            path = self._folder / f"tree.{level}"
            if path.name in self._disk.names(self._folder):
                self._handles[level] = self._disk.open(path, write=self._write)
            elif create:
                self._disk.mkdir(self._folder)
                self._handles[level] = self._disk.open(path, create=True)
                self._disk.sync_folder(self._folder)
            else:
                return None
        return self._handles[level]


class Tree:
    """The tree of a log: answers `subtree` for merkle's proofs. The newest hashes are in memory until they are flushed."""

    def __init__(self, files: TreeFiles | None, size: int = 0) -> None:
        """Build on `size` leaves that the files hold already; without files everything stays in memory."""
        self._files = files
        self._flushed = size
        self._tails: list[list[bytes]] = [[] for _ in range(LEVELS_MAX)]
        self.size = size

    def append(self, leaf: bytes) -> None:
        """Add the leaf hash of the next entry. Raises OSError (reads up to 256 hashes when a subtree completes)."""
        self._tails[0].append(leaf)
        self.size += 1
        for level in range(1, LEVELS_MAX):
            span = 1 << FANOUT_BITS * level
            if self.size % span:
                return
            below = self._hashes(level - 1, (self.size >> FANOUT_BITS * (level - 1)) - FANOUT, FANOUT)
            self._tails[level].append(root_of(below))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add several."""
        for leaf in leaves:
            self.append(leaf)

    def subtree(self, start: int, size: int) -> bytes:
        """Return the root of leaves [start, start + size); see merkle.Subtree. Raises ValueError beyond the tree, OSError."""
        if size < 1 or size & (size - 1) or start % size or start + size > self.size:
            raise ValueError(f"no subtree of {size} at {start} in a tree of {self.size}")
        level = min((size.bit_length() - 1) // FANOUT_BITS, LEVELS_MAX - 1)
        shift = FANOUT_BITS * level
        return root_of(self._hashes(level, start >> shift, size >> shift))

    def flush(self) -> None:
        """Write what is in memory to the files and let go of it. Blocking. Raises OSError: then it stays in memory."""
        if self._files is None:
            return
        for level, tail in enumerate(self._tails):
            if tail:
                self._files.write(level, self._flushed >> FANOUT_BITS * level, tail)
        self._flushed = self.size
        self._tails = [[] for _ in range(LEVELS_MAX)]

    def _hashes(self, level: int, index: int, count: int) -> list[bytes]:
        """Return hashes [index, index + count) of a level, from the files and then from memory."""
        stored = self._flushed >> FANOUT_BITS * level
        found: list[bytes] = []
        if index < stored and self._files is not None:
            found = self._files.read(level, index, min(count, stored - index))
        rest = count - len(found)
        if rest:
            begin = index + len(found) - stored
            found += self._tails[level][begin : begin + rest] if begin >= 0 else []
        if len(found) != count:
            raise OSError(f"tree.{level} is shorter than the log")
        return found


def load_tree(files: TreeFiles, first_seq: int, frontier: Sequence[bytes]) -> Tree | None:
    """Return the tree of the entries before the newest segment, None when the files do not agree with its header. Raises OSError."""
    tree = Tree(files, first_seq)
    start, remaining = 0, list(frontier)
    for level in range(LEVELS_MAX):
        stored = first_seq >> FANOUT_BITS * level
        if stored and not files.read(level, stored - 1, 1):
            return None
    for bit in range(first_seq.bit_length() - 1, -1, -1):
        if first_seq >> bit & 1:
            if tree.subtree(start, 1 << bit) != remaining.pop(0):
                return None
            start += 1 << bit
    return tree
