"""From entries of the ledger to samples: what each entry says of the tags, in one order, for the judge and for the replay alike.

Room: hall, judgement. `judge` and `replay` read through it, in a process that may block; nothing of the core imports it. It reads stored
bytes only, never past the size that the core published, and changes nothing. What an entry gives depends on the ledger alone, so a
second reading gives the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from ledger_client.body_reader import Body, read_body
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.event_bodies import EventBody, read_event
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState
from runtime.history.rollups import as_number

GOOD: Final = 0
NEAR: Final = 512
OWN_STOP: Final = "poll_stopping"
"""The cause of a gap that the gateway made itself by ending or changing its polling: it says nothing of what a tag showed."""
SEVERITY_SHIFT: Final = 30
"""The two high bits of an OPC UA status: 0 good, 1 uncertain, 2 bad."""

Sample = tuple[int, int, float | None, int | None]
"""(tag uid, read time ms, value, source time ms); value None: missing from then on."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one entry says.

    Attributes:
        seq: the entry.
        wall_ms: when it was written.
        samples: of the tags asked for, by (read time, group, column).
        until_ms: the newest read time of a batch; None of any other entry, and of a batch without readings.
        silent: (tag uid, from ms): tags whose scans did not come from then on, though somebody waited for them.
        withheld: a batch whose readings are not at hand.
        set_back: the wall clock was set back here.
        begun: the gateway began here; nobody looked at the machine since the entry before.
        event: what an event entry of a known type says.
    """

    seq: int
    wall_ms: int
    samples: tuple[Sample, ...] = ()
    until_ms: int | None = None
    silent: tuple[tuple[int, int], ...] = ()
    withheld: bool = False
    set_back: bool = False
    begun: bool = False
    event: EventBody | None = None


class Follower:
    """Reads entries in order from `start` on; `wanted` are the uids of the tags that somebody judges."""

    def __init__(self, reader: LedgerReader, start: int, wanted: Iterable[int] = ()) -> None:
        """Raises LedgerError, OSError when the schema in force at `start` cannot be read."""
        self._reader = reader
        self.next_seq = start
        self.wanted = frozenset(wanted)
        self._schema: SchemaState | None = reader.schema_at(start)
        self._group_of: dict[int, tuple[int, ...]] = {}
        self._index()

    @property
    def schema(self) -> SchemaState:
        """What the tags are at `next_seq`; empty while the schema's body is withheld."""
        return self._schema or SchemaState()

    def want(self, uids: Iterable[int]) -> None:
        """Ask for other tags from the next entry on."""
        self.wanted = frozenset(uids)
        self._index()

    def take(self) -> Taken:
        """Read the next entry. A damaged one says nothing here and stays the verifier's business. Raises OSError, StoreError."""
        seq = self.next_seq
        taken = self._read(seq)
        self.next_seq = seq + 1
        return taken

    def _read(self, seq: int) -> Taken:
        log = structlog.get_logger("judge")
        try:
            entry = parse(self._reader.entry(seq))
        except FormatError as error:
            log.warning("judge_entry_left_out", seq=seq, code=error.code)
            return Taken(seq, 0)
        try:
            return self._said(entry)
        except FormatError as error:
            log.warning("judge_body_left_out", seq=seq, code=error.code)
            return Taken(seq, entry.payload.wall_ms, withheld=entry.payload.kind == Kind.BATCH)

    def _said(self, entry: Entry) -> Taken:
        seq, wall_ms, kind, detail = entry.seq, entry.payload.wall_ms, entry.payload.kind, entry.payload.detail
        if kind == Kind.GAP:
            return Taken(seq, wall_ms, silent=tuple(self._silent(detail)))
        if kind == Kind.CLOCK:
            return Taken(seq, wall_ms, set_back=detail[1] < detail[0])
        if kind == Kind.BOOT:
            return Taken(seq, wall_ms, begun=True)
        if kind not in {Kind.BATCH, Kind.SCHEMA, Kind.EVENT}:
            return Taken(seq, wall_ms)
        body = self._reader.body(seq)
        if kind == Kind.SCHEMA:
            self._apply(body, full=detail[3] == 1)
            return Taken(seq, wall_ms)
        if kind == Kind.EVENT:
            return Taken(seq, wall_ms, event=None if body is None else read_event(detail[0], detail[1], body))
        if body is None or self._schema is None:
            return Taken(seq, wall_ms, until_ms=detail[1] or None, withheld=True)
        read = read_body(body, detail, self._schema)
        return Taken(seq, wall_ms, samples_of(read, self.wanted), detail[1] if read.sections else None)

    def _apply(self, body: bytes | None, *, full: bool) -> None:
        if body is None:
            self._schema = None
        elif full or self._schema is not None:
            self._schema = (self._schema or SchemaState()).apply(body, full=full)
        self._index()

    def _silent(self, rows: Iterable[tuple[int | None, int, int, str, int]]) -> Iterable[tuple[int, int]]:
        """A row without a group speaks of every tag. Later rows do not repeat what an earlier one has said."""
        for group, from_ms, _, cause, _ in rows:
            if cause == OWN_STOP:
                continue
            for uid in sorted(self.wanted) if group is None else self._group_of.get(group, ()):
                yield uid, from_ms

    def _index(self) -> None:
        groups = self.schema.groups.values()
        self._group_of = {group.uid: tuple(uid for uid in group.tag_uids if uid in self.wanted) for group in groups}


def samples_of(body: Body, wanted: frozenset[int]) -> tuple[Sample, ...]:
    """Return the samples of the wanted tags by (read time, group, column); what is not a good number is missing from then on."""
    found: list[tuple[int, int, int, Sample]] = []
    for section in body.sections:
        for place, column in enumerate(section.columns):
            uid = column.descriptor.uid
            if uid not in wanted:
                continue
            for scan, status, value in zip(column.scans, column.statuses, column.values, strict=True):
                number = as_number(value, status) if status >> SEVERITY_SHIFT == GOOD else None
                number = number if number is not None and math.isfinite(number) else None
                time_ms = section.times[scan]
                found.append((time_ms, section.group.uid, place, (uid, time_ms, number, section.sources[scan])))
    found.sort(key=lambda row: row[:3])
    return tuple(sample for _, _, _, sample in found)


def first_seq_at(reader: LedgerReader, time_ms: int, size: int) -> int:
    """Return the first entry written at `time_ms` or later; wall times that were stepped make it approximate.

    It looks back from the end in growing steps, then halves: what is recent is found without opening old segments.
    Raises LedgerError, OSError.
    """
    low, high, step = 0, size, NEAR
    while high > 0:
        low = max(0, high - step)
        if _wall_ms(reader, low) < time_ms:
            low += 1
            break
        high, step = low, step * 4
    while low < high:
        middle = (low + high) // 2
        if _wall_ms(reader, middle) < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _wall_ms(reader: LedgerReader, seq: int) -> int:
    try:
        return parse(reader.entry(seq)).payload.wall_ms
    except FormatError as error:
        raise LedgerError(error.code, **error.params) from error
