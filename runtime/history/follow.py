"""Follows the ledger up to the durable head and feeds the index, in small steps.

Room: hall, history. `service` runs it. It reads stored bytes only, never the core's memory, and never past the size that the core has
published: what is not durable is not history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ledger_client.body_reader import read_body
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState
from runtime.history.index import Index

STEP_ENTRIES: Final = 32
IDLE_S: Final = 0.5
MANY: Final = frozenset({"https://witnessmark.example/event/scores"})
"""Events that come all the time: in a list of what happened they would hide the rest. The ledger has them, and `ledger show`."""
_log = structlog.get_logger("history")


class Follower:
    """Keeps `index` up with a ledger. `head` tells the published size; `schema` is the state in force at `index.next_seq`."""

    def __init__(self, reader: LedgerReader, index: Index, head: Callable[[], int]) -> None:
        self._reader, self._index, self._head = reader, index, head
        self.schema = reader.schema_at(index.next_seq)

    async def run(self) -> None:
        """Follow until cancelled; hands the loop over after each entry. Raises SpoiledIndexError as soon as anybody has met damage."""
        while True:
            if self._index.spoiled is not None:
                raise self._index.spoiled
            done = 0
            start = seq = self._index.next_seq
            for seq in range(start, min(self._head(), start + STEP_ENTRIES)):
                self.take(seq)
                done += 1
                await asyncio.sleep(0)
            if done:
                self._index.commit(seq + 1)
            else:
                await asyncio.sleep(IDLE_S)

    def take(self, seq: int) -> None:
        """Read one entry and add what it holds. A damaged body is left out, said in the log, and stays the verifier's business."""
        try:
            entry = parse(self._reader.entry(seq))
        except FormatError as error:
            _log.warning("history_entry_left_out", seq=seq, code=error.code)
            return
        kind = entry.payload.kind
        if kind != Kind.BATCH and not (kind == Kind.EVENT and entry.payload.detail[0] in MANY):
            self._index.add_event(seq, entry.payload.wall_ms, kind)
        if kind not in {Kind.BATCH, Kind.SCHEMA}:
            return
        body = self._reader.body(seq)
        if body is None:
            return
        try:
            if kind == Kind.SCHEMA:
                self.schema = self.schema.apply(body, full=entry.payload.detail[3] == 1)
            else:
                self._take_batch(entry, body, self.schema)
        except FormatError as error:
            _log.warning("history_body_left_out", seq=seq, code=error.code)

    def _take_batch(self, entry: Entry, body: bytes, schema: SchemaState) -> None:
        times: dict[int, tuple[int, int]] = {}
        group_of = {uid: group.uid for group in schema.groups.values() for uid in group.tag_uids}
        for reading in read_body(body, entry.payload.detail, schema).readings():
            uid = reading.descriptor.uid
            self._index.add_reading(uid, reading.time_ms, reading.value, reading.status)
            group = group_of[uid]
            low, high = times.get(group, (reading.time_ms, reading.time_ms))
            times[group] = (min(low, reading.time_ms), max(high, reading.time_ms))
        for group, (low, high) in times.items():
            self._index.add_batch(entry.seq, group, low, high)
