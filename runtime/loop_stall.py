"""How late the event loop wakes: the published figure of whether anything heavy runs on it.

Room: hall. `app` runs it, health shows it, the governor of polling hears each sample. It asks for a wake-up every 398 ms, every
100 ms while the governor wants to look closely, and keeps how late each one was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 0.398
"""No simple part of the 500 ms at which groups are due together (`acquisition.grid`): within a minute every 10 ms of it are looked at. Each
wake-up of an idle core costs it 0.1 ms or more, by cold caches: at ten a second this was a third of what it did."""
CLOSE_S: Final = 0.1
WINDOW: Final = 150
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
        loop, timers = asyncio.get_running_loop(), deque[asyncio.TimerHandle](maxlen=1)

        def sample(due_s: float, last_s: float, cpu_s: float) -> None:
            now_s, cpu_now_s = self._now_s(), self._cpu_s()
            late_ms = max(0.0, (now_s - due_s) * 1000)
            self._late_ms.append(late_ms)
            self.max_ms = max(self.max_ms, late_ms)
            is_close = self._listener(late_ms, (cpu_now_s - cpu_s) / max(now_s - last_s, 1e-6))
            every_s = CLOSE_S if is_close else EVERY_S
            due_s = due_s + every_s if due_s + every_s > now_s else now_s + every_s  # from the due: one after a burst looks at its end
            timers.append(loop.call_later(due_s - now_s, sample, due_s, now_s, cpu_now_s))

        now_s = self._now_s()
        timers.append(loop.call_later(EVERY_S, sample, now_s + EVERY_S, now_s, self._cpu_s()))
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
