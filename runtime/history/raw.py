"""Readings as they were recorded, read out of the ledger's own batches: only the tags that are asked for. Blocking.

Room: hall, history. `trends` and `export` ask. It finds the batches through the index and decodes of each what it needs; it changes
nothing, and what is withheld it says to be so.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, pairwise

from ledger_client.body_reader import Column, Section, Some
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.reader import LedgerReader
from runtime.history.index import Index
from runtime.history.rollups import NAN, Strip, as_number
from runtime.history.schemas import Schemas


class Points:
    """Readings of one tag: parallel columns of time (ms), number (NaN where there is none), bad (0 or 1) and entry."""

    __slots__ = ("bad", "seqs", "times", "values")

    def __init__(self) -> None:
        self.times, self.values, self.bad, self.seqs = array("q"), array("d"), array("B"), array("q")

    def __len__(self) -> int:
        return len(self.times)

    def in_order(self) -> Points:
        """Return the same in time order; of one time, in the order of the ledger."""
        if all(a <= b for a, b in pairwise(self.times)):
            return self
        places = sorted(range(len(self)), key=self.times.__getitem__)
        found = Points()
        for name in self.__slots__:
            column = getattr(self, name)
            setattr(found, name, array(column.typecode, [column[i] for i in places]))
        return found

    def strip(self, width_ms: int) -> Strip:
        """Return them as rollups."""
        found = Strip()
        for time_ms, value, bad in zip(self.times, self.values, self.bad, strict=True):
            found.add_reading(time_ms, None if bad else value, width_ms)
        return found


class Raw:
    """Looks into the ledger."""

    def __init__(self, reader: LedgerReader, index: Index, schemas: Schemas) -> None:
        self._reader, self._index, self._schemas = reader, index, schemas

    def seqs(self, uids: Collection[int], t0_ms: int, t1_ms: int, after: int = -1, most: int | None = None) -> list[int]:
        """Return the entries behind `after` that may hold readings of these tags in [t0, t1], ascending; the first `most` of them."""
        groups = set().union(*self._schemas.groups_of(uids, t0_ms, t1_ms).values())
        found = {seq for group in groups for seq in islice(self._index.batches(group, t0_ms, t1_ms, after), most)}
        return sorted(found)[:most]

    def sections(self, seqs: Iterable[int], uids: Collection[int]) -> Iterator[tuple[int, list[Section] | None]]:
        """Yield each entry with the sections that hold these tags; None where its body is withheld or damaged."""
        schema, some = None, None
        for seq in seqs:
            body = self._reader.body(seq)
            try:
                if some is None or schema is not self._schemas.at(seq):
                    schema = self._schemas.at(seq)
                    some = Some(schema, frozenset(uids))
                yield seq, None if body is None else some.read(body, parse(self._reader.entry(seq)).payload.detail)
            except FormatError:
                yield seq, None

    def points(self, seqs: Sequence[int], uids: Collection[int], t0_ms: int, t1_ms: int) -> dict[int, Points] | None:
        """Return the readings of each tag in [t0, t1] out of these entries, None where one of them is not here whole."""
        found = {uid: Points() for uid in uids}
        for seq, sections in self.sections(seqs, uids):
            if sections is None:
                return None
            for section in sections:
                _add(found, seq, section, t0_ms, t1_ms)
        return {uid: points.in_order() for uid, points in found.items()}


def _is_plain(column: Column, times: Sequence[int], t0_ms: int, t1_ms: int) -> bool:
    """Whether a column is good floats, one of each scan, and all of them within [t0, t1]."""
    values = column.values
    if len(values) != len(times) or not isinstance(column.statuses, bytes) or set(map(type, values)) != {float}:
        return False
    total: float = sum(values)  # type: ignore[arg-type]
    return total - total == 0.0 and min(times) >= t0_ms and max(times) <= t1_ms


def _add(found: dict[int, Points], seq: int, section: Section, t0_ms: int, t1_ms: int) -> None:
    times = section.times
    for column in section.columns:
        points, values = found[column.descriptor.uid], column.values
        if _is_plain(column, times, t0_ms, t1_ms):
            points.times.extend(times)
            points.values.extend(values)  # type: ignore[arg-type]
            points.bad.frombytes(bytes(len(values)))
            points.seqs.extend([seq] * len(values))
            continue
        for scan, status, value in zip(column.scans, column.statuses, column.values, strict=True):
            if t0_ms <= times[scan] <= t1_ms:
                number = as_number(value, status)
                points.times.append(times[scan])
                points.values.append(NAN if number is None else number)
                points.bad.append(number is None)
                points.seqs.append(seq)
