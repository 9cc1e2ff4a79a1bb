"""The system's own disk: a write that is durable on return, with and without the system's one call for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_client.disk import RealDisk


class Noting(RealDisk):
    def __init__(self) -> None:
        self.flushed = 0

    def fdatasync(self, handle: int) -> None:
        self.flushed += 1


def test_a_record_is_written_where_it_belongs(tmp_path: Path) -> None:
    disk = RealDisk()
    handle = disk.open(tmp_path / "a", create=True)
    disk.pwrite(handle, bytes(3000), 0)
    disk.write_through(handle, b"x" * 1000, 500)
    disk.close(handle)
    assert (tmp_path / "a").read_bytes() == bytes(500) + b"x" * 1000 + bytes(1500)


class Older(Noting):
    """On a system that does not know the flag: no system knows this one."""

    durable_flag = 1 << 30


def test_a_system_without_the_flag_writes_and_flushes_in_two_steps(tmp_path: Path) -> None:
    disk = Older()
    handle = disk.open(tmp_path / "a", create=True)
    disk.write_through(handle, b"x" * 1000, 500)
    disk.close(handle)
    assert (tmp_path / "a").read_bytes() == bytes(500) + b"x" * 1000
    assert disk.flushed == 1


def test_an_error_is_the_callers(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    disk = Noting()
    handle = disk.open(tmp_path / "a", write=False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.write_through(handle, b"x", 0)
    disk.close(handle)
    assert disk.flushed == 0
