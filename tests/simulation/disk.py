"""A disk in memory that remembers every write and flush, and can tell what any power cut would leave.

Room: tests, also for authors of plug-ins that keep state through `ledger_client.disk.Disk`. `ShimDisk` behaves like the system's
own disk; `crash_states` replays its log up to a random moment and yields images of what could then be on the medium:

- of every 512-byte sector written since the last flush of its file: any of the versions it had since, or the old one;
- a file's size is the flushed one or any it had since;
- a name (create, rename, unlink, mkdir) counts for sure only after `sync_folder` of its folder; before that, any subset counts;
- after a flush that failed, what it covered may or may not be there, and no later flush makes it durable unless it is written again.

    disk = ShimDisk()
    ...                                         # run; note `disk.position` beside each thing that was acknowledged
    for crash in disk.crash_states(seed=7, count=100):
        again = ShimDisk.from_image(crash.image)       # what was acknowledged at or before crash.position must be there
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
Image = dict[Path, bytes | None]
"""Path -> content; None is a folder."""


@dataclass
class Faults:
    """What goes wrong, and when. All of it can be changed while the disk is in use."""

    fail_sync_at: int | None = None
    """The how-manieth fdatasync from now on fails with EIO (1 = the next)."""
    fail_write_at: int | None = None
    """The same for pwrite."""
    read_only: bool = False
    """Every change fails with EROFS, as after a remount."""
    capacity_bytes: int | None = None
    """Growing files beyond this sum of sizes fails with ENOSPC."""
    flush_s: float = 0.0
    """How long a flush takes; handed to `stall`."""


@dataclass
class Crash:
    """One possible state after a power cut at a position of the log."""

    seed: int
    position: int
    image: Image


@dataclass
class _File:
    number: int
    data: bytearray = field(default_factory=bytearray)


class ShimDisk:
    """See the module. `stall(seconds)` is called for slow flushes, for instance a virtual loop's `block`."""

    def __init__(self, stall: Callable[[float], None] | None = None) -> None:
        self.faults = Faults()
        self.log: list[tuple] = []
        self._stall = stall or (lambda seconds: None)
        self._files: dict[Path, _File] = {}
        self._folders: set[Path] = set()
        self._handles: dict[int, tuple[_File, bool]] = {}
        self._numbers = 0
        self._start: Image = {}

    @classmethod
    def from_image(cls, image: Image, stall: Callable[[float], None] | None = None) -> ShimDisk:
        """Return a disk on which exactly this is durable."""
        disk = cls(stall)
        disk._start = dict(image)
        for path, data in image.items():
            if data is None:
                disk._folders.add(path)
            else:
                disk._folders.update(path.parents)
                disk._files[path] = disk._new_file(data)
        return disk

    @property
    def position(self) -> int:
        """How much has happened: note it beside what was acknowledged."""
        return len(self.log)

    def image(self) -> Image:
        """Return what the processes see now: what is there after the process died and the machine did not."""
        found: Image = dict.fromkeys(self._folders)
        return found | {path: bytes(file.data) for path, file in self._files.items()}

    def restart(self) -> ShimDisk:
        """Return the same disk for the next process: handles are gone, the page cache and the log stay."""
        self._handles = {}
        return self

    # ---------------------------------------------------------------------------------------------- ledger_client.disk.Disk

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        file = self._files.get(path)
        if create:
            self._change()
            if file is not None:
                raise FileExistsError(errno.EEXIST, "exists", str(path))
            if path.parent not in self._folders:
                raise FileNotFoundError(errno.ENOENT, "no folder", str(path))
            file = self._files[path] = self._new_file(b"")
            self.log.append(("name", {path: file.number}))
        elif file is None:
            raise FileNotFoundError(errno.ENOENT, "missing", str(path))
        elif write and self.faults.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self._numbers += 1
        self._handles[self._numbers] = (file, write)
        return self._numbers

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        return bytes(self._handles[handle][0].data[offset : offset + size])

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        file = self._writable(handle)
        if self._count_down("fail_write_at"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._grow(file, offset + len(data))
        file.data[offset : offset + len(data)] = data
        self.log.append(("write", file.number, offset, bytes(data)))

    def truncate(self, handle: int, size: int) -> None:
        """Change a file's size. Not for `ledger_client`, which never does; SQLite does."""
        file = self._writable(handle)
        self._grow(file, size)
        del file.data[size:]
        self.log.append(("size", file.number, size))

    def size(self, handle: int) -> int:
        return len(self._handles[handle][0].data)

    def fdatasync(self, handle: int) -> None:
        file = self._writable(handle)
        if self.faults.flush_s:
            self._stall(self.faults.flush_s)
        if self._count_down("fail_sync_at"):
            self.log.append(("sync_failed", file.number))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.log.append(("sync", file.number))

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        self.pwrite(handle, data, offset)
        self.fdatasync(handle)

    def replace(self, source: Path, target: Path) -> None:
        self._change()
        if source not in self._files:
            raise FileNotFoundError(errno.ENOENT, "missing", str(source))
        file = self._files[target] = self._files.pop(source)
        self.log.append(("name", {source: None, target: file.number}))

    def unlink(self, path: Path) -> None:
        self._change()
        if self._files.pop(path, None) is None:
            raise FileNotFoundError(errno.ENOENT, "missing", str(path))
        self.log.append(("name", {path: None}))

    def mkdir(self, path: Path) -> None:
        if path in self._folders:
            return
        self._change()
        for folder in (*reversed(path.parents), path):
            if folder not in self._folders:
                self._folders.add(folder)
                self.log.append(("folder", folder))

    def sync_folder(self, path: Path) -> None:
        self.log.append(("sync_folder", path))

    def names(self, path: Path) -> list[str]:
        return sorted(p.name for p in (*self._files, *self._folders) if p.parent == path and p != path)

    def free_bytes(self, path: Path) -> int:
        if self.faults.capacity_bytes is None:
            return 1 << 40
        return max(0, self.faults.capacity_bytes - self._used())

    # ---------------------------------------------------------------------------------------------------------- crashes

    def crash_states(self, *, seed: int, count: int, first: int = 0) -> Iterator[Crash]:
        """Yield `count` states, each of its own seed (`seed`, `seed` + 1, ...), at positions from `first` on, by position."""
        draws = [(number, random.Random(number)) for number in range(seed, seed + count)]
        placed = sorted(((rng.randint(first, len(self.log)), number, rng) for number, rng in draws), key=lambda each: each[:2])
        medium, done = _Medium(self._start), 0
        for position, number, rng in placed:
            for entry in self.log[done:position]:
                medium.apply(entry)
            done = position
            yield Crash(number, position, medium.image(rng))

    def every_state(self, *, seed: int, each: int, first: int = 0) -> Iterator[Crash]:
        """Yield `each` states at every position from `first` on: for a short log of which no moment may be left out."""
        medium = _Medium(self._start)
        for position in range(len(self.log) + 1):
            for number in range(seed, seed + each) if position >= first else ():
                yield Crash(number, position, medium.image(random.Random(f"{number} {position}")))
            if position < len(self.log):
                medium.apply(self.log[position])

    def crash_state(self, seed: int, *, first: int = 0) -> Crash:
        """Return the state of one seed: what a failing test replays."""
        return next(self.crash_states(seed=seed, count=1, first=first))

    # ------------------------------------------------------------------------------------------------------------ parts

    def _new_file(self, data: bytes) -> _File:
        self._numbers += 1
        return _File(self._numbers, bytearray(data))

    def _writable(self, handle: int) -> _File:
        self._change()
        file, write = self._handles[handle]
        if not write:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return file

    def _change(self) -> None:
        if self.faults.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def _grow(self, file: _File, size: int) -> None:
        more = size - len(file.data)
        if more > 0:
            if self.faults.capacity_bytes is not None and self._used() + more > self.faults.capacity_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file.data.extend(bytes(more))

    def _used(self) -> int:
        return sum(len(f.data) for f in self._files.values())

    def _count_down(self, name: str) -> bool:
        left = getattr(self.faults, name)
        if left is None:
            return False
        setattr(self.faults, name, left - 1 if left > 1 else None)
        return left <= 1


class _Medium:
    """What is durable, and what may be besides."""

    def __init__(self, start: Image) -> None:
        self._files: dict[int, _Durable] = {}
        self._names: dict[Path, int] = {}
        self._pending_names: list[dict[Path, int | None]] = []
        self._folders = {path for path, data in start.items() if data is None}
        self._pending_folders: list[Path] = []
        # The numbers follow ShimDisk.from_image: files in the image's order, from 1.
        for number, (path, data) in enumerate(((p, d) for p, d in start.items() if d is not None), 1):
            self._folders.update(path.parents)
            self._files[number] = _Durable(data)
            self._names[path] = number

    def apply(self, entry: tuple) -> None:
        match entry:
            case ("write", number, offset, data):
                self._file(number).write(offset, data)
            case ("size", number, size):
                self._file(number).resize(size)
            case ("sync", number):
                self._file(number).sync()
            case ("sync_failed", number):
                self._file(number).lose()
            case ("name", change):
                self._pending_names.append(change)
            case ("folder", path):
                self._pending_folders.append(path)
            case ("sync_folder", path):
                self._sync_folder(path)

    def image(self, rng: random.Random) -> Image:
        """Choose one of the possible states."""
        folders = set(self._folders)
        for path in self._pending_folders:
            if path.parent in folders and rng.random() < 0.5:
                folders.add(path)
        names = dict(self._names)
        for change in self._pending_names:
            if rng.random() < 0.5:
                _rename(names, change)
        found: Image = dict.fromkeys(folders)
        for path, number in names.items():
            if path.parent in folders:
                found[path] = self._file(number).choose(rng)
        return found

    def _file(self, number: int) -> _Durable:
        return self._files.setdefault(number, _Durable(b""))

    def _sync_folder(self, path: Path) -> None:
        rest: list[dict[Path, int | None]] = []
        for change in self._pending_names:
            if all(p.parent == path for p in change):
                _rename(self._names, change)
            else:
                rest.append(change)
        self._pending_names = rest
        self._folders.update(p for p in self._pending_folders if p.parent == path)
        self._pending_folders = [p for p in self._pending_folders if p.parent != path]


class _Durable:
    """One file's sectors: the durable content, the content that processes see, and the versions in between."""

    def __init__(self, data: bytes) -> None:
        self._durable = bytearray(data)
        self._seen = bytearray(data)
        self._versions: dict[int, list[tuple[bytes, bool]]] = {}
        self._sizes: list[int] = []

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        if end > len(self._seen):
            self.resize(end)
        self._seen[offset:end] = data
        for sector in range(offset // SECTOR, -(-end // SECTOR)):
            self._versions.setdefault(sector, []).append((bytes(self._seen[sector * SECTOR : (sector + 1) * SECTOR]), True))

    def resize(self, size: int) -> None:
        for sector in range(size // SECTOR, -(-len(self._seen) // SECTOR)):  # what is cut off and grows again is zeros
            kept = bytes(self._seen[sector * SECTOR : max(size, sector * SECTOR)])
            self._versions.setdefault(sector, []).append((kept + bytes(SECTOR - len(kept)), True))
        self._seen = self._seen[:size] + bytes(max(0, size - len(self._seen)))
        self._sizes.append(size)

    def sync(self) -> None:
        self._durable = self._durable[: len(self._seen)] + bytes(max(0, len(self._seen) - len(self._durable)))
        self._sizes = []
        for sector, versions in list(self._versions.items()):
            good = [i for i, (_data, counts) in enumerate(versions) if counts]
            if good:
                self._put(self._durable, sector, versions[good[-1]][0])
                versions = versions[good[-1] + 1 :]
            if versions:
                self._versions[sector] = versions
            else:
                del self._versions[sector]

    def lose(self) -> None:
        self._versions = {s: [(data, False) for data, _counts in v] for s, v in self._versions.items()}

    def choose(self, rng: random.Random) -> bytes:
        size = rng.choice([len(self._durable), *self._sizes])
        data = self._durable[:size] + bytes(max(0, size - len(self._durable)))
        for sector, versions in self._versions.items():
            chosen = rng.randint(-1, len(versions) - 1)
            if chosen >= 0 and sector * SECTOR < size:
                self._put(data, sector, versions[chosen][0])
        return bytes(data[:size])

    @staticmethod
    def _put(data: bytearray, sector: int, content: bytes) -> None:
        start = sector * SECTOR
        content = content[: max(0, len(data) - start)]
        data[start : start + len(content)] = content


def _rename(names: dict[Path, int], change: dict[Path, int | None]) -> None:
    for path, number in change.items():
        if number is None:
            names.pop(path, None)
        else:
            names[path] = number
