"""One core to a state folder, also where that cannot be written; sockets elsewhere only in a folder that nobody else can write."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path

import pytest

from ledger_client.errors import StoreError
from runtime import run_folder
from runtime.layout import Layout
from runtime.run_folder import LOCK, feed_of, only_core


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of an earlier run, and places for sockets besides that are this test's own."""
    places = tmp_path / "places"
    places.mkdir()
    monkeypatch.setattr(run_folder, "_elsewhere", lambda _state, _owners: [places / "none" / "x", places / "x"])
    state = tmp_path / "state"
    (state / "run").mkdir(parents=True)
    return state


def unwritable(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
    """Let the kernel refuse whatever would be new in a folder, as a read-only or full disk does; root knows no other way in a test."""
    really = os.open

    def refusing(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if folder in Path(path).parents and flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(number, os.strerror(number), str(path))
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)


def refused(state: Path) -> str:
    with pytest.raises(StoreError) as caught, only_core(Layout(state)):
        pass
    return caught.value.code


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("has_lock", [True, False])
def test_a_folder_that_cannot_be_written_is_still_one_cores(
    state: Path, monkeypatch: pytest.MonkeyPatch, number: int, has_lock: bool
) -> None:
    if has_lock:
        (state / "run" / LOCK).touch()
    with monkeypatch.context() as patch:
        unwritable(patch, state, number)
        with only_core(Layout(state)) as run:
            assert run.parent.name == "places"
            assert run.stat().st_mode & 0o777 == 0o750
            assert refused(state) == "state_in_use"
            patch.undo()  # mounted writable again: the second core makes what the first could not
            assert refused(state) == "state_in_use"
        assert not run.exists()
    with only_core(Layout(state)) as run:
        assert run == state / "run"
        with monkeypatch.context() as patch:  # and the other way round
            unwritable(patch, state, number)
            assert refused(state) == "state_in_use"


def test_a_file_lock_of_another_core_counts_too(state: Path) -> None:
    with open(state / "run" / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert refused(state) == "state_in_use"


def test_without_any_lock_or_any_place_it_says_so(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unwritable(monkeypatch, state, errno.EROFS)
    (state.parent / "places" / "x").symlink_to(state.parent)
    assert refused(state) == "run_folder_missing"
    (state.parent / "places" / "x").unlink()
    (state.parent / "places" / "x").mkdir(mode=0o777)
    (state.parent / "places" / "x").chmod(0o777)
    assert refused(state) == "run_folder_missing", "anybody could put a socket there"

    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert refused(state) == "state_not_lockable"


def test_faces_find_a_core_elsewhere_only_while_it_listens_in_a_folder_to_trust(state: Path) -> None:
    own, other = Layout(state).feed, state.parent / "places" / "x"
    assert feed_of(state) == own
    other.mkdir(mode=0o750)
    with socket.socket(socket.AF_UNIX) as core:
        core.bind(str(other / own.name))
        assert feed_of(state) == own, "a socket that a dead core left"
        core.listen()
        assert feed_of(state) == other / own.name
        other.chmod(0o770)
        assert feed_of(state) == own
    assert feed_of(state / "no such") == state / "no such" / "run" / own.name
