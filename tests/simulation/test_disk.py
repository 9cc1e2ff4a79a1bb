"""The shim disk keeps its promises: what was flushed is there, what was not may be, names follow their folders."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ledger_client.disk import write_atomically
from tests.simulation.disk import SECTOR, ShimDisk

STATE = Path("/state")


def fresh() -> ShimDisk:
    disk = ShimDisk()
    disk.mkdir(STATE)
    disk.sync_folder(STATE.parent)
    return disk


def named(disk: ShimDisk, name: str, data: bytes) -> int:
    handle = disk.open(STATE / name, create=True)
    disk.pwrite(handle, data, 0)
    disk.fdatasync(handle)
    disk.sync_folder(STATE)
    return handle


def test_flushed_sectors_stay_and_others_come_in_every_combination() -> None:
    disk = fresh()
    handle = named(disk, "a", b"o" * 3 * SECTOR)
    first = disk.position
    disk.pwrite(handle, b"n" * 2 * SECTOR, SECTOR // 2)
    seen = {(c.image[STATE / "a"] or b"")[::SECTOR].decode() for c in disk.crash_states(seed=1, count=200, first=disk.position)}
    # Each touched sector is old or new by itself; its first byte shows which (the first sector is touched in its second half only).
    assert seen == {"ooo", "ono", "oon", "onn"}
    disk.fdatasync(handle)
    assert {(c.image[STATE / "a"] or b"")[::SECTOR] for c in disk.crash_states(seed=1, count=50, first=disk.position)} == {b"onn"}
    assert first < disk.position


def test_a_failed_flush_makes_nothing_durable_until_it_is_written_again() -> None:
    disk = fresh()
    handle = named(disk, "a", b"o" * SECTOR)
    disk.pwrite(handle, b"n" * SECTOR, 0)
    disk.faults.fail_sync_at = 1
    with pytest.raises(OSError, match="Input/output"):
        disk.fdatasync(handle)
    assert disk.pread(handle, 1, 0) == b"n"
    disk.fdatasync(handle)

    def left() -> set[bytes]:
        return {(c.image[STATE / "a"] or b"")[:1] for c in disk.crash_states(seed=3, count=60, first=disk.position)}

    assert left() == {b"o", b"n"}
    disk.pwrite(handle, b"n" * SECTOR, 0)
    disk.fdatasync(handle)
    assert left() == {b"n"}


def test_names_and_sizes_wait_for_their_flush() -> None:
    disk = fresh()
    handle = disk.open(STATE / "a", create=True)
    disk.pwrite(handle, b"x" * 700, 0)
    states = [c.image.get(STATE / "a") for c in disk.crash_states(seed=5, count=100, first=disk.position)]
    assert {None if s is None else len(s) for s in states} == {None, 0, 700}
    disk.fdatasync(handle)
    disk.sync_folder(STATE)
    disk.replace(STATE / "a", STATE / "b")
    pairs = {(STATE / "a" in c.image, STATE / "b" in c.image) for c in disk.crash_states(seed=5, count=60, first=disk.position)}
    assert pairs == {(True, False), (False, True)}


def test_an_atomic_write_is_old_or_new_in_every_state() -> None:
    disk = fresh()
    write_atomically(disk, STATE / "f", b"old" * 400)
    first = disk.position
    write_atomically(disk, STATE / "f", b"new" * 500)
    done = disk.position
    for crash in disk.crash_states(seed=11, count=300, first=first):
        data = crash.image[STATE / "f"]
        assert data in {b"old" * 400, b"new" * 500}
        assert crash.position < done or data == b"new" * 500


def test_an_image_starts_a_disk_and_faults_are_errors_of_the_system() -> None:
    disk = fresh()
    named(disk, "a", b"abc")
    again = ShimDisk.from_image(disk.image())
    handle = again.open(STATE / "a")
    assert (again.pread(handle, 9, 0), again.names(STATE)) == (b"abc", ["a"])
    again.faults.capacity_bytes = 4
    with pytest.raises(OSError) as caught:
        again.pwrite(handle, b"abcde", 0)
    assert caught.value.errno == errno.ENOSPC
    again.faults.read_only = True
    for change in (lambda: again.pwrite(handle, b"x", 0), lambda: again.unlink(STATE / "a"), lambda: again.open(STATE / "a")):
        with pytest.raises(OSError) as caught:
            change()
        assert caught.value.errno == errno.EROFS
    assert again.open(STATE / "a", write=False)
    assert again.crash_state(4).image[STATE / "a"] == b"abc"


def test_what_is_written_through_is_there_whole_or_its_error_says_nothing() -> None:
    disk = fresh()
    handle = named(disk, "a", b"o" * 3 * SECTOR)
    disk.write_through(handle, b"n" * 2 * SECTOR, 0)
    states = {(c.image[STATE / "a"] or b"")[::SECTOR] for c in disk.crash_states(seed=1, count=50, first=disk.position)}
    assert states == {b"nno"}
    disk.faults.fail_sync_at = 1
    with pytest.raises(OSError, match="Input/output"):
        disk.write_through(handle, b"x" * 2 * SECTOR, 0)
    states = {(c.image[STATE / "a"] or b"")[::SECTOR] for c in disk.crash_states(seed=1, count=200, first=disk.position)}
    assert states == {b"nno", b"xno", b"nxo", b"xxo"}
