"""A file that remembers, apart from the ledger, how far somebody outside has it: one row, put in place whole.

Room: ground. `outbox_lane` and `mirror_cursor` say what their rows hold, and judge each value; what is lost here is only asked for again.

    cbor [1, origin: tstr, value, ...]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError

CURSOR_SIZE_MAX: Final = 8_192
VERSION: Final = 1


def save_row(disk: Disk, path: Path, origin: str, *values: int | bytes) -> None:
    """Put the row in place, durably. Raises OSError."""
    disk.mkdir(path.parent)
    write_atomically(disk, path, cbor.encode([VERSION, origin, *values]))


def load_row(disk: Disk, path: Path, origin: str, count: int) -> Sequence[Any] | None:
    """Return the `count` values of this origin; None when there is no file, it is of another epoch, or damaged. Raises OSError."""
    raw = read_whole(disk, path, CURSOR_SIZE_MAX)
    if raw is None:
        return None
    try:
        row = cbor.decode(raw, size_max=CURSOR_SIZE_MAX, what="cursor")
    except FormatError:
        return None
    if not isinstance(row, list | tuple) or len(row) != 2 + count or row[0] != VERSION or row[1] != origin:
        return None
    return row[2:]
