"""Showing one reading while the others stay hidden: making a disclosure, and the readings root that it leads to. Pure.

Room: ground. `proof` puts a disclosure beside its entry; the verifier compares `root_of_disclosure` with the entry's root and
believes what is shown only if they are equal. Source: docs/ledger-format.md sections 4.2 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from struct import pack, unpack
from typing import Any

from ledger_client.body_reader import SECTIONS_MAX, Body, Section, read_body
from ledger_client.columns import STATUS_MAX, TEXT_SIZE_MAX
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.errors import FormatError
from ledger_client.leaf import INT_MAX, INT_MIN, LEAVES_MAX, SALT_SIZE, UINT_MAX, Value, head_of, leaf_of, salts, tail_of
from ledger_client.merkle import inclusion_path, leaf_hash, root_from_inclusion, root_of
from ledger_client.schema import Descriptor, SchemaState, parse_descriptor

SPAN_MAX = 16


@dataclass(frozen=True, slots=True)
class ShownReading:
    """One reading of a leaf: read time and device time in wall ms, 32-bit status, value (None = no value)."""

    time_ms: int
    source_ms: int | None
    status: int
    value: Value


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One leaf, opened. `readings[chosen]` is the one asked for; the others of its leaf are shown with it."""

    descriptor: Descriptor
    salt: bytes
    readings: tuple[ShownReading, ...]
    chosen: int
    leaf_index: int
    leaf_count: int
    path: tuple[bytes, ...]
    section_index: int
    section_count: int
    section_path: tuple[bytes, ...]

    @property
    def reading(self) -> ShownReading:
        """The reading asked for."""
        return self.readings[self.chosen]

    @property
    def newest(self) -> int:
        """The place of the last reading of the leaf that has the time of the one asked for: that one itself, unless it was superseded."""
        return max(place for place, reading in enumerate(self.readings) if reading.time_ms == self.reading.time_ms)

    def row(self) -> list[Any]:
        """Return the array of docs/ledger-format.md section 9, for CBOR."""
        readings = [[r.time_ms, r.source_ms, r.status, _shown(r.value)] for r in self.readings]
        where = [self.chosen, self.leaf_index, self.leaf_count, list(self.path)]
        return [self.descriptor.row(), self.salt, readings, *where, self.section_index, self.section_count, list(self.section_path)]


def parse_disclosure(row: Any) -> Disclosure:
    """Read a disclosure's array strictly. Raises FormatError. Whether it is true, only root_of_disclosure tells."""
    if not isinstance(row, list | tuple) or len(row) != 10:
        raise FormatError("disclosure_shape")
    descriptor, salt, readings, chosen, leaf, leaves, path, section, sections, section_path = row
    if not isinstance(salt, bytes) or len(salt) != SALT_SIZE or not isinstance(readings, list | tuple):
        raise FormatError("disclosure_shape")
    if not all(is_uint(n) for n in (chosen, leaf, leaves, section, sections)) or not 0 < len(readings) <= SPAN_MAX:
        raise FormatError("disclosure_shape")
    if chosen >= len(readings) or not leaf < leaves <= LEAVES_MAX or not section < sections <= SECTIONS_MAX:
        raise FormatError("disclosure_shape")
    shown = tuple(_parse_reading(r) for r in readings)
    paths = (_parse_path(path), _parse_path(section_path))
    return Disclosure(parse_descriptor(descriptor), salt, shown, chosen, leaf, leaves, paths[0], section, sections, paths[1])


def root_of_disclosure(disclosure: Disclosure) -> bytes:
    """Return the readings root that a disclosure leads to. Raises FormatError when its paths do not fit its places."""
    d = disclosure
    readings = b"".join([head_of(r.time_ms, r.source_ms, r.status) + tail_of(r.value) for r in d.readings])
    leaf = leaf_of(d.salt, d.descriptor.hash, readings)
    section_root = root_from_inclusion(d.leaf_index, d.leaf_count, leaf, d.path)
    return root_from_inclusion(d.section_index, d.section_count, leaf_hash(section_root), d.section_path)


