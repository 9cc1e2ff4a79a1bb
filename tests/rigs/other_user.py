"""Connections to a Unix socket as another user of this machine: what the kernel vouches for is who connected. For root only."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY, STRANGER = 65534, 65533
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter; pytest's own belong to one."""
    folder = Path(tempfile.mkdtemp(prefix="witnessmark-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connected_as(uid: int, path: Path) -> socket.socket:
    """Return a connection that this user made."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.seteuid(uid)
    try:
        connection.connect(str(path))
    finally:
        os.seteuid(0)
    connection.setblocking(False)
    return connection
