"""Rollups: min, max, first, last, count and bad of one tag over fixed spans, kept in columns. Pure.

Room: hall, history. `gather` makes them of readings in the order of the ledger, `pages` stores them, `trends` merges and thins them. Spans
lie on multiples of their length since 1970 UTC. Bad readings count in `bad` only; text has no minimum.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

SPANS_MS: Final = (10_000, 300_000, 3_600_000)
"""10 s, 5 min, 1 h."""
NAN: Final = float("nan")

Row = tuple[int, float, float, float, float, int, int]
"""(start ms, low, high, first, last, count, bad); the four numbers are NaN where count is 0."""


def as_number(value: object, status: int) -> float | None:
    """Return what a trend draws: a float for a number or a bool that is not bad, else None. NaN counts as bad."""
    if status >> 31 or not isinstance(value, bool | int | float):
        return None
    number = float(value)
    return number if number == number else None  # noqa: PLR0124  NaN differs from itself


class Strip:
    """Rollups of one tag in parallel columns, in the order in which they were added.

    A row whose start is that of the row before is merged into it. Starts need not ascend: a clock that was set back gives earlier ones.
    """

    __slots__ = ("bad", "count", "first", "high", "last", "low", "starts")

    def __init__(self) -> None:
        self.starts = array("q")
        self.low, self.high, self.first, self.last = array("d"), array("d"), array("d"), array("d")
        self.count, self.bad = array("L"), array("L")

    def __len__(self) -> int:
        return len(self.starts)

    def rows(self) -> Iterator[Row]:
        """Return the rows."""
        return zip(self.starts, self.low, self.high, self.first, self.last, self.count, self.bad, strict=True)

    def add(self, start: int, low: float, high: float, first: float, last: float, count: int, bad: int) -> None:
        """Count in readings of one span, later than all before them."""
        if not self.starts or self.starts[-1] != start:
            self.starts.append(start)
            self.low.append(low)
            self.high.append(high)
            self.first.append(first)
            self.last.append(last)
            self.count.append(count)
            self.bad.append(bad)
            return
        self.bad[-1] += bad
        if not count:
            return
        if not self.count[-1]:
            self.low[-1], self.high[-1], self.first[-1], self.last[-1], self.count[-1] = low, high, first, last, count
            return
        self.count[-1] += count
        self.low[-1] = min(self.low[-1], low)
        self.high[-1] = max(self.high[-1], high)
        self.last[-1] = last

    def add_reading(self, time_ms: int, value: float | None, span_ms: int = SPANS_MS[0]) -> None:
        """Count in one reading; None is a bad one."""
        start = time_ms - time_ms % span_ms
        if value is None:
            self.add(start, NAN, NAN, NAN, NAN, 0, 1)
        else:
            self.add(start, value, value, value, value, 1, 0)

    def add_all(self, rows: Iterable[Row], span_ms: int) -> None:
        """Count in rows of shorter spans, or of the same."""
        add = self.add
        for start, low, high, first, last, count, bad in rows:
            add(start - start % span_ms, low, high, first, last, count, bad)

    def extend(self, later: Strip) -> None:
        """Count in a strip of the same span."""
        if self.starts and later.starts and self.starts[-1] == later.starts[0]:
            self.add_all(later.rows(), 1)
            return
        for name in self.__slots__:
            getattr(self, name).extend(getattr(later, name))

    def between(self, first_ms: int, last_ms: int) -> Strip:
        """Return the rows of a strip in order that start in [first, last]."""
        a, b = bisect_left(self.starts, first_ms), bisect_right(self.starts, last_ms)
        found = Strip()
        for name in self.__slots__:
            setattr(found, name, getattr(self, name)[a:b])
        return found

    def in_order(self) -> Strip:
        """Return the same with ascending starts, each once: rows of one span are merged in the order in which they were added."""
        if all(a < b for a, b in pairwise(self.starts)):
            return self
        found = Strip()
        found.add_all(sorted(self.rows(), key=_start), 1)
        return found


def thin(strip: Strip, width_ms: int) -> Strip:
    """Merge a strip in order into buckets of `width_ms` on multiples of it; empty buckets are left out, as gaps."""
    found = Strip()
    found.add_all(strip.rows(), width_ms)
    return found


def width_of(t0_ms: int, t1_ms: int, points: int, span_ms: int) -> int:
    """Return the width of buckets for at most `points` (one more where t0 is not on a multiple): a multiple of the span that they merge."""
    least = max(1, -(-(t1_ms - t0_ms) // points))
    return -(-least // span_ms) * span_ms


def _start(row: Row) -> int:
    return row[0]
