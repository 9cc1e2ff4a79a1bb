"""Slow drift of a sensor: what the model misses, averaged over half an hour, against what it misses on average in normal operation.

Room: ground, models; pure. Commissioning learns the natural limits, the judge and a replay take cell after cell. A drift of thousandths
of a value per minute is far below one row's noise; a mean of 1,800 rows sees it, even without the most unusual minutes. Where the machine
stands, or the model abstains, nothing is averaged: the half hour is one of operation, and goes on after a stop. It judges no row and trains
nothing.

Which tag: one that drifts leaves a trace in what is missed of all that are foretold from it, and a model that leans on it leaves more
there than at the tag itself: watts are volts times amperes, and a drift of the volts stands out most at the amperes. The trace of each
tag is asked of the model itself (`isolate.responses`). That tag is named by whose trace alone most of what is missed would be explained
(reconstruction-based contribution; Alcala and Qin, Automatica 45 (2009) 1593), each mean measured by its natural limit.
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
"""A block counts when so much of its cells had a row, a tag's mean when so much of all cells had a number of it."""
KNOWN_SHARE: Final = 0.5
"""Of a tag a block counts where so much of its cells had a number: what is missing for some seconds now and then hides no minute."""
OLDEST: Final = 3
"""So many lengths of the mean ago is too long ago: older blocks count for nothing."""
CLIP: Final = 8.0
"""What one row may weigh, in spreads: beyond it the model itself speaks."""
TRIMMED_SHARE: Final = 0.25
"""So much of the blocks is left out of a mean at either end, the lowest and the highest: a jam that fills a conveyor for some minutes, or
two in a half hour, is no drift; one that drifts has moved most blocks."""
FACTOR: Final = 5.0
"""So many times its natural limit a mean is a finding; below `RELEASE` times, it is over."""
RELEASE: Final = 2.0
LIMIT_MIN: Final = 0.25
"""Spreads. No limit is below: commissioning holds few independent half hours."""
SPANS_MIN: Final = 3
"""Commissioning of fewer lengths of the mean than this gives no limits."""


@dataclass(slots=True)
class _Block:
    """The rows of one block: per column their sum, and how many had a number."""

    number: int
    sums: Floats
    counts: Floats


