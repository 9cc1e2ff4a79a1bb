"""Reading a batch body: strict, bounded, and checked against the entry that commits to it. Pure.

Room: ground. Verifiers, the history process and disclosures call `read_body`. It trusts nothing: sizes are capped before
anything is inflated or built, counts and times must be those of the entry, and with `check_root` every leaf is hashed again.
Source: docs/ledger-format.md section 4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.codecs import Cursor
from ledger_client.columns import ABSENT, HAS_CELLS, NULL, VALUE, decode_cells, decode_values
from ledger_client.deflate import inflate
from ledger_client.details import is_int, is_uint
from ledger_client.errors import FormatError
from ledger_client.leaf import INT_MAX, INT_MIN, LEAVES_MAX, Value, column_leaves, head_of
from ledger_client.merkle import leaf_hash, root_of
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from ledger_client.skip import skip_columns

SECRET_SIZE = 32
INFLATED_MAX = 16 << 20
SECTIONS_MAX = 4096
SCANS_MAX = 1024
"""Scans of one section."""
CELLS_MAX = 65_536
"""Scans x columns of one section, absent cells included."""
BODY_CELLS_MAX = 1 << 22
"""Cells of one body; see `cells_counted`. Without it a body of few readings and few bytes could take a verifier minutes."""
SCANS_COUNTED_MIN = 8
READINGS_MAX = 1 << 18
"""Readings of one body."""
SOURCE_NONE = 1 << 62


@dataclass(frozen=True, slots=True)
class BodyReading:
    """One reading as it was recorded. Times are wall ms; `source_ms` None: the device gave none; `value` None: no value."""

    descriptor: Descriptor
    time_ms: int
    source_ms: int | None
    status: int
    value: Value


@dataclass(frozen=True, slots=True)
class Column:
    """One tag in one section: parallel lists over its present readings; `scans` are their places in the section's times."""

    descriptor: Descriptor
    scans: Sequence[int]
    statuses: Sequence[int]
    values: list[Value]


@dataclass(frozen=True, slots=True)
class Section:
    """Scans of one tag group: their times and one column per tag, in the order of the group."""

    group: GroupRow
    times: list[int]
    sources: list[int | None]
    columns: tuple[Column, ...]

    def heads(self, column: Column) -> list[bytes]:
        """Return the leaf heads of a column's readings."""
        times, sources = self.times, self.sources
        return [head_of(times[s], sources[s], status) for s, status in zip(column.scans, column.statuses, strict=True)]

    def leaves(self, secret: bytes, index: int, span: int) -> list[bytes]:
        """Return the leaf hashes of this section, which stands at `index`, column by column."""
        out: list[bytes] = []
        for place, column in enumerate(self.columns):
            out += column_leaves(secret, index, place, column.descriptor.hash, self.heads(column), column.values, span)
        return out


@dataclass(frozen=True, slots=True)
class Body:
    """A batch body, read. `time_ms - offset_ms` of any reading is boottime in ms. `secret` opens every salt: it is never printed."""

    secret: bytes = field(repr=False)
    offset_ms: int
    sections: tuple[Section, ...]

    def readings(self) -> Iterator[BodyReading]:
        """Yield every reading: section by section, tag by tag, in time order."""
        for section in self.sections:
            times, sources = section.times, section.sources
            for column in section.columns:
                for scan, status, value in zip(column.scans, column.statuses, column.values, strict=True):
                    yield BodyReading(column.descriptor, times[scan], sources[scan], status, value)

    def root(self, span: int) -> bytes:
        """Return the readings root that this body has."""
        return root_of([leaf_hash(root_of(section.leaves(self.secret, i, span))) for i, section in enumerate(self.sections)])


def read_body(body: bytes, detail: tuple[Any, ...], schema: SchemaState, *, check_root: bool = False) -> Body:
    """Read a body that a batch entry's detail commits to.

    Args:
        body: the stored bytes.
        detail: of kind BATCH, already checked by `details.check_detail`.
        schema: the state in force at the entry's seq.
        check_root: also hash every leaf and compare the readings root (about 1 us per reading).

    Raises:
        FormatError: anything in the body is not what the format or the detail says.
    """
    first_ms, last_ms, good, bad, _, _, _, root, span = detail
    offset_ms, rows = _open(body, detail)
    left, cells = good + bad, 0
    sections: list[Section] = []
    for row in rows:
        section = _read_section(row, schema, span, left)
        cells += cells_counted(len(section.times), len(section.columns))
        if cells > BODY_CELLS_MAX:
            raise FormatError("body_invalid", reason="cells in all")
        left -= sum(len(c.values) for c in section.columns)
        sections.append(section)
    found_bad = sum(status >> 31 for s in sections for c in s.columns for status in c.statuses)
    if left or found_bad != bad:
        raise FormatError("body_invalid", reason="counts")
    ends = [t for s in sections for t in (min(s.times), max(s.times))] or [0]
    if (min(ends), max(ends)) != (first_ms, last_ms):
        raise FormatError("body_invalid", reason="time range")
    result = Body(body[:SECRET_SIZE], offset_ms, tuple(sections))
    if check_root and result.root(span) != root:
        raise FormatError("readings_root_mismatch")
    return result


