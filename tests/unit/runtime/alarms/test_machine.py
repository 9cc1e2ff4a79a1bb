"""The state machine of alarms against another reckoning of it, over 100,000 random lives, and the rules of ISA-18.2 one by one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from runtime.alarms.machine import Condition, Event, Plain, Rules, Service, Shelve, Shown, State, Suppress, What, due_ms, step
from tests.unit.runtime.alarms.alarm_model import AlarmModel

LIVES = 100_000
EVENTS = ("condition", "condition", "condition", "ack", "ack", "reset", "shelve", "unshelve", "suppress", "service")
PLAIN = {"ack": Plain.ACK, "reset": Plain.RESET, "unshelve": Plain.UNSHELVE}
Life = list[tuple[int, tuple[str, int]]]


def as_event(now: int, event: tuple[str, int]) -> Event:
    name, number = event
    match name:
        case "condition":
            return Condition(bool(number))
        case "suppress":
            return Suppress(bool(number))
        case "service":
            return Service(bool(number))
        case "shelve":
            return Shelve(now + number)
    return PLAIN[name]


def random_life(random: Random) -> tuple[Rules, Life]:
    rules = Rules(random.choice((0, 0, 3)), random.choice((0, 0, 4)), random.random() < 0.3, random.random() < 0.1)
    now, life = 0, []
    for _ in range(random.randrange(3, 12)):
        now += random.choice((0, 1, 2, 5))
        name = random.choice(EVENTS)
        life.append((now, (name, random.randrange(6) if name == "shelve" else random.randrange(2))))
    return rules, life


def lived(rules: Rules, life: Life) -> tuple[list[tuple[str, str, str, int]], State]:
    state, log = State(), []
    for now, event in [*life, (life[-1][0] + 10, None)]:
        state, told = step(state, rules, Plain.TICK if event is None else as_event(now, event), now)
        log += [(each.what.value, each.before.value, each.after.value, each.at_ms) for each in told]
    return log, state


def test_it_equals_another_reckoning_over_random_lives(seed: int, count: Callable[[int, int, int], int]) -> None:
    random = Random(seed)
    for number in range(count(LIVES // 10, LIVES, 10 * LIVES)):
        rules, life = random_life(random)
        model = AlarmModel(rules.on_delay_ms, rules.off_delay_ms, rules.latching, rules.advisory)
        for now, event in life:
            model.go_to(now)
            model.told(event)
        model.go_to(life[-1][0] + 10)
        log, state = lived(rules, life)
        assert (log, state.shown.value) == (model.log, model.seen), f"life {number} of seed {seed}: {rules} {life}"


def test_what_is_told_late_is_told_in_the_order_of_its_times() -> None:
    """A core that looked away for a while sees what it would have seen with a look each ms."""
    random = Random(7)
    for _ in range(2_000):
        rules, life = random_life(random)
        often, log = State(), []
        at = dict[int, list[tuple[str, int]]]()
        for now, event in life:
            at.setdefault(now, []).append(event)
        for now in range(life[-1][0] + 11):
            for event in [None, *at.get(now, [])]:
                often, told = step(often, rules, Plain.TICK if event is None else as_event(now, event), now)
                log += [(each.what.value, each.before.value, each.after.value, each.at_ms) for each in told]
        assert (log, often) == lived(rules, life)


def life_of(*events: tuple[int, Event], rules: Rules = Rules()) -> tuple[State, list[Shown]]:
    state, seen = State(), []
    for now, event in events:
        state, _ = step(state, rules, event, now)
        seen.append(state.shown)
    return state, seen


def test_acknowledging_never_clears_and_returning_never_acknowledges() -> None:
    _, seen = life_of(
        (0, Condition(True)), (1, Plain.ACK), (2, Condition(False)), (3, Condition(True)), (4, Condition(False)), (5, Plain.ACK)
    )
    assert seen == [Shown.UNACKED, Shown.ACKED, Shown.NORMAL, Shown.UNACKED, Shown.RETURNED, Shown.NORMAL]


def test_a_latching_alarm_stays_until_it_is_acknowledged_and_reset() -> None:
    events = ((0, Condition(True)), (1, Condition(False)), (2, Plain.RESET), (3, Plain.ACK), (4, Plain.RESET))
    _, seen = life_of(*events, rules=Rules(latching=True))
    assert seen == [Shown.UNACKED, Shown.LATCHED_UNACKED, Shown.LATCHED_UNACKED, Shown.LATCHED, Shown.NORMAL]


def test_what_is_raised_again_on_the_shelf_is_logged_and_calls_nobody() -> None:
    state, _ = step(State(), Rules(), Shelve(100), 0)
    state, told = step(state, Rules(), Condition(True), 10)
    assert [(each.what, each.hidden, each.announces) for each in told] == [(What.RAISED, True, False)]
    assert due_ms(state, Rules()) == 100
    state, told = step(state, Rules(), Plain.TICK, 250)
    assert [(each.what, each.at_ms, each.announces) for each in told] == [(What.SHELF_ENDED, 100, True)]
    assert state.shown is Shown.UNACKED


@pytest.mark.parametrize("hide", [Suppress(True), Service(True)])
def test_what_is_hidden_cannot_be_acknowledged(hide: Event) -> None:
    _, seen = life_of((0, Condition(True)), (1, hide), (2, Plain.ACK), (3, Plain.UNSHELVE))
    assert seen[1] is seen[3]
    back = Suppress(False) if isinstance(hide, Suppress) else Service(False)
    assert life_of((0, Condition(True)), (1, hide), (2, Plain.ACK), (4, back))[1][-1] is Shown.UNACKED


def test_an_advisory_waits_for_nobody() -> None:
    _, seen = life_of((0, Condition(True)), (1, Plain.ACK), (2, Condition(False)), rules=Rules(advisory=True))
    assert seen == [Shown.ACKED, Shown.ACKED, Shown.NORMAL]


def test_a_condition_shorter_than_its_delay_is_no_alarm() -> None:
    rules = Rules(on_delay_ms=5, off_delay_ms=5)
    state, seen = life_of((0, Condition(True)), (4, Condition(False)), (5, Condition(True)), (9, Plain.TICK), (10, Plain.TICK), rules=rules)
    assert seen == [Shown.NORMAL] * 4 + [Shown.UNACKED]
    assert due_ms(state, rules) is None
