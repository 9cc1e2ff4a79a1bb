"""The seam to the disk: the few calls by which anything under the state folder is written.

Room: ground. Segments, config revisions, cursors and tag ids all write through a `Disk`, so that the crash simulation
(tests/simulation/disk.py) sees every write and flush and can replay any power cut. `RealDisk` is the production one.
Blocking: callers on an event loop run `fdatasync` and friends in the evidence executor.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final, Protocol

UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class Disk(Protocol):
    """Operating-system calls on files; every one raises OSError as the system does."""

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        """Open read-write (0600, O_CLOEXEC, no links followed), or read-only; with `create` it must not exist yet."""
        ...

    def close(self, handle: int) -> None:
        """Close; never flushes."""
        ...

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        """Read up to size bytes."""
        ...

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        """Write all bytes at offset (short writes are continued)."""
        ...

    def size(self, handle: int) -> int:
        """File size in bytes."""
        ...

    def fdatasync(self, handle: int) -> None:
        """Make data and size durable. After an error the handle must not be trusted again."""
        ...

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        """Write all bytes at offset and make them durable, as `pwrite` and `fdatasync` one behind the other would."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename atomically."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        ...

    def mkdir(self, path: Path) -> None:
        """Make a folder and its parents (0700); fine when it exists."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Make names in a folder durable."""
        ...

    def names(self, path: Path) -> list[str]:
        """Names in a folder, sorted; empty when the folder does not exist."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Bytes that an unprivileged writer can still have there."""
        ...


class RealDisk:
    """The operating system itself. `durable_flag` makes one write as durable as with an fdatasync behind it (Linux 4.7; pwritev2(2))."""

    durable_flag: int = getattr(os, "RWF_DSYNC", 0)

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        """See Disk."""
        flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags | os.O_CREAT | os.O_EXCL if create else flags, 0o600)

    def close(self, handle: int) -> None:
        """See Disk."""
        os.close(handle)

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        """See Disk."""
        return os.pread(handle, size, offset)

    def pwrite(self, handle: int, data: bytes, offset: int) -> None:
        """See Disk."""
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written

    def size(self, handle: int) -> int:
        """See Disk."""
        return os.fstat(handle).st_size

    def fdatasync(self, handle: int) -> None:
        """See Disk."""
        os.fdatasync(handle)

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        """See Disk. One call (pwritev2 with RWF_DSYNC) where the system has it: between two, another thread could take the interpreter."""
        view = memoryview(data)
        try:
            while view and self.durable_flag:
                written = os.pwritev(handle, (view,), offset, self.durable_flag)
                view, offset = view[written:], offset + written
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        if view:
            self.pwrite(handle, bytes(view), offset)
            self.fdatasync(handle)

    def replace(self, source: Path, target: Path) -> None:
        """See Disk."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """See Disk."""
        os.unlink(path)

    def mkdir(self, path: Path) -> None:
        """See Disk."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """See Disk."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def names(self, path: Path) -> list[str]:
        """See Disk."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def free_bytes(self, path: Path) -> int:
        """See Disk."""
        info = os.statvfs(path)
        return info.f_bavail * info.f_frsize


def write_atomically(disk: Disk, path: Path, data: bytes) -> None:
    """Put a small file in place: durable and whole, or as before. Raises OSError."""
    draft = path.with_name(path.name + ".new")
    if draft.name in disk.names(path.parent):
        disk.unlink(draft)
    handle = disk.open(draft, create=True)
    try:
        disk.pwrite(handle, data, 0)
        disk.fdatasync(handle)
    finally:
        disk.close(handle)
    disk.replace(draft, path)
    disk.sync_folder(path.parent)


def read_whole(disk: Disk, path: Path, size_max: int) -> bytes | None:
    """Return a small file's bytes, None when it does not exist. Raises OSError; reads size_max bytes at most."""
    try:
        handle = disk.open(path, write=False)
    except FileNotFoundError:
        return None
    try:
        return disk.pread(handle, size_max, 0)
    finally:
        disk.close(handle)
