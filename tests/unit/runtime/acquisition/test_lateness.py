"""The meter of the tests of lateness: `tests/rigs/lateness.py`, for times whose grid is known here."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.rigs.lateness import late_ms

PERIOD_MS = 200


def test_one_early_scan_among_many_of_a_phase_is_not_a_period_late() -> None:
    assert late_ms([10, 211, 411, 612], PERIOD_MS) == [0, 1, 1, 2]


def test_a_grid_across_the_turn_of_the_circle() -> None:
    assert late_ms([199, 400, 601, 799], PERIOD_MS) == [0, 0, 1, 2]


@given(st.integers(0, PERIOD_MS - 1), st.lists(st.integers(0, PERIOD_MS // 2 - 1), min_size=1))
def test_what_spreads_over_less_than_half_a_period_is_measured_from_its_earliest(phase: int, late: list[int]) -> None:
    times = [number * PERIOD_MS + phase + each for number, each in enumerate(late)]
    assert late_ms(times, PERIOD_MS) == sorted(each - min(late) for each in late)


def test_nothing_seen_is_nothing_late() -> None:
    assert late_ms([], PERIOD_MS) == []
