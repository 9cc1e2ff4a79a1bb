"""Building a batch: scans come in, one body and the detail of its entry come out. Pure; no clock, no task, no file.

Room: ground. The runtime's evidence part adds every scan and seals every few seconds. Adding only keeps references; the
hashing and packing happen while sealing, in steps short enough to stand between two turns of an event loop.
Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat
from typing import Any, NamedTuple

from ledger_client import cbor
from ledger_client.body_reader import (
    BODY_CELLS_MAX,
    CELLS_MAX,
    READINGS_MAX,
    SCANS_COUNTED_MIN,
    SCANS_MAX,
    SECRET_SIZE,
    SECTIONS_MAX,
    SOURCE_NONE,
    Body,
    BodyReading,
    Column,
    Section,
    cells_counted,
    read_body,
)
from ledger_client.codecs import put_varint, zigzag
from ledger_client.columns import (
    ABSENT,
    HAS_CELLS,
    NULL,
    STATUS_MAX,
    TEXT_SIZE_MAX,
    VALUE,
    encode_cells,
    encode_values,
)
from ledger_client.deflate import deflater
from ledger_client.float_columns import CodecHints
from ledger_client.leaf import INT_MAX, INT_MIN, LEAVES_MAX, SPANS, UINT_MAX, Value, column_leaves, head_of
from ledger_client.merkle import leaf_hash, root_of
from ledger_client.schema import GroupRow, SchemaState

STEP_READINGS = 256
"""Readings hashed and packed in one step of sealing: about 0.5 ms on a server core, 4 ms on a small board."""
STEP_BYTES = 8192
"""Bytes deflated in one step."""
TEXT_BYTES_MAX = 4 << 20
"""Bytes of text values in one batch, by which it counts as full."""
_FLOATS = {float}
_KINDS = frozenset({float, int, bool, str, type(None)})


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """What the chain appends: the detail of a BATCH entry and the body that it commits to."""

    detail: tuple[Any, ...]
    body: bytes


def span_for(scans_expected: Iterable[tuple[int, int]]) -> int:
    """Return the leaf span for batches of these (tags, scans) per group: 1 where a section holds a group's batch, else 16."""
    return 1 if all(tags * scans <= LEAVES_MAX for tags, scans in scans_expected) else 16


class _OpenSection:
    """Scans of one group that will become one section."""

    __slots__ = ("counts", "group", "leaves", "present", "sources", "statuses", "times", "values")

    def __init__(self, group: GroupRow) -> None:
        self.group = group
        self.times: list[int] = []
        self.sources: list[int | None] = []
        self.values: list[list[Value]] = []
        self.statuses: list[list[int] | None] = []
        self.present: list[list[bool] | None] = []
        self.counts: list[int] | None = None
        """Readings per column, once a scan has left one out; until then every column has one per scan."""
        self.leaves = 0

    def takes(self, present: list[bool] | None, span: int) -> bool:
        """Account for one more scan when it fits, tell whether it did."""
        width, scans = len(self.group.tag_uids), len(self.times)
        if scans == SCANS_MAX or (scans + 1) * width > CELLS_MAX:
            return False
        if self.counts is None and present is None:
            more = width if scans % span == 0 else 0
        else:
            counts = self.counts or [scans] * width
            chosen = range(width) if present is None else [i for i, p in enumerate(present) if p]
            more = sum([1 for i in chosen if counts[i] % span == 0])
        if self.leaves + more > LEAVES_MAX:
            return False
        if self.counts is not None or present is not None:
            self.counts = counts
            for i in chosen:
                counts[i] += 1
        self.leaves += more
        return True


