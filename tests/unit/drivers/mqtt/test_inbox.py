"""The way from the network thread to the event loop: order, bounds, counted drops, one call to wake."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.mqtt.inbox import Answered, Ended, Inbox, Message, answers_max, bytes_max


def message(n: int, size: int = 1) -> Message:
    return Message(f"t/{n}", b"x" * size, False, False)


def test_too_many_messages_lose_the_oldest_and_count_them_and_answers_stay() -> None:
    woken: list[int] = []
    inbox = Inbox(3, lambda: woken.append(1))
    inbox.put(Answered("subscribe", 1, (0,)))
    for n in range(10):
        inbox.put(message(n))
        inbox.put(Answered("publish", n, ()))
    found, dropped, more = inbox.take(100)
    assert [each.topic for each in found if isinstance(each, Message)] == ["t/7", "t/8", "t/9"]
    assert sum(isinstance(each, Answered) for each in found) == 11
    assert (dropped, more, len(woken)) == (7, False, 1)
    assert found.index(message(9)) == len(found) - 2, "an answer comes after what came before it"
    inbox.put(message(1))
    assert len(woken) == 2
    assert inbox.take(100) == ([message(1)], 0, False)


def test_bytes_are_bounded_too() -> None:
    inbox = Inbox(1000, lambda: None)
    for n in range(40):
        inbox.put(message(n, 1 << 20))
    found, dropped, _ = inbox.take(100)
    assert len(found) * (1 << 20) <= bytes_max
    assert len(found) + dropped == 40


def test_answers_that_nobody_asked_for_are_bounded_and_the_end_is_told() -> None:
    inbox = Inbox(10, lambda: None)
    for n in range(answers_max + 50):
        inbox.put(Answered("subscribe", n, (0,)))
    end = Ended(DriverError("connection_lost"))
    inbox.put(end)
    found, dropped, more = inbox.take(answers_max * 2)
    assert (len(found), found[-1], dropped, more) == (answers_max + 1, end, 0, False)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 7))
def test_order_is_kept_over_any_portions(kinds: list[bool], portion: int) -> None:
    inbox = Inbox(1000, lambda: None)
    put = [message(n) if kind else Answered("publish", n, ()) for n, kind in enumerate(kinds)]
    for each in put:
        inbox.put(each)
    taken: list[object] = []
    more = True
    while more:
        found, dropped, more = inbox.take(portion)
        taken += found
        assert dropped == 0
    assert taken == put


def test_threads_that_put_while_another_takes_lose_nothing_uncounted() -> None:
    inbox = Inbox(50, lambda: None)
    threads = [threading.Thread(target=lambda: [inbox.put(message(n)) for n in range(2000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    got = lost = 0
    while any(thread.is_alive() for thread in threads) or got + lost < 6000:
        found, dropped, _ = inbox.take(20)
        got, lost = got + len(found), lost + dropped
    assert got + lost == 6000
