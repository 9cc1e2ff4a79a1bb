"""Where in their periods groups are due: stable, spread, and slow ones a few at a time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Tag, TagGroup
from runtime.acquisition.grid import SLOW_MS_MIN, TOGETHER_MAX, TOGETHER_TAGS_MAX, WAKE_MS, Together, next_due, phase_ms

NAMES = [(f"d{device}", f"g{group}") for device in range(50) for group in range(4)]


periods = st.one_of(st.integers(1, 100_000_000), st.integers(4, 1000).map(lambda n: n * WAKE_MS))


def group_of(uid: int, period_ms: int = 1000, tags: int = 1) -> TagGroup:
    return TagGroup(uid, f"d{uid}", "g", period_ms, (Tag(uid, "t", f"d{uid}", "int", "", None),) * tags)


def together_of(together: Together, count: int) -> set[int]:
    return {uid for uid in range(1, count + 1) if uid in together}


@given(st.text(max_size=8), st.text(max_size=8), periods, st.integers(0, 1 << 45), st.booleans())
def test_a_due_is_within_the_period_and_the_same_whenever_asked(device: str, group: str, period: int, now: int, together: bool) -> None:
    together = together and period >= SLOW_MS_MIN and period % WAKE_MS == 0
    phase = phase_ms(device, group, period, together=together)
    due = next_due(now, period, phase)
    assert 0 <= phase < period
    assert now <= due < now + period
    assert due % period == phase
    assert due % WAKE_MS == 0 or not together
    assert next_due(due + 1, period, phase) == due + period


def test_groups_are_spread_over_the_whole_period() -> None:
    for period in (100, 900, 1000, 60_000):
        phases = {phase_ms(*name, period) for name in NAMES}
        assert len(phases) > min(len(NAMES), period) / 2
        assert min(phases) < period / 20
        assert max(phases) > period * 0.95


def test_what_is_due_together_is_spread_over_the_wake_ups() -> None:
    wakes = Counter(phase_ms(*name, 1000, together=True) for name in NAMES)
    assert sorted(wakes) == [0, WAKE_MS]
    assert max(wakes.values()) < 120  # of 200
    assert len({phase_ms(*name, 60_000, together=True) for name in NAMES}) > 80  # of 120


def test_who_may_be_due_together() -> None:
    together = Together()
    alone = [group_of(1), group_of(3, 1100), group_of(5, 5000)]
    together.decide([*[(group, True) for group in alone], (group_of(2), False)])
    assert together_of(together, 5) == {1, 5}
    together.decide([])
    assert together_of(together, 5) == set()


def test_nobody_is_due_together_beside_a_fast_group() -> None:
    together = Together()
    together.decide([(group_of(1), True), (group_of(2), True), (group_of(3, 750), False)])
    assert together_of(together, 3) == set()


@pytest.mark.parametrize(("groups", "tags"), [(TOGETHER_MAX, 1), (20, TOGETHER_TAGS_MAX // 20)])
def test_many_groups_or_tags_are_spread_as_ever(groups: int, tags: int) -> None:
    few, many = Together(), Together()
    few.decide([(group_of(uid, tags=tags), True) for uid in range(1, groups + 1)])
    many.decide([(group_of(uid, tags=tags), True) for uid in range(1, groups + 2)])
    assert together_of(few, groups) == set(range(1, groups + 1))
    assert together_of(many, groups + 1) == set()
    few.decide([(group_of(uid, tags=tags), True) for uid in range(1, groups + 2)])
    assert together_of(few, groups + 1) == set(range(1, groups + 1)), "those that are together count"


def test_what_was_decided_stays_while_the_period_does() -> None:
    together = Together()
    together.decide([(group_of(1), True), (group_of(2), False)])
    together.decide([(group_of(1), False), (group_of(2), True), (group_of(3, 100), True)])
    assert together_of(together, 3) == {1}, "neither company nor a fast group moves one, nor being left alone"
    together.decide([(group_of(1, 1100), True), (group_of(2, 2000), True)])
    assert together_of(together, 2) == {2}
