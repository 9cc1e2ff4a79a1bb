"""Transitions that the core could not record before it ended, kept in a file until the ledger has them.

Room: hall, alarms. `keeper` writes it as the core ends in order, reads it at the next start, and removes it once the ledger has all of it;
everything here blocks. It is no evidence: what counts is what is recorded of it. A file that makes no sense is set aside, and in its place
stands that something was lost, until the ledger says so. One that cannot be read stays as it is: that may pass.

    private/alarms_pending.cbor    cbor [1, lost, [* row]]    rows as in an entry, the oldest first; lost: given up before the first of them
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from ledger_client import cbor
from ledger_client.alarm_bodies import AlarmRow, read_row
from ledger_client.details import is_uint
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.alarms.journal import PENDING_MAX

VERSION: Final = 1
FILE_NAME: Final = "alarms_pending.cbor"
DAMAGED: Final = ".damaged"
SIZE_MAX: Final = 8 << 20
LOST_MAX: Final = 1 << 40
"""Of a file that is believed: as many as a thousand a second for thirty years."""
NO_FILES: Final = frozenset({errno.EISDIR, errno.ELOOP})
"""A folder or a link stands in its place: that does not pass."""
AT_LEAST: Final = 1
"""Lost with a file that nobody can read: it would not be there for none."""
HEAD_BYTES: Final = 32
"""What the file has around its rows, at the most."""


@dataclass(frozen=True, slots=True)
class Left:
    """`lost`: how many before the first row could not be kept."""

    rows: tuple[AlarmRow, ...]
    lost: int = 0

    def without(self, recorded: Iterable[AlarmRow]) -> Left:
        """Return what the ledger does not have, given what it has since: an append that the end cut off may have become durable.

        `lost` is recorded with the first row. Of rows that are the same in everything as many are left as the ledger lacks.
        """
        wanted = set(self.rows)
        there = Counter(row for row in recorded if row in wanted)
        is_lost_told = bool(self.rows) and there[self.rows[0]] > 0
        rows: list[AlarmRow] = []
        for row in self.rows:
            if there[row] > 0:
                there[row] -= 1
            else:
                rows.append(row)
        return Left(tuple(rows), 0 if is_lost_told else self.lost)


class Leftover:
    """The file."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self._path = disk, folder / FILE_NAME

    def load(self) -> Left | None:
        """Return what is in it, None when there is none; of one that makes no sense, that one at least was lost.

        Raises OSError for one that is there and cannot be read now.
        """
        try:
            data = read_whole(self._disk, self._path, SIZE_MAX + 1)
            return None if data is None else _read(data)
        except FormatError as error:
            return self._set_aside(data, error)
        except OSError as error:
            if error.errno not in NO_FILES:
                raise
            return self._set_aside(None, error)

    def _set_aside(self, data: bytes | None, error: Exception) -> Left:
        """Keep what makes no sense beside the file, for whoever looks after it, and let the file itself say what is known of it.

        Where the disk refuses, it is found again at the next start.
        """
        structlog.get_logger("alarms").warning("alarm_rows_set_aside", path=str(self._path), reason=str(error))
        aside, left = self._path.with_name(FILE_NAME + DAMAGED), Left((), AT_LEAST)
        with suppress(OSError):
            if data is None:
                self._disk.replace(self._path, aside)
            else:
                write_atomically(self._disk, aside, data)  # a copy: a power cut between the two must not leave neither
            self.save(left)
        return left

    def save(self, left: Left) -> int:
        """Make it durable, and return how many of its rows; the oldest are given up beyond SIZE_MAX. Raises OSError."""
        rows, room = [cbor.encode(list(astuple(row))) for row in left.rows], SIZE_MAX - HEAD_BYTES
        first = len(rows)
        while first > 0 and len(rows[first - 1]) <= room:
            first -= 1
            room -= len(rows[first])
        write_atomically(self._disk, self._path, _file(left.lost + first, rows[first:]))
        return len(rows) - first

    def remove(self) -> None:
        """The ledger has all of it. Raises OSError."""
        with suppress(FileNotFoundError):
            self._disk.unlink(self._path)
        self._disk.sync_folder(self._path.parent)


def _file(lost: int, rows: Sequence[bytes]) -> bytes:
    """Return the array around rows that are encoded already: 20,000 of them are not encoded twice."""
    head = bytearray(cbor.bytes_head(len(rows)))
    head[0] += 0x40  # of an array instead of a byte string
    return b"".join([b"\x83", cbor.encode(VERSION), cbor.encode(lost), bytes(head), *rows])


def _read(data: bytes) -> Left:
    match cbor.decode(data, size_max=SIZE_MAX, what=FILE_NAME):
        case [version, lost, list() as rows] if is_uint(version) and version == VERSION and is_uint(lost) and lost <= LOST_MAX:
            found = [_row(row) for row in rows[: PENDING_MAX + 1]]
            if len(found) <= PENDING_MAX:
                return Left(tuple(found), lost)
    raise FormatError("alarms_pending_invalid")


def _row(row: Any) -> AlarmRow:
    found = read_row(row)
    if found is None:
        raise FormatError("alarms_pending_invalid")
    return found