class BatchBuilder:
    """One open batch.

    Args:
        secret: 32 random bytes, fresh for every batch; the salts come from it.
        offset_ms: wall minus boottime now; a clock step must close the batch.
        span: readings per leaf, 1 or 16.
        schema: the state in force; it must not change before this batch is sealed.
        hints: kept by the caller from batch to batch.
    """

    def __init__(self, secret: bytes, offset_ms: int, span: int, schema: SchemaState, hints: CodecHints | None = None) -> None:
        if len(secret) != SECRET_SIZE or span not in SPANS:
            raise ValueError("a batch needs 32 secret bytes and a span of 1 or 16")
        self._secret = secret
        self._offset_ms = offset_ms
        self._span = span
        self._schema = schema
        self._hints = hints or CodecHints()
        self._sections: list[_OpenSection] = []
        self._open: dict[int, _OpenSection] = {}
        self._bad = 0
        self._text_bytes = 0
        self._cells = 0
        self.readings = 0
        """Readings so far."""

    @property
    def size_estimate(self) -> int:
        """Bytes that entry, body and framing may take, on the safe side for reserving space."""
        return 512 + 64 * len(self._sections) + 10 * self.readings + self._text_bytes

    @property
    def full(self) -> bool:
        """Whether it is time to seal whatever the period: another large scan might not fit."""
        half = self.readings >= READINGS_MAX // 2 or self._cells >= BODY_CELLS_MAX // 2 or len(self._sections) >= SECTIONS_MAX // 2
        return half or self._text_bytes >= TEXT_BYTES_MAX

    def add(
        self,
        group_uid: int,
        time_ms: int,
        source_ms: int | None,
        values: list[Value],
        statuses: list[int] | None = None,
        present: list[bool] | None = None,
    ) -> None:
        """Take one scan. The lists are kept, not copied; a scan in which nothing is present leaves no trace.

        Raises ValueError, and keeps nothing, for a group that is not in the schema, lists of other lengths, a value that is
        no float, int of 64 bits, bool, text of at most 65,535 bytes or None, a time or status out of range, or a batch beyond its limits.
        """
        group = self._schema.groups.get(group_uid)
        width = len(values)
        whole = (statuses is None or len(statuses) == width) and (present is None or len(present) == width)
        if group is None or width != len(group.tag_uids) or not whole:
            raise ValueError(f"scan does not fit group {group_uid}")
        if not INT_MIN <= time_ms <= INT_MAX or not (source_ms is None or (INT_MIN < source_ms <= INT_MAX)):
            raise ValueError("time out of range")
        text_bytes = 0 if set(map(type, values)) == _FLOATS else _check_values(values)
        if statuses is not None and (min(statuses, default=0) < 0 or max(statuses, default=0) > STATUS_MAX):
            raise ValueError("status out of range")
        count = width if present is None else sum([1 for p in present if p])
        if not count:
            return
        if (
            self.readings + count > READINGS_MAX
            or self._text_bytes + text_bytes > 2 * TEXT_BYTES_MAX
            or self._cells + cells_counted(1, width) > BODY_CELLS_MAX
            or len(self._sections) == SECTIONS_MAX
        ):
            raise ValueError("batch is beyond its limits")
        section = self._open.get(group_uid)
        if section is None or not section.takes(present, self._span):
            section = self._open[group_uid] = _OpenSection(group)
            self._sections.append(section)
            section.takes(present, self._span)
            self._cells += cells_counted(0, width)
        self._cells += width if len(section.times) >= SCANS_COUNTED_MIN else 0
        section.times.append(time_ms)
        section.sources.append(source_ms)
        section.values.append(values)
        section.statuses.append(statuses)
        section.present.append(present)
        self.readings += count
        self._text_bytes += text_bytes
        if statuses is not None:
            self._bad += sum([1 for i, s in enumerate(statuses) if s >> 31 and (present is None or present[i])])

    def seal(self, dropped: int = 0) -> SealedBatch:
        """Do all steps at once."""
        steps = self.seal_steps(dropped)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                sealed: SealedBatch = end.value
                return sealed

    def seal_steps(self, dropped: int = 0) -> Generator[None, None, SealedBatch]:
        """Seal in short steps; the generator's return value is the sealed batch. The builder takes no scans afterwards.

        `dropped` counts the readings that evidence had to let go. Let the event loop turn between two steps.
        """
        self._hints.next_batch()
        roots: list[bytes] = []
        context, parts = deflater(), [self._secret]
        head = b"\x83\x01" + cbor.encode(self._offset_ms) + _array_head(len(self._sections))
        parts.append(context.compress(head))
        for index, section in enumerate(self._sections):
            leaves: list[bytes] = []
            codecs, data = bytearray(), bytearray()
            work = 0
            for place, column in enumerate(_transposed(section, self._schema)):
                codec, packed = _encode_column(column, self._hints)
                codecs.append(codec)
                data += packed
                leaves += column_leaves(self._secret, index, place, column.hash, column.heads, column.values, self._span)
                work += len(column.values) + 8
                if work >= STEP_READINGS:
                    work = 0
                    yield
            roots.append(leaf_hash(root_of(leaves)))
            yield
            row = [section.group.uid, len(section.times), _put_times(section.times), _put_sources(section), bytes(codecs), bytes(data)]
            raw = cbor.encode(row)
            for start in range(0, len(raw), STEP_BYTES):
                parts.append(context.compress(raw[start : start + STEP_BYTES]))
                if len(raw) > STEP_BYTES:
                    yield
        parts.append(context.flush())
        body = b"".join(parts)
        times = [t for s in self._sections for t in (min(s.times), max(s.times))] or [0]
        good = self.readings - self._bad
        body_hash = sha256(body).digest()
        detail = (min(times), max(times), good, self._bad, dropped, len(body), body_hash, root_of(roots), self._span)
        return SealedBatch(detail, body)


