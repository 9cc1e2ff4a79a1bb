"""Scans of one tag group on their way into a body: kept as they come, packed and hashed when the batch is sealed. Pure.

Room: ground. The batch builder holds some of these and lets them pack themselves, in steps short enough to stand between two turns of an
event loop. It checks no values: the builder did. Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from ledger_client import cbor
from ledger_client.body_reader import CELLS_MAX, SCANS_MAX, SOURCE_NONE
from ledger_client.codecs import put_varint, zigzag
from ledger_client.columns import ABSENT, HAS_CELLS, NULL, VALUE, encode_cells, put_alone, put_places, put_values
from ledger_client.float_columns import CodecHints
from ledger_client.leaf import LEAVES_MAX, Value, column_leaves, columns_leaves, head_of
from ledger_client.schema import GroupRow, SchemaState

STEP_READINGS = 256
"""Readings hashed and packed in one step of sealing: about 0.5 ms on a server core, 4 ms on a small board."""
_COLUMN_COST = 8
"""What a column costs beside its readings, in readings."""
_ONE = (1,)
_SHORT = 16
"""Up to so many scans, what a column costs by itself matters more than its readings."""
_ABSENT_ALONE = bytes((ABSENT, 0, 1))
"""The run of a column that is not in a section's only scan."""

OpenScan = tuple[int, int | None, list[Value], list[int] | None, list[int] | None]
"""(read time ms, source time ms, values, statuses: None = all good, places that are present: None = all, never empty)"""


