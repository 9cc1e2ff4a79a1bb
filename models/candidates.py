"""A model of normal operation with an honest threshold: fitted, judged on rows that it did not see, and tried on shifts that we put in.

Room: ground, pure numpy. `commission` calls it for every kind of model and again for coverage. It writes no file and quantises nothing.

Why out of fold: a model always explains the rows it was made from. So the rows are cut into contiguous folds (neighbouring rows share
their windows, a random cut would leak), each is judged by a model of the others, and the highest score found so, times a factor, is the
threshold. docs/decisions/0018-how-settings-were-chosen.md says where the numbers come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import autoencoder, linear
from models.decision import REACH_SD, REACH_SHARE_MIN
from models.input_plan import InputPlan
from models.quantise import INSIDE, RANGE, Dense, forward
from models.scorer import Gathering

Floats = NDArray[np.float64]

STEP_VARIANCE: Final = 2 * INSIDE.scale**2 / 12
"""What rounding to int8 adds to a residual, at the input and at the output: no feature is trusted more finely than that."""
SPREAD_MIN: Final = 0.02
"""Least standard deviation of a feature, in units of its tag's scale, or of a logarithm: one changed bit of a constant is no alarm."""
RATIO_SPREAD_MIN: Final = 1e-3
"""The same for a ratio of counters, as a share of its mean."""
SHIFTS: Final = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations that features are shifted by to see what a model finds."""
SHIFTED_ROWS: Final = 12
"""Normal rows that each shift is put into."""


@dataclass(frozen=True, slots=True)
class Gather:
    """How a score is made of contributions: see Manifest. by_ceiling: they are measured by the highest of their tag out of fold."""

    how: str
    by_ceiling: bool
    factor: float


@dataclass(frozen=True, slots=True)
class Settings:
    """How candidates are made. folds >= 2; gathers: ways to make a score, tried in this order.

    strengths: how much the ridge is shrunk; it takes the one that foretells best out of fold, whitening takes the first.
    variance_share: what the components keep.
    """

    folds: int = 4
    strengths: tuple[float, ...] = (0.1, 0.03)
    variance_share: float = 0.9
    gathers: tuple[Gather, ...] = (Gather("sum", by_ceiling=False, factor=1.6), Gather("largest", by_ceiling=True, factor=8.0))
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """One fitted model. mean, spread, residual: (features,); ceilings: (tags,); missed: (n, features) out of fold, in units of residual.

    found_share: of shifts of single features put into normal rows, how many score above the threshold.
    """

    kind: str
    layers: tuple[Dense, ...]
    mean: Floats
    spread: Floats
    residual: Floats
    missed: Floats
    how: str
    factor: float
    ceilings: Floats
    threshold: float
    owners: tuple[int, ...]
    found_share: float = 0.0

    def scaled(self, features: Floats) -> Floats:
        """Return features in standard deviations."""
        return (features - self.mean) / self.spread

    def scores(self, features: Floats) -> Floats:
        """Return the float model's scores (n,)."""
        gathering = Gathering(self.owners, self.ceilings, self.how)
        return gathering.scores(gathering.parts(_missed(self.layers, self.scaled(features)) / self.residual))

    def unlike(self, apart: int) -> tuple[int, int]:
        """Return first and last of the rows that are most unlike the rest: those about the highest score out of fold.

        They score so high there that, with a threshold above it, less than REACH_SHARE_MIN of the features could be found. Such rows that
        are no more than `apart` apart are together.
        """
        gathering = Gathering(self.owners, self.ceilings, self.how)
        scores = gathering.scores(gathering.parts(self.missed))
        reach = np.sort((REACH_SD / self.residual) ** 2 / self.ceilings[list(self.owners)])[::-1]
        least = reach[math.ceil(REACH_SHARE_MIN * len(reach)) - 1] / self.factor
        highest = int(np.argmax(scores))
        beyond = np.union1d(np.flatnonzero(scores > least), [highest])
        groups = np.split(beyond, np.flatnonzero(np.diff(beyond) > apart) + 1)
        about = next(group for group in groups if highest in group)
        return int(about[0]), int(about[-1])

    def alarmed_share(self, features: Floats) -> float:
        """Return the share of rows above the threshold."""
        return float(np.mean(self.scores(features) > self.threshold))


