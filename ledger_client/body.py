"""Building a batch: scans come in, one body and the detail of its entry come out. Pure; no clock, no task, no file.

Room: ground. The runtime's evidence part adds every scan and seals every few seconds. Adding only keeps references; the
hashing and packing happen while sealing, in steps short enough to stand between two turns of an event loop.
Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import compress
from typing import Any

from ledger_client import cbor
from ledger_client.body_reader import (
    BODY_CELLS_MAX,
    READINGS_MAX,
    SCANS_COUNTED_MIN,
    SECRET_SIZE,
    SECTIONS_MAX,
    Body,
    BodyReading,
    Column,
    Section,
    cells_counted,
    read_body,
)
from ledger_client.columns import STATUS_MAX, TEXT_SIZE_MAX
from ledger_client.deflate import deflater
from ledger_client.float_columns import CodecHints
from ledger_client.leaf import INT_MAX, INT_MIN, LEAVES_MAX, SPANS, UINT_MAX, Value
from ledger_client.merkle import leaf_hash, root_of
from ledger_client.open_section import OpenSection
from ledger_client.schema import SchemaState

STEP_BYTES = 8192
"""Bytes deflated in one step."""
TEXT_BYTES_MAX = 4 << 20
"""Bytes of text values in one batch, by which it counts as full."""
_PLAIN = frozenset({float, bool, type(None)})
_KINDS = frozenset({float, int, bool, str, type(None)})


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """What the chain appends: the detail of a BATCH entry and the body that it commits to."""

    detail: tuple[Any, ...]
    body: bytes


def span_for(scans_expected: Iterable[tuple[int, int]]) -> int:
    """Return the leaf span for batches of these (tags, scans) per group: 1 where a section holds a group's batch, else 16."""
    return 1 if all(tags * scans <= LEAVES_MAX for tags, scans in scans_expected) else 16


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
        self._sections: list[OpenSection] = []
        self._open: dict[int, OpenSection] = {}
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
        What stands in `values` where `present` is False is not looked at.
        """
        group = self._schema.groups.get(group_uid)
        width = len(values)
        if (
            group is None
            or width != len(group.tag_uids)
            or (statuses is not None and len(statuses) != width)
            or (present is not None and len(present) != width)
        ):
            raise ValueError(f"scan does not fit group {group_uid}")
        if not INT_MIN <= time_ms <= INT_MAX or not (source_ms is None or (INT_MIN < source_ms <= INT_MAX)):
            raise ValueError("time out of range")
        places = None if present is None or all(present) else list(compress(range(width), present))
        shown = values if places is None else [values[i] for i in places]
        count = len(shown)
        text_bytes = 0 if set(map(type, shown)) <= _PLAIN else _check_values(shown)
        if statuses is not None and (min(statuses, default=0) < 0 or max(statuses, default=0) > STATUS_MAX):
            raise ValueError("status out of range")
        if not count:
            return
        if (
            self.readings + count > READINGS_MAX
            or self._text_bytes + text_bytes > 2 * TEXT_BYTES_MAX
            or self._cells + SCANS_COUNTED_MIN * width > BODY_CELLS_MAX
            or len(self._sections) == SECTIONS_MAX
        ):
            raise ValueError("batch is beyond its limits")
        scan = (time_ms, source_ms, values, statuses, places)
        section = self._open.get(group_uid)
        if section is None or not section.add(scan, self._span):
            section = self._open[group_uid] = OpenSection(group)
            self._sections.append(section)
            section.add(scan, self._span)
            self._cells += cells_counted(0, width)
        elif len(section.scans) > SCANS_COUNTED_MIN:
            self._cells += width
        self.readings += count
        self._text_bytes += text_bytes
        if statuses is not None:
            self._bad += sum([statuses[i] >> 31 for i in (range(width) if places is None else places)])

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
        context, parts = deflater(self.size_estimate), [self._secret]
        head = b"\x83\x01" + cbor.encode(self._offset_ms) + _array_head(len(self._sections))
        parts.append(context.compress(head))
        for index, section in enumerate(self._sections):
            leaves, raw = yield from section.pack(self._secret, index, self._span, self._schema, self._hints)
            roots.append(leaf_hash(root_of(leaves)))
            yield
            for start in range(0, len(raw), STEP_BYTES):
                parts.append(context.compress(raw[start : start + STEP_BYTES]))
                if len(raw) > STEP_BYTES:
                    yield
        parts.append(context.flush())
        body = b"".join(parts)
        times = [time_ms for section in self._sections for time_ms in section.ends()] or [0]
        good = self.readings - self._bad
        body_hash = sha256(body).digest()
        detail = (min(times), max(times), good, self._bad, dropped, len(body), body_hash, root_of(roots), self._span)
        return SealedBatch(detail, body)


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


def _array_head(count: int) -> bytes:
    """Return the CBOR head of an array, whose elements follow one by one."""
    return bytes([0x80 | count]) if count < 24 else b"\x98" + bytes([count]) if count < 256 else b"\x99" + count.to_bytes(2, "big")


__all__ = ["BatchBuilder", "Body", "BodyReading", "CodecHints", "Column", "SealedBatch", "Section", "read_body", "span_for"]
