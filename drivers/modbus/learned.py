"""What one unit taught about its map: what it answers, what it refuses, which holes may be read over, how long a request may be.

Room: ground, driver `modbus`; pure. `reader.py` and `proving.py` note what they see, the planner gets `rules`, the runtime keeps `plain`
between starts. Everything in it was observed, and one thing follows: a request that contains a refused one is refused.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from drivers.modbus.address import bit_tables, tables
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import bits_max, line_cost, longest_request, registers_max
from drivers.modbus.intervals import Interval, Intervals, contains
from drivers.modbus.planner import Rules, Span

ODD: Final = 256
"""In place of an exception code: read over this hole, the next answer of the unit was a wrong one."""
SILENT: Final = 257
"""In place of an exception code: asked for this, the unit falls silent, is busy or fails, while it answers other things."""
TOO_LONG: Final = 3
"""The code that a length is refused with which a unit does not have (V1.1b3, 6.3)."""
rows_max: Final = 4096
"""Intervals of one kind in one table: a bound against hostile files; a group has at most 1024 tags."""


class LearnedMap:
    """The facts of one unit under one firmware. `version` grows with every fact that a plan may depend on."""

    def __init__(self, place: str = "", firmware: str = "", given: Mapping[str, Intervals] | None = None) -> None:
        """Start knowing nothing of a unit at a place, with a firmware (an identity; empty when the unit is not asked for one).

        `given`: what it answered under another firmware. If it refuses that now, it may not be ready yet.
        """
        self.place = place
        self.firmware = firmware
        self.version = 0
        self.answered = {table: Intervals() for table in tables}
        self._given = {table: Intervals() for table in tables} | dict(given or {})
        self.crossable = {table: Intervals() for table in tables}
        self.barriers: dict[str, dict[Interval, int]] = {table: {} for table in tables}
        self.passing: dict[str, dict[Interval, int]] = {table: {} for table in tables}
        """Refusals that are not known to be smallest, or that came while the unit answered nothing: kept in memory only."""
        self.lost: dict[str, set[Interval]] = {table: set() for table in tables}
        """Barriers that are values which were answered before: the map changed, or the unit is not what it was."""
        self._unsure: set[tuple[str, int, int]] = set()
        """Those of them that were answered under another firmware only."""
        self.closed: dict[str, int] = {}
        """Tables that the unit has no function for, with its exception code."""
        self.longest: dict[str, int] = {}
        """`registers`, `bits`: the longest request, where it is shorter than the protocol's."""
        self.reach = {"registers": 0, "bits": 0}
        """The longest request that was answered."""

    def ever_given(self) -> dict[str, Intervals]:
        """Return what was answered under this firmware, and as far as is known under those before."""
        return {table: Intervals([*self._given[table].rows(), *self.answered[table].rows()]) for table in tables}

    def was_given(self, table: str) -> bool:
        """Tell whether anything of a table was answered, under this firmware or one before."""
        return bool(self.answered[table].rows() or self._given[table].rows())

    def note_answer(self, table: str, start: int, end: int) -> None:
        """A request was answered."""
        kind = kind_of(table)
        self.reach[kind] = max(self.reach[kind], end - start)
        if self.answered[table].add(start, end):
            self.version += 1

    def note_crossable(self, table: str, holes: Iterable[Interval]) -> None:
        """These holes were read over, and nothing was wrong afterwards."""
        for start, end in holes:
            if self.crossable[table].add(start, end):
                self.version += 1

    def doubt(self, table: str, holes: Iterable[Interval]) -> None:
        """These holes are not to be read over until they are proven again."""
        for start, end in holes:
            if self.crossable[table].remove(start, end):
                self.version += 1

    def note_refusal(self, table: str, interval: Interval, code: int, *, lasting: bool, is_value: bool = False) -> None:
        """A request for an interval was refused with a code.

        `lasting`: it is one of the smallest, by a unit that is in service. `is_value`: it is a value alone.
        """
        if any(contains(interval, inner) for inner in self.barriers[table]):
            return
        lasting = lasting and code != SILENT
        for kept in (self.passing, self.barriers) if lasting else (self.passing,):
            for outer in [outer for outer in kept[table] if contains(outer, interval)]:
                del kept[table][outer]
                self.lost[table].discard(outer)
        if lasting and is_value and self.answered[table].covers(*interval):
            self.lost[table].add(interval)
        elif lasting and is_value and self._given[table].covers(*interval):
            self.lost[table].add(interval)
            self._unsure.add((table, *interval))
        (self.barriers if lasting else self.passing)[table][interval] = code
        self.version += 1

    def note_longest(self, table: str, count: int) -> None:
        """No request longer than `count` is answered. Refusals that this explains are forgotten."""
        kind = kind_of(table)
        if count >= self.longest.get(kind, 1 << 20):
            return
        self.longest[kind] = max(1, count)
        for name in tables:
            if kind_of(name) == kind:
                for kept in (self.barriers[name], self.passing[name]):
                    for interval in [each for each in kept if each[1] - each[0] > count]:
                        del kept[interval]
                self.lost[name] &= self.barriers[name].keys()
        self.version += 1

    def close(self, table: str, code: int) -> None:
        """The unit has no function to read this table."""
        self.closed[table] = code
        self.version += 1

    def reopen(self, table: str, interval: Interval) -> None:
        """A value that was lost is answered again."""
        self.lost[table].discard(interval)
        self._unsure.discard((table, *interval))
        if self.barriers[table].pop(interval, None) is not None:
            self.version += 1

    def lacks_unsure(self) -> None:
        """What was answered under another firmware only, and is lost, is none that this one has."""
        for table, *interval in self._unsure:
            self.lost[table].discard((interval[0], interval[1]))
        if self._unsure:
            self._unsure.clear()
            self.version += 1

    def mend(self, table: str, interval: Interval) -> None:
        """A refusal that was not sure is explained by another."""
        if self.passing[table].pop(interval, None) is not None:
            self.version += 1

    def is_passing(self, table: str, interval: Interval) -> bool:
        """Tell whether just this interval is known to be refused, not for sure."""
        return interval in self.passing[table]

    def drop_passing(self, *, silent: bool, but: Container[tuple[str, int, int]] = ()) -> None:
        """Forget the refusals that were not sure, or with `silent` the places where blocks were cut for silence, but for some."""
        for table, rows in self.passing.items():
            kept = {each: code for each, code in rows.items() if (code == SILENT) != silent or (table, *each) in but}
            if len(kept) != len(rows):
                self.passing[table] = kept
                self.version += 1

    def has_passing(self, *, silent: bool) -> bool:
        """Tell whether there is anything that `drop_passing` would forget."""
        return any((code == SILENT) == silent for rows in self.passing.values() for code in rows.values())

    def is_refused(self, table: str, interval: Interval) -> bool:
        """Tell whether a request for an interval is known to be refused."""
        return any(contains(interval, inner) for kept in (self.barriers, self.passing) for inner in kept[table])

    def refusals(self, spans: Iterable[Span]) -> dict[int, int]:
        """Return the code with which each value is refused that is known to be, by the value's index.

        A value longer than any request that is answered is refused for its length, also where that refusal was forgotten for the limit.
        """
        known = {
            table: sorted((*each, code) for kept in (self.barriers, self.passing) for each, code in kept[table].items() if code != SILENT)
            for table in tables
        }
        found: dict[int, int] = {}
        for span in spans:
            if span.table in self.closed:
                found[span.index] = self.closed[span.table]
                continue
            if span.count > self.longest.get(kind_of(span.table), span.count):
                found[span.index] = TOO_LONG
                continue
            rows = known[span.table]
            for at in range(bisect_left(rows, (span.start,)), len(rows)):
                start, end, code = rows[at]
                if start >= span.end:
                    break
                if end <= span.end:
                    found[span.index] = code
                    break
        return found

    def has_lost(self, spans: Iterable[Span]) -> bool:
        """Tell whether anything that was answered once and is refused now belongs to one of these values."""
        lost = {table: sorted(rows) for table, rows in self.lost.items() if rows}
        for span in spans if lost else ():
            rows = lost.get(span.table, [])
            first, last = bisect_left(rows, (span.start, 0)), bisect_left(rows, (span.end, 0))
            if any(end <= span.end for _, end in rows[first:last]):
                return True
        return False

    def rules(self, options: DeviceOptions, *, hopeful: bool) -> Rules:
        """Return what a plan must keep to; a hopeful one may read over holes that nothing is known of."""
        registers, bits = longest_request(options)
        registers, bits = min(registers, self.longest.get("registers", registers)), min(bits, self.longest.get("bits", bits))
        return Rules(
            line_cost(options), registers, bits,
            gap_max=registers if options.max_gap is None else options.max_gap,
            barriers={table: [*self.barriers[table], *self.passing[table]] for table in tables},
            may_cross=None if hopeful else lambda table, start, end: self.crossable[table].covers(start, end),
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """Return what is worth keeping, as plain data: the form of `witnessmark learned export`, version 1."""
        rows = {
            table: {
                "answered": [list(row) for row in self.answered[table].rows()],
                "crossable": [list(row) for row in self.crossable[table].rows()],
                "refused": sorted([*interval, code] for interval, code in self.barriers[table].items()),
                "lost": sorted(list(interval) for interval in self.lost[table]),
            }
            for table in tables
            if self.answered[table].rows() or self.barriers[table]
        }
        reach = {kind: count for kind, count in self.reach.items() if count}
        return {
            "version": 1, "place": self.place, "firmware": self.firmware, "closed": dict(self.closed), "longest": dict(self.longest),
            "reach": reach, "tables": rows,
        }  # fmt: skip


def kind_of(table: str) -> str:
    """Return `bits` or `registers`: what the length of a request is counted in."""
    return "bits" if table in bit_tables else "registers"


def from_plain(raw: object) -> LearnedMap:
    """Return the map that `plain` told of. Raises ValueError for anything that it would not have said."""
    match raw:
        case {"version": 1, "place": str(place), "firmware": str(firmware), "closed": dict(closed), "longest": dict(longest), **others}:
            made = LearnedMap(place, firmware)
        case _:
            raise ValueError("not a learned map of version 1")
    reach, rows = others.get("reach"), others.get("tables")
    if not isinstance(reach, dict) or not isinstance(rows, dict) or len(others) != 2:
        raise ValueError("not a learned map of version 1")
    made.closed = {_one_of(tables, table): _number(code, 1, SILENT) for table, code in closed.items()}
    most = {"registers": registers_max, "bits": bits_max}
    made.longest = {_one_of(tuple(most), kind): _number(count, 1, most[kind]) for kind, count in longest.items()}
    made.reach |= {_one_of(tuple(most), kind): _number(count, 1, most[kind]) for kind, count in reach.items()}
    for table, facts in rows.items():
        _take_table(made, _one_of(tables, table), facts)
    return made


def _take_table(made: LearnedMap, table: str, facts: Mapping[str, Any]) -> None:
    match facts:
        case {"answered": list(answered), "crossable": list(crossable), "refused": list(refused), "lost": list(lost)}:
            pass
        case _:
            raise ValueError(f"{table}: not the facts of a table")
    if max(len(answered), len(crossable), len(refused)) > rows_max:
        raise ValueError(f"{table}: too many rows")
    for row in answered:
        made.answered[table].add(*_interval(row))
    for row in crossable:
        made.crossable[table].add(*_interval(row))
    for row in refused:
        if not isinstance(row, list) or len(row) != 3:
            raise ValueError(f"{table}: not a refusal")
        made.barriers[table][_interval(row[:2])] = _number(row[2], 1, ODD)
    made.lost[table] = {_interval(row) for row in lost}
    if not made.lost[table] <= made.barriers[table].keys():
        raise ValueError(f"{table}: lost, and not refused")


def _interval(row: object) -> Interval:
    if not isinstance(row, list) or len(row) != 2:
        raise ValueError("not an interval")
    start, end = _number(row[0], 0, 65535), _number(row[1], 1, 65536)
    if start >= end:
        raise ValueError("an empty interval")
    return start, end


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"not a number from {least} to {most}")
    return value


def _one_of(names: tuple[str, ...], name: object) -> str:
    if not isinstance(name, str) or name not in names:
        raise ValueError("an unknown name")
    return name
