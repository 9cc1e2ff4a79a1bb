"""Follows the ledger up to the durable head and feeds the index, in small steps.

Room: hall, history. `service` runs it. It reads stored bytes only, never the core's memory, and never past the size that the core has
published: what is not durable is not history.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from itertools import chain
from typing import Final

import structlog

from ledger_client import cbor
from ledger_client.body_reader import read_body
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.history.catalogue import DETAIL_SIZE_MAX, SpoiledIndexError
from runtime.history.index import ROWS_MAX, Index

STEP_ENTRIES: Final = 32
IDLE_S: Final = 0.5
RETRY_MS: Final = 60_000
MANY: Final = frozenset({"https://witnessmark.example/event/scores"})
"""Events that come all the time: in a list of what happened they would hide the rest. The ledger has them, and `ledger show`."""
MARKS: Final = frozenset({Kind.BOOT, Kind.CLOCK, Kind.COMMAND, Kind.CLOSE, Kind.EVENT, Kind.PLAN, Kind.CONFIG})
"""Kinds that stand beside a trend; what they say is kept in the index, or a week's marks would open a hundred segments."""
TOLD_MAX: Final = 4_096
STOPPED, CUT_OFF = "gateway_stopped", "gateway_cut_off"
"""Causes of the gap before a boot: after a proper end, and after none."""
_log = structlog.get_logger("history")


class Follower:
    """Keeps `index` up with a ledger. `head` tells the published size; `schema` is the state in force at `index.read_to`."""

    def __init__(self, reader: LedgerReader, index: Index, head: Callable[[], int]) -> None:
        self._reader, self._index, self._head = reader, index, head
        self.schema = reader.schema_at(index.read_to)
        self._wall_ms = 0
        self._retry_ms = 0

    async def run(self) -> None:
        """Follow until cancelled; hands the loop over after each entry. Raises SpoiledIndexError as soon as anybody has met damage."""
        try:
            while True:
                if self._index.spoiled is not None:
                    raise self._index.spoiled
                start = self._index.read_to
                for seq in range(start, min(self._head(), start + STEP_ENTRIES)):
                    self.take(seq)
                    await asyncio.sleep(0)
                if self._index.read_to == start:
                    await asyncio.sleep(IDLE_S)
                elif self._index.is_due(self._wall_ms):
                    await self._write()
        except asyncio.CancelledError:
            self._write_at_once()
            raise

    def take(self, seq: int) -> None:
        """Read one entry and add what it holds. A damaged body is left out, said in the log, and stays the verifier's business."""
        try:
            self._take(seq)
        except FormatError as error:
            _log.warning("history_entry_left_out", seq=seq, code=error.code)
        self._index.seen(seq + 1, self._wall_ms)

    def _take(self, seq: int) -> None:
        entry = parse(self._reader.entry(seq))
        payload = entry.payload
        kind, detail, before_ms = payload.kind, payload.detail, self._wall_ms
        self._wall_ms = payload.wall_ms
        if kind == Kind.BATCH:
            self._take_batch(entry)
            return
        type_uri = str(detail[0]) if kind == Kind.EVENT else ""
        if type_uri not in MANY:
            kept = cbor.encode(detail) if kind in MARKS else b""
            told = self._reader.body(seq) if kind in {Kind.EVENT, Kind.COMMAND} and detail[3] <= TOLD_MAX else None
            self._index.add_event(seq, payload.wall_ms, kind, kept if 0 < len(kept) <= DETAIL_SIZE_MAX else None, told)
        if kind == Kind.GAP:
            self._index.add_gaps([(seq, place, *row) for place, row in enumerate(detail)])
        elif kind == Kind.BOOT and seq:
            last = parse(self._reader.entry(seq - 1)).payload
            before_ms = before_ms or last.wall_ms
            if last.kind != Kind.GENESIS and before_ms < payload.wall_ms:  # before the first boot nothing ran that could have stopped
                self._index.add_gaps([(seq, 0, None, before_ms, payload.wall_ms, CUT_OFF if detail[2] else STOPPED, 0)])
        elif kind == Kind.SCHEMA and (body := self._reader.body(seq)) is not None:
            self.schema = self.schema.apply(body, full=detail[3] == 1)

    def _take_batch(self, entry: Entry) -> None:
        body = self._reader.body(entry.seq)
        if body is None:
            return
        for section in read_body(body, entry.payload.detail, self.schema).sections:
            self._index.take(entry.seq, section)

    async def _write(self) -> None:
        """Write a page. A disk that cannot take it now is asked again: what was gathered stays in memory, up to twice the usual."""
        if 0 < self._retry_ms - self._wall_ms <= RETRY_MS:  # more than that is a clock that was set back meanwhile
            return
        try:
            for _ in chain(self._index.write(), self._index.widen()):
                await asyncio.sleep(0)
        except (OSError, sqlite3.OperationalError) as error:
            if self._index.rows >= 2 * ROWS_MAX:
                raise
            self._retry_ms = self._wall_ms + RETRY_MS
            _log.warning("history_page_not_written", reason=str(error))

    def _write_at_once(self) -> None:
        """Write what was gathered before the process ends: the next one then need not read it again."""
        if self._index.spoiled is not None:
            return
        try:
            for _ in self._index.write():
                pass
        except (OSError, sqlite3.OperationalError, SpoiledIndexError) as error:
            _log.warning("history_page_not_written", reason=str(error))