class _Cells(NamedTuple):
    """One column on its way into a body: present readings only; `cells` is None where every scan has a good value."""

    uid: int
    hash: bytes
    heads: list[bytes]
    values: list[Value]
    cells: list[tuple[int, int]] | None


def _transposed(section: _OpenSection, schema: SchemaState) -> Iterator[_Cells]:
    """Yield the section's columns."""
    width = len(section.group.tag_uids)
    plain_heads = [head_of(t, s, 0) for t, s in zip(section.times, section.sources, strict=True)]
    status_columns = _columns_or_none(section.statuses, [0] * width)
    present_columns = _columns_or_none(section.present, [True] * width)
    for uid, column in zip(section.group.tag_uids, zip(*section.values, strict=True), strict=True):
        values, statuses, present = list(column), next(status_columns), next(present_columns)
        descriptor_hash = schema.descriptors[uid].hash
        plain = (statuses is None or not any(statuses)) and (present is None or all(present))
        if plain and None not in values:
            yield _Cells(uid, descriptor_hash, plain_heads, values, None)
            continue
        statuses = statuses or (0,) * len(values)
        places = [i for i, p in enumerate(present) if p] if present is not None else range(len(values))
        cells = [(ABSENT, 0)] * len(values)
        for i in places:
            cells[i] = (NULL if values[i] is None else VALUE, statuses[i])
        heads = [head_of(section.times[i], section.sources[i], statuses[i]) if statuses[i] else plain_heads[i] for i in places]
        yield _Cells(uid, descriptor_hash, heads, [values[i] for i in places], cells)


def _columns_or_none(rows: list[list[Any] | None], default: list[Any]) -> Iterator[tuple[Any, ...] | None]:
    if all(row is None for row in rows):
        return repeat(None)
    return zip(*[default if row is None else row for row in rows], strict=True)


def _encode_column(column: _Cells, hints: CodecHints) -> tuple[int, bytes]:
    if column.cells is None:
        return encode_values(column.values, column.uid, hints)
    codec, data = encode_values([v for v in column.values if v is not None], column.uid, hints)
    return codec | HAS_CELLS, encode_cells(column.cells) + data


def _check_values(values: list[Value]) -> int:
    """Return the bytes of text among values. Raises ValueError for a value that no body can hold."""
    kinds = set(map(type, values))
    if not kinds <= _KINDS:
        raise ValueError(f"values of types {sorted(k.__name__ for k in kinds - _KINDS)}")
    ints = [v for v in values if type(v) is int] if int in kinds else [0]
    if min(ints) < INT_MIN or max(ints) > UINT_MAX:
        raise ValueError("int beyond 64 bits")
    if str not in kinds:
        return 0
    sizes = [len(v.encode()) for v in values if type(v) is str]
    if max(sizes) > TEXT_SIZE_MAX:
        raise ValueError("text too long")
    return sum(sizes)


def _put_times(times: list[int]) -> bytes:
    out = bytearray()
    last, step = times[0], 0
    put_varint(out, zigzag(last))
    for time_ms in times[1:]:
        put_varint(out, zigzag(time_ms - last - step))
        last, step = time_ms, time_ms - last
    return bytes(out)


def _put_sources(section: _OpenSection) -> bytes:
    out = bytearray()
    if any(s is not None for s in section.sources):
        for time_ms, source_ms in zip(section.times, section.sources, strict=True):
            put_varint(out, zigzag(SOURCE_NONE if source_ms is None else source_ms - time_ms))
    return bytes(out)


def _array_head(count: int) -> bytes:
    """Return the CBOR head of an array, whose elements follow one by one."""
    return bytes([0x80 | count]) if count < 24 else b"\x98" + bytes([count]) if count < 256 else b"\x99" + count.to_bytes(2, "big")


__all__ = ["BatchBuilder", "Body", "BodyReading", "CodecHints", "Column", "SealedBatch", "Section", "read_body", "span_for"]
