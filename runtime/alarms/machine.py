"""The states of one alarm, by ISA-18.2 / IEC 62682. Pure: the same events at the same times give the same transitions.

Room: hall, alarms. `engine` keeps a State for each alarm and calls `step` with what happened; it calls it again when `due_ms` has come. It
knows no tag, no clock, no person and no ledger. Times are ms of one clock that never steps.

An alarm is raised once its condition has held for the on-delay, and returns to normal once it has been away for the off-delay.
**Acknowledging never clears, returning to normal never acknowledges.** While it is shelved, suppressed by design or out of service its
condition is followed, but nobody is called; when the last of these ends, what still holds is raised anew. A latching alarm stays until it
is reset. An advisory has nothing to be acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Shown(StrEnum):
    """What a person sees; the first that applies of the last three, else the life of the alarm."""

    NORMAL = "normal"
    UNACKED = "unacked"
    """Active, and nobody has acknowledged it."""
    ACKED = "acked"
    """Active and acknowledged; of an advisory: active."""
    RETURNED = "returned"
    """Back to normal, and nobody has acknowledged it."""
    LATCHED_UNACKED = "latched_unacked"
    LATCHED = "latched"
    """Back to normal and acknowledged, but it stays until it is reset."""
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class What(StrEnum):
    """What happened in a transition."""

    RAISED = "raised"
    CLEARED = "cleared"
    ACKED = "acked"
    RESET = "reset"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SHELF_ENDED = "shelf_ended"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"


UNANSWERED: Final = frozenset({Shown.UNACKED, Shown.RETURNED, Shown.LATCHED_UNACKED})
"""States that wait for somebody."""
HIDDEN: Final = frozenset({Shown.SHELVED, Shown.SUPPRESSED, Shown.OUT_OF_SERVICE})


@dataclass(frozen=True, slots=True)
class Rules:
    """What `step` must know of an alarm's definition."""

    on_delay_ms: int = 0
    off_delay_ms: int = 0
    latching: bool = False
    advisory: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """`raw`: the condition as told last, since `raw_since_ms`; `holds`: the condition after its delays; `life`: none of the hidden ones."""

    life: Shown = Shown.NORMAL
    raw: bool = False
    raw_since_ms: int = 0
    holds: bool = False
    latch: bool = False
    shelved_until_ms: int | None = None
    suppressed: bool = False
    out_of_service: bool = False

    @property
    def hidden(self) -> bool:
        """Whether nobody is called."""
        return self.out_of_service or self.suppressed or self.shelved_until_ms is not None

    @property
    def shown(self) -> Shown:
        """What a person sees."""
        if self.out_of_service:
            return Shown.OUT_OF_SERVICE
        if self.suppressed:
            return Shown.SUPPRESSED
        return Shown.SHELVED if self.shelved_until_ms is not None else self.life


