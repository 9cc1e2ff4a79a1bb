"""Commissioning on rows of a made-up machine: honest about what it does not know, the same bytes for the same rows, the right tag first."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from models.commission import CannotLearnError, Learned, LearnOptions, learn
from models.gatekeeper import check_model
from models.input_plan import InputPlan, Ratio, TagInput
from models.litert import Runtime
from models.manifest import Manifest
from models.scorer import Judged, Scorer
from tests.rigs.machine_rows import WINDOW, plan, readings, rows

LINEAR = ("components", "ridge", "whitening")
OPTIONS = LearnOptions(name="machine", who="a technician", made_ms=1_700_000_000_000, code_version="test", kinds=LINEAR)


@pytest.fixture(scope="module")
def learned(seed: int) -> Learned:
    return learn(plan(), rows(plan(), readings(seed, 2400)), OPTIONS)


def judged(made: Learned, values: np.ndarray) -> list[Judged]:
    found = rows(made.manifest.plan, values, 1_700_100_000)
    features = found.features[found.usable]
    scorer = Scorer(made.manifest)
    inputs = scorer.inputs(features)
    return scorer.judged(features, inputs, Runtime(made.model).run(inputs))


def test_normal_operation_is_covered_and_stays_calm(learned: Learned, seed: int) -> None:
    manifest = learned.manifest
    assert manifest.refusal_to_arm() is None
    assert manifest.int8_float.rms < 0.05
    scores = [each.score for each in judged(learned, readings(seed + 1, 1200))]
    assert np.mean(np.array(scores) > manifest.threshold) <= 0.02


def test_a_warm_up_among_what_is_learned_makes_a_blind_model_which_is_refused(learned: Learned, seed: int) -> None:
    """Its threshold is over the score of the warm-up, so it is calm whatever comes: that is no coverage."""
    values = readings(seed, 2400)
    values[:240] -= np.outer(np.exp(-np.arange(240) / 60), np.linspace(50, 100, 6))
    seen = rows(plan(), values)
    made = learn(plan(), seen, OPTIONS)
    blind, first_ms = made.manifest, int(seen.cells[seen.usable][0]) * plan().grid_ms
    assert learned.unlike_ms is None
    assert made.unlike_ms is not None
    assert first_ms - plan().grid_ms == made.unlike_ms[0], "from its first row on"
    assert made.unlike_ms[1] < first_ms + 600 * plan().grid_ms, "it names the warm-up, and not the hour"
    assert blind.coverage.covered, "no row that came later was over so high a threshold"
    assert blind.threshold > 1000 * learned.manifest.threshold
    assert blind.reach_share < 0.1
    assert learned.manifest.reach_share > 0.4
    refused = blind.refusal_to_arm()
    assert refused is not None
    assert (refused.code, refused.params) == ("model_blind", {"percent": 0})


@pytest.mark.parametrize("tag", range(6))
def test_a_tag_that_leaves_the_others_is_found_and_named_first(learned: Learned, seed: int, tag: int) -> None:
    values = readings(seed + 2, 300)
    values[150:, tag] += 6.0
    last = judged(learned, values)[-1]
    assert last.score > learned.manifest.threshold
    assert int(np.argmax(last.contributions)) == tag


def test_the_int8_model_alarms_on_none_of_the_rows_that_it_was_made_from(learned: Learned, seed: int) -> None:
    found = rows(learned.manifest.plan, readings(seed, 2400))
    features = found.features[found.usable]
    scorer = Scorer(learned.manifest)
    scores, _ = scorer.arrays(features, Runtime(learned.model).run(scorer.inputs(features)))
    assert scores.max() <= learned.manifest.threshold


def test_model_and_manifest_belong_together_and_pass_the_gate(learned: Learned) -> None:
    manifest = learned.manifest
    assert manifest.model_sha256 == hashlib.sha256(learned.model).digest()
    assert Manifest.read(manifest.encoded()) == manifest
    checked = check_model(learned.model, manifest.model_sha256)
    assert (checked.input.columns, checked.output.columns) == (12, 12)
    assert (checked.input.scale, checked.input.zero_point) == pytest.approx((manifest.input.scale, manifest.input.zero_point))


def test_the_same_rows_are_the_same_bytes(seed: int) -> None:
    asked = plan()
    everything = LearnOptions(name="machine", kinds=(*LINEAR, "autoencoder"))
    one, other = (learn(asked, rows(asked, readings(seed, 130)), everything) for _ in range(2))
    assert (one.model, one.manifest.encoded()) == (other.model, other.manifest.encoded())
    assert one.manifest.encoded() != learn(asked, rows(asked, readings(seed + 1, 130)), OPTIONS).manifest.encoded()


def test_an_autoencoder_is_learned_too_and_its_int8_self_agrees(seed: int) -> None:
    made = learn(plan(), rows(plan(), readings(seed, 400)), LearnOptions(name="machine", kinds=("autoencoder",)))
    assert made.manifest.kind == "autoencoder"
    assert made.manifest.int8_float.rms < 0.05
    values = readings(seed + 3, 300)
    values[100:, 2] += 8.0
    assert judged(made, values)[-1].score > made.manifest.threshold


def test_too_little_is_said_with_how_much_is_wanted() -> None:
    with pytest.raises(CannotLearnError) as found:
        learn(plan(), rows(plan(), readings(1, 70)), OPTIONS)
    assert found.value.code == "model_rows_few"
    assert found.value.params == {"rows_have": 51, "rows_want": 80}


def test_a_short_time_is_learned_from_but_not_covered(seed: int) -> None:
    made = learn(plan(), rows(plan(), readings(seed, 500)), OPTIONS).manifest
    refused = made.refusal_to_arm()
    assert refused is not None
    assert refused.code in {"model_not_covered", "model_blind_few"}, "with one seed in some hundred it is blind to a part as well"
    assert not made.coverage.covered
    assert made.coverage.rows_wanted >= 700


def test_drift_that_goes_on_is_not_covered_and_more_rows_are_wanted(seed: int) -> None:
    made = learn(plan(), rows(plan(), readings(seed, 2400, drift=40.0)), OPTIONS).manifest
    assert not made.coverage.covered
    assert made.coverage.alarmed_share > 0.02
    assert made.coverage.rows_wanted >= 1000


def test_a_tag_that_stood_still_may_be_rounded_otherwise_but_not_jump(seed: int) -> None:
    still = readings(seed, 1500)
    still[:, 3] = 90.0
    made = learn(plan(), rows(plan(), still), OPTIONS)
    values = readings(seed + 4, 200)
    values[:, 3] = 90.0 + 1e-9
    assert judged(made, values)[-1].contributions[3] < made.manifest.threshold / 100
    values[100:, 3] = 95.0
    last = judged(made, values)[-1]
    assert last.score > made.manifest.threshold
    assert int(np.argmax(last.contributions)) == 3


def test_energy_for_each_piece_is_found_when_it_doubles_however_small_its_number(seed: int) -> None:
    tags = (TagInput(uid=1, name="press/kWh", role="counter"), TagInput(uid=2, name="press/pieces", role="counter"))
    asked = InputPlan(tags=tags, window=WINDOW, features=("mean",), ratios=(Ratio("kWh per piece", "kWh", over=1, under=2),))
    rng = np.random.default_rng(seed)

    def run(seconds: int, factor: float) -> np.ndarray:
        pieces = np.cumsum(rng.integers(2, 7, seconds))
        return np.column_stack([np.cumsum(np.diff(pieces, prepend=0) * 0.003 * factor * rng.normal(1, 0.02, seconds)), pieces])

    made = learn(asked, rows(asked, run(900, 1.0)), OPTIONS)
    assert judged(made, run(200, 1.0))[-1].score < made.manifest.threshold
    last = judged(made, run(200, 2.0))[-1]
    assert last.score > made.manifest.threshold
    assert int(np.argmax(last.contributions)) == 0


def test_rows_with_a_missing_tag_are_left_out_of_learning(seed: int) -> None:
    values = readings(seed, 900)
    values[300:400, 1] = np.nan
    made = learn(plan(), rows(plan(), values), OPTIONS).manifest
    assert 700 < made.rows < 850
    assert all(np.isfinite(made.mean))


def test_progress_only_goes_forward_and_ends(seed: int) -> None:
    said: list[tuple[str, float]] = []
    learn(plan(), rows(plan(), readings(seed, 700)), OPTIONS, lambda stage, share: said.append((stage, share)))
    assert [share for _, share in said] == sorted(share for _, share in said)
    assert said[-1] == ("comparing", 1.0)
    assert {stage for stage, _ in said} == {"features", "folds", "fitting", "quantising", "comparing"}


def test_bands_are_where_the_tags_were(learned: Learned) -> None:
    for low, high in learned.manifest.bands:
        assert 40 < low < high < 60


def test_the_limits_of_the_rules_come_through(seed: int) -> None:
    asked: InputPlan = plan()
    options = LearnOptions(name="machine", kinds=LINEAR, limits={"stuck": [1.0, None, 3.0, 4.0, None, 6.0]})
    assert learn(asked, rows(asked, readings(seed, 400)), options).manifest.limits == {"stuck": [1.0, None, 3.0, 4.0, None, 6.0]}
