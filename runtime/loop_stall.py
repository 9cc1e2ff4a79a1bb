"""How late the event loop wakes: the published figure of whether anything heavy runs on it.

Room: hall. `app` runs it, health shows it. It asks for a wake-up every 50 ms and keeps how late each one was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

EVERY_S: Final = 0.05
WINDOW: Final = 1_200
"""Samples kept: one minute."""


class LoopStall:
    """Lateness of the last minute's wake-ups, and the worst since the start, in ms."""

    def __init__(self) -> None:
        self._late_ms: deque[float] = deque(maxlen=WINDOW)
        self.max_ms = 0.0

    @property
    def p99_ms(self) -> float | None:
        """99th percentile over the window; None before the first sample."""
        return percentile(self._late_ms, 0.99)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            began = time.monotonic_ns()
            await asyncio.sleep(EVERY_S)
            late = (time.monotonic_ns() - began) / 1e6 - EVERY_S * 1000
            self._late_ms.append(max(0.0, late))
            self.max_ms = max(self.max_ms, late)


def percentile(samples: deque[float] | deque[int], share: float) -> float | None:
    """Return the smallest sample that at least `share` of them do not exceed; None for no samples."""
    if not samples:
        return None
    ordered = sorted(samples)
    return round(float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]), 2)
