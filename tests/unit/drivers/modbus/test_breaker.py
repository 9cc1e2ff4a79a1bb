"""A unit that does not answer: when it is left alone, how often it is asked, how it comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.breaker import Breaker, failing_s_min, failures_min, interval_s_first, interval_s_max, spread


def test_it_opens_after_failures_and_time_both() -> None:
    quick, slow = Breaker(1), Breaker(1)
    for n in range(failures_min * 3):
        quick.failed(n * 0.01)
    assert not quick.is_open
    assert quick.is_suspect
    slow.failed(0.0)
    slow.failed(failing_s_min + 1)
    assert not slow.is_open
    slow.failed(failing_s_min + 2)
    assert slow.is_open


def test_while_open_one_request_goes_each_interval() -> None:
    breaker, now = Breaker(3), 0.0
    asked = []
    while now < 300:
        if not breaker.admit(now):
            asked.append(now)
            assert not breaker.is_open or breaker.admit(now) > 0  # no second one beside the probe
            breaker.failed(now + 0.1)
        now += 0.25
    probes = [b - a for a, b in zip(asked[-8:-1], asked[-7:], strict=True)]
    assert all(interval_s_max <= gap <= interval_s_max * (1 + spread) + 0.5 for gap in probes)
    assert len(asked) < 25
    assert breaker.admit(now) <= interval_s_max * (1 + spread)


def test_one_answer_closes_it_and_a_lost_line_decides_nothing() -> None:
    breaker = Breaker(9)
    for n in range(failures_min):
        breaker.failed(n * failing_s_min)
    later = failures_min * failing_s_min + interval_s_first * 2
    assert breaker.admit(later) == 0
    breaker.undecided()
    assert breaker.is_open
    assert breaker.admit(later) == 0
    breaker.answered(0.01)
    assert not breaker.is_open
    assert not breaker.is_suspect
    assert breaker.admit(later) == 0


events_of_a_unit = st.lists(st.tuples(st.sampled_from(("admit", "answered", "failed", "undecided")), st.floats(0, 40)), max_size=60)


@given(events_of_a_unit, st.integers(0, 255))
def test_a_unit_is_never_left_alone_for_good(events: list[tuple[str, float]], unit: int) -> None:
    breaker, now = Breaker(unit), 0.0
    for event, passed in events:
        now += passed
        if event == "admit":
            breaker.admit(now)
        elif event == "answered":
            breaker.answered(0.1)
        elif event == "failed":
            breaker.failed(now)
        else:
            breaker.undecided()
    breaker.undecided()
    assert breaker.admit(now + interval_s_max * (1 + spread)) == 0


def test_how_often_it_stood_back_is_forgotten_once_it_is_asked() -> None:
    breaker = Breaker(5)
    breaker.passed_over = 2
    breaker.undecided()
    assert breaker.passed_over == 2, "nothing was asked"
    breaker.failed(1.0)
    assert breaker.passed_over == 0
    breaker.passed_over = 2
    breaker.answered(0.1)
    assert breaker.passed_over == 0
