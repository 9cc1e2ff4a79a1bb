"""Where in their periods groups are due: stable, spread, and slow ones a few at a time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runtime.acquisition.grid import WAKE_MS, next_due, phase_ms

NAMES = [(f"d{device}", f"g{group}") for device in range(50) for group in range(4)]


@given(st.text(max_size=8), st.text(max_size=8), st.integers(1, 100_000_000), st.integers(0, 1 << 45), st.booleans())
def test_a_due_is_within_the_period_and_the_same_whenever_asked(device: str, group: str, period: int, now: int, shares: bool) -> None:
    phase = phase_ms(device, group, period, shares_line=shares)
    due = next_due(now, period, phase)
    assert 0 <= phase < period
    assert now <= due < now + period
    assert due % period == phase
    assert next_due(due + 1, period, phase) == due + period


def test_fast_groups_and_those_that_share_a_line_are_spread_over_the_whole_period() -> None:
    for period, shares in ((100, False), (900, False), (1000, True), (60_000, True)):
        phases = {phase_ms(*name, period, shares_line=shares) for name in NAMES}
        assert len(phases) > min(len(NAMES), period) / 2
        assert min(phases) < period / 20
        assert max(phases) > period * 0.95


def test_slow_groups_of_any_periods_share_few_wake_ups_evenly() -> None:
    for period in (1000, 1250, 5000, 60_000):
        assert all(phase_ms(*name, period) % WAKE_MS == 0 for name in NAMES)
    wakes = Counter(phase_ms(*name, 1000) for name in NAMES)
    assert len(wakes) == 4
    assert max(wakes.values()) < 75  # of 200
    assert len({phase_ms(*name, 60_000) for name in NAMES}) > 120
