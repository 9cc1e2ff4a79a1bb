"""A state made again from the transitions that the ledger has equals the state that made them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from ledger_client.alarm_bodies import AlarmRow
from runtime.alarms.alarm import plain_of, restored, shelf_left_ms
from runtime.alarms.machine import Shelve, State, step
from tests.unit.runtime.alarms.test_machine import as_event, random_life

MOST = 1 << 40


def test_random_lives_come_back_from_their_rows() -> None:
    random = Random(11)
    for _ in range(5_000):
        rules, life = random_life(random)
        state, again = State(), State()
        for now, raw in life:
            event = as_event(now, raw)
            state, told = step(state, rules, event, now)
            for each in told:
                until = event.until_ms if isinstance(event, Shelve) else None
                row = AlarmRow("x", each.what, each.before, each.after, each.at_ms, int(each.hidden), "low", until_ms=until)
                again = restored(again, rules, row, now, now, MOST)
        same = {"raw": state.holds, "raw_since_ms": 0}
        shelf = {"shelved_until_ms": again.shelved_until_ms if state.shelved_until_ms is not None else None}
        assert replace(again, raw_since_ms=0) == replace(state, **same, **shelf)
        assert (again.shelved_until_ms is None) == (state.shelved_until_ms is None)


@pytest.mark.parametrize(("until", "at", "now", "left"), [(100, 0, 40, 60), (100, 0, 200, 0), (100, 50, 0, 50), (1 << 50, 0, 0, MOST)])
def test_what_is_left_of_a_shelf(until: int, at: int, now: int, left: int) -> None:
    """A wall clock that was not set yet leaves the whole of it, and no clock more than an alarm may be shelved."""
    assert shelf_left_ms(until, at, now, MOST) == left


def test_values_as_an_entry_can_hold_them() -> None:
    assert [plain_of(value) for value in (float("nan"), 1 << 70, True, "x" * 200, 1.5)] == ["nan", str(1 << 70), True, "x" * 100, 1.5]
