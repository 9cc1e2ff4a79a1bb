"""Conditions of alarms: the deadband, and values that tell nothing."""

from __future__ import annotations

import math

import pytest

from drivers.reading import Status, Value
from runtime.alarms.condition import TagCondition

HIGH = TagCondition("above", 80.0, 2.0)
LOW = TagCondition("below", 10.0, 1.0)


def test_a_limit_with_a_deadband_is_left_only_beyond_it() -> None:
    seen, before = [], False
    for value in (79.9, 80.0, 80.1, 79.0, 78.1, 78.0, 79.0):
        before = HIGH.holds(value, 0, before)
        seen.append(before)
    assert seen == [False, False, True, True, True, False, False]
    assert [LOW.holds(value, 0, True) for value in (10.5, 11.0, 9)] == [True, False, True]
    assert not LOW.holds(10.0, 0, False)


@pytest.mark.parametrize("value", [None, math.nan, "85", True])
@pytest.mark.parametrize("before", [False, True])
def test_what_is_no_number_changes_nothing(value: Value, before: bool) -> None:
    assert HIGH.holds(value, 0, before) is before


@pytest.mark.parametrize("before", [False, True])
def test_a_bad_value_changes_no_limit_and_an_uncertain_one_counts(before: bool) -> None:
    assert HIGH.holds(500.0, Status.BAD_NO_COMMUNICATION, before) is before
    assert HIGH.holds(500.0, Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED, before)
    assert TagCondition("bad_quality").holds(None, Status.BAD_TIMEOUT, before)
    assert not TagCondition("bad_quality").holds(1.0, Status.UNCERTAIN, before)


def test_one_is_not_true_and_texts_are_compared_whole() -> None:
    assert not TagCondition("equals", True).holds(1, 0, True)
    assert not TagCondition("equals", 1).holds(True, 0, True)
    assert TagCondition("equals", 1).holds(1.0, 0, False)
    assert TagCondition("equals", "fault").holds("fault", 0, False)
    assert TagCondition("equals", "fault").holds(None, 0, True)
