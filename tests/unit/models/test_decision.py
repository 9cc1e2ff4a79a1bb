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


def flags(scores: list[float | None], settings: DecisionSettings) -> list[bool]:
    decision, found = Decision(settings), []
    for cell, score in enumerate(scores):
        decision.take(cell, score)
        found.append(decision.flagged)
    return found


def test_what_is_left_of_something_that_has_ended_is_not_flagged() -> None:
    settings = DecisionSettings(threshold=10.0, falling=0.5, look=4)
    assert flags([20.0, 100.0, 60.0, 40.0, 30.0, 30.0, 30.0, 5.0], settings) == [True, True, True, False, False, True, True, False]
    assert flags([20.0, 100.0, 60.0, 40.0], DecisionSettings(threshold=10.0, falling=0.0)) == [True] * 4


@given(st.lists(st.none() | st.floats(0, 100), max_size=60), st.floats(0, 1), st.integers(1, 12))
def test_a_cell_is_flagged_by_its_score_and_the_highest_of_the_window_only(scores: list[float | None], falling: float, look: int) -> None:
    settings = DecisionSettings(threshold=30.0, falling=falling, look=look)
    wanted = [
        score is not None
        and score > 30.0
        and score >= falling * max(each for each in scores[max(0, cell - look + 1) : cell + 1] if each is not None)
        for cell, score in enumerate(scores)
    ]
    assert flags(scores, settings) == wanted


@given(st.lists(st.none() | st.floats(0, 40), max_size=60), st.lists(st.none() | st.floats(0, 40), max_size=60))
def test_it_goes_on_from_its_state_as_if_it_had_never_stopped(before: list[float | None], after: list[float | None]) -> None:
    one = Decision(SETTINGS)
    for cell, score in enumerate(before):
        one.take(cell, score)
    other = Decision(SETTINGS)
    other.restore(one.state())
    for cell, score in enumerate(after, len(before)):
        assert (one.take(cell, score), one.alarming, one.flagged) == (other.take(cell, score), other.alarming, other.flagged)
    assert one.state() == other.state()


@pytest.mark.parametrize(
    "state", [(), (1,), (2, -1, 0), (0, -1, -1), (0, -1, 4, 1, 2, 3, 4), (0, -1, 0, 5), (0, -1, 0, 5, -1), (0, -1, 0, *[1] * 200)], ids=str
)
def test_a_state_that_is_none_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not the state"):
        Decision(SETTINGS).restore(state)


def test_arming_goes_through_shadow_and_learning_is_open_from_everywhere() -> None:
    assert not may_move("learning", "armed")
    assert not may_move("checking", "armed")
    assert may_move("shadow", "armed")
    assert all(may_move(state, "learning") for state in NEXT if state != "learning")
    assert not any(may_move(state, state) for state in NEXT)


GOOD = {"covered": True, "alarmed_share": 0.001, "rows": 3600, "rows_wanted": 0, "rms": 0.02, "differing_share": 0.0, "reach_share": 0.6}


def test_a_covered_model_whose_int8_agrees_may_be_armed() -> None:
    assert refusal_to_arm(**GOOD) is None


def test_a_model_that_is_not_covered_says_how_many_rows_it_wants() -> None:
    refused = refusal_to_arm(**GOOD | {"covered": False, "alarmed_share": 0.98, "rows": 400, "rows_wanted": 1400})
    assert refused is not None
    assert (refused.code, refused.params) == ("model_not_covered", {"alarmed_share": 0.98, "rows_have": 400, "rows_wanted": 1400})


def test_a_model_that_would_find_hardly_anything_is_refused_however_calm_it_was() -> None:
    refused = refusal_to_arm(**GOOD | {"reach_share": 0.1})
    assert refused is not None
    assert (refused.code, refused.params) == ("model_blind", {"percent": 10})


def test_what_no_scored_row_mends_is_said_first_and_no_share_is_made_up() -> None:
    """As `model list` says it: learn again; and 1.0 of no rows at all is no share."""
    poor = GOOD | {"covered": False, "alarmed_share": None, "rows": 317, "rows_wanted": 883}
    blind, little = refusal_to_arm(**poor | {"reach_share": 0.0}), refusal_to_arm(**poor)
    assert blind is not None
    assert little is not None
    assert (blind.code, blind.params) == ("model_blind_few", {"percent": 0, "rows_wanted": 883})
    assert (little.code, little.params) == ("model_learned_little", {"rows_have": 317, "rows_wanted": 883})


@pytest.mark.parametrize("change", [{"rms": 0.06}, {"differing_share": 0.02}], ids=str)
def test_a_model_whose_integer_self_is_another_is_refused(change: dict) -> None:
    refused = refusal_to_arm(**GOOD | change)
    assert refused is not None
    assert refused.code == "model_int8_disagrees"
