"""SQLite on a disk that can lose power: whatever it writes, flushes, truncates and deletes in one folder also happens to a `ShimDisk`.

Room: tests. SQLite's own file system layer (its VFS of the system) does the work on a real folder; in front of it stands a thin one, as
https://www.sqlite.org/vfs.html describes, that passes each call on and repeats it on the simulated disk. So the log of that disk holds what
SQLite did in between what everybody else did, and its crash states have the database and its journal as a power cut may leave them.
What stands for a flush is the call by which SQLite asks for one; the real folder is not flushed, and that the system's layer does flush is
for SQLite's own tests.

    with SqliteDisk(disk, tmp_path, Path("/state/private")) as place:
        Store(place / "accounts.sqlite").open()

The faults of the simulated disk are SQLite's too: what it refuses does not happen on the real one.
"""

from __future__ import annotations

import ctypes
import errno
import sqlite3
from collections.abc import Callable
from ctypes import POINTER, addressof, byref, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from tests.simulation.disk import ShimDisk

LIBRARY: Final = "libsqlite3.so.0"
OK: Final = 0
FULL: Final = 13
IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, IOERR_DELETE = (10 | number << 8 for number in (3, 4, 6, 10))
OPEN_CREATE: Final = 0x4
JOURNALS: Final = 0x800 | 0x4000 | 0x80000
"""A main journal, a super journal, a WAL: where SQLite made one, its first flush flushes the folder too."""
NAME: Final = b"witnessmark-simulated"

_open = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_delete = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_close = ctypes.CFUNCTYPE(c_int, c_void_p)
_write = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_truncate = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)
_sync = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_: ClassVar = [
        ("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p), ("zName", c_char_p), ("pAppData", c_void_p),
        ("xOpen", _open), ("xDelete", _delete), *((f"other{number}", c_void_p) for number in range(12)),
    ]  # fmt: skip


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_: ClassVar = [
        ("iVersion", c_int), ("xClose", _close), ("xRead", c_void_p), ("xWrite", _write), ("xTruncate", _truncate), ("xSync", _sync),
        *((f"other{number}", c_void_p) for number in range(13)),
    ]  # fmt: skip


class SqliteDisk:
    """`real`: the folder in which SQLite works; `shim`: the folder of the simulated disk that stands for it. One at a time."""

    def __init__(self, disk: ShimDisk, real: Path, shim: Path) -> None:
        self._disk, self._real, self._shim = disk, real, shim
        self._handles: dict[int, int] = {}
        self._owes_folder: set[int] = set()
        """Files whose next flush makes their names durable."""
        self._kept: list[Any] = []

    def __enter__(self) -> Path:
        """Put the simulated disk's files into the real folder, and stand in front of it."""
        self._real.mkdir(parents=True, exist_ok=True)
        for path, data in self._disk.image().items():
            if path.parent == self._shim and data is not None:
                (self._real / path.name).write_bytes(data)
        self._library = _library()
        base = self._library.sqlite3_vfs_find(None)
        self._base = _Vfs.from_address(base)
        self._vfs = _Vfs()
        ctypes.memmove(byref(self._vfs), base, ctypes.sizeof(_Vfs))
        self._vfs.zName, self._vfs.pNext = NAME, None
        self._vfs.xOpen, self._vfs.xDelete = _open(self._on_open), _delete(self._on_delete)
        assert self._library.sqlite3_vfs_register(byref(self._vfs), 1) == OK
        return self._real

    def __exit__(self, *_: object) -> None:
        self._library.sqlite3_vfs_unregister(byref(self._vfs))
        assert self._library.sqlite3_vfs_register(byref(self._base), 1) == OK

    # ------------------------------------------------------------------------------------------------- what SQLite asks for

    def _on_open(self, _: int, name: int, file: int, flags: int, told: Any) -> int:
        path = self._ours(ctypes.string_at(name)) if name else None
        code = int(self._base.xOpen(addressof(self._base), name, file, flags, told))
        if code != OK or path is None:
            return code
        is_new = path not in self._disk.image()
        self._handles[file] = self._disk.open(path, create=is_new)
        if is_new and flags & OPEN_CREATE and flags & JOURNALS:
            self._owes_folder.add(file)
        self._stand_before(file)
        return code

    def _stand_before(self, file: int) -> None:
        """Give an open file our methods; those that only look stay SQLite's own."""
        place = c_void_p.from_address(file)
        assert place.value is not None
        base, ours = _Methods.from_address(place.value), _Methods()
        ctypes.memmove(byref(ours), place.value, ctypes.sizeof(_Methods) if base.iVersion >= 3 else _Methods.other7.offset)
        ours.xClose = _close(lambda which: self._on_close(base, which))
        ours.xWrite = _write(lambda which, data, size, offset: self._on_write(base, which, data, size, offset))
        ours.xTruncate = _truncate(lambda which, size: self._on_truncate(base, which, size))
        ours.xSync = _sync(lambda which, _: self._on_sync(which))
        self._kept.append(ours)
        place.value = addressof(ours)

    def _on_close(self, base: _Methods, file: int) -> int:
        self._disk.close(self._handles.pop(file))
        self._owes_folder.discard(file)
        return int(base.xClose(file))

    def _on_write(self, base: _Methods, file: int, data: int, size: int, offset: int) -> int:
        done = self._refused(lambda: self._disk.pwrite(self._handles[file], ctypes.string_at(data, size), offset), IOERR_WRITE)
        return done or int(base.xWrite(file, data, size, offset))

    def _on_truncate(self, base: _Methods, file: int, size: int) -> int:
        done = self._refused(lambda: self._disk.truncate(self._handles[file], size), IOERR_TRUNCATE)
        return done or int(base.xTruncate(file, size))

    def _on_sync(self, file: int) -> int:
        done = self._refused(lambda: self._disk.fdatasync(self._handles[file]), IOERR_FSYNC)
        if not done and file in self._owes_folder:
            self._owes_folder.discard(file)
            self._disk.sync_folder(self._shim)
        return done

    def _on_delete(self, _: int, name: bytes, sync_folder: int) -> int:
        path = self._ours(name)
        if path is not None and path in self._disk.image():
            done = self._refused(lambda: self._disk.unlink(path), IOERR_DELETE)
            if done:
                return done
            if sync_folder:
                self._disk.sync_folder(self._shim)
            sync_folder = 0
        return int(self._base.xDelete(addressof(self._base), name, sync_folder))

    def _ours(self, name: bytes) -> Path | None:
        path = Path(name.decode())
        return self._shim / path.name if path.parent == self._real.resolve() else None

    @staticmethod
    def _refused(call: Callable[[], None], code: int) -> int:
        """Let the simulated disk do it; return what SQLite is told where it refuses."""
        try:
            call()
        except OSError as error:
            return FULL if error.errno == errno.ENOSPC else code
        return OK


def _library() -> Any:
    """Return the library that Python's own `sqlite3` uses, or skip the test: it may be built in, out of reach."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        pytest.skip(f"{LIBRARY} is not here: {error}")
    library.sqlite3_vfs_find.restype = c_void_p
    library.sqlite3_libversion.restype = c_char_p
    library.sqlite3_vfs_find.argtypes = [c_char_p]
    if library.sqlite3_libversion().decode() != sqlite3.sqlite_version:
        pytest.skip("Python's sqlite3 is another library than the system's")
    return library
