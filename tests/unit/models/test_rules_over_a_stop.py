"""Rules of sensor faults over a stop of the gateway: it ends no finding, hides none, and is no fault of a sensor itself."""

from __future__ import annotations

import pytest

from models.finding import Finding
from models.rules import RuleBook
from tests.unit.models.test_rules import HOLD_MS, LIMITS, PLAN, START_MS, Reading, plant


def over_a_stop(first: list[Reading], second: list[Reading], *, forget: bool) -> list[list[Finding]]:
    """What is found before and after a time in which the gateway was off: nothing was read then and nothing closed."""
    book, told = RuleBook(PLAN, LIMITS), []
    for part in (first, second):
        found: list[Finding] = []
        close_ms = part[0][1] + 5000
        for tag, time_ms, value, source_ms in part:
            while time_ms > close_ms:
                found += book.close(close_ms)
                close_ms += 5000
            book.take(tag, time_ms, value, source_ms)
        told.append(found + book.close(close_ms))
        if forget:
            book.forget()
    return told


@pytest.mark.parametrize("off_s", [10, 30, 120, 1500])
def test_a_gateway_that_was_off_blames_no_sensor_for_it(off_s: int) -> None:
    lived = plant(5, 3600)
    first = [each for each in lived if each[1] < START_MS + 1_000_000]
    second = [each for each in lived if each[1] >= START_MS + 1_000_000 + 1000 * off_s]
    assert over_a_stop(first, second, forget=True) == [[], []]
    if off_s >= 120:
        assert over_a_stop(first, second, forget=False)[1] != [], "without it, the silence is a dropout"


def test_a_dropout_that_went_on_when_the_gateway_stopped_goes_on_until_the_value_is_back() -> None:
    lived = plant(6, 3600, lambda tag, s, value: None if tag == 5 and 900 <= s < 2000 else value)
    first = [each for each in lived if each[1] < START_MS + 1_000_000]
    second = [each for each in lived if each[1] >= START_MS + 1_300_000]
    before, after = over_a_stop(first, second, forget=True)
    assert [(f.rule, f.tag, f.phase) for f in before] == [("dropout", 20, "onset")]
    assert [(f.rule, f.tag, f.phase) for f in after] == [("dropout", 20, "end")]
    assert after[0].at_ms >= START_MS + 2_000_000


@pytest.mark.parametrize(("rule", "tag"), [("stuck", 10), ("frozen_counter", 12)])
@pytest.mark.parametrize("off_s", [0, 10, 300])
def test_a_value_that_stood_before_a_stop_and_stands_behind_it_is_one_finding(rule: str, tag: int, off_s: int) -> None:
    """Another value ends it, a stop does not; nor is its gate shut because nobody has read it yet."""
    held: dict[int, float] = {}
    index = {10: 0, 12: 2}[tag]
    lived = plant(6, 1700, lambda i, s, v: held.setdefault(i, v) if i == index and 1220 <= s < 1650 else v)
    first = [each for each in lived if each[1] < START_MS + 1_330_000]
    second = [each for each in lived if each[1] >= START_MS + 1_330_000 + 1000 * off_s]
    before, after = over_a_stop(first, second, forget=True)
    assert [(f.rule, f.tag, f.phase) for f in before] == [(rule, tag, "onset")]
    assert [(f.rule, f.tag, f.phase) for f in after if f.rule == rule] == [(rule, tag, "end")]
    assert next(f for f in after if f.rule == rule).at_ms >= START_MS + 1_650_000


@pytest.mark.parametrize("behind", ["another value", "none", "the machine stands"])
def test_a_value_that_stood_ends_behind_a_stop_when_it_is_another_or_gone_or_the_machine_stands(behind: str) -> None:
    held: dict[int, float] = {}

    def fault(tag: int, s: int, value: float) -> float | None:
        if tag == 0 and 1220 <= s < 1330:
            return held.setdefault(tag, value)
        if s < 1330 or behind == "another value":
            return value
        if behind == "none":
            return None if tag == 0 else value
        return {0: held[0], 4: 2.0}.get(tag, value)

    lived = plant(6, 1700, fault)
    first = [each for each in lived if each[1] < START_MS + 1_330_000]
    before, after = over_a_stop(first, [each for each in lived if each[1] >= START_MS + 1_360_000], forget=True)
    assert [(f.rule, f.tag, f.phase) for f in before] == [("stuck", 10, "onset")]
    (end,) = [f for f in after if f.rule == "stuck"]
    assert (end.tag, end.phase) == (10, "end")
    assert end.at_ms <= START_MS + 1_360_000 + HOLD_MS + 15_000


def test_a_value_beyond_its_limits_on_both_sides_of_a_stop_is_one_finding() -> None:
    lived = plant(6, 1700, lambda tag, s, v: 12.0 if tag == 0 and s >= 1250 else v)
    first = [each for each in lived if each[1] < START_MS + 1_300_000]
    second = [each for each in lived if each[1] >= START_MS + 1_500_000 + (9_000 if each[0] == 0 else 0)]
    before, after = over_a_stop(first, second, forget=True)
    assert [(f.rule, f.phase) for f in before if f.rule == "range"] == [("range", "onset")]
    assert [f for f in after if f.rule == "range"] == []


@pytest.mark.parametrize("shows", ["bad values", "nothing"])
def test_a_sensor_that_dies_with_a_restart_drops_out_from_the_restart_on(shows: str) -> None:
    """It is given as long as a value is held: devices are slow to connect. What nobody looked at is no part of it."""
    begun_ms = START_MS + 1_500_000
    lived = plant(6, 2600)
    first = [each for each in lived if each[1] < START_MS + 1_000_000]
    second = [each for each in lived if each[1] >= begun_ms and each[0] != 1]
    if shows == "bad values":
        second = sorted([*second, (1, begun_ms, None, None)], key=lambda r: r[1])
    before, after = over_a_stop(first, second, forget=True)
    assert before == []
    (found,) = after
    assert (found.rule, found.tag, found.phase) == ("dropout", 11, "onset")
    assert begun_ms <= found.since_ms <= begun_ms + 10_000
    assert found.at_ms <= found.since_ms + HOLD_MS + 10_000


def test_a_sensor_that_comes_late_behind_a_restart_or_was_never_there_is_no_dropout() -> None:
    begun_ms = START_MS + 1_500_000
    lived = [each for each in plant(6, 2600) if each[0] != 6]
    first = [each for each in lived if each[1] < START_MS + 1_000_000]
    second = [each for each in lived if each[1] >= begun_ms + (20_000 if each[0] == 1 else 0)]
    assert over_a_stop(first, sorted([*second, (1, begun_ms, None, None), (6, begun_ms, None, None)], key=lambda r: r[1]), forget=True) == [
        [],
        [],
    ]