def candidates(kind: str, features: Floats, plan: InputPlan, settings: Settings) -> list[Candidate]:
    """Return one model of this kind, with each way to make a score of it.

    Args:
        kind: `ridge`, `whitening`, `components` or `autoencoder`.
        features: (n, features) of normal rows in the order of time, no NaN.
        plan: whose features they are.
        settings: see there.
    """
    least = _spreads_min(plan, features)
    mean, spread = _scaling(features, least)
    rows = (features - mean) / spread
    strengths = {"ridge": settings.strengths, "components": (settings.variance_share,)}.get(kind, settings.strengths[:1])
    tried = [_out_of_fold(kind, features, least, settings, strength) for strength in strengths]
    best = min(range(len(tried)), key=lambda number: float(np.mean(np.log(np.mean(tried[number] ** 2, axis=0) + STEP_VARIANCE))))
    layers = tuple(_fitted(kind, rows, settings, strengths[best]))
    residual = np.sqrt(np.mean(_missed(layers, rows) ** 2, axis=0) + STEP_VARIANCE)
    missed = tried[best] / residual
    made = []
    for gather in settings.gathers:
        ceilings = _ceilings(plan, missed, gather)
        gathering = Gathering(plan.tag_of_feature, ceilings, gather.how)
        threshold = gather.factor * float(gathering.scores(gathering.parts(missed)).max())
        one = Candidate(kind, layers, mean, spread, residual, missed, gather.how, gather.factor, ceilings, threshold, plan.tag_of_feature)
        made.append(replace(one, found_share=one.alarmed_share(shifted(one, features))))
    return made


def _out_of_fold(kind: str, features: Floats, least: Floats, settings: Settings, strength: float) -> Floats:
    """Return what models of the other folds miss of each row: (n, features), in the standard deviations of those folds."""
    missed = np.empty_like(features)
    for first, after in _folds(len(features), settings.folds):
        others = np.delete(features, np.arange(first, after), axis=0)
        mean, spread = _scaling(others, least)
        layers = _fitted(kind, (others - mean) / spread, settings, strength)
        missed[first:after] = _missed(layers, (features[first:after] - mean) / spread)
    return missed


def shifted(made: Candidate, features: Floats) -> Floats:
    """Return normal rows with one feature shifted by some of its standard deviations up or down, in a fixed order: (rows, features)."""
    chosen = features[np.linspace(0, len(features) - 1, SHIFTED_ROWS).astype(np.int64)]
    steps = np.concatenate([sign * size * np.diag(made.spread) for size in SHIFTS for sign in (-1.0, 1.0)])
    found: Floats = (chosen[:, None, :] + steps[None, :, :]).reshape(-1, features.shape[1])
    return found


def _fitted(kind: str, rows: Floats, settings: Settings, strength: float) -> Sequence[Dense]:
    if kind == "autoencoder":
        return autoencoder.fitted(np.clip(rows, -RANGE, RANGE), autoencoder.Training(seed=settings.seed))
    return linear.fitted(kind, rows, strength)


def _missed(layers: Sequence[Dense], rows: Floats) -> Floats:
    """Return what a float model misses: it sees rows clipped to its range, as in int8; the miss is of the whole value."""
    found: Floats = rows - forward(layers, np.clip(rows, -RANGE, RANGE))[-1]
    return found


def _ceilings(plan: InputPlan, missed: Floats, gather: Gather) -> Floats:
    ones = np.ones(len(plan.tags))
    if not gather.by_ceiling:
        return ones
    highest = Gathering(plan.tag_of_feature, ones, "sum").parts(missed).max(axis=0)
    found: Floats = np.maximum(highest, 1.0)
    return found


def _spreads_min(plan: InputPlan, features: Floats) -> Floats:
    """Return the least spread of each feature, by what it is a feature of: a mean has its tag's scale, a ratio its own size."""
    sizes = np.abs(features).mean(axis=0)
    found = np.full(features.shape[1], SPREAD_MIN)
    for column, (kind, tag) in enumerate(plan.layout):
        if kind == "mean":
            found[column] = SPREAD_MIN * plan.tags[tag].scale
        elif kind == "ratio":
            found[column] = max(RATIO_SPREAD_MIN * float(sizes[column]), 1e-12)
    return found


def _scaling(features: Floats, least: Floats) -> tuple[Floats, Floats]:
    return features.mean(axis=0), np.maximum(features.std(axis=0), least)


def _folds(rows: int, folds: int) -> list[tuple[int, int]]:
    return [(number * rows // folds, (number + 1) * rows // folds) for number in range(folds)]
