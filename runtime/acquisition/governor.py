"""How often a group may be read while the event loop has more to do than it can: thinned in time instead of late. Pure.

Room: hall, acquisition. `app` tells it how late the loop woke, pollers ask for `spacing_ms` before they plan a group's next read. It knows
no device, keeps nothing waiting and forgives faster than it takes: what is thinned is counted as missed by the poller, as any other due.

One number for all: no group is read again before `spacing_ms` have passed since its last read. So the fastest groups give way first, and
one that is read more seldom than that loses nothing. It grows while the loop is saturated and shrinks while it is not.
"""

from __future__ import annotations

from typing import Final

SATURATED_MS: Final = 10.0
"""A loop that wakes so late, half of the times, is asked for more than it can do."""
BUSY_SHARE_MIN: Final = 0.3
"""A loop that works less than this part of the time is late because the machine is busy with others: reading less would not mend that."""
LOOKS: Final = 3
"""Wake-ups that are judged together, a round: single ones are late for other reasons, and a change shows only after some."""
SPACING_MS_MIN: Final = 10
"""The first spacing; below it there is none."""
SPACING_MS_MAX: Final = 2_000
STEP: Final = 1.5
PATIENCE_MAX: Final = 3
"""Rounds without saturation before the next try to narrow, when the last tries were too early."""


class Governor:
    """The spacing in force."""

    def __init__(self) -> None:
        self.spacing_ms = 0
        """Least time between two reads of one group; 0 while the loop keeps up."""
        self._late_ms: list[float] = []
        self._busy: list[float] = []
        self._calm_rounds = 0
        self._patience = 1
        self._has_narrowed = False
        """What the last round decided."""
        self._narrowings = 0
        """How often it was narrowed since it was widened last."""

    def begin_anew(self) -> None:
        """Other groups are polled from now on: what they ask for is not known yet."""
        self.spacing_ms, self._patience, self._has_narrowed, self._calm_rounds = 0, 1, False, 0
        self._late_ms.clear()
        self._busy.clear()

    def note(self, late_ms: float, busy_share: float) -> bool:
        """The loop woke so late just now, and its thread computed for this part of the time since the last call.

        Returns whether the next look is wanted soon: something is late, or thinned (see `runtime.loop_stall`).
        """
        self._late_ms.append(late_ms)
        self._busy.append(busy_share)
        if len(self._late_ms) == LOOKS:
            is_late = sorted(self._late_ms)[LOOKS // 2] > SATURATED_MS
            is_saturated = is_late and sorted(self._busy)[LOOKS // 2] >= BUSY_SHARE_MIN
            self._late_ms.clear()
            self._busy.clear()
            if is_saturated:
                self._widen()
            elif self.spacing_ms:
                self._narrow()
        return late_ms > SATURATED_MS or self.spacing_ms > 0

    def _widen(self) -> None:
        self._patience = min(self._patience * 2, PATIENCE_MAX) if self._has_narrowed else self._patience
        self._has_narrowed, self._calm_rounds, self._narrowings = False, 0, 0
        self.spacing_ms = min(max(SPACING_MS_MIN, round(self.spacing_ms * STEP)), SPACING_MS_MAX)

    def _narrow(self) -> None:
        self._patience = 1 if self._has_narrowed else self._patience
        self._calm_rounds += 1
        self._has_narrowed = self._calm_rounds >= self._patience
        if self._has_narrowed:
            self._calm_rounds = 0
            # Step by step near what the loop can do, then ever faster: what was thinned for long is not to wait for long.
            narrower = int(self.spacing_ms / STEP ** max(1, self._narrowings))
            self._narrowings += 1
            self.spacing_ms = narrower if narrower >= SPACING_MS_MIN else 0
