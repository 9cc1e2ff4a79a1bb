"""How late the event loop wakes: the published figure of whether anything heavy runs on it.

Room: hall. `app` runs it, health shows it, the governor of polling hears each sample. It asks for a wake-up about every 250 ms, 100 ms
while the governor wants to look closely, and keeps how late each one was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 0.25
"""Each wake-up of an idle core costs it 0.1 ms or more, by cold caches: at ten a second this was a third of what it did."""
CLOSE_S: Final = 0.1
UNEVEN: Final = 0.4
"""By so much of it the wait for the next one varies, evenly: what comes at equal times, as groups that are due together do
(`acquisition.grid`), would else be seen each time or never."""
_TURN: Final = 0.618034
WINDOW: Final = 240
"""Samples kept: one minute, while nothing is late."""


class LoopStall:
    """Lateness of the last WINDOW wake-ups, and the worst that was seen since the start, in ms. A stall between two of them is not seen."""

    def __init__(
        self, listener: Callable[[float, float], bool] = lambda *_: False, now_s: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.thread_time,
    ) -> None:  # fmt: skip
        """`listener` is told each sample and what part of the time since the last one the loop's thread computed, by `cpu_s`.

        It answers whether the next one is wanted after CLOSE_S.

        `now_s` because an event loop's own time may have steps of 1 ms.
        """
        self._listener, self._now_s, self._cpu_s = listener, now_s, cpu_s
        self._late_ms: deque[float] = deque(maxlen=WINDOW)
        self.max_ms = 0.0

    @property
    def p99_ms(self) -> float | None:
        """99th percentile over the window; None before the first sample."""
        return percentile(self._late_ms, 0.99)

    async def run(self) -> None:
        """Sample until cancelled. By a timer that sets itself, for this is most of what an idle core does."""
        loop, timers, turn = asyncio.get_running_loop(), deque[asyncio.TimerHandle](maxlen=1), 0.0

        def sample(due_s: float, every_s: float, cpu_s: float) -> None:
            now_s, cpu_now_s = self._now_s(), self._cpu_s()
            late_ms = max(0.0, (now_s - due_s) * 1000)
            self._late_ms.append(late_ms)
            self.max_ms = max(self.max_ms, late_ms)
            is_close = self._listener(late_ms, (cpu_now_s - cpu_s) / (every_s + late_ms / 1000))
            nonlocal turn
            turn = (turn + _TURN) % 1.0
            next_s = (CLOSE_S if is_close else EVERY_S) * (1 + UNEVEN * (turn - 0.5))
            timers.append(loop.call_later(next_s, sample, now_s + next_s, next_s, cpu_now_s))

        timers.append(loop.call_later(EVERY_S, sample, self._now_s() + EVERY_S, EVERY_S, self._cpu_s()))
        try:
            await loop.create_future()
        finally:
            timers[0].cancel()


def percentile(samples: deque[float] | deque[int], share: float) -> float | None:
    """Return the smallest sample that at least `share` of them do not exceed; None for no samples."""
    if not samples:
        return None
    ordered = sorted(samples)
    return round(float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]), 2)
