"""Rollups: min, max, first, last, count and bad of one tag over fixed spans. Pure.

Room: hall, history. `index` feeds readings in the order of the ledger and stores what `take` gives back. Spans lie on multiples of
their length since 1970 UTC. Bad readings count in `bad` only; text has no minimum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SPANS_MS: Final = (10_000, 300_000, 3_600_000)
"""10 s, 5 min, 1 h."""

Key = tuple[int, int, int]
"""(tag_uid, span length in ms, start of the span in ms)."""


@dataclass(slots=True)
class Rollup:
    """One span of one tag. Without a good number `low`, `high`, `first` and `last` are None."""

    low: float | None = None
    high: float | None = None
    first: float | None = None
    last: float | None = None
    count: int = 0
    bad: int = 0

    def add(self, value: float | None) -> None:
        """Count one reading in, later than all before it; None is a bad one."""
        if value is None:
            self.bad += 1
            return
        self.count += 1
        if self.low is None or self.high is None:
            self.low = self.high = self.first = self.last = value
            return
        self.low, self.high, self.last = min(self.low, value), max(self.high, value), value

    def merge(self, later: Rollup) -> None:
        """Count in a rollup of later readings."""
        self.count += later.count
        self.bad += later.bad
        if later.low is None or later.high is None:
            return
        if self.low is None or self.high is None:
            self.low, self.high, self.first, self.last = later.low, later.high, later.first, later.last
            return
        self.low, self.high, self.last = min(self.low, later.low), max(self.high, later.high), later.last


def as_number(value: object, status: int) -> float | None:
    """Return what a trend draws: a float for a number or a bool that is not bad, else None. NaN counts as bad."""
    if status >> 31 or not isinstance(value, bool | int | float):
        return None
    number = float(value)
    return number if number == number else None  # noqa: PLR0124  NaN differs from itself


class Rolling:
    """Gathers readings into rollups of every span, until they are taken."""

    def __init__(self) -> None:
        self._open: dict[Key, Rollup] = {}

    def add(self, uid: int, time_ms: int, value: object, status: int) -> None:
        """Count one reading into its span of each length."""
        number = as_number(value, status)
        for span in SPANS_MS:
            key = (uid, span, time_ms - time_ms % span)
            rollup = self._open.get(key)
            if rollup is None:
                rollup = self._open[key] = Rollup()
            rollup.add(number)

    def take(self) -> dict[Key, Rollup]:
        """Return what was gathered and begin anew."""
        taken, self._open = self._open, {}
        return taken


def thin(rows: Iterable[tuple[int, Rollup]], points: int, t0_ms: int, t1_ms: int) -> list[tuple[int, Rollup]]:
    """Merge (start, rollup) rows in time order into at most `points` equal buckets of [t0, t1]; empty buckets are left out, as gaps."""
    width = max(1, -(-(t1_ms - t0_ms + 1) // points))
    merged: dict[int, Rollup] = {}
    for start, rollup in rows:
        bucket = t0_ms + (max(start, t0_ms) - t0_ms) // width * width
        if bucket in merged:
            merged[bucket].merge(rollup)
        else:
            merged[bucket] = Rollup()
            merged[bucket].merge(rollup)
    return sorted(merged.items())
