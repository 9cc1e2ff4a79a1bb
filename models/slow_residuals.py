"""Slow drift of a sensor: what the model misses, averaged over half an hour, against what it misses on average in normal operation.

Room: ground, models; pure. Commissioning learns the natural limits, the judge and a replay take cell after cell. A drift of thousandths
of a value per minute is far below one row's noise; the mean of 1,800 rows sees it. It judges no row and trains nothing.

Which tag: with r = (x - what all others say) / its spread, r_i^2 is how much better a row would be explained if only i were wrong
(reconstruction-based contribution; Alcala and Qin, Automatica 45 (2009) 1593), so the largest |mean r| names it, of those that are not
natural. Two tags that explain each other are equal in that; then the one that has left its own normal range is named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.finding import Finding
from models.input_plan import InputPlan

Floats = NDArray[np.float64]
Limits = Sequence[float | None]

RULE: Final = "drift"
BLOCK_CELLS: Final = 60
BLOCKS: Final = 30
"""Cells in a block, and blocks in the mean. Blocks begin at multiples of their length, so a mean never depends on where one began."""
FULL_SHARE: Final = 0.9
"""A mean counts when so much of its cells had a row."""
CLIP: Final = 8.0
"""What one row may weigh, in spreads: beyond it the model itself speaks, and one burst is no drift."""
FACTOR: Final = 5.0
"""So many times its natural limit a mean is a finding; below `RELEASE` times, it is over."""
RELEASE: Final = 2.0
LIMIT_MIN: Final = 0.25
"""Spreads. No limit is below: commissioning holds few independent half hours."""
SPANS_MIN: Final = 3
"""Commissioning of fewer lengths of the mean than this gives no limits."""
ALIKE: Final = 0.6
"""Tags with so much of the largest mean may as well be the cause."""
OUTSIDE: Final = 3.0
"""So many standard deviations from its normal mean a tag has left its range."""


@dataclass(slots=True)
class _Block:
    """The rows of one block: per column their sum, and how many had a number."""

    number: int
    sums: Floats
    counts: Floats


class SlowMeans:
    """The means of columns over the newest blocks. Memory and cost do not depend on the length."""

    def __init__(self, columns: int, block_cells: int = BLOCK_CELLS, blocks: int = BLOCKS) -> None:
        self._columns, self._block_cells, self._blocks = columns, block_cells, blocks
        self._blocks_kept: deque[_Block] = deque(maxlen=blocks)
        self._open: _Block | None = None

    def take(self, cell: int, row: Floats | None) -> tuple[int, Floats] | None:
        """Take a cell's row, None where there is none; cells grow. Return (cell after it, means) when a block has ended.

        What is no number of a row counts for nothing; a column with too few numbers has no mean: NaN.
        """
        number = cell // self._block_cells
        ended = None
        if self._open is not None and self._open.number != number:
            ended = self._closed(self._open)
            self._open = None
        if self._open is None:
            self._open = _Block(number, np.zeros(self._columns), np.zeros(self._columns))
        if row is not None:
            there = np.isfinite(row)
            self._open.counts += there
            self._open.sums += np.clip(np.where(there, row, 0.0), -CLIP, CLIP)
        return ended

    def _closed(self, done: _Block) -> tuple[int, Floats] | None:
        self._blocks_kept.append(done)
        sums, counts = np.zeros(self._columns), np.zeros(self._columns)
        for each in self._blocks_kept:  # oldest first, always: the same bits wherever the stream began
            if each.number > done.number - self._blocks:
                sums, counts = sums + each.sums, counts + each.counts
        full = counts >= FULL_SHARE * self._blocks * self._block_cells
        if not full.any():
            return None
        return (done.number + 1) * self._block_cells, np.where(full, sums / np.maximum(counts, 1.0), np.nan)


class DriftWatch:
    """The watch over one model in service: one finding from when a mean leaves its natural limits until all are natural again."""

    def __init__(self, plan: InputPlan, limits: Limits) -> None:
        """`limits`: per tag, as `drift_limits` gave them."""
        self._plan = plan
        self._columns, self._tags = _means_of(plan, limits)
        self._limits = np.array([limits[tag] for tag in self._tags], dtype=np.float64)
        self._slow = SlowMeans(2 * len(self._tags))
        self._finding: Finding | None = None

    def take(self, cell: int, residuals: Floats | None, scaled: Floats | None) -> Finding | None:
        """Take a cell; return a finding when one begins or ends.

        Args:
            cell: they grow.
            residuals: (features,) in spreads, None where the model abstained.
            scaled: (features,) the features in standard deviations from their normal means.
        """
        if not self._tags:
            return None
        row = None if residuals is None or scaled is None else np.concatenate((residuals[self._columns], scaled[self._columns]))
        ended = self._slow.take(cell, row)
        if ended is None:
            return None
        missed, away = np.split(ended[1], 2)
        return self._judged(ended[0] * self._plan.grid_ms, missed, away) if np.isfinite(missed).any() else None

    def _judged(self, at_ms: int, missed: Floats, away: Floats) -> Finding | None:
        ratios = np.abs(missed) / self._limits
        ratio = float(np.nanmax(ratios))
        if self._finding is not None:
            if ratio > RELEASE:
                return None
            begun, self._finding = self._finding, None
            return Finding(RULE, begun.tag, "end", begun.since_ms, at_ms, {"lasted_ms": at_ms - begun.since_ms})
        if ratio <= FACTOR:
            return None
        place = _cause(np.where(ratios > 1, np.abs(missed), 0.0), np.abs(away))
        evidence = {"size": float(missed[place]), "limit": FACTOR * float(self._limits[place]), "ratio": ratio, "away": float(away[place])}
        since_ms = at_ms - BLOCKS * BLOCK_CELLS * self._plan.grid_ms
        self._finding = Finding(RULE, self._plan.tags[self._tags[place]].uid, "onset", since_ms, at_ms, evidence)
        return self._finding


def drift_limits(plan: InputPlan, cells: NDArray[np.int64], residuals: Floats) -> list[float | None]:
    """Return the natural limits, one per tag: the largest slow mean that normal operation had; None: the tag has no such rule.

    Args:
        plan: whose features they are.
        cells: (n,) of the rows; they grow.
        residuals: (n, features) in spreads, each row by a model that did not see it.
    """
    none: list[float | None] = [None] * len(plan.tags)
    columns, tags = _means_of(plan, [1.0] * len(plan.tags))
    if not tags or len(cells) < SPANS_MIN * BLOCKS * BLOCK_CELLS:
        return none
    found = [np.abs(means) for means in _all_means(cells, residuals[:, columns])]
    if len(found) < (SPANS_MIN - 1) * BLOCKS:
        return none
    for tag, largest in zip(tags, np.nan_to_num(np.fmax.reduce(found), nan=np.inf), strict=True):
        none[tag] = max(LIMIT_MIN, float(largest)) if np.isfinite(largest) else None
    return none


def _cause(missed: Floats, away: Floats) -> int:
    """Return the column that is named: `missed` is 0 where a mean is natural."""
    outside = np.where((missed >= ALIKE * missed.max()) & (away > OUTSIDE), away, 0.0)
    return int(np.argmax(outside)) if outside.any() else int(np.argmax(missed))


def _means_of(plan: InputPlan, limits: Limits) -> tuple[list[int], list[int]]:
    """Return the columns of the tags' window means, and their tags."""
    pairs = [(column, tag) for column, (kind, tag) in enumerate(plan.layout) if kind == "mean" and limits[tag] is not None]
    return [column for column, _ in pairs], [tag for _, tag in pairs]


def _all_means(cells: NDArray[np.int64], rows: Floats) -> Iterator[Floats]:
    slow = SlowMeans(rows.shape[1])
    for cell, row in zip(cells.tolist(), rows, strict=True):
        ended = slow.take(cell, row)
        if ended is not None:
            yield ended[1]
