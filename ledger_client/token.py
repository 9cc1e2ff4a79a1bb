"""The token that lets somebody bring entries to a mirror and read them there: a line in a file that only its owner can read.

Room: ground. The anchor's command line reads the one it asks for, `anchors.mirror` and `ledger fetch` the one they show. The token
itself is never printed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ledger_client.errors import KeyFaultError

LENGTH_MIN = 16


def read_token(path: Path) -> str:
    """Return the token. Raises KeyFaultError: missing, a link, open to others, or shorter than 16 characters."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyFaultError("token_file_missing", path=str(path)) from error
    except OSError as error:
        raise KeyFaultError("token_file_is_link", path=str(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise KeyFaultError("token_file_too_open", path=str(path), mode=oct(stat.S_IMODE(mode)))
        text = file.read(1_000).decode("ascii", "replace").strip()
    if len(text) < LENGTH_MIN or not text.isascii() or not text.isprintable():
        raise KeyFaultError("token_file_invalid", path=str(path))
    return text