class SlowMeans:
    """The trimmed means of columns over the newest blocks that had rows. Memory and cost do not depend on the length."""

    def __init__(self, columns: int, block_cells: int = BLOCK_CELLS, blocks: int = BLOCKS) -> None:
        self._columns, self._block_cells, self._blocks = columns, block_cells, blocks
        self._blocks_kept: deque[_Block] = deque(maxlen=blocks)
        self._open: _Block | None = None

    def take(self, cell: int, row: Floats | None) -> tuple[int, int, Floats] | None:
        """Take a cell's row, None where there is none; cells grow. Return (first cell, cell after it, means) when a block has ended.

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

    def _closed(self, done: _Block) -> tuple[int, int, Floats] | None:
        if done.counts.max() < FULL_SHARE * self._block_cells:
            return None
        self._blocks_kept.append(done)
        blocks = [each for each in self._blocks_kept if each.number > done.number - OLDEST * self._blocks]
        sums, counts = np.array([each.sums for each in blocks]), np.array([each.counts for each in blocks])
        known = counts >= KNOWN_SHARE * self._block_cells
        full = counts.sum(axis=0) >= FULL_SHARE * self._blocks * self._block_cells
        means = np.where(full, _trimmed(np.where(known, sums / np.maximum(counts, 1.0), np.nan)), np.nan)
        if not np.isfinite(means).any():
            return None
        return blocks[0].number * self._block_cells, (done.number + 1) * self._block_cells, means


class DriftWatch:
    """The watch over one model in service: one finding from when a mean leaves its natural limits until all are natural again."""

    def __init__(self, plan: InputPlan, limits: Limits) -> None:
        """`limits`: per tag, as `drift_limits` gave them."""
        self._plan = plan
        self._columns, self._tags = _means_of(plan, limits)
        self._limits = np.array([limits[tag] for tag in self._tags], dtype=np.float64)
        self._traces = np.eye(len(self._tags))
        self._slow = SlowMeans(2 * len(self._tags))
        self._finding: Finding | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no tag has such a rule."""
        return not self._tags

    def answers_as(self, responses: Floats) -> None:
        """Know the model (`isolate.responses`). Until then a tag's drift is taken to show at the tag alone."""
        self._traces = responses[np.ix_(self._columns, self._columns)] / self._limits[:, None]

    def take(self, cell: int, residuals: Floats | None, scaled: Floats | None) -> Finding | None:
        """Take a cell; return a finding when one begins or ends.

        Args:
            cell: they grow.
            residuals: (features,) in spreads, None where the model abstained.
            scaled: (features,) the features in standard deviations from their normal means.
        """
        if self.is_idle:
            return None
        row = None if residuals is None or scaled is None else np.concatenate((residuals[self._columns], scaled[self._columns]))
        ended = self._slow.take(cell, row)
        if ended is None:
            return None
        first, after, means = ended
        missed, away = np.split(means, 2)
        if not np.isfinite(missed).any():
            return None
        return self._judged(first * self._plan.grid_ms, after * self._plan.grid_ms, missed, away)

    def _judged(self, since_ms: int, at_ms: int, missed: Floats, away: Floats) -> Finding | None:
        ratios = np.abs(missed) / self._limits
        ratio = float(np.nanmax(ratios))
        if self._finding is not None:
            if ratio > RELEASE:
                return None
            begun, self._finding = self._finding, None
            return Finding(RULE, begun.tag, "end", begun.since_ms, at_ms, {"lasted_ms": at_ms - begun.since_ms})
        if ratio <= FACTOR:
            return None
        place = self._cause(missed / self._limits)
        evidence = {
            "size": float(missed[place]), "limit": float(self._limits[place]), "ratio": float(ratios[place]), "away": float(away[place]),
        }  # fmt: skip
        self._finding = Finding(RULE, self._plan.tags[self._tags[place]].uid, "onset", since_ms, at_ms, evidence)
        return self._finding

    def _cause(self, missed: Floats) -> int:
        """Return the place that is named, of those that are not natural. `missed`: means in natural limits; NaN where there is none."""
        known = np.where(np.isnan(missed), 0.0, missed)
        traces = np.where(np.isnan(missed)[:, None], 0.0, self._traces)
        sizes = (traces * traces).sum(axis=0)
        explained = np.divide((traces * known[:, None]).sum(axis=0) ** 2, sizes, out=np.zeros(len(known)), where=sizes > 0)
        return int(np.argmax(np.where(np.abs(known) > 1, explained, -1.0)))


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


def _trimmed(blocks: Floats) -> Floats:
    """Return each column's mean without its lowest and highest blocks; 0 for one that no block knows.

    `blocks`: (blocks, columns), NaN where a block does not know a column. The order of the blocks makes no difference, to the bit.
    """
    known = np.isfinite(blocks).sum(axis=0)
    cut = (known * TRIMMED_SHARE).astype(np.int64)
    place = np.arange(len(blocks))[:, None]
    kept = np.where((place >= cut) & (place < known - cut), np.sort(blocks, axis=0), 0.0)  # what is not known stands at the end
    means: Floats = kept.sum(axis=0) / np.maximum(known - 2 * cut, 1)
    return means


def _means_of(plan: InputPlan, limits: Limits) -> tuple[list[int], list[int]]:
    """Return the columns of the tags' window means, and their tags."""
    pairs = [(column, tag) for column, (kind, tag) in enumerate(plan.layout) if kind == "mean" and limits[tag] is not None]
    return [column for column, _ in pairs], [tag for _, tag in pairs]


def _all_means(cells: NDArray[np.int64], rows: Floats) -> Iterator[Floats]:
    slow = SlowMeans(rows.shape[1])
    for cell, row in zip(cells.tolist(), rows, strict=True):
        ended = slow.take(cell, row)
        if ended is not None:
            yield ended[2]
