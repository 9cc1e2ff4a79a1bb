"""Scans to a file and back: what a device really answered, kept for replay, tests and fault reports.

Room: ground. `ScanWriter` is used by the runtime's capture verb, `ScanReader` by the `replay` driver. A capture is no
evidence: it is not signed, and nothing of the ledger reads it.

Format, version 1: a CBOR sequence (RFC 8742) of arrays.
`["witnessmark-capture", 1]`, once, first.
`[1, g, device, group name, period ms, mode, [[tag name, type, unit], ...]]` before the first scan of group number g (0, 1, ...).
`[2, g, read ms, source ms or null, cause or null, [values], [statuses] or null, [present] or null]` per scan.
The reader fails closed: one byte that is not of this form, and nothing after it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import cbor2

from drivers.driver import DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, type_names

header: Final = ["witnessmark-capture", 1]
tags_max: Final = 100_000
"""Tags of one group; a bound against hostile files."""


class ScanWriter:
    """Writes scans to a file opened for binary writing. The caller flushes, closes, and keeps the disk from filling."""

    def __init__(self, file: BinaryIO) -> None:
        """Write the header."""
        self._file = file
        self._numbers: dict[tuple[str, str], tuple[int, TagGroup]] = {}
        self._count = 0
        self._put(header)

    def write(self, scan: Scan) -> None:
        """Append one scan. A group whose tags changed is described anew. A scan of the past is left out: replayed, it would be of now."""
        if scan.past:
            return
        group = scan.group
        known = self._numbers.get((group.device, group.name))
        if known is None or known[1] is not group:
            known = self._count, group
            self._count += 1
            self._numbers[group.device, group.name] = known
            tags = [[tag.name, tag.type, tag.unit] for tag in group.tags]
            self._put([1, known[0], group.device, group.name, group.period_ms, group.mode, tags])
        self._put(
            [
                2,
                known[0],
                scan.read_ms,
                scan.source_ms if scan.sources is None else None,
                scan.cause,
                scan.values,
                scan.statuses,
                scan.present,
            ]
        )

    def _put(self, record: list[Any]) -> None:
        self._file.write(cbor2.dumps(record))


class ScanReader:
    """Reads the scans of a capture in order. Their groups have the captured names, types and units, and no addresses."""

    def __init__(self, file: BinaryIO, name: str = "") -> None:
        """Check the header. Raises DriverError `capture_unreadable` (params file, detail)."""
        self._file = file
        self._name = name
        self._groups: list[TagGroup] = []
        if self._next() != header:
            raise self._fault("no capture of version 1")

    def __iter__(self) -> Iterator[Scan]:
        """Yield scan after scan. Raises DriverError `capture_unreadable` at the first record that is not sound."""
        while (record := self._next()) is not None:
            kind = record[0] if isinstance(record, list) and record else None
            if kind == 1 and len(record) == 7:
                self._groups.append(self._group(record))
            elif kind == 2 and len(record) == 8:
                yield self._scan(record)
            else:
                raise self._fault("unknown record")

    def _next(self) -> Any:
        """Return the next record, None at the end of the file."""
        at = self._file.tell()
        if not self._file.read(1):
            return None
        self._file.seek(at)
        try:
            record = cbor2.load(self._file)
        except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError, EOFError) as error:
            raise self._fault(f"at byte {at}: {type(error).__name__}") from error
        if record is None:
            raise self._fault(f"at byte {at}: null")
        return record

    def _group(self, record: list[Any]) -> TagGroup:
        _, number, device, name, period_ms, mode, tags = record
        sound = (
            number == len(self._groups)
            and _is_text(device, name)
            and _is_int(period_ms)
            and period_ms > 0
            and mode in ("poll", "subscribe")
        )
        if not sound or not isinstance(tags, list) or not 0 < len(tags) <= tags_max:
            raise self._fault("group")
        made = []
        for place, tag in enumerate(tags):
            if not isinstance(tag, list) or len(tag) != 3 or not _is_text(*tag) or tag[1] not in type_names:
                raise self._fault("tag")
            made.append(Tag(place, tag[0], device, tag[1], tag[2], None))
        return TagGroup(number, device, name, period_ms, tuple(made), mode)

    def _scan(self, record: list[Any]) -> Scan:
        _, number, read_ms, source_ms, cause, values, statuses, present = record
        if not _is_int(number) or not 0 <= number < len(self._groups):
            raise self._fault("scan of an unknown group")
        group = self._groups[number]
        count = len(group.tags)
        sound = (
            _is_int(read_ms)
            and (source_ms is None or _is_int(source_ms))
            and (cause is None or _is_text(cause))
            and _is_column(values, count, (bool, int, float, str, type(None)))
            and (statuses is None or (_is_column(statuses, count, (int,)) and all(0 <= status < 1 << 32 for status in statuses)))
            and (present is None or _is_column(present, count, (bool,)))
        )
        if not sound:
            raise self._fault("scan")
        return Scan(group, values, read_ms, statuses, source_ms, present, cause)

    def _fault(self, detail: str) -> DriverError:
        return DriverError("capture_unreadable", Status.BAD_CONFIGURATION_ERROR, file=self._name, detail=detail)


def _is_int(value: object) -> bool:
    return type(value) is int


def _is_text(*values: object) -> bool:
    return all(type(value) is str for value in values)


def _is_column(column: object, count: int, kinds: tuple[type, ...]) -> bool:
    return isinstance(column, list) and len(column) == count and all(type(value) in kinds for value in column)
