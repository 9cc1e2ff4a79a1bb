"""Units that may still be about to answer an old question: which are asked for an echo, which are only left alone, and for how long."""

from __future__ import annotations

from drivers.modbus.doubts import Doubts, mute_after, strange_after


def test_a_unit_that_has_echoed_is_asked_until_it_does_again() -> None:
    doubts = Doubts()
    doubts.add(5, 0.0, 1.0)
    assert doubts.question(5) is not None
    doubts.cleared(5)
    for turn in range(strange_after - 1):  # a noisy line spoils echoes too
        doubts.add(5, float(turn), 1.0)
        assert doubts.question(5) is not None, turn
        doubts.unanswered(5, turn + 1.0)
        assert doubts.quiet_until(5) == 0.0, "no plain question, however long it rests"
    assert doubts.question(5) is not None
    doubts.unanswered(5, 99.0)  # one too many: this is another unit
    assert doubts.question(5) is None
    assert doubts.quiet_until(5) == 99.0


def test_a_unit_that_never_echoes_is_mute_and_only_left_alone() -> None:
    doubts = Doubts()
    for turn in range(mute_after):
        doubts.add(5, 10.0 * turn, 1.0)
        assert doubts.question(5) is not None
        doubts.unanswered(5, 10.0 * turn + 2.0)
        assert doubts.question(5) is None
        doubts.answered(5)
    doubts.add(5, 100.0, 1.5)
    assert doubts.question(5) is None
    assert doubts.quiet_until(5) == 101.5


def test_a_new_doubt_of_a_mute_unit_shortens_no_older_one() -> None:
    doubts = Doubts()
    for turn in range(mute_after):
        doubts.add(5, 10.0 * turn, 1.0)
        doubts.unanswered(5, 10.0 * turn + 2.0)
        doubts.answered(5)
    doubts.add(5, 100.0, 2.0)
    doubts.add(5, 100.5, 0.0)
    assert doubts.quiet_until(5) == 102.0
    doubts.add(5, 101.5, 2.0)
    assert doubts.quiet_until(5) == 103.5


def test_echoes_are_fresh_and_units_are_apart() -> None:
    doubts = Doubts()
    doubts.add(5, 0.0, 1.0)
    first, second = doubts.question(5), doubts.question(5)
    assert first is not None
    assert second is not None
    assert first.pdu != second.pdu
    assert doubts.question(6) is None
