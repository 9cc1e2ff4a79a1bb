"""From features to input rows, from output rows to scores: the same bits alone and in a block, and the right tag first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.manifest import TensorForm
from models.model_fault import ModelFault
from models.scorer import Scorer
from tests.rigs.manifests import made

NORMAL = np.array([[80.5, 2.25, -1.0, 0.125]])


def moved(*by: float) -> np.ndarray:
    return np.array([by], dtype=float)


def test_a_row_at_the_mean_is_all_zeros_and_far_away_saturates() -> None:
    scorer = Scorer(made())
    assert scorer.inputs(NORMAL).tolist() == [[0, 0, 0, 0]]
    assert scorer.inputs(NORMAL + 1e6).tolist() == [[127, 127, 127, 127]]
    assert scorer.inputs(NORMAL - 1e6).tolist() == [[-128, -128, -128, -128]]
    assert scorer.inputs(NORMAL).dtype == np.int8


def test_a_float_model_gets_the_scaled_features_unclipped() -> None:
    scorer = Scorer(replace(made(), input=TensorForm("float32", 1.0, 0)))
    assert scorer.inputs(NORMAL + moved(1000.0, 0, 0, 0)).tolist() == [[2000.0, 0, 0, 0]]


def test_the_score_is_the_sum_of_contributions_and_they_belong_to_tags() -> None:
    scorer = Scorer(made())
    features = NORMAL + moved(0.5 * 3, 0, 2.0, 0)  # 3 spreads of the first tag's mean, 2 of its log sd
    judged = scorer.judged(features, scorer.inputs(features), np.zeros((1, 4), np.int8))[0]
    assert judged.contributions == pytest.approx(((3 / 0.3) ** 2 + (2 / 0.5) ** 2, 0.0))
    assert judged.score == sum(judged.contributions)
    assert judged.shares() == (1.0, 0.0)


def test_the_largest_contribution_can_be_the_score() -> None:
    scorer = Scorer(replace(made(), gather="largest", ceilings=(10.0, 50.0)))
    features = NORMAL + moved(0.5 * 3, 0.1 * 4, 0, 0)
    judged = scorer.judged(features, scorer.inputs(features), np.zeros((1, 4), np.int8))[0]
    assert judged.contributions == pytest.approx(((3 / 0.3) ** 2, (4 / 0.4) ** 2))
    assert judged.score == pytest.approx(10.0)  # each measured by its ceiling


def test_residuals_are_signed_and_in_what_is_missed_on_normal_rows() -> None:
    scorer = Scorer(made())
    features = NORMAL + moved(-0.5 * 3, np.nan, 1.0, 0)
    found = scorer.residuals(features, np.zeros((1, 4), np.int8))
    assert found is not None
    assert found[0].tolist() == pytest.approx([-10.0, np.nan, 2.0, 0.0], nan_ok=True)
    assert Scorer(replace(made(), output="score", residual=())).residuals(features, np.zeros((1, 1), np.int8)) is None


def test_a_missing_tag_neither_alarms_nor_calms() -> None:
    scorer = Scorer(made())
    features = NORMAL + moved(np.nan, 0, np.nan, 2.0)
    assert scorer.inputs(features).tolist() == [[0, 0, 0, 16]]
    judged = scorer.judged(features, scorer.inputs(features), np.array([[100, 0, 100, 0]], np.int8))[0]
    assert judged.contributions == pytest.approx((0.0, (1 / 1.5) ** 2))


def test_what_the_model_foretold_is_no_surprise() -> None:
    scorer = Scorer(made())
    features = NORMAL + moved(0.5, 0, 0, 0)
    outputs = np.array([[16, 0, 0, 0]], np.int8)  # 16 steps of 1/16 are one spread
    assert scorer.judged(features, scorer.inputs(features), outputs)[0].score == 0.0


def test_a_jump_beyond_the_range_of_the_model_counts_in_full() -> None:
    scorer = Scorer(made())
    features = NORMAL + moved(0.5 * 100, 0, 0, 0)
    assert scorer.judged(features, scorer.inputs(features), np.zeros((1, 4), np.int8))[0].score > 100_000


def test_alone_and_in_a_block_the_bits_are_the_same(seed: int) -> None:
    rng, scorer = np.random.default_rng(seed), Scorer(made())
    features = NORMAL + rng.normal(0, 3, (500, 4))
    inputs, outputs = scorer.inputs(features), rng.integers(-128, 128, (500, 4)).astype(np.int8)
    block = scorer.judged(features, inputs, outputs)
    alone = [scorer.judged(features[n : n + 1], inputs[n : n + 1], outputs[n : n + 1])[0] for n in range(500)]
    assert alone == block
    assert np.array_equal(np.vstack([scorer.inputs(features[n : n + 1]) for n in range(500)]), inputs)


def test_scores_and_classes_of_models_from_elsewhere() -> None:
    form = TensorForm("float32", 1.0, 0)
    score = Scorer(replace(made(), output="score", residual=(), output_form=form))
    assert score.judged(NORMAL, score.inputs(NORMAL), np.array([[0.75]], np.float32))[0].score == 0.75
    kind = Scorer(replace(made(), output="class", residual=(), output_form=form, normal_class=1))
    judged = kind.judged(NORMAL + moved(0, 0.3, 0, 0), kind.inputs(NORMAL), np.array([[0.5, 0.25, 2.0]], np.float32))[0]
    assert judged.score == 1.75  # the best other class over the normal one
    assert judged.contributions == pytest.approx((0.0, 9.0))


@pytest.mark.parametrize("output, shape", [("reconstruction", (1, 3)), ("score", (1, 2)), ("class", (1, 1)), ("score", (2, 1))])
def test_outputs_of_another_shape_are_refused(output: str, shape: tuple[int, int]) -> None:
    residual = made().residual if output == "reconstruction" else ()
    scorer = Scorer(replace(made(), output=output, residual=residual))
    with pytest.raises(ModelFault, match="model_output_shape"):
        scorer.judged(NORMAL, scorer.inputs(NORMAL), np.zeros(shape, np.int8))


def test_an_output_that_is_no_number_is_refused() -> None:
    scorer = Scorer(replace(made(), output="score", residual=(), output_form=TensorForm("float32", 1.0, 0)))
    with pytest.raises(ModelFault, match="not_finite"):
        scorer.judged(NORMAL, scorer.inputs(NORMAL), np.array([[np.nan]], np.float32))
