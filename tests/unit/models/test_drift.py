"""Advice to learn again: after hours, not after a fault; taken back when things are usual again."""

from __future__ import annotations

from models.drift import ALARMS_OFTEN, NEAR_THRESHOLD, SPAN, DriftMonitor

USUAL, NEAR, OVER = 1.0, 6.0, 11.0


def after(scores: list[float | None]) -> str | None:
    monitor = DriftMonitor(10.0)
    for score in scores:
        monitor.take(score)
    return monitor.advice


def span(share: float, score: float) -> list[float | None]:
    """One span, of which a share has this score."""
    count = round(share * SPAN)
    return [score] * count + [USUAL] * (SPAN - count)


def test_usual_scores_and_silence_are_no_drift() -> None:
    assert after([USUAL] * 6 * SPAN) is None
    assert after([None] * 6 * SPAN) is None
    assert after(span(0.02, OVER) * 6) is None
    assert after(span(0.4, NEAR) * 6) is None


def test_a_fault_of_two_hours_is_no_drift_of_three_it_is() -> None:
    assert after(span(1.0, OVER) * 2 + span(0, OVER)) is None
    assert after(span(0.03, OVER) * 3) == ALARMS_OFTEN


def test_scores_that_stay_near_the_threshold_are_drift() -> None:
    assert after(span(0.6, NEAR) * 2) is None
    assert after(span(0.6, NEAR) * 3) == NEAR_THRESHOLD


def test_a_usual_span_takes_the_advice_back_and_abstaining_does_not() -> None:
    assert after(span(0.6, NEAR) * 3 + [None] * 2 * SPAN) == NEAR_THRESHOLD
    assert after(span(0.6, NEAR) * 3 + span(0, NEAR)) is None
