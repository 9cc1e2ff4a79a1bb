"""What is written of alarms besides the ledger: the book now and then, and at the end what could not be recorded.

Room: hall, alarms. `engine` makes it, asks it for what there was and runs it. Everything blocking is done in the executor, one call after
the other: a file has one draft, and a write goes on in its thread although whoever waited for it was cancelled. It decides nothing about
states.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, Final

import structlog

from ledger_client.alarm_bodies import AlarmRow
from runtime.alarms.alarm import Alarm, Told
from runtime.alarms.book import AlarmBook, Entries, Remembered, page_of
from runtime.alarms.journal import Journal
from runtime.alarms.leftover import Left, Leftover
from runtime.clock import Clock

SAVE_MS: Final = 30_000
REREAD_MAX: Final = 10_000
"""Entries that a start may have to look through besides the book: so many are no reason to write to the flash each half minute."""


class Keeper:
    """`book` and `leftover` are the files."""

    def __init__(
        self, book: AlarmBook, leftover: Leftover, journal: Journal, clock: Clock, work: Executor, alarms: Callable[[], Iterable[Alarm]]
    ) -> None:
        """`alarms` gives those whose states the book keeps."""
        self.book, self.leftover = book, leftover
        self._journal, self._clock, self._work, self._alarms = journal, clock, work, alarms
        self._writing: asyncio.Future[Any] | None = None
        self._is_left = False
        """There is a file of what was left over."""
        self._unread: tuple[AlarmRow, ...] | None = None
        """That file cannot be read: what the ledger has since the book, for when it can."""
        self._saved: tuple[Told | None, int] | None = None
        """The newest transition and the entries that the book knows."""

    async def load(self, entries: Entries) -> tuple[Remembered, Left]:
        """Return what book and ledger tell, and what was left over that the ledger does not have. Raises LedgerError, OSError.

        What was left over and cannot be read now comes later: see `_read_again`.
        """
        remembered: Remembered = await self._blocking(self.book.load, entries)
        since = tuple(row for row, _ in remembered.since)
        try:
            left: Left | None = await self._blocking(self._left_over, since)
        except OSError as error:
            structlog.get_logger("alarms").warning("alarm_rows_unread", reason=str(error))
            self._unread, left = since, None
        self._is_left = left is not None
        left = Left(()) if left is None else left
        _say_found(left)
        return remembered, left

    def _left_over(self, since: Iterable[AlarmRow]) -> Left | None:
        left = self.leftover.load()
        return None if left is None else left.without(since)

    async def _read_again(self) -> None:
        """Have recorded what could not be read at the start. Raises OSError when it still cannot be.

        It tells nothing of how alarms stand now: they have moved on since.
        """
        found: Left | None = await self._blocking(self._left_over, self._unread or ())
        left, self._is_left, self._unread = found or Left(()), found is not None, None
        self._journal.note_lost(left.lost)
        for row in left.rows:  # in one stretch: what is in the file is in the journal, or none of it is
            self._journal.note(row)
        _say_found(left)

    async def run(self) -> None:
        """Write the book now and then, in a task of its own: a disk that is slow holds no delay and no shelf up."""
        while True:
            await self._clock.sleep_until_mono(self._clock.mono_ms() + SAVE_MS)
            await self.save()

    async def save(self) -> None:
        """Write the book if it would say something new; where the disk refuses, the ledger says the same at the next start.

        What was left over is removed before: a book that is newer than its rows in the ledger would have them recorded again. For the same
        reason there is no newer book while that file cannot be read.
        """
        with contextlib.suppress(OSError):
            if self._unread is not None:
                await self._read_again()
            if self._is_left and self._journal.is_settled():
                await self._blocking(self.leftover.remove)
                self._is_left = False
            if not self._journal.is_settled():
                return  # states that the ledger does not tell yet are not for the book
            history = self._journal.history
            newest, size = history[-1] if history else None, self.book.size()
            if self._saved is not None and self._saved[0] is newest and size - self._saved[1] < REREAD_MAX:
                return
            rows = [(told.row, told.seq) for told in history if told.seq is not None]
            pages = [page_of(alarm) for alarm in self._alarms() if alarm.changed_ms is not None]
            await self._blocking(self.book.save, size, pages, rows)
            self._saved = newest, size

    async def close(self, deadline_s: float) -> None:
        """Keep what is not recorded for the next start, or write the book; for an end in order, after the journal was flushed."""
        log = structlog.get_logger("alarms")
        try:
            async with asyncio.timeout(deadline_s):
                if self._journal.is_settled():
                    await self.save()
                    return
                if self._unread is not None:  # never written over: it is there for the next start
                    await self._read_again()
                self._is_left, left = True, Left(*self._journal.left())
                kept = await self._blocking(self.leftover.save, left)
        except OSError as error:  # TimeoutError is one
            if self._journal.pending:
                log.warning("alarm_rows_not_kept", count=self._journal.pending, reason=str(error) or type(error).__name__)
        else:
            if left.rows:
                log.warning("alarm_rows_kept", count=kept, lost=len(left.rows) - kept)

    async def _blocking(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a call returns, begun when the one before has come back."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        self._writing = asyncio.get_running_loop().run_in_executor(self._work, call, *arguments)
        self._writing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also where nobody waits any more
        return await asyncio.shield(self._writing)


def _say_found(left: Left) -> None:
    if left.rows or left.lost:
        structlog.get_logger("alarms").warning("alarm_rows_found", count=len(left.rows), lost=left.lost)
