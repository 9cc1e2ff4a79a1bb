"""What a relay does with the answers of one connection: passed on, lost, or held until the next one comes."""

from __future__ import annotations

from drivers.wire import Answers, Wire


def test_what_nobody_asked_to_keep_goes_through_in_pieces() -> None:
    answers = Answers(Wire(0))
    assert answers.asked(b"1") == b"1"
    assert [answers.came(b"a"), answers.came(b"b")] == [b"a", b"b"]


def test_a_lost_answer_is_all_that_comes_until_the_next_question() -> None:
    wire = Wire(0)
    answers = Answers(wire)
    wire.lose_answer()
    assert answers.asked(b"1") + answers.asked(b"1 goes on") == b"11 goes on"  # one question, sent in two pieces
    assert answers.came(b"a") + answers.came(b"b") == b""
    answers.asked(b"2")
    assert answers.came(b"c") == b"c"


def test_a_held_answer_comes_right_before_the_next_one_and_only_on_its_own_connection() -> None:
    wire = Wire(0)
    first, second = Answers(wire), Answers(wire)
    wire.hold_answer()
    first.asked(b"1")
    assert first.came(b"a") == b""
    second.asked(b"2")
    assert second.came(b"b") == b"b"
    first.asked(b"3")
    assert [first.came(b"c"), first.came(b"d")] == [b"ac", b"d"]
