"""Cleaning: a view of the readings that a model looks at. The ledger holds what was collected; nothing here replaces it.

Room: ground, models; pure. The input stream puts each row through it. In this order: the rate in a counter's place; what lies beyond
engineering limits is missing; a spike becomes the middle of its last three cells; a value that has not moved for too long is missing.
Bad quality was missing before it came here. What was changed is counted per tag. Each step is off for a tag that has no limit for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.derived import Rates
from models.input_plan import InputPlan
from models.runs import Runs, same_as_before

Matrix = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(slots=True)
class Changed:
    """How many cells of each tag the cleaning has changed, by what for: (tags,) each."""

    out_of_range: Counts
    spikes: Counts
    stuck: Counts
    resets: Counts


@dataclass(slots=True)
class _Limits:
    """The plan's limits as rows over all tags; None where no tag has one."""

    low: Matrix | None
    high: Matrix | None
    spike: Matrix | None
    stuck_cells: Counts | None
    counters: Counts = field(default_factory=lambda: np.empty(0, dtype=np.int64))


class Cleaning:
    """The cleaning of one plan, with what it must remember: two cells, and how long each value has stood."""

    def __init__(self, plan: InputPlan) -> None:
        count = len(plan.tags)
        self._limits = _limits(plan)
        self._rates = Rates([t for t in plan.tags if t.role == "counter"], plan.grid_ms)
        stuck = self._limits.stuck_cells
        self._runs = Runs(count, 0 if stuck is None else int(stuck[stuck < _NEVER_STUCK].max()))
        self._spikes = np.zeros(count, dtype=np.int64)
        self._stuck = np.zeros(count, dtype=np.int64)
        self._outside = np.zeros(count, dtype=np.int64)
        self._nothing = np.full((2, count), np.nan)
        self.clear()

    @property
    def changed(self) -> Changed:
        """What was changed so far."""
        resets = np.zeros(len(self._spikes), dtype=np.int64)
        resets[self._limits.counters] = self._rates.resets
        return Changed(self._outside.copy(), self._spikes.copy(), self._stuck.copy(), resets)

    def clear(self) -> None:
        """Forget the cells before, not what was counted."""
        self._rates.clear()
        self._runs.clear()
        self._before = self._nothing
        self._before_raw = self._nothing[0]

    def take(self, raw: Matrix) -> Matrix:
        """Take the next cells, (cells, tags), and return them cleaned; `raw` stays as it is."""
        limits = self._limits
        values = raw.copy()
        if len(limits.counters):
            values[:, limits.counters] = self._rates.take(raw[:, limits.counters])
        if limits.low is not None:
            self._mask(values, np.less(values, limits.low), self._outside)
        if limits.high is not None:
            self._mask(values, np.greater(values, limits.high), self._outside)
        if limits.spike is not None:
            values = self._without_spikes(values, limits.spike)
        if limits.stuck_cells is not None:
            runs = self._runs.take(same_as_before(self._before_raw, raw))
            self._before_raw = raw[-1].copy()
            self._mask(values, runs >= limits.stuck_cells, self._stuck)
        return values

    @staticmethod
    def _mask(values: Matrix, where: NDArray[np.bool_], counts: Counts) -> None:
        if np.count_nonzero(where):
            counts += where.sum(axis=0)
            values[where] = np.nan

    def _without_spikes(self, values: Matrix, limit: Matrix) -> Matrix:
        """Replace what leaves the middle of the last three cells by more than the limit. A step comes through one cell later."""
        three = np.concatenate((self._before, values))
        self._before = three[-2:]
        first, second = three[:-2], three[1:-1]
        away = np.abs(np.subtract(values, second)) > limit  # not nearer to the middle than to the cell before
        if not np.count_nonzero(away):
            return values
        middle = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), values))  # NaN wherever one is missing
        away = np.abs(values - middle) > limit
        self._before = self._before.copy()
        self._spikes += away.sum(axis=0)
        made: Matrix = np.where(away, middle, values)
        return made


_NEVER_STUCK = 1 << 62


def _limits(plan: InputPlan) -> _Limits:
    tags = plan.tags
    low = np.array([-np.inf if t.low is None else t.low for t in tags])
    high = np.array([np.inf if t.high is None else t.high for t in tags])
    spike = np.array([np.inf if t.spike is None else t.spike for t in tags])
    stuck = np.array([_NEVER_STUCK if t.stuck_ms is None else -(-t.stuck_ms // plan.grid_ms) for t in tags], dtype=np.int64)
    return _Limits(
        low=low[None] if np.isfinite(low).any() else None,
        high=high[None] if np.isfinite(high).any() else None,
        spike=spike[None] if np.isfinite(spike).any() else None,
        stuck_cells=stuck if (stuck < _NEVER_STUCK).any() else None,
        counters=np.array([i for i, t in enumerate(tags) if t.role == "counter"], dtype=np.int64),
    )