def disclose(body: bytes, detail: tuple[Any, ...], schema: SchemaState, tag_uid: int, time_ms: int) -> Disclosure:
    """Open the leaf that holds a tag's reading of exactly this read time: the last one in the body, should there be several.

    Raises FormatError: the body is not that of the detail, or `reading_not_found`.
    """
    read = read_body(body, detail, schema, check_root=True)
    for index, section in reversed(list(enumerate(read.sections))):
        for place, column in enumerate(section.columns):
            if column.descriptor.uid != tag_uid:
                continue
            for position in range(len(column.scans) - 1, -1, -1):
                if section.times[column.scans[position]] == time_ms:
                    return _open_leaf(read, detail[8], index, place, position)
    raise FormatError("reading_not_found", tag_uid=tag_uid, time_ms=time_ms)


def _open_leaf(body: Body, span: int, section_index: int, place: int, position: int) -> Disclosure:
    section = body.sections[section_index]
    column = section.columns[place]
    chunk = position // span
    leaves = section.leaves(body.secret, section_index, span)
    leaf_index = sum((len(c.values) + span - 1) // span for c in section.columns[:place]) + chunk
    roots = [leaf_hash(root_of(s.leaves(body.secret, i, span))) for i, s in enumerate(body.sections)]
    return Disclosure(
        column.descriptor,
        salts(body.secret, section_index, place, chunk + 1)[chunk],
        tuple(_readings_of(section, place, range(chunk * span, min((chunk + 1) * span, len(column.values))))),
        position - chunk * span,
        leaf_index,
        len(leaves),
        tuple(_path(leaves, leaf_index)),
        section_index,
        len(roots),
        tuple(_path(roots, section_index)),
    )


def _readings_of(section: Section, place: int, positions: range) -> list[ShownReading]:
    column = section.columns[place]
    scans = [column.scans[p] for p in positions]
    return [
        ShownReading(section.times[s], section.sources[s], column.statuses[p], column.values[p])
        for s, p in zip(scans, positions, strict=True)
    ]


def _path(hashes: list[bytes], index: int) -> list[bytes]:
    return inclusion_path(lambda start, size: root_of(hashes[start : start + size]), index, len(hashes))


def _shown(value: Value) -> Any:
    """A NaN goes as its eight bytes: CBOR's shortest form does not keep which NaN it was."""
    return pack(">d", value) if isinstance(value, float) and isnan(value) else value


def _parse_reading(row: Any) -> ShownReading:
    if isinstance(row, list | tuple) and len(row) == 4:
        time_ms, source_ms, status, value = row
        source_ok = source_ms is None or (is_int(source_ms) and INT_MIN < source_ms <= INT_MAX)
        if is_int(time_ms) and source_ok and is_uint(status) and status <= STATUS_MAX:
            return ShownReading(time_ms, source_ms, status, _parse_value(value))
    raise FormatError("disclosure_shape")


def _parse_value(value: Any) -> Value:
    if isinstance(value, bytes) and len(value) == 8:
        (number,) = unpack(">d", value)
        ok, value = isnan(number), number
    elif isinstance(value, float):
        ok = not isnan(value)
    elif isinstance(value, str):
        ok = len(value.encode()) <= TEXT_SIZE_MAX
    else:
        ok = value is None or isinstance(value, bool) or (isinstance(value, int) and INT_MIN <= value <= UINT_MAX)
    if not ok:
        raise FormatError("disclosure_shape")
    return value  # type: ignore[no-any-return]


def _parse_path(path: Any) -> tuple[bytes, ...]:
    if not isinstance(path, list | tuple) or not all(is_hash(h) for h in path):
        raise FormatError("disclosure_shape")
    return tuple(path)