@dataclass(frozen=True, slots=True)
class Transition:
    """What happened at `at_ms`, and what a person saw before and after. `hidden`: nobody was called for it."""

    what: What
    before: Shown
    after: Shown
    at_ms: int
    hidden: bool

    @property
    def announces(self) -> bool:
        """Whether somebody is called: the alarm is unacknowledged and active, and was not before."""
        return self.after is Shown.UNACKED and self.before is not Shown.UNACKED


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition holds, or does not."""

    raw: bool


@dataclass(frozen=True, slots=True)
class Suppress:
    """The design suppresses the alarm (a recipe, maintenance), or no longer."""

    on: bool


@dataclass(frozen=True, slots=True)
class Service:
    """An engineer takes it out of service, or puts it back."""

    out: bool


@dataclass(frozen=True, slots=True)
class Shelve:
    """Put it on the shelf until a time; one that is there gets the new time."""

    until_ms: int


class Plain(StrEnum):
    """Events without anything else to say."""

    TICK = "tick"
    ACK = "ack"
    RESET = "reset"
    UNSHELVE = "unshelve"


Event = Condition | Suppress | Service | Shelve | Plain


def step(state: State, rules: Rules, event: Event, now_ms: int) -> tuple[State, tuple[Transition, ...]]:
    """Return the state after an event and what happened; what was due before `now_ms` happens first, each at its own time.

    An event that means nothing now (acknowledging what waits for nobody) changes nothing.
    """
    told: list[Transition] = []
    while (due := due_ms(state, rules)) is not None and due <= now_ms:
        state = _at_due(state, rules, due, told)
    match event:
        case Condition(raw) if raw is not state.raw:
            state = replace(state, raw=raw, raw_since_ms=now_ms)
            if due_ms(state, rules) == now_ms:
                state = _at_due(state, rules, now_ms, told)
        case Plain.ACK if not state.hidden and state.life in UNANSWERED:
            after = {Shown.UNACKED: Shown.ACKED, Shown.RETURNED: Shown.NORMAL, Shown.LATCHED_UNACKED: Shown.LATCHED}[state.life]
            state = _to(state, told, What.ACKED, now_ms, replace(state, life=after))
        case Plain.RESET if not state.hidden and state.life is Shown.LATCHED:
            state = _to(state, told, What.RESET, now_ms, replace(state, life=Shown.NORMAL, latch=False))
        case Shelve(until) if until > now_ms and not state.out_of_service:
            state = _hide(state, told, What.SHELVED, now_ms, replace(state, shelved_until_ms=until))
        case Plain.UNSHELVE if state.shelved_until_ms is not None:
            state = _unhide(state, rules, told, What.UNSHELVED, now_ms, replace(state, shelved_until_ms=None))
        case Suppress(on) if on is not state.suppressed:
            after_state = replace(state, suppressed=on)
            state = _hide(state, told, What.SUPPRESSED, now_ms, after_state) if on else (
                _unhide(state, rules, told, What.UNSUPPRESSED, now_ms, after_state)
            )  # fmt: skip
        case Service(out) if out is not state.out_of_service:
            after_state = replace(state, out_of_service=out, shelved_until_ms=None if out else state.shelved_until_ms)
            state = _hide(state, told, What.OUT_OF_SERVICE, now_ms, after_state) if out else (
                _unhide(state, rules, told, What.IN_SERVICE, now_ms, after_state)
            )  # fmt: skip
    return state, tuple(told)


def due_ms(state: State, rules: Rules) -> int | None:
    """Return when time alone changes something next: a delay ends, a shelf ends. None: never."""
    dues = []
    if state.raw is not state.holds:
        dues.append(state.raw_since_ms + (rules.on_delay_ms if state.raw else rules.off_delay_ms))
    if state.shelved_until_ms is not None:
        dues.append(state.shelved_until_ms)
    return min(dues, default=None)


def _at_due(state: State, rules: Rules, at_ms: int, told: list[Transition]) -> State:
    """Do what is due at a time: the delay first, so that what ends together with the shelf is known when the shelf ends."""
    if state.raw is not state.holds and state.raw_since_ms + (rules.on_delay_ms if state.raw else rules.off_delay_ms) <= at_ms:
        return _raise(state, rules, told, at_ms) if state.raw else _clear(state, told, at_ms)
    return _unhide(state, rules, told, What.SHELF_ENDED, at_ms, replace(state, shelved_until_ms=None))


def _raise(state: State, rules: Rules, told: list[Transition], at_ms: int) -> State:
    active = Shown.ACKED if rules.advisory else Shown.UNACKED
    after = replace(state, holds=True, latch=state.latch or rules.latching, life=Shown.NORMAL if state.hidden else active)
    return _to(state, told, What.RAISED, at_ms, after)


def _clear(state: State, told: list[Transition], at_ms: int) -> State:
    acked = Shown.LATCHED if state.latch else Shown.NORMAL
    unacked = Shown.LATCHED_UNACKED if state.latch else Shown.RETURNED
    life = {Shown.UNACKED: unacked, Shown.ACKED: acked}.get(state.life, state.life)
    return _to(state, told, What.CLEARED, at_ms, replace(state, holds=False, life=life))


def _hide(state: State, told: list[Transition], what: What, at_ms: int, after: State) -> State:
    return _to(state, told, what, at_ms, replace(after, life=Shown.NORMAL))


def _unhide(state: State, rules: Rules, told: list[Transition], what: What, at_ms: int, after: State) -> State:
    """Where nothing else hides it any more, what holds is raised anew, and what latched waits again."""
    if not after.hidden:
        active = Shown.ACKED if rules.advisory else Shown.UNACKED
        resting = Shown.LATCHED_UNACKED if after.latch else Shown.NORMAL
        after = replace(after, life=active if after.holds else resting)
    return _to(state, told, what, at_ms, after)


def _to(state: State, told: list[Transition], what: What, at_ms: int, after: State) -> State:
    told.append(Transition(what, state.shown, after.shown, at_ms, hidden=state.hidden and after.hidden))
    return after
