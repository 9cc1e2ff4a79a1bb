"""Slow drift: found where it is, named right, never made of noise; the same bits wherever the stream began."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.finding import Finding
from models.input_plan import InputPlan, TagInput
from models.slow_residuals import BLOCK_CELLS, BLOCKS, LIMIT_MIN, OLDEST, DriftWatch, SlowMeans, drift_limits

TAGS = 6
PLAN = InputPlan(tags=tuple(TagInput(100 + n, f"a/t{n}") for n in range(TAGS)))
"""Twelve features: six means, then six spreads."""
MEAN_CELLS = BLOCK_CELLS * BLOCKS
LEARNED = 4 * 3600
FIRST = 1_750_000_021
"""No multiple of a block."""


def noise(seed: int, rows: int) -> np.ndarray:
    """Residuals of normal operation: each lasts some 15 cells, as a window's do."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(rows + 15, 2 * TAGS))
    return np.lib.stride_tricks.sliding_window_view(raw, 15, axis=0).mean(axis=2)[:rows] * np.sqrt(15)


def limits_of(seed: int) -> list[float | None]:
    return drift_limits(PLAN, np.arange(FIRST, FIRST + LEARNED, dtype=np.int64), noise(seed, LEARNED))


def watched(seed: int, residuals: np.ndarray, responses: np.ndarray | None = None) -> list[Finding]:
    watch = DriftWatch(PLAN, limits_of(seed))
    if responses is not None:
        watch.answers_as(responses)
    found = [watch.take(FIRST + LEARNED + n, row, np.zeros_like(row)) for n, row in enumerate(residuals)]
    return [each for each in found if each is not None]


def test_normal_operation_is_no_drift(seed: int) -> None:
    limits = limits_of(seed)
    assert all(limit is not None and limit >= LIMIT_MIN for limit in limits)
    assert watched(seed, noise(seed + 1, LEARNED)) == [], f"seed {seed}"


def test_a_drift_far_below_the_noise_of_a_row_is_found_and_named_and_ends(seed: int) -> None:
    rows = noise(seed + 1, 4 * 3600)
    rows[: 2 * 3600, 3] += np.linspace(0, 6.0, 2 * 3600)  # 0.05 spreads a minute
    rows[: 2 * 3600, 4] -= np.linspace(0, 3.0, 2 * 3600)  # a neighbour that it explains
    onset, end = watched(seed, rows)
    assert (onset.rule, onset.tag, onset.phase, end.phase, end.tag) == ("drift", 103, "onset", "end", 103), f"seed {seed}"
    assert onset.at_ms < (FIRST + LEARNED + 2 * 3600) * PLAN.grid_ms
    assert onset.evidence["size"] > onset.evidence["limit"] > 0
    assert onset.evidence["ratio"] > 1


@pytest.mark.parametrize("tag", range(TAGS))
def test_a_drift_that_shows_most_at_another_tag_is_named_by_its_trace(seed: int, tag: int) -> None:
    """Every tag leaves a trace at three others, at one of them more than twice what it leaves at itself."""
    traces = np.eye(TAGS) + 3.0 * np.roll(np.eye(TAGS), 1, axis=0) - 0.5 * np.roll(np.eye(TAGS), 2, axis=0) + 0.3
    responses = np.eye(2 * TAGS)
    responses[:TAGS, :TAGS] = traces
    rows = noise(seed + 1, 2 * 3600)
    rows[:, :TAGS] += np.linspace(0, 6.0, 2 * 3600)[:, None] * traces[:, tag]
    (named,) = watched(seed, rows, responses)
    assert named.tag == 100 + tag, f"seed {seed}"
    (weighed,) = watched(seed, rows)
    assert weighed.tag != named.tag, "the trace is not needed here, and the test says nothing"


def test_one_burst_is_no_drift_and_the_spread_of_a_tag_does_not_drift(seed: int) -> None:
    rows = noise(seed + 1, 3600)
    rows[1800:1830, 2] = 1e6
    rows[:, TAGS + 3] += 5
    assert watched(seed, rows) == [], f"seed {seed}"


def test_two_jams_in_a_half_hour_are_no_drift_and_most_of_it_is_one(seed: int) -> None:
    """A conveyor that was full for three minutes, and again for four, has not drifted."""
    rows = noise(seed + 1, 2 * 3600)
    rows[1800:1980, 2] += 8.0
    rows[2400:2640, 2] += 8.0
    assert watched(seed, rows) == [], f"seed {seed}"
    rows[1800:3000, 2] += 8.0
    assert [(each.tag, each.phase) for each in watched(seed, rows)] == [(102, "onset"), (102, "end")], f"seed {seed}"


