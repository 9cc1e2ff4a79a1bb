"""The tag that an alarm is about, where one follows another closely. Where weight misleads: tests/simulation/test_line_faults.py."""

from __future__ import annotations

import numpy as np
import pytest

from models.commission import Learned, LearnOptions, learn
from models.isolate import isolated, responses
from models.litert import Runtime
from models.scorer import Scorer
from tests.rigs.machine_rows import plan, readings, rows

TAGS = 6


def twins(seed: int, seconds: int) -> np.ndarray:
    """Return values in which the second tag is all but twice the first: each is foretold from the other."""
    values = readings(seed, seconds)
    values[:, 1] = 2 * values[:, 0] + np.random.default_rng(seed).normal(0, 0.05, seconds)
    return values


@pytest.fixture(scope="module")
def learned(seed: int) -> Learned:
    return learn(plan(), rows(plan(), twins(seed, 2400)), LearnOptions(name="machine", kinds=("ridge",)))


def last_row(made: Learned, values: np.ndarray) -> np.ndarray:
    found = rows(made.manifest.plan, values, 1_700_100_000)
    return np.asarray(found.features[found.usable][-1])


def named(made: Learned, features: np.ndarray) -> int | None:
    """Return the tag that is named."""
    runtime = Runtime(made.model)
    asking = isolated(Scorer(made.manifest), made.manifest.plan.tag_of_feature, features)
    try:
        asked = next(asking)
        while True:
            assert len(asked) == TAGS
            asked = asking.send(runtime.run(asked))
    except StopIteration as done:
        tag: int | None = done.value
        return tag


@pytest.mark.parametrize("tag", range(TAGS))
@pytest.mark.parametrize("away", [-4.0, 4.0])
def test_one_tag_that_leaves_the_others_is_named(learned: Learned, seed: int, tag: int, away: float) -> None:
    values = twins(seed + 2, 300)
    values[150:, tag] += away
    assert named(learned, last_row(learned, values)) == tag


def test_where_two_tags_move_one_of_them_is_named_or_none(learned: Learned, seed: int) -> None:
    for n in range(10):
        values = twins(seed + 3 + n, 300)
        values[150:, [2, 4]] += 2.0 + n / 2
        assert named(learned, last_row(learned, values)) in (2, 4, None)


def test_a_missing_tag_is_no_reason_to_fail_and_is_not_named(learned: Learned, seed: int) -> None:
    values = twins(seed + 4, 300)
    values[150:, 3] += 6.0
    features = last_row(learned, values)
    features[np.array(learned.manifest.plan.tag_of_feature) == 5] = np.nan
    assert named(learned, features) == 3


def test_what_is_missed_answers_as_the_model_is_asked(learned: Learned, seed: int) -> None:
    """The answers to single features foretell what is missed of a row where several are moved: the model is linear."""
    runtime, scorer = Runtime(learned.model), Scorer(learned.manifest)
    features = len(learned.manifest.mean)
    asking = responses(scorer, features)
    asked = next(asking)
    assert asked.shape == (2 * features, features)
    with pytest.raises(StopIteration) as done:
        asking.send(runtime.run(asked))
    answer = done.value.value
    assert answer.shape == (features, features)
    away = np.random.default_rng(seed).uniform(-2, 2, features)
    rows = scorer.unscaled(np.array([away, -away]))
    missed = scorer.residuals(rows, runtime.run(scorer.inputs(rows)))
    assert missed is not None
    real = (missed[0] - missed[1]) / 2
    steps = learned.manifest.output_form.scale / np.array(learned.manifest.residual)
    assert (np.abs(answer @ away - real) < 2 * features * steps).all()
    assert np.abs(real).max() > 10 * np.abs(answer @ away - real).max()
