"""When a unit that does not answer is left alone, and when it is asked again. One breaker per unit of a line that has several.

Room: ground, driver `modbus`; pure: the caller tells the time (seconds of any clock that does not step). `line.py` keeps them.

Closed: ask. Open, after `failures_min` failures in a row over at least `failing_s_min`: not asked; half open: one request is let through
each interval to see whether the unit is back. Intervals double from `interval_s_first` to `interval_s_max`, spread a little by the unit's
number, so that units that died together are not asked together.
"""

from __future__ import annotations

from typing import Final

failures_min: Final = 3
failing_s_min: Final = 2.0
interval_s_first: Final = 2.0
interval_s_max: Final = 30.0
spread: Final = 0.2
passed_over_max: Final = 3
"""So many times in a row a unit that did not answer stands back for others; then it waits like them."""


class Breaker:
    """One unit's state, and how fast it answers."""

    def __init__(self, unit_id: int) -> None:
        self._spread = 1.0 + spread * (unit_id * 37 % 100) / 100
        self._failures = 0
        self._failing_since = 0.0
        self._interval_s = 0.0
        self._open_until = 0.0
        self._probing = False
        self.usual_s: float | None = None
        """Moving mean of how long its answers take; None before the first."""
        self.is_slow = False
        """Set by the line: its answers take so much longer than the others' that it waits behind them."""
        self.passed_over = 0
        """Counted by the line: how often it stood back since it was last asked."""

    @property
    def is_open(self) -> bool:
        """Whether the unit is left alone."""
        return self._interval_s > 0

    @property
    def is_suspect(self) -> bool:
        """Whether its last request failed."""
        return self._failures > 0

    def admit(self, now: float) -> float:
        """Return 0 when the unit may be asked now, else in how many seconds. One that is let through while open is the probe."""
        if not self.is_open:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if self._probing:
            return self._interval_s
        self._probing = True
        return 0.0

    def answered(self, took_s: float) -> float:
        """It answered, if only with a refusal. Return how long its answers usually take."""
        self._failures, self._interval_s, self._probing, self.passed_over = 0, 0.0, False, 0
        usual_s = self.usual_s if self.usual_s is not None else took_s
        # quick to see that a unit has become slow, slow to believe that it is quick again
        self.usual_s = usual_s + (took_s - usual_s) / (2 if took_s > usual_s else 8)
        return self.usual_s

    def failed(self, now: float) -> None:
        """It did not answer, or not as the protocol demands."""
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        self.passed_over = 0
        if self._probing or self.is_open:
            self._interval_s = min(self._interval_s * 2, interval_s_max)
        elif self._failures >= failures_min and now - self._failing_since >= failing_s_min:
            self._interval_s = interval_s_first
        self._open_until = now + self._interval_s * self._spread
        self._probing = False

    def undecided(self) -> None:
        """The request ended in a way that says nothing about the unit: the line was busy or lost."""
        self._probing = False