def test_a_value_that_is_missing_now_and_then_still_has_a_mean() -> None:
    means, got = SlowMeans(2), []
    for n in range(3 * MEAN_CELLS):
        row = np.array([np.nan if n // BLOCK_CELLS % 5 == 0 and n % BLOCK_CELLS < 20 else 2.0, 1.0])
        ended = means.take(n, row)
        if ended is not None:
            got.append(ended[2])
    assert len(got) >= 60
    assert all(each[0] == 2.0 for each in got[BLOCKS // 10 :]), "93 % of its cells are there, once there is half an hour"


@pytest.mark.parametrize("unknown", [0, 1, 3])
def test_the_mean_is_that_of_the_middle_half_of_the_blocks(seed: int, unknown: int) -> None:
    rng = np.random.default_rng(seed)
    levels, means, got = rng.normal(size=BLOCKS), SlowMeans(2), None
    for n in range(MEAN_CELLS + 1):
        level = levels[n // BLOCK_CELLS] if n < MEAN_CELLS else 0.0
        got = means.take(n, np.array([np.nan if n // BLOCK_CELLS < unknown else level, level])) or got
    assert got is not None
    for column, known in enumerate((levels[unknown:], levels)):
        cut = len(known) // 4
        assert got[2][column] == pytest.approx(np.sort(known)[cut : len(known) - cut].mean(), abs=1e-9), f"seed {seed}"


@pytest.mark.parametrize(("blocks", "is_found"), [(7, False), (12, True)])
def test_so_many_unusual_minutes_are_no_drift(blocks: int, is_found: bool) -> None:
    watch = DriftWatch(PLAN, [LIMIT_MIN] * TAGS)
    found = []
    for n in range(2 * MEAN_CELLS):
        row = np.zeros(2 * TAGS)
        row[1] = 8.0 if n % MEAN_CELLS < blocks * BLOCK_CELLS else 0.0
        found.append(watch.take(n, row, row))
    assert any(found) == is_found


def test_a_tag_without_values_has_no_mean_and_hides_no_other(seed: int) -> None:
    rows = noise(seed + 1, 2 * 3600)
    rows[:, 0] = np.nan
    rows[:, 3] += np.linspace(0, 6.0, 2 * 3600)
    assert [each.tag for each in watched(seed, rows)] == [103], f"seed {seed}"
    rows[:] = np.nan
    assert watched(seed, rows) == []


def test_too_little_commissioning_gives_no_limits() -> None:
    limits = drift_limits(PLAN, np.arange(FIRST, FIRST + 3600, dtype=np.int64), noise(1, 3600))
    assert limits == [None] * TAGS
    assert DriftWatch(PLAN, limits).take(FIRST, np.ones(2 * TAGS), np.ones(2 * TAGS)) is None


@given(st.integers(0, 60), st.integers(0, 2**32 - 1), st.floats(0, 0.08))
def test_the_same_bits_wherever_the_stream_began(late: int, seed: int, left_out: float) -> None:
    rows, kept = noise(seed, 240), np.random.default_rng(seed).random(240) >= left_out
    early, later = SlowMeans(2 * TAGS, 5, 4), SlowMeans(2 * TAGS, 5, 4)
    compared = 0
    for n, row in enumerate(rows):
        given = row if kept[n] else None
        one = early.take(FIRST + n, given)
        other = later.take(FIRST + n, given) if n >= late else None
        if n >= late + 5 * 4 * OLDEST + 5 and one is not None:
            assert other is not None
            assert one[:2] == other[:2]
            assert one[2].tobytes() == other[2].tobytes()
            compared += 1
    assert compared or left_out > 0.02


def test_what_abstained_for_long_is_forgotten() -> None:
    means = SlowMeans(TAGS)
    for n in range(2 * MEAN_CELLS):
        means.take(n, np.ones(TAGS))
    assert means.take(9 * MEAN_CELLS, np.ones(TAGS)) is not None, "the block that ended was full"
    for n in range(9 * MEAN_CELLS + 1, 9 * MEAN_CELLS + 3 * BLOCK_CELLS):
        assert means.take(n, np.ones(TAGS)) is None


def test_what_a_stop_parted_is_joined_again() -> None:
    """A line that stands ten minutes in every half hour never has half an hour of rows in one piece."""
    means, got, without = SlowMeans(TAGS), [], 10 * BLOCK_CELLS
    for n in range(4 * MEAN_CELLS):
        ended = means.take(n, np.full(TAGS, 2.0) if n % MEAN_CELLS >= without else None)
        if ended is not None:
            got.append(ended)
    assert got[0][:2] == (without, MEAN_CELLS + without + 7 * BLOCK_CELLS), "27 of 30 blocks"
    assert all((each[2] == 2.0).all() for each in got)
    assert {after for _, after, _ in got}.isdisjoint(range(2 * MEAN_CELLS + 1, 2 * MEAN_CELLS + without)), "no block with rows has ended"
