"""Scores to events: nothing on a stray score, one event for one episode, and no arming of a model that does not know enough."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import NEXT, Decision, DecisionSettings, may_move, refusal_to_arm

SETTINGS = DecisionSettings(threshold=10.0, needed=3, of=5, release=0.8, hold_off=6)
HIGH, NEAR, LOW, NONE = 11.0, 9.0, 1.0, None
SCORES = st.lists(st.sampled_from([HIGH, NEAR, LOW, NONE]), max_size=80)


def said(scores: list[float | None], settings: DecisionSettings = SETTINGS) -> list[tuple[int, str]]:
    decision = Decision(settings)
    answers = [(cell, decision.take(cell, score)) for cell, score in enumerate(scores)]
    return [(cell, answer) for cell, answer in answers if answer]


@pytest.mark.parametrize(
    "scores, events",
    [
        ([HIGH] * 2 + [LOW] * 20, []),
        ([HIGH] * 3 + [LOW] * 20, [(2, "onset"), (8, "end")]),
        ([HIGH, LOW, HIGH, LOW, HIGH] + [LOW] * 20, [(4, "onset"), (10, "end")]),
        ([HIGH, LOW, LOW, HIGH, LOW, HIGH] + [LOW] * 20, []),
        ([HIGH] * 3 + [LOW] * 5 + [HIGH] + [LOW] * 20, [(2, "onset"), (14, "end")]),  # one episode, one event
        ([HIGH] * 3 + [NEAR] * 50 + [LOW] * 20, [(2, "onset"), (58, "end")]),  # between release and threshold it goes on
        ([NEAR] * 50, []),
        ([10.0] * 50, []),  # at the threshold is not over it
        ([HIGH] * 3 + [NONE] * 20, [(2, "onset"), (8, "end")]),  # a machine that stands still has no open alarm for ever
        ([HIGH, NONE, HIGH, NONE, HIGH], [(4, "onset")]),
        ([NONE] * 50, []),
    ],
)
def test_episodes(scores: list[float | None], events: list[tuple[int, str]]) -> None:
    assert said(scores) == events


@given(SCORES)
def test_onsets_and_ends_take_turns_and_onsets_have_a_reason(scores: list[float | None]) -> None:
    events = said(scores)
    assert [what for _, what in events] == ["onset", "end"] * (len(events) // 2) + ["onset"] * (len(events) % 2)
    for cell, what in events:
        if what == "onset":
            assert sum(score == HIGH for score in scores[max(0, cell - 4) : cell + 1]) >= 3
    assert all(later[0] - earlier[0] >= SETTINGS.hold_off for earlier, later in pairwise(events) if earlier[1] == "onset")


@given(SCORES)
def test_cells_left_out_are_cells_without_a_score(scores: list[float | None]) -> None:
    decision = Decision(SETTINGS)
    sparse = [(cell, decision.take(cell, score)) for cell, score in enumerate(scores) if score is not None]
    assert [each for each in sparse if each[1] == "onset"] == [each for each in said(scores) if each[1] == "onset"]


@given(SCORES, SCORES)
def test_a_reset_forgets_everything(before: list[float | None], after: list[float | None]) -> None:
    decision = Decision(SETTINGS)
    for cell, score in enumerate(before):
        decision.take(cell, score)
    decision.reset()
    answers = [(cell, decision.take(cell, score)) for cell, score in enumerate(after)]
    assert [each for each in answers if each[1]] == said(after)


def test_arming_goes_through_shadow_and_learning_is_open_from_everywhere() -> None:
    assert not may_move("learning", "armed")
    assert not may_move("checking", "armed")
    assert may_move("shadow", "armed")
    assert all(may_move(state, "learning") for state in NEXT if state != "learning")
    assert not any(may_move(state, state) for state in NEXT)


GOOD = {"covered": True, "alarmed_share": 0.001, "rows": 3600, "rows_wanted": 0, "rms": 0.02, "differing_share": 0.0}


def test_a_covered_model_whose_int8_agrees_may_be_armed() -> None:
    assert refusal_to_arm(**GOOD) is None


def test_a_model_that_is_not_covered_says_how_many_rows_it_wants() -> None:
    refused = refusal_to_arm(**GOOD | {"covered": False, "alarmed_share": 0.98, "rows": 400, "rows_wanted": 1400})
    assert refused is not None
    assert (refused.code, refused.params) == ("model_not_covered", {"alarmed_share": 0.98, "rows_have": 400, "rows_wanted": 1400})


@pytest.mark.parametrize("change", [{"rms": 0.06}, {"differing_share": 0.02}], ids=str)
def test_a_model_whose_integer_self_is_another_is_refused(change: dict) -> None:
    refused = refusal_to_arm(**GOOD | change)
    assert refused is not None
    assert refused.code == "model_int8_disagrees"
