"""By whom and when findings were labelled: a file beside the book, because a release that reads the book knows nothing of it.

Room: hall, judgement. `book` loads and saves it with its own file, whose rows stay as the release before reads them. What was labelled
while that release was at work is in the ledger only: `next_seq` says up to where this file has seen it. Damaged or lost, it costs words.

    models/labelled.cbor    cbor [1, epoch, next seq, [* [name, [* [finding's entry, by whom, ms]]]]]
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.details import is_uint
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.judgement.labels import told_of

VERSION: Final = 1
FILE_NAME: Final = "labelled.cbor"
SIZE_MAX: Final = 4 << 20
OLD: Final = 20_000
"""Entries after which it is written though nothing in it is new, so that a start looks through few of them."""
Labelled = Mapping[str, Mapping[int, tuple[str, int]]]
"""Of each model: finding's entry -> by whom, ms."""


class LabelFile:
    """The file in one folder. `next_seq` is the first entry that it has not seen, None where nothing is known of that."""

    def __init__(self, disk: Disk, folder: Path, epoch: int) -> None:
        self._disk, self._path, self._epoch = disk, folder / FILE_NAME, epoch
        self.next_seq: int | None = None
        self._written: list[Any] | None = None

    def load(self) -> Labelled:
        """Return what it says; nothing of one that is missing or damaged. Raises OSError."""
        data = read_whole(self._disk, self._path, SIZE_MAX)
        with suppress(FormatError):
            match None if data is None else cbor.decode(data, size_max=SIZE_MAX, what=FILE_NAME):
                case [version, epoch, seq, list() as rows] if version == VERSION and is_uint(epoch) and is_uint(seq):
                    found = dict(map(_model, rows))
                    if epoch == self._epoch:
                        self.next_seq, self._written = seq, rows
                    return found
        return {}

    def save(self, labelled: Labelled, size: int) -> None:
        """Make it durable where it says something new; `size`: entries that were seen. Raises OSError."""
        rows = [[name, [[seq, by, at_ms] for seq, (by, at_ms) in told.items()]] for name, told in labelled.items() if told]
        if self.next_seq is None or rows != self._written or size - self.next_seq >= OLD:
            write_atomically(self._disk, self._path, cbor.encode([VERSION, self._epoch, size, rows]))
            self.next_seq, self._written = size, rows


def _model(row: Any) -> tuple[str, dict[int, tuple[str, int]]]:
    match row:
        case [str(name), list() as told]:
            return name, told_of(told)
    raise FormatError("models_book_invalid")
