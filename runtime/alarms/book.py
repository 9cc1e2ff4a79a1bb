"""What the core remembers of its alarms between starts: their states, and the newest transitions. The ledger is the truth.

Room: hall, alarms. `engine` loads and saves it in an executor; both block. A file that is damaged or of another epoch counts as missing:
what matters is read from the ledger again. It decides nothing.

    index/alarms.cbor    cbor [1, epoch, next seq, [* page], [* [seq, row]]]; a page as `_page` writes it, a row as in an entry
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from ledger_client import cbor
from ledger_client.alarm_bodies import ALARMS, AlarmRow, AlarmsBody, read_alarms, read_row
from ledger_client.body_words import is_name
from ledger_client.details import is_int, is_text, is_uint
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from runtime.alarms.alarm import Alarm, shelf_left_ms
from runtime.alarms.machine import Shown, State

VERSION: Final = 1
FILE_NAME: Final = "alarms.cbor"
SIZE_MAX: Final = 8 << 20
ROWS_KEPT: Final = 2_000
LOOK_BACK: Final = 200_000
"""Entries looked through when the file is missing or old: at one in two seconds, the last four days."""
OURS: Final = ALARMS.encode()
Recorded = tuple[AlarmRow, int]
"""A transition, and the entry that says so."""


class Entries(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that is used here. Blocking."""

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored entries."""
        ...

    def body(self, seq: int) -> bytes | None:
        """Return an entry's body."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """How one alarm stood. Times are wall ms; `life` and the flags as in `machine.State`."""

    name: str
    life: str
    holds: bool
    latch: bool
    suppressed: bool
    out_of_service: bool
    until_ms: int | None
    raised_ms: int | None
    since_ms: int | None
    changed_ms: int | None
    by: str
    note: str
    count: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """`pages` and `known`: what the file says; `since`: what the ledger has besides."""

    pages: tuple[Page, ...] = ()
    known: tuple[Recorded, ...] = ()
    since: list[Recorded] = field(default_factory=list)


class AlarmBook:
    """The file and the way back into it. `size` gives the ledger's durable entries."""

    def __init__(self, disk: Disk, folder: Path, epoch: int, size: Callable[[], int]) -> None:
        self._disk, self._path, self._epoch, self.size = disk, folder / FILE_NAME, epoch, size

    def load(self, entries: Entries) -> Remembered:
        """Read the file, and what was recorded since it was written. Raises LedgerError, OSError."""
        size, start = self.size(), None
        found = Remembered()
        data = read_whole(self._disk, self._path, SIZE_MAX)
        if data is not None:
            with suppress(FormatError):
                start, found = self._read(data)
        begin = max(0, size - LOOK_BACK)
        if start is not None:
            begin = max(begin, min(start, size))
        for seq, raw in enumerate(entries.entries(begin, size), begin):
            if OURS in raw:
                found.since.extend((row, seq) for row in _rows_of(entries, seq, raw))
        return found

    def save(self, next_seq: int, pages: Iterable[Page], rows: Iterable[Recorded]) -> None:
        """Make it durable; `next_seq`: the first entry that it has not seen. Raises OSError."""
        kept = [[seq, list(astuple(row))] for row, seq in list(rows)[-ROWS_KEPT:]]
        write_atomically(
            self._disk, self._path, cbor.encode([VERSION, self._epoch, next_seq, [list(astuple(page)) for page in pages], kept])
        )

    def _read(self, data: bytes) -> tuple[int | None, Remembered]:
        match cbor.decode(data, size_max=SIZE_MAX, what=FILE_NAME):
            case [version, epoch, next_seq, list() as pages, list() as rows] if version == VERSION and is_uint(epoch) and is_uint(next_seq):
                known = [(row, seq) for seq, row in map(_pair, rows)]
                return (next_seq if epoch == self._epoch else 0), Remembered(tuple(map(_page, pages)), tuple(known))
        raise FormatError("alarms_book_invalid")


def page_of(alarm: Alarm) -> Page:
    """Return how an alarm stands."""
    state = alarm.state
    return Page(
        alarm.definition.name, state.life.value, state.holds, state.latch, state.suppressed, state.out_of_service, alarm.until_ms,
        alarm.raised_ms, alarm.since_ms, alarm.changed_ms, alarm.by, alarm.note, alarm.count,
    )  # fmt: skip


def take_page(alarm: Alarm, page: Page, now_mono_ms: int, now_wall_ms: int) -> None:
    """Let an alarm stand as a page says. What was left of a shelf's time is left of it still."""
    until = None
    if page.until_ms is not None:
        left = shelf_left_ms(page.until_ms, page.changed_ms or 0, now_wall_ms, alarm.definition.shelve_max_ms)
        until = now_mono_ms + left
    alarm.state = State(
        Shown(page.life), page.holds, now_mono_ms, page.holds, page.latch, until, page.suppressed, page.out_of_service
    )  # fmt: skip
    alarm.until_ms, alarm.raised_ms, alarm.since_ms, alarm.changed_ms = page.until_ms, page.raised_ms, page.since_ms, page.changed_ms
    alarm.by, alarm.note, alarm.count = page.by, page.note, page.count


def _rows_of(entries: Entries, seq: int, raw: bytes) -> tuple[AlarmRow, ...]:
    """Return what an entry says of alarms; nothing of another entry, or one that cannot be read or is withheld."""
    with suppress(FormatError):
        payload = parse(raw).payload
        if payload.kind == Kind.EVENT and payload.detail[0] == ALARMS:
            body = entries.body(seq)
            found = None if body is None else read_alarms(payload.detail[1], body)
            if isinstance(found, AlarmsBody):
                return found.rows
    return ()


def _pair(row: Any) -> tuple[int, AlarmRow]:
    match row:
        case [seq, members] if is_uint(seq) and (found := read_row(members)) is not None:
            return seq, found
    raise FormatError("alarms_book_invalid")


def _page(row: Any) -> Page:
    """Read one page strictly. Raises FormatError."""
    match row:
        case [name, life, bool(), bool(), bool(), bool(), until, raised, since, changed, by, note, count]:
            good = is_name(name) and life in tuple(Shown) and is_text(by) and is_text(note) and is_uint(count)
            if good and all(each is None or is_int(each) for each in (until, raised, since, changed)):
                return Page(*row)
    raise FormatError("alarms_book_invalid")
