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
        self._saved: tuple[Told | None, int] | None = None
        """The newest transition and the entries that the book knows."""

    async def load(self, entries: Entries) -> tuple[Remembered, Left]:
        """Return what book and ledger tell, and what was left over that the ledger does not have. Raises LedgerError, OSError."""

        def read() -> tuple[Remembered, Left | None]:
            remembered, left = self.book.load(entries), self.leftover.load()
            return remembered, None if left is None else left.without(row for row, _ in remembered.since)

        remembered, left = await self._blocking(read)
        self._is_left = left is not None
        if left is not None and (left.rows or left.lost):
            structlog.get_logger("alarms").warning("alarm_rows_found", count=len(left.rows), lost=left.lost)
        return remembered, left or Left(())

    async def run(self) -> None:
        """Write the book now and then, in a task of its own: a disk that is slow holds no delay and no shelf up."""
        while True:
            await self._clock.sleep_until_mono(self._clock.mono_ms() + SAVE_MS)
            await self.save()

    async def save(self) -> None:
        """Write the book if it would say something new; where the disk refuses, the ledger says the same at the next start.

        What was left over is removed before: a book that is newer than its rows in the ledger would have them recorded again.
        """
        with contextlib.suppress(OSError):
            if self._is_left and not self._journal.pending:
                await self._blocking(self.leftover.remove)
                self._is_left = False
            if self._journal.pending:
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
        log, count = structlog.get_logger("alarms"), self._journal.pending
        try:
            async with asyncio.timeout(deadline_s):
                if not count:
                    await self.save()
                    return
                self._is_left = True
                kept = await self._blocking(self.leftover.save, Left(*self._journal.left()))
        except OSError as error:  # TimeoutError is one
            if count:
                log.warning("alarm_rows_not_kept", count=count, reason=str(error) or type(error).__name__)
        else:
            log.warning("alarm_rows_kept", count=kept, lost=count - kept)

    async def _blocking(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a call returns, begun when the one before has come back."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        self._writing = asyncio.get_running_loop().run_in_executor(self._work, call, *arguments)
        self._writing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # also where nobody waits any more
        return await asyncio.shield(self._writing)
