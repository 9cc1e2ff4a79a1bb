"""The folder of a core's lock and sockets: STATE/run, or where that cannot be written, a folder of the machine's own.

Room: hall. `app`, `demo` and `new-epoch` hold a state folder through `only_core`; the command line finds a running core by `feed_of`,
children are told the folder. A state folder on a read-only or full disk must still be polled and shown, so sockets may stand elsewhere. The
lock may not: two cores on one state would fork its ledger. It is on the state folder itself, which needs nothing to be written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger_client.errors import StoreError
from runtime.layout import Layout

LONGEST_SOCKET: Final = "history.sock"
SOCKET_PATH_MAX: Final = 107
"""Bytes of a Unix socket's path on Linux."""
LOCK: Final = "core.lock"
CANNOT_WRITE: Final = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})
ANSWER_S: Final = 0.5


@contextlib.contextmanager
def only_core(layout: Layout) -> Iterator[Path]:
    """Hold the state folder for one core and yield the folder for its sockets; the kernel lets go when the process ends, however it ends.

    Raises StoreError `state_in_use` when another core has it, `state_path_too_long`, `state_not_lockable`, `run_folder_missing`; OSError.
    """
    own = layout.feed.parent
    longest = _longest(own)
    if longest > SOCKET_PATH_MAX:
        raise StoreError("state_path_too_long", path=str(layout.state), size=longest, size_max=SOCKET_PATH_MAX)
    try:
        own.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in CANNOT_WRITE or not layout.state.is_dir():
            raise
    with contextlib.ExitStack() as held:
        # Both, always: which of them can be had may change between the starts of two cores, when a disk is mounted anew.
        folder = _hold(held, layout, layout.state, os.O_RDONLY | os.O_DIRECTORY)
        file = _hold(held, layout, own / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        if not folder and not file:
            raise StoreError("state_not_lockable", path=str(layout.state))
        if _takes_files(own):
            yield own
            return
        run = _make_elsewhere(layout.state)
        try:
            yield run
        finally:
            with contextlib.suppress(OSError):
                run.rmdir()


def feed_of(state: Path) -> Path:
    """Return the feed's socket of the core that runs on a state folder; STATE/run/feed.sock when none does. Blocking, up to ANSWER_S."""
    own = Layout(state).feed
    with contextlib.suppress(OSError):
        owners = {0, os.geteuid(), state.stat().st_uid}
        for folder in _elsewhere(state, owners):
            if _is_of(folder, owners) and _answers(folder / own.name):
                return folder / own.name
    return own


def _hold(held: contextlib.ExitStack, layout: Layout, path: Path, flags: int) -> bool:
    """Lock a file or folder for as long as `held` lasts; False where there is none and none can be made, or it knows no locks."""
    try:
        handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)  # a lock asks for no writing
        except FileNotFoundError:
            return False
    held.callback(os.close, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError("state_in_use", path=str(layout.state)) from error
    except OSError:
        return False
    return True


def _takes_files(folder: Path) -> bool:
    """Whether something new can be put there; raises OSError for reasons that are not the disk's."""
    probe = folder / f"{LOCK}.probe"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        probe.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        return False
    return True


def _make_elsewhere(state: Path) -> Path:
    """Make a folder for sockets outside the state folder, ours and writable by nobody else. Raises StoreError `run_folder_missing`."""
    me = os.geteuid()
    for folder in _elsewhere(state, {me}):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o750, exist_ok=True)
            if _is_of(folder, {me}) and _takes_files(folder) and _longest(folder) <= SOCKET_PATH_MAX:
                return folder
    raise StoreError("run_folder_missing", path=str(state))


def _elsewhere(state: Path, owners: set[int]) -> list[Path]:
    """Where sockets may be instead, the best place first; named after the state folder, so that whoever knows that one finds them."""
    name = f"witnessmark-{sha256(os.fsencode(state.resolve())).hexdigest()[:16]}"
    places = [Path("/run/witnessmark"), Path("/run")]
    if own := os.environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(own))
    places += [Path(f"/run/user/{owner}") for owner in sorted(owners)]
    return [place / name for place in (*places, Path("/tmp"))]  # noqa: S108  the folder in it is checked before it is used


def _is_of(folder: Path, owners: set[int]) -> bool:
    """Whether it is a real folder of one of these users that nobody else can put a socket into."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in owners and not found.st_mode & 0o022


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_S)
        try:
            probe.connect(os.fsencode(path))
        except OSError:
            return False
    return True


def _longest(folder: Path) -> int:
    return len(os.fsencode(folder / LONGEST_SOCKET))
