"""Which tag an alarm is about, where many move together: the one whose absence would make the row normal again.

Room: ground, models; pure. The judge's process asks it at an onset and while an alarm stands, and once at its start how the model answers
to each tag, which names slow drifts (`slow_residuals`). It never runs a model: it yields input rows and is sent the outputs.

A reconstruction model smears one wrong tag over those that follow it closely: where a power stands still, the current that it was
foretold from stands out. So each tag in turn is replaced by what the model makes of the others. Of the wrong one nothing is left then;
of a right one the wrong one still is. This is the reconstruction-based contribution of Alcala and Qin (2009, "Reconstruction-based
contribution for process monitoring"), reckoned by the model itself instead of by its matrix, so that it holds for any reconstruction.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.scorer import Floats, Scorer

ROUNDS: Final = 3
"""How often a tag's features are foretold anew from the row that they are in: features of one tag foretell each other too."""
EXPLAINS: Final = 0.6
"""A tag is named when without it less than this share of what the model missed is left: a fault of the process leaves more."""

PROBE: Final = 3.0
"""Standard deviations by which a feature is moved to see what answers: far above a step of int8, far within its range."""


def responses(scorer: Scorer, features: int) -> Generator[NDArray[Any], NDArray[Any], Floats]:
    """Yield input rows (2 * features, features), be sent the outputs, and return how what the model misses answers to each feature.

    It is (features, features): of the row's feature the change of what is missed, in spreads, for one standard deviation of the column's.

    Args:
        scorer: of a reconstruction model.
        features: of its plan.

    Raises:
        ModelFault: as Scorer.arrays.
    """
    away = PROBE * np.eye(features)
    rows = scorer.unscaled(np.concatenate((away, -away)))
    missed = scorer.residuals(rows, (yield scorer.inputs(rows)))
    assert missed is not None, "a reconstruction"
    answer: Floats = (missed[:features] - missed[features:]).T / (2 * PROBE)
    return answer


def isolated(scorer: Scorer, owners: Sequence[int], features: Floats) -> Generator[NDArray[Any], NDArray[Any], int | None]:
    """Yield input rows (tags, features), be sent the outputs, and return the index of the tag by which a row is not normal, if any.

    What is left is the sum of all contributions, also where the score is the largest of them: that the largest is gone says little.

    Args:
        scorer: of a reconstruction model.
        owners: the index of the tag that each feature speaks for.
        features: (features,) of the row; NaN where a tag is missing.

    Raises:
        ModelFault: as Scorer.arrays.
    """
    owner = np.array(owners, dtype=np.intp)
    tags = np.unique(owner)
    own = owner[None, :] == tags[:, None]
    rows: Floats = np.repeat(features[None, :], len(tags), axis=0)
    missed = np.inf
    for _ in range(ROUNDS):
        outputs = yield scorer.inputs(rows)
        if missed == np.inf:  # all rows are still the row as it came
            missed = float(scorer.arrays(rows[:1], outputs[:1])[1].sum())
        rows = np.where(own, scorer.foretold(rows, outputs), rows)
    outputs = yield scorer.inputs(rows)
    left = scorer.arrays(rows, outputs)[1].sum(axis=1)
    best = int(np.argmin(left))
    return int(tags[best]) if left[best] < EXPLAINS * missed else None