class OpenSection:
    """Scans of one group that will become one section."""

    __slots__ = ("_counts", "_leaves", "_room", "group", "scans")

    def __init__(self, group: GroupRow) -> None:
        width = len(group.tag_uids)
        self.group = group
        self.scans: list[OpenScan] = []
        self._room = min(SCANS_MAX, CELLS_MAX // width)
        """Scans that a section of this width may have."""
        self._counts: list[int] | None = None
        """Readings per column, once a scan has left one out; until then every column has one per scan."""
        self._leaves = 0

    def add(self, scan: OpenScan, span: int) -> bool:
        """Take one more scan where it fits; tell whether it did."""
        scans, places = len(self.scans), scan[4]
        if scans >= self._room:
            return False
        if places is None and self._counts is None:
            leaves = self._leaves + (0 if scans % span else len(scan[2]))
            if leaves > LEAVES_MAX:
                return False
        else:
            width = len(scan[2])
            counts, chosen = self._counts or [scans] * width, range(width) if places is None else places
            leaves = self._leaves + (len(chosen) if span == 1 else sum([1 for i in chosen if counts[i] % span == 0]))
            if leaves > LEAVES_MAX:
                return False
            self._counts = counts
            for i in chosen:
                counts[i] += 1
        self._leaves = leaves
        self.scans.append(scan)
        return True

    def ends(self) -> tuple[int, int]:
        """Return the smallest and the largest read time in it."""
        times = [scan[0] for scan in self.scans]
        return min(times), max(times)

    def pack(
        self, secret: bytes, index: int, span: int, schema: SchemaState, hints: CodecHints
    ) -> Generator[None, None, tuple[list[bytes], bytes]]:
        """Pack in short steps; return the leaf hashes and the CBOR of this section, which stands at `index`."""
        codecs, data = bytearray(), bytearray()
        if len(self.scans) == 1:
            leaves = yield from self._pack_row(codecs, data, secret, index, schema, hints)
        elif span == 1 and (self._counts is not None or len(self.scans) <= _SHORT):
            leaves = yield from self._pack_many(codecs, data, secret, index, schema, hints)
        else:
            leaves = []
            work = 0
            for place, column in enumerate(self._columns()):
                codecs.append(_put_column(data, column, len(self.scans), hints))
                if column.values:
                    descriptor_hash = schema.descriptors[column.uid].hash
                    leaves += column_leaves(secret, index, place, descriptor_hash, column.heads, column.values, span)
                work += len(column.values) + _COLUMN_COST
                if work >= STEP_READINGS:
                    work = 0
                    yield
        return leaves, cbor.encode([self.group.uid, len(self.scans), self._times(), self._sources(), bytes(codecs), bytes(data)])

    def _pack_row(
        self, codecs: bytearray, data: bytearray, secret: bytes, index: int, schema: SchemaState, hints: CodecHints
    ) -> Generator[None, None, list[bytes]]:
        """Pack the only scan; return its leaf hashes. A large group that is read seldom has most of its batches so."""
        time_ms, source_ms, values, statuses, places = self.scans[0]
        uids, descriptors = self.group.tag_uids, schema.descriptors
        good_head = head_of(time_ms, source_ms, 0)
        chosen: Sequence[int] = range(len(uids)) if places is None else places
        leaves: list[bytes] = []
        for start in range(0, len(chosen), STEP_READINGS):
            step = chosen[start : start + STEP_READINGS]
            for place in step:
                while len(codecs) < place:
                    codecs.append(HAS_CELLS)
                    data += _ABSENT_ALONE
                value = values[place]
                if value is None or (statuses is not None and statuses[place]):
                    data += encode_cells([(NULL if value is None else VALUE, statuses[place] if statuses else 0)])
                    codecs.append(HAS_CELLS if value is None else HAS_CELLS | put_alone(data, value, uids[place], hints))
                else:
                    codecs.append(put_alone(data, value, uids[place], hints))
            prefixes = [descriptors[uids[place]].leaf_prefix for place in step]
            heads: Iterable[bytes] = repeat(good_head, len(step))
            if statuses is not None:
                heads = [head_of(time_ms, source_ms, statuses[place]) for place in step]
            leaves += columns_leaves(secret, index, step, _ONE * len(step), prefixes, heads, [values[place] for place in step])
            if len(chosen) > STEP_READINGS:
                yield
        while len(codecs) < len(uids):
            codecs.append(HAS_CELLS)
            data += _ABSENT_ALONE
        return leaves

    def _pack_many(
        self, codecs: bytearray, data: bytearray, secret: bytes, index: int, schema: SchemaState, hints: CodecHints
    ) -> Generator[None, None, list[bytes]]:
        """Pack columns of few readings, many at a time; return their leaf hashes."""
        leaves: list[bytes] = []
        places: list[int] = []
        counts: list[int] = []
        prefixes: list[bytes] = []
        heads: list[bytes] = []
        values: list[Value] = []
        work, scans = 0, len(self.scans)
        for place, column in enumerate(self._columns()):
            codecs.append(_put_column(data, column, scans, hints))
            work += 1
            if column.values:
                places.append(place)
                counts.append(len(column.values))
                prefixes.append(schema.descriptors[column.uid].leaf_prefix)
                heads += column.heads
                values += column.values
                work += _COLUMN_COST + len(column.values)
            if work >= STEP_READINGS or place + 1 == len(self.group.tag_uids):
                work = 0
                if places:
                    leaves += columns_leaves(secret, index, places, counts, prefixes, heads, values)
                    places, counts, prefixes, heads, values = [], [], [], [], []
                yield
        return leaves

    def _columns(self) -> Iterator[_Cells]:
        """Yield the columns of several scans."""
        uids, scans = self.group.tag_uids, self.scans
        heads = [head_of(time_ms, source_ms, 0) for time_ms, source_ms, _, _, _ in scans]
        statuses_known = any(scan[3] is not None for scan in scans)
        if self._counts is None and not statuses_known:
            for uid, values in zip(uids, zip(*[scan[2] for scan in scans], strict=True), strict=True):
                cells = [(NULL if v is None else VALUE, 0) for v in values] if None in values else None
                yield _Cells(uid, heads, values, cells)
            return
        shown: list[list[int]] = [[] for _ in uids]
        for number, (_, _, _, _, places) in enumerate(scans):
            for place in range(len(uids)) if places is None else places:
                shown[place].append(number)
        for place, (uid, numbers) in enumerate(zip(uids, shown, strict=True)):
            yield self._column(place, uid, numbers, heads, statuses_known) if numbers else _NOWHERE

    def _column(self, place: int, uid: int, numbers: list[int], heads: list[bytes], statuses_known: bool) -> _Cells:
        """Return one column, which is present in the scans of these numbers."""
        scans = self.scans
        values = [scans[number][2][place] for number in numbers]
        whole = len(numbers) == len(scans)
        statuses = [0 if (known := scans[number][3]) is None else known[place] for number in numbers] if statuses_known else ()
        if not any(statuses) and None not in values:
            return _Cells(uid, heads, values, None) if whole else _Cells(uid, [heads[n] for n in numbers], values, None, numbers)
        own_heads = [head_of(*scans[n][:2], status) for n, status in zip(numbers, statuses or repeat(0, len(numbers)), strict=True)]
        cells = [(ABSENT, 0)] * len(scans)
        for number, value, status in zip(numbers, values, statuses or repeat(0, len(numbers)), strict=True):
            cells[number] = (NULL if value is None else VALUE, status)
        return _Cells(uid, own_heads, values, cells)

    def _times(self) -> bytes:
        out = bytearray()
        last, step = self.scans[0][0], 0
        put_varint(out, zigzag(last))
        for scan in self.scans[1:]:
            time_ms = scan[0]
            put_varint(out, zigzag(time_ms - last - step))
            last, step = time_ms, time_ms - last
        return bytes(out)

    def _sources(self) -> bytes:
        out = bytearray()
        if any(scan[1] is not None for scan in self.scans):
            for time_ms, source_ms, _, _, _ in self.scans:
                put_varint(out, zigzag(SOURCE_NONE if source_ms is None else source_ms - time_ms))
        return bytes(out)


class _Cells(NamedTuple):
    """One column on its way into a body: present readings only."""

    uid: int
    heads: list[bytes]
    values: Sequence[Value]
    cells: list[tuple[int, int]] | None
    """None where each of its readings is good and has a value."""
    numbers: list[int] | None = None
    """Where `cells` is None: the scans that it is in; None for all."""


_NOWHERE = _Cells(0, [], (), None, [])
"""A column that is in none of the scans."""


def _put_column(out: bytearray, column: _Cells, scans: int, hints: CodecHints) -> int:
    """Append a column's data; return its codec byte."""
    if column.cells is not None:
        out += encode_cells(column.cells)
        return put_values(out, [v for v in column.values if v is not None], column.uid, hints) | HAS_CELLS
    if column.numbers is None:
        return put_values(out, column.values, column.uid, hints)
    put_places(out, column.numbers, scans)
    if len(column.values) < 2:
        return put_alone(out, column.values[0], column.uid, hints) | HAS_CELLS if column.values else HAS_CELLS
    return put_values(out, column.values, column.uid, hints) | HAS_CELLS
