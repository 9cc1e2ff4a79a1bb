"""Readings put on a grid: for each cell of time the value that was known at its end, or missing.

Room: ground, models; pure. `input_stream` feeds it. What it gives depends on the readings alone: not on when a cell was closed, and
beyond the time that a value is held not on where the stream began. A cell number is its end divided by `grid_ms`; the cell holds what was
read after the end of the one before and up to its own. A value counts until `hold_ms` have passed; a bad one means missing from
its time on; missing is NaN and never zero.

Only cells with a value in them or in the W cells before are given: a silence of days costs nothing but its edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.input_plan import InputPlan

VALUE_MAX: Final = 1e100
"""A larger number is no measurement but a broken decode, and its square would be infinite: it counts as missing."""
TIME_MS_MAX: Final = 1 << 60
"""A read time that no clock shows: such a reading is left out."""
CHUNK_CELLS: Final = 4096
NEVER: Final = -(1 << 62)


class Span(NamedTuple):
    """Cells in a row, none left out: `raw` is (cells, tags). `fresh`: they do not follow the span before, whose memory is void."""

    first_cell: int
    raw: NDArray[np.float64]
    fresh: bool


class Grid:
    """The open cells and the held values of one plan. `late` counts readings of cells that were closed already, and of no time."""

    def __init__(self, plan: InputPlan) -> None:
        self.late = 0
        self._grid_ms, self._window = plan.grid_ms, plan.window
        self._holds_ms = np.array([tag.hold_ms for tag in plan.tags], dtype=np.int64)
        self._longest_ms = int(self._holds_ms.max())
        self._spans = _Spans(plan.window)
        self._pending: dict[int, dict[int, tuple[int, float]]] = {}
        self._values = np.full(len(plan.tags), np.nan)
        self._until_ms = np.full(len(plan.tags), NEVER, dtype=np.int64)
        self._slot: dict[int, tuple[int, float]] = {}
        self._slot_ms = NEVER
        """The slot of the newest reading: those of one scan have one time."""
        self._closed = NEVER
        self._alive = NEVER
        """No value is held beyond this cell."""

    def take(self, tag_index: int, time_ms: int, value: float | None) -> None:
        """Take a reading; None, NaN and infinity mean missing from then on. Of two with the same time the later one taken stands."""
        if value is None or not -VALUE_MAX <= value <= VALUE_MAX:
            value = np.nan
        value = float(value) + 0.0  # of the two zeros one
        if time_ms != self._slot_ms:
            if not -TIME_MS_MAX <= time_ms <= TIME_MS_MAX:
                self.late += 1
                return
            cell = -(-time_ms // self._grid_ms)
            if cell <= self._closed:
                self._take_late(tag_index, time_ms, value)
                return
            self._slot = self._pending.setdefault(cell, {})
            self._slot_ms = time_ms
        known = self._slot.get(tag_index)
        if known is None or known[0] <= time_ms:
            self._slot[tag_index] = (time_ms, value)

    def _take_late(self, tag_index: int, time_ms: int, value: float) -> None:
        self.late += 1
        if time_ms >= self._until_ms[tag_index] - self._holds_ms[tag_index]:
            self._hold({tag_index: (time_ms, value)})

    def close(self, until_ms: int) -> Iterator[Span]:
        """Close every cell that ends at or before `until_ms`, and yield what they hold. To be run through to its end."""
        last = until_ms // self._grid_ms
        if last <= self._closed:
            return
        cell = max(self._closed + 1, min(self._pending, default=last + 1)) if self._alive == NEVER else self._closed + 1
        while cell <= last:
            raw = self._walk(cell, min(last - cell + 1, CHUNK_CELLS))
            self._closed = cell + len(raw) - 1
            yield from self._spans.split(cell, raw)
            cell = self._closed + 1
            if cell > self._alive + self._window:  # nobody holds a value, and no window either
                cell = min((c for c in self._pending if c >= cell), default=last + 1)
        self._closed = last
        self._slot_ms = NEVER

    def _walk(self, first: int, count: int) -> NDArray[np.float64]:
        """Return the cells from `first` on, `count` of them, or fewer: up to where silence begins."""
        raw = np.empty((count, len(self._values)))
        for i in range(count):
            slot = self._pending.pop(first + i, None)
            if slot is not None:
                self._hold(slot)
            elif first + i > self._alive + self._window:
                return raw[:i]
            end_ms = (first + i) * self._grid_ms
            raw[i] = self._values
            expired = self._until_ms < end_ms
            if np.count_nonzero(expired):
                raw[i, expired] = np.nan
        return raw

    def _hold(self, slot: dict[int, tuple[int, float]]) -> None:
        """Hold the newest readings of a cell, by tag."""
        tags = np.fromiter(slot, dtype=np.int64, count=len(slot))
        times_ms, values = zip(*slot.values(), strict=True)
        self._until_ms[tags] = np.add(times_ms, self._holds_ms[tags])
        self._values[tags] = values
        if any(value == value for value in values):  # noqa: PLR0124
            self._alive = max(self._alive, (max(times_ms) + self._longest_ms) // self._grid_ms)


def spans_of(
    plan: InputPlan, tag_index: NDArray[np.int64], time_ms: NDArray[np.int64], value: NDArray[np.float64], until_ms: int
) -> Iterator[Span]:
    """Yield what a Grid yields when it takes all these readings and closes at `until_ms`, without a step per reading.

    The columns have one length; NaN means missing from then on.
    """
    known = (time_ms >= -TIME_MS_MAX) & (time_ms <= TIME_MS_MAX)
    tag_index, time_ms, value = tag_index[known], time_ms[known], value[known]
    value = np.where(np.abs(value) <= VALUE_MAX, value, np.nan) + 0.0
    order = np.argsort(time_ms, kind="stable")
    tag_index, time_ms, value = tag_index[order], time_ms[order], value[order]
    per_tag = [np.flatnonzero(tag_index == i) for i in range(len(plan.tags))]
    last = until_ms // plan.grid_ms
    spans = _Spans(plan.window)
    for first, end in _alive(plan, tag_index, time_ms, value, last):
        for start in range(first, end + 1, CHUNK_CELLS):
            cells = np.arange(start, min(end + 1, start + CHUNK_CELLS), dtype=np.int64)
            raw = np.full((len(cells), len(plan.tags)), np.nan)
            for i, (rows, tag) in enumerate(zip(per_tag, plan.tags, strict=True)):
                at = np.searchsorted(time_ms[rows], cells * plan.grid_ms, side="right") - 1
                if len(rows):
                    held = rows[np.maximum(at, 0)]
                    counts = (at >= 0) & (time_ms[held] + tag.hold_ms >= cells * plan.grid_ms)
                    raw[:, i] = np.where(counts, value[held], np.nan)
            yield from spans.split(start, raw)


def _alive(
    plan: InputPlan, tag_index: NDArray[np.int64], time_ms: NDArray[np.int64], value: NDArray[np.float64], last: int
) -> list[tuple[int, int]]:
    """Return first and last cell of each stretch of time in which some value may be held, or was W cells ago."""
    good = ~np.isnan(value)
    holds = np.array([tag.hold_ms for tag in plan.tags], dtype=np.int64)[tag_index[good]]
    starts = -(-time_ms[good] // plan.grid_ms)
    ends = np.maximum.accumulate((time_ms[good] + holds) // plan.grid_ms + plan.window)
    if not len(starts):
        return []
    breaks = np.flatnonzero(starts[1:] > ends[:-1] + 1)
    firsts = [int(starts[0]), *(int(c) for c in starts[breaks + 1])]
    lasts = [*(int(c) for c in ends[breaks]), int(ends[-1])]
    return [(first, min(end, last)) for first, end in zip(firsts, lasts, strict=True) if first <= last]


class _Spans:
    """Leaves out the cells that have no value and none in the W cells before them."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._seen, self._given = NEVER, NEVER

    def split(self, first_cell: int, raw: NDArray[np.float64]) -> list[Span]:
        if not len(raw):
            return []
        missing = np.isnan(raw)
        present = None if not np.count_nonzero(missing) else ~missing.all(axis=1)
        if present is None or present.all():
            self._seen = first_cell + len(raw) - 1
            return [self._span(first_cell, raw)]
        cells = np.arange(first_cell, first_cell + len(raw), dtype=np.int64)
        seen = np.where(present, cells, NEVER)
        seen[0] = max(int(seen[0]), self._seen)
        np.maximum.accumulate(seen, out=seen)
        self._seen = int(seen[-1])
        wanted = np.flatnonzero(seen >= cells - self._window)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1) if len(wanted) else []
        return [self._span(first_cell + int(run[0]), raw[run[0] : run[-1] + 1]) for run in runs]

    def _span(self, first_cell: int, raw: NDArray[np.float64]) -> Span:
        fresh = first_cell != self._given + 1
        self._given = first_cell + len(raw) - 1
        return Span(first_cell, raw, fresh)
