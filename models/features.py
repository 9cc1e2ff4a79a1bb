"""From cleaned values to a row of features, or to the reason why there is none.

Room: ground, models; pure. The input stream calls it; who trains may call it again over the same values with another plan. A feature of a
tag that is missing now, or was in too much of the window, is NaN; with too many such tags the row abstains as a whole.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.derived import ratios
from models.input_plan import InputPlan
from models.logarithm import natural_log
from models.runs import Runs, same_as_before
from models.window import Moments, SlidingMoments

Matrix = NDArray[np.float64]

FLOOR: Final = np.array(1e-3)
"""Added to the variance in units of the tag's scale squared: what a constant window gives instead of the logarithm of 0."""

HALF: Final = np.array(0.5)
ABSTAINED: Final = ("", "missing", "filling", "gate")
"""Why a row has no features, by number: 0 it has; tags are missing; the window is not full; a gate is shut."""


class FeatureRows(NamedTuple):
    """`features` (cells, features), all NaN in rows that abstain; `abstained` (cells,), numbers of ABSTAINED."""

    features: Matrix
    abstained: NDArray[np.int8]


class Features:
    """The windows of one plan. Columns are the plan's tags; a counter's column holds its rate."""

    def __init__(self, plan: InputPlan) -> None:
        self._plan = plan
        self._looked = _indices(plan, ("level", "counter"))
        self._states = _indices(plan, ("state",))
        self._running = [plan.tags[i].running for i in self._states] if "running_share" in plan.features else []
        self._gates = [(plan.index_of(gate.uid), gate.values) for gate in plan.gates]
        # A counter that is reported every few cells has as many steps in every full window, and too few or too many in a shorter one.
        needed = [plan.window if plan.tags[i].role == "counter" else plan.present_share * plan.window for i in self._looked]
        self._needed = np.array(needed + [plan.present_share * plan.window] * len(self._running))
        self._per_scale = np.array([1.0 / (plan.tags[i].scale * plan.tags[i].scale) for i in self._looked])[None]
        places = {int(tag): k for k, tag in enumerate(self._looked)}
        self._over = [places[plan.index_of(r.over)] for r in plan.ratios]
        self._under = [places[plan.index_of(r.under)] for r in plan.ratios]
        self._all_looked = len(self._looked) == len(plan.tags)
        self._moments = SlidingMoments(plan.window, len(self._looked) + len(self._running))
        self._state_runs = Runs(len(self._states), plan.window)
        self._gate_runs = Runs(len(self._gates), plan.window)
        self._open_cells = np.array([plan.window + plan.settle_cells(gate) for gate in plan.gates], dtype=np.int64)
        self._not_shut_runs = Runs(len(self._gates), int(max(self._open_cells, default=0)))
        self.clear()

    def clear(self) -> None:
        """Forget the cells before."""
        self._moments.clear()
        self._state_runs.clear()
        self._gate_runs.clear()
        self._not_shut_runs.clear()
        self._states_before = np.full(len(self._states), np.nan)
        self._walked = 0

    def take(self, first_cell: int, values: Matrix) -> FeatureRows:
        """Take the next cells, (cells, tags), the first with the number `first_cell`, and return a row for each."""
        columns = self._columns(values)
        moments = self._moments.take(first_cell, columns)
        thin = None
        if not moments.whole:
            missing = np.isnan(columns)
            thin = np.logical_or(missing, moments.number < self._needed)
        made = self._made(values, moments, thin)
        abstained = self._gated(values)
        if thin is not None:
            self._abstain(abstained, missing, thin)
        self._walked = min(self._walked + len(values), self._plan.window)
        if np.count_nonzero(abstained):
            made[abstained > 0] = np.nan
        return FeatureRows(made, abstained)

    def _columns(self, values: Matrix) -> Matrix:
        looked = values if self._all_looked else values[:, self._looked]
        if not self._running:
            return looked
        states = values[:, self._states]
        flags = [np.where(np.isnan(s), np.nan, np.isin(s, wanted)) for s, wanted in zip(states.T, self._running, strict=True)]
        return np.column_stack((looked, *flags))

    def _made(self, values: Matrix, moments: Moments, thin: NDArray[np.bool_] | None) -> Matrix:
        looked = len(self._looked)
        made = np.empty((len(values), len(self._plan.layout)))
        at = 0
        for kind in self._plan.features:
            width = looked if kind in {"mean", "log_sd"} else len(self._states)
            part = made[:, at : at + width]
            at += width
            if kind == "mean":
                part[:] = moments.mean[:, :looked]
            elif kind == "log_sd":
                variance = np.multiply(moments.variance[:, :looked], self._per_scale)
                np.multiply(natural_log(np.add(variance, FLOOR, out=variance)), HALF, out=part)
            elif kind == "running_share":
                part[:] = moments.mean[:, looked:]
            else:
                self._put_time_in_state(values[:, self._states], part)
                continue
            if thin is not None:
                part[thin[:, looked:] if kind == "running_share" else thin[:, :looked]] = np.nan
        if self._over:
            made[:, at:] = ratios(moments.mean[:, self._over], moments.mean[:, self._under])
            if thin is not None:
                made[:, at:][thin[:, self._over] | thin[:, self._under]] = np.nan
        return made

    def _put_time_in_state(self, states: Matrix, out: Matrix) -> None:
        """Seconds since the state last changed, at most the window: a longer time would not depend on the window alone."""
        if states.shape[1]:
            runs = self._state_runs.take(same_as_before(self._states_before, states))
            self._states_before = states[-1].copy()
            cells = np.minimum(runs + 1, self._plan.window)
            out[:] = np.where(np.isnan(states), np.nan, cells * (self._plan.grid_ms / 1000))

    def _gated(self, values: Matrix) -> NDArray[np.int8]:
        """Return 3 for cells in which a gate is shut, else 0."""
        abstained = np.zeros(len(values), dtype=np.int8)
        if self._gates:
            inside = np.column_stack([np.isin(values[:, i], wanted) for i, wanted in self._gates])
            not_shut = inside | np.isnan(values[:, [i for i, _ in self._gates]])  # a lost reading is no stop of the machine
            shut = self._gate_runs.take(inside) < self._plan.window
            abstained[(shut | (self._not_shut_runs.take(not_shut) < self._open_cells)).any(axis=1)] = 3
        return abstained

    def _abstain(self, abstained: NDArray[np.int8], missing: NDArray[np.bool_], thin: NDArray[np.bool_]) -> None:
        """Put 2 where the window is not full, and 1 where tags are missing now; in a whole window neither can be."""
        share = self._plan.missing_share * thin.shape[1]
        abstained[thin.sum(axis=1) > share] = 2
        abstained[: max(self._plan.window - 1 - self._walked, 0)] = 2
        abstained[missing.sum(axis=1) > share] = 1


def _indices(plan: InputPlan, roles: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([i for i, tag in enumerate(plan.tags) if tag.role in roles], dtype=np.int64)