class Some:
    """Reads of bodies of one schema only the columns of some tags. For views of a ledger."""

    def __init__(self, schema: SchemaState, uids: Collection[int]) -> None:
        self._schema = schema
        places = {g.uid: [i for i, uid in enumerate(g.tag_uids) if uid in uids] for g in schema.groups.values()}
        self._places = {uid: found for uid, found in places.items() if found}

    def read(self, body: bytes, detail: tuple[Any, ...]) -> list[Section]:
        """Return the sections of their groups, with those columns alone.

        The body is the one that the entry commits to, but what was passed over is not judged. Raises FormatError.
        """
        _, rows = _open(body, detail)
        return [self._section(row) for row in rows if isinstance(row, list) and row and row[0] in self._places]

    def _section(self, row: Any) -> Section:
        group, scans, times, source, codecs, data = _section_row(row, self._schema)
        read_ms = _read_times(times, scans)
        cursor = Cursor(data)
        columns: list[Column] = []
        behind = 0
        for place in self._places[group.uid]:
            cursor.position = skip_columns(data, cursor.position, codecs[behind:place], scans)
            descriptor = self._schema.descriptors[group.tag_uids[place]]
            columns.append(_read_column(cursor, codecs[place], scans, descriptor, READINGS_MAX))
            behind = place + 1
        return Section(group, read_ms, _read_sources(source, read_ms), tuple(columns))


def cells_counted(scans: int, columns: int) -> int:
    """Return what a section counts towards BODY_CELLS_MAX: a column costs the reader as much as some cells."""
    return max(scans, SCANS_COUNTED_MIN) * columns


def _open(body: bytes, detail: tuple[Any, ...]) -> tuple[int, list[Any]]:
    """Return the offset and the rows of sections of the body that a detail commits to."""
    _, _, good, bad, _, size, body_hash, _, _ = detail
    if len(body) != size or sha256(body).digest() != body_hash:
        raise FormatError("body_hash_mismatch")
    if len(body) < SECRET_SIZE or good + bad > READINGS_MAX:
        raise FormatError("body_invalid", reason="size")
    plain = inflate(body[SECRET_SIZE:], size_max=INFLATED_MAX, what="batch body")
    inner = cbor.decode(plain, size_max=INFLATED_MAX, what="batch body", values_max=4 + 7 * SECTIONS_MAX)
    match inner:
        case [version, offset_ms, list() as rows] if is_uint(version) and is_int(offset_ms) and len(rows) <= SECTIONS_MAX:
            pass
        case _:
            raise FormatError("body_invalid", reason="shape")
    if version != 1:
        raise FormatError("body_version", version=version)
    return offset_ms, rows


def _section_row(row: Any, schema: SchemaState) -> tuple[GroupRow, int, bytes, bytes, bytes, bytes]:
    match row:
        case [uid, scans, bytes() as times, bytes() as source, bytes() as codecs, bytes() as data] if is_uint(uid) and is_uint(scans):
            pass
        case _:
            raise FormatError("body_invalid", reason="section shape")
    group = schema.groups.get(uid)
    if group is None:
        raise FormatError("body_invalid", reason="group unknown")
    if not 0 < scans <= SCANS_MAX or len(codecs) != len(group.tag_uids) or scans * len(codecs) > CELLS_MAX:
        raise FormatError("body_invalid", reason="section size")
    return group, scans, times, source, codecs, data


def _read_section(row: Any, schema: SchemaState, span: int, readings_max: int) -> Section:
    group, scans, times, source, codecs, data = _section_row(row, schema)
    read_ms = _read_times(times, scans)
    sources = _read_sources(source, read_ms)
    cursor = Cursor(data)
    columns: list[Column] = []
    leaves = 0
    for tag_uid, codec in zip(group.tag_uids, codecs, strict=True):
        column = _read_column(cursor, codec, scans, schema.descriptors[tag_uid], readings_max)
        readings_max -= len(column.values)
        leaves += (len(column.values) + span - 1) // span
        columns.append(column)
    cursor.end()
    if not 0 < leaves <= LEAVES_MAX:
        raise FormatError("body_invalid", reason="leaves")
    return Section(group, read_ms, sources, tuple(columns))


def _read_column(cursor: Cursor, codec: int, scans: int, descriptor: Descriptor, readings_max: int) -> Column:
    if not codec & HAS_CELLS:
        if scans > readings_max:
            raise FormatError("body_invalid", reason="counts")
        return Column(descriptor, range(scans), bytes(scans), decode_values(cursor, codec, scans))
    cells = decode_cells(cursor, scans)
    places = [i for i, (state, _) in enumerate(cells) if state != ABSENT]
    if len(places) > readings_max:
        raise FormatError("body_invalid", reason="counts")
    statuses = [status for state, status in cells if state != ABSENT]
    found = iter(decode_values(cursor, codec & ~HAS_CELLS, sum(1 for state, _ in cells if state == VALUE)))
    values = [None if state == NULL else next(found) for state, _ in cells if state != ABSENT]
    return Column(descriptor, places, statuses, values)


def _read_times(data: bytes, scans: int) -> list[int]:
    cursor = Cursor(data)
    times: list[int] = []
    time_ms, step = cursor.zigzag(), 0
    for place in range(scans):
        if place:
            step += cursor.zigzag()
            time_ms += step
        if not INT_MIN <= time_ms <= INT_MAX:
            raise FormatError("body_invalid", reason="time out of range")
        times.append(time_ms)
    cursor.end()
    return times


def _read_sources(data: bytes, times: list[int]) -> list[int | None]:
    if not data:
        return [None] * len(times)
    cursor = Cursor(data)
    lags = [cursor.zigzag() for _ in times]
    cursor.end()
    sources = [None if lag == SOURCE_NONE else time_ms + lag for time_ms, lag in zip(times, lags, strict=True)]
    if all(s is None for s in sources) or any(s is not None and not INT_MIN < s <= INT_MAX for s in sources):
        raise FormatError("body_invalid", reason="source times")
    return sources
