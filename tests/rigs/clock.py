"""Clocks for driver tests: one that stands still until moved, one that runs."""

from __future__ import annotations

import time


class StillClock:
    """Moves only by `advance`."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._mono_ms = 0

    def wall_ms(self) -> int:
        return self._wall_ms + self._mono_ms

    def mono_ms(self) -> int:
        return self._mono_ms

    def advance(self, by_ms: int) -> None:
        self._mono_ms += by_ms


class RunningClock:
    """The machine's own time."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
