"""Durable entries that say more than readings, for faces: a ring of the newest, and the ledger behind it.

Room: hall. Implements `faces.feed.EventSource`. The chain calls `durable` after each fdatasync, so nothing is shown before it is true. A
face that asks from an old cursor is answered from the ledger's files, in an executor, a bounded piece at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, Final, Protocol

from ledger_client.entry import Payload, parse
from ledger_client.kinds import Kind

RING_MAX: Final = 500
SCAN_MAX: Final = 20_000
"""Entries looked at for one answer from the files."""
QUIET_KINDS: Final = frozenset({Kind.BATCH, Kind.SCHEMA})
"""Kinds that are no event for a face."""


class Entries(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that events use. Blocking."""

    def entry(self, seq: int) -> bytes:
        """Return a stored entry."""
        ...

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored entries."""
        ...


class Events:
    """`newest` is the seq of the newest event, -1 before the first."""

    def __init__(self, entries: Entries, size: int, newest: Callable[[], Payload | None], work: Executor) -> None:
        """`size` is the ledger's durable size now; earlier events are found in the files when asked for.

        `newest` gives the entry that `durable` speaks of, so that no file is read on the loop. `entries` is read by nobody else, in `work`.
        """
        self._entries, self._newest, self._work = entries, newest, work
        self._reading = asyncio.Lock()
        self._ring_from = size
        self._ring: deque[list[Any]] = deque(maxlen=RING_MAX)
        self._more = asyncio.Event()
        self.newest = size - 1
        self.kinds: dict[str, int] = {}

    def durable(self, size: int) -> None:
        """The chain's callback: entry `size - 1` is durable."""
        payload = self._newest()
        if payload is None or payload.seq != size - 1:
            return
        row: list[Any] = [payload.seq, payload.wall_ms, payload.kind, payload.detail]
        kind = Kind(row[2]).name.lower()
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if row[2] not in QUIET_KINDS:
            if len(self._ring) == RING_MAX:
                self._ring_from = self._ring[0][0] + 1
            self._ring.append(row)
            self.newest = row[0]
            self._more.set()
            self._more = asyncio.Event()

    async def beyond(self, cursor: int) -> None:
        """See EventSource."""
        while self.newest <= cursor:
            await self._more.wait()

    async def since(self, cursor: int, limit: int) -> list[list[Any]]:
        """See EventSource."""
        if cursor + 1 >= self._ring_from:
            return [row for row in self._ring if row[0] > cursor][:limit]
        start, end = max(0, cursor + 1), min(self._ring_from, max(0, cursor + 1) + SCAN_MAX)
        loop = asyncio.get_running_loop()
        async with self._reading:  # a reader is for one thread at a time
            rows = await loop.run_in_executor(self._work, self._read, start, end, limit)
            if rows or end < self._ring_from:
                # Nothing to show in a long stretch still moves the cursor: a row of its last entry says how far we are.
                return rows or [await loop.run_in_executor(self._work, self._row_at, end - 1)]
        return list(self._ring)[:limit]

    def _read(self, start: int, end: int, limit: int) -> list[list[Any]]:
        rows: list[list[Any]] = []
        for raw in self._entries.entries(start, end):
            row = _row(raw)
            if row[2] not in QUIET_KINDS:
                rows.append(row)
                if len(rows) == limit:
                    break
        return rows

    def _row_at(self, seq: int) -> list[Any]:
        return _row(self._entries.entry(seq))


def _row(raw: bytes) -> list[Any]:
    payload = parse(raw).payload
    return [payload.seq, payload.wall_ms, payload.kind, payload.detail]
