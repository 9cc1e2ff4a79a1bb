"""One alarm as it lives in the core: its definition, its state, and what people are told of it.

Room: hall, alarms. `engine` owns them, `view` shows them. `restored` brings one back from what the ledger says; it is pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.reading import Value
from ledger_client.alarm_bodies import AlarmRow
from ledger_client.body_words import Plain
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.machine import HIDDEN, Rules, Shown, State

VALUE_TEXT_MAX: Final = 100


@dataclass(slots=True)
class Told:
    """A transition that was noted, and what became of it: `seq` once it is recorded, `cause` while it cannot be."""

    row: AlarmRow
    seq: int | None = None
    cause: str | None = None


@dataclass(slots=True)
class Alarm:
    """Times are wall ms unless `_mono_ms`. `raised_ms`: when somebody was called last; `since_ms`: when the condition came up last."""

    definition: AlarmDefinition
    state: State = field(default_factory=State)
    value: Value = None
    status: int = 0
    told_raw: bool = False
    told_suppressed: bool = False
    """What `watch` told last: the state follows within some ms."""
    fresh_mono_ms: int = 0
    """When a usable value of its tag came last."""
    raised_ms: int | None = None
    since_ms: int | None = None
    changed_ms: int | None = None
    by: str = ""
    note: str = ""
    until_ms: int | None = None
    count: int = 0
    """How often it was raised since this core knows it."""
    newest: Told | None = None

    def note_row(self, told: Told) -> None:
        """Take over what a transition says."""
        row = told.row
        self.newest, self.changed_ms = told, row.at_ms
        if row.what == "raised":
            self.since_ms = row.at_ms
            self.count += 1
        if row.after == Shown.UNACKED and row.before != Shown.UNACKED:
            self.raised_ms, self.by, self.note = row.at_ms, "", ""
        if row.by:
            self.by, self.note = row.by, row.note
        self.until_ms = row.until_ms if row.what == "shelved" else self.until_ms
        if self.state.shelved_until_ms is None:
            self.until_ms = None


def restored(state: State, rules: Rules, row: AlarmRow, now_mono_ms: int, now_wall_ms: int, shelf_max_ms: int) -> State:
    """Return the state after a transition that the ledger tells of. What was left of a shelf's time is left of it still."""
    after = Shown(row.after)
    state = replace(state, life=Shown.NORMAL if after in HIDDEN else after)
    match row.what:
        case "raised":
            state = replace(state, raw=True, holds=True, latch=state.latch or rules.latching)
        case "cleared":
            state = replace(state, raw=False, holds=False)
        case "reset":
            state = replace(state, latch=False)
        case "shelved" if row.until_ms is not None:
            state = replace(state, shelved_until_ms=now_mono_ms + shelf_left_ms(row.until_ms, row.at_ms, now_wall_ms, shelf_max_ms))
        case "unshelved" | "shelf_ended":
            state = replace(state, shelved_until_ms=None)
        case "suppressed" | "unsuppressed":
            state = replace(state, suppressed=row.what == "suppressed")
        case "out_of_service":
            state = replace(state, out_of_service=True, shelved_until_ms=None)
        case "in_service":
            state = replace(state, out_of_service=False)
        case "removed":
            return State()
    return replace(state, raw_since_ms=now_mono_ms)


def shelf_left_ms(until_ms: int, at_ms: int, now_wall_ms: int, most_ms: int) -> int:
    """Return what is left of a shelf that was begun at `at_ms`; with a wall clock behind that (not set yet), the whole of it."""
    return max(min(until_ms - max(now_wall_ms, at_ms), most_ms), 0)


def plain_of(value: Value) -> Plain:
    """Return a value as an entry can hold it: numbers finite and of 64 bits, texts short."""
    if isinstance(value, str):
        return value[:VALUE_TEXT_MAX]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return value
