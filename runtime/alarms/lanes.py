"""Calling people: one lane for each target, with a pace, a back-off and a count of what failed. No lane waits for another.

Room: hall, alarms. `notifier` makes lanes of the configuration and runs them; that of a light is here, that of words in `word_lane`. A
target that is slow, dead or hostile costs the core a thread that it does not wait for.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from drivers.reading import Quality, Value, quality_of
from drivers.shared import NewestOf
from runtime.acts import Act, Outcome
from runtime.alarms.alarm import Alarm
from runtime.alarms.machine import HIDDEN, UNANSWERED
from runtime.alarms.notify_options import LightTarget
from runtime.alarms.notify_plan import Failure, Target
from runtime.clock import Clock
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor, Role

REST_MS_MIN: Final = 5_000
LIGHT_REST_MS_MAX: Final = 60_000
LIGHT_PACE_MS: Final = 1_000
SEEN_MS: Final = 15_000
"""After so long what was written is seen among the readings, if it is there."""
TEST_LIGHT_MS: Final = 3_000
DONE: Final = "done"
OURSELVES: Final = Actor("", frozenset({Role.ENGINEER}), "alarms", fresh=True, kind="local")
"""A light is written for the engineer who put it in the configuration, which is on record."""


@dataclass(slots=True)
class Counts:
    """What people are shown of a target. Times are wall ms. `tested`: when the newest test was asked for, and what came of it."""

    sent: int = 0
    failed: int = 0
    failed_in_a_row: int = 0
    cause: str | None = None
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    sent_ms: int | None = None
    failed_ms: int | None = None
    tested: tuple[int, str | None] | None = None


class Lane(Protocol):
    """One target."""

    target: Target
    counts: Counts

    async def look(self, alarms: Sequence[Alarm], minute: int | None) -> bool:
        """Do what is due, `alarms` being those that are not normal; return whether anything changed that is shown."""
        ...

    def test(self, by: str) -> None:
        """Let the target hear from us at the next look."""
        ...


class Paced:
    """When a lane may try again."""

    def __init__(self, clock: Clock, target: Target, rest_max_ms: int) -> None:
        self.clock, self.target, self._rest_max_ms = clock, target, rest_max_ms
        self.counts = Counts()
        self._not_before_ms = 0

    @property
    def may(self) -> bool:
        """Whether it may try now."""
        return self.clock.mono_ms() >= self._not_before_ms

    def note(self, failure: Failure | None, pace_ms: int) -> None:
        """Count what came of a try."""
        counts = self.counts
        if failure is None:
            counts.sent += 1
            counts.sent_ms, counts.cause, counts.params, counts.failed_in_a_row = self.clock.wall_ms(), None, {}, 0
            self._not_before_ms = self.clock.mono_ms() + pace_ms
        else:
            counts.failed += 1
            counts.failed_in_a_row += 1
            counts.failed_ms, (counts.cause, counts.params) = self.clock.wall_ms(), failure
            rest_ms = min(REST_MS_MIN << min(counts.failed_in_a_row - 1, 20), self._rest_max_ms)
            self._not_before_ms = self.clock.mono_ms() + rest_ms


class LightLane(Paced):
    """An output that is on while somebody is called. It is written through the door, by the rules of its tag, as every setpoint."""

    def __init__(
        self, clock: Clock, target: Target, options: LightTarget, newest: NewestOf, carry_out: Callable[[Act], Awaitable[Outcome]]
    ) -> None:
        """`newest` gives what the output has now: a device that was started again is told once more."""
        super().__init__(clock, target, LIGHT_REST_MS_MAX)
        self._options, self._newest, self._carry_out = options, newest, carry_out
        self._written_ms = 0
        self._is_on: bool | None = None
        self._becomes: dict[bool, Value] = {}
        """What the output has after a write of on or off, where that is another value: of a scaled number it keeps what fits."""
        self._other: tuple[bool, Value] | None = None
        """What stood there instead of what was written, and was written over once."""
        self._test_until_ms = 0

    def test(self, by: str) -> None:
        """See Lane. It goes on for a moment."""
        self._test_until_ms = self.clock.mono_ms() + TEST_LIGHT_MS
        self.counts.tested = self.clock.wall_ms(), "notify_under_way"
        self._is_on = None
        self._not_before_ms = 0

    async def look(self, alarms: Sequence[Alarm], minute: int | None) -> bool:
        """See Lane."""
        is_test = self.clock.mono_ms() < self._test_until_ms
        wanted = is_test or any(self._concerns(alarm) for alarm in alarms)
        if not self.may or (wanted is self._is_on and not self._has_changed(on=wanted)):
            return False
        failure = await self._write(on=wanted, reason="test" if is_test else "alarms")
        self._is_on, self._written_ms = wanted if failure is None else None, self.clock.mono_ms()
        self.note(failure, LIGHT_PACE_MS)
        if is_test:
            self.counts.tested = self.clock.wall_ms(), failure[0] if failure is not None else None
        return True

    def _has_changed(self, *, on: bool) -> bool:
        """Whether the output has another value than the one that was written a while ago. What comes of it twice is what it makes of it."""
        found = self._newest(self._options.tag)
        if found is None or quality_of(found.status) is not Quality.GOOD or self.clock.mono_ms() - self._written_ms < SEEN_MS:
            return False
        if found.value == self._value(on=on) or (on in self._becomes and found.value == self._becomes[on]):
            self._other = None  # it is right again: what comes another time was made by somebody else
            return False
        if self._other == (on, found.value) and self._is_nearer(found.value, on=on):
            self._becomes[on] = found.value
            return False
        self._other = on, found.value
        return True

    def _is_nearer(self, value: Value, *, on: bool) -> bool:
        """Whether a number stands for on (or off) rather than for the other."""
        wanted, other = self._value(on=on), self._value(on=not on)
        numbers = [each for each in (value, wanted, other) if isinstance(each, int | float)]
        return len(numbers) == 3 and abs(numbers[0] - numbers[1]) < abs(numbers[0] - numbers[2])

    def _value(self, *, on: bool) -> Value:
        return self._options.on if on else self._options.off

    def _concerns(self, alarm: Alarm) -> bool:
        if alarm.definition.priority not in self.target.priorities:
            return False
        shown = alarm.state.shown
        return shown in UNANSWERED if self._options.lit_while == "unacked" else alarm.state.holds and shown not in HIDDEN

    async def _write(self, *, on: bool, reason: str) -> Failure | None:
        params = {"value": self._value(on=on)}
        act = Act(os.urandom(16), "core", OURSELVES, "device.write", self._options.tag, params, None, reason)
        try:
            outcome = await self._carry_out(act)
        except RequestRefusedError as refused:
            return refused.code, {name: value for name, value in refused.params.items() if value is not None}
        return None if outcome.code == DONE else (outcome.code, {})
