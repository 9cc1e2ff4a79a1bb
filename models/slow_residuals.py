"""Slow drift of a sensor: what the model misses, averaged over half an hour, against what it misses on average in normal operation.

Room: ground, pure. Commissioning learns the natural limits, the judge and a replay take row after row. A drift of a few thousandths of a
value per minute is far below one row's noise; the mean of 1,800 rows sees it. It judges no row and trains nothing.

Which tag: with r = (x - expected from all others) / its spread, r_i^2 is how much better the rows would be explained if only feature i were
wrong (reconstruction-based contribution; Alcala and Qin, Automatica 45 (2009) 1593), so the largest |mean r| names the tag.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_CELLS: Final = 60
BLOCKS: Final = 30
"""Cells in a block, and blocks in the mean. Blocks begin at multiples of their length, so a mean never depends on where one began."""
FULL_SHARE: Final = 0.9
"""A mean counts when so much of its cells had a row."""
CLIP: Final = 8.0
"""What one row may weigh, in spreads: beyond it the model itself speaks, and one burst is no drift."""
FACTOR: Final = 2.0
"""So many times its natural limit a mean is a finding; below `RELEASE` times, it is over."""
RELEASE: Final = 1.2
LIMIT_MIN: Final = 0.25
"""Spreads. No limit is below: commissioning holds few independent half hours."""
SPANS_MIN: Final = 3
"""Commissioning of fewer lengths of the mean than this gives no limits."""


@dataclass(frozen=True, slots=True)
class Slow:
    """A mean at the end of a block. `ratio` is the largest |mean| over its limit, `feature` where |mean| itself is largest."""

    cell: int
    ratio: float
    feature: int
    mean: float


class SlowMeans:
    """The mean of each feature's residual over the newest blocks. Memory and cost do not depend on the length."""

    def __init__(self, features: int, block_cells: int = BLOCK_CELLS, blocks: int = BLOCKS) -> None:
        self._features, self._block_cells, self._blocks = features, block_cells, blocks
        self._sums: deque[tuple[int, int, Floats]] = deque(maxlen=blocks)
        """(block, rows in it, their sum)."""
        self._open: tuple[int, int, Floats] | None = None

    def take(self, cell: int, residuals: Floats | None) -> tuple[int, Floats] | None:
        """Take the residuals of a cell, None where it abstained; cells grow. Return (cell after it, means) when a block has ended."""
        block = cell // self._block_cells
        ended = None
        if self._open is not None and self._open[0] != block:
            ended = self._closed(self._open)
            self._open = None
        if self._open is None:
            self._open = block, 0, np.zeros(self._features)
        if residuals is not None and np.isfinite(residuals).all():
            _, rows, total = self._open
            self._open = block, rows + 1, total + np.clip(residuals, -CLIP, CLIP)
        return ended

    def _closed(self, done: tuple[int, int, Floats]) -> tuple[int, Floats] | None:
        self._sums.append(done)
        within = [each for each in self._sums if each[0] > done[0] - self._blocks]
        rows = sum(each[1] for each in within)
        if rows < FULL_SHARE * self._blocks * self._block_cells:
            return None
        total = np.zeros(self._features)
        for each in within:  # oldest first, always: the same bits wherever the stream began
            total = total + each[2]
        return (done[0] + 1) * self._block_cells, total / rows


class SlowResiduals:
    """The watch over one model's residuals in service. `alarming` holds from a finding until all means are natural again."""

    def __init__(self, limits: Sequence[float]) -> None:
        """`limits`: per feature, as `slow_limits` gave them."""
        self._limits = np.array(limits)
        self._means = SlowMeans(len(limits))
        self.alarming = False

    def take(self, cell: int, residuals: Floats | None) -> Slow | None:
        """Take a cell; return a finding when one begins."""
        ended = self._means.take(cell, residuals)
        if ended is None:
            return None
        at, means = ended
        ratio = float(np.max(np.abs(means) / self._limits))
        if self.alarming:
            self.alarming = ratio > RELEASE
            return None
        if ratio <= FACTOR:
            return None
        self.alarming = True
        feature = int(np.argmax(np.abs(means)))
        return Slow(at, ratio, feature, float(means[feature]))


def slow_limits(cells: NDArray[np.int64], residuals: Floats) -> tuple[float, ...]:
    """Return the natural limits, one per feature: the largest mean that normal operation had, out of fold.

    Args:
        cells: (n,) of the rows; they grow.
        residuals: (n, features) in spreads, each row by a model that did not see it; they are taken as they are.

    Returns:
        Nothing where the rows are too few to know.
    """
    if len(cells) < SPANS_MIN * BLOCKS * BLOCK_CELLS:
        return ()
    found = [np.abs(means) for means in _means_of(cells, residuals)]
    if len(found) < (SPANS_MIN - 1) * BLOCKS:
        return ()
    return tuple(max(LIMIT_MIN, float(each)) if math.isfinite(each) else LIMIT_MIN for each in np.max(found, axis=0))


def _means_of(cells: NDArray[np.int64], residuals: Floats) -> Iterator[Floats]:
    means = SlowMeans(residuals.shape[1])
    for cell, row in zip(cells.tolist(), residuals, strict=True):
        ended = means.take(cell, row)
        if ended is not None:
            yield ended[1]
