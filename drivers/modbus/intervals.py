"""Sets of addresses, kept as few disjoint intervals.

Room: ground, driver `modbus`; pure. `learned.py` keeps with it what a unit answered and where it may be read over.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Interval = tuple[int, int]
"""First address, first address after it; never empty."""


class Intervals:
    """Addresses 0 to 65535. Intervals that touch become one."""

    def __init__(self, rows: Iterable[Interval] = ()) -> None:
        """Start with these intervals, in any order."""
        self._rows: list[Interval] = []
        for start, end in rows:
            self.add(start, end)

    def add(self, start: int, end: int) -> bool:
        """Take an interval in; tell whether anything was new."""
        if start >= end or self.covers(start, end):
            return False
        apart = [row for row in self._rows if row[1] < start or row[0] > end]
        touching = [row for row in self._rows if row[0] <= end and row[1] >= start]
        merged = min([start, *(row[0] for row in touching)]), max([end, *(row[1] for row in touching)])
        self._rows = sorted([*apart, merged])
        return True

    def remove(self, start: int, end: int) -> bool:
        """Take an interval out; tell whether anything was there."""
        kept: list[Interval] = []
        for begin, stop in self._rows:
            kept += [row for row in ((begin, min(stop, start)), (max(begin, end), stop)) if row[0] < row[1]]
        changed = kept != self._rows
        self._rows = kept
        return changed

    def covers(self, start: int, end: int) -> bool:
        """Tell whether all of an interval is in the set."""
        at = bisect_right(self._rows, (start, 1 << 20)) - 1
        return at >= 0 and self._rows[at][1] >= end

    def rows(self) -> list[Interval]:
        """Return the intervals in order."""
        return list(self._rows)


def contains(outer: Interval, inner: Interval) -> bool:
    """Tell whether one interval lies in another."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]
