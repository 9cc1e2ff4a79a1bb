"""An asyncio loop on virtual time, and the clock that goes with it. Production code runs on it unchanged.

Room: tests, also for authors of drivers and anchors. Time jumps to the next timer whenever nothing is ready, so a simulated day
takes seconds, and the same seed gives the same order of events. When nothing is ready and no timer is left, the program hangs
for good: that is reported as `DeadlockError` instead of waiting. Real sockets and child processes do not belong here; executors
are run inline, so that blocking disk calls stay in the order of the seed.

    outcome = run(lambda clock: my_part(clock), seed=7)
"""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from tests.simulation.network import Network

Result = TypeVar("Result")
START_WALL_MS = 1_750_000_000_000


class DeadlockError(Exception):
    """Nothing can ever happen again, and the program has not ended."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps over idle time. `now_s` is seconds since the loop began; `stalled_s` of them it stood still in a call on the loop itself."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.stalled_s = 0.0
        self._blocked_s: float | None = None
        self._busy_until_s: dict[Executor, float] = {}
        self.network: Network | None = None
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    def next_timer_s(self) -> float | None:
        """When the first timer that was not cancelled is due."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1
        return scheduled[0].when() if scheduled else None

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> Any:
        """Run the call at once; its result arrives in the next turn, or after the time that it called `block` for."""
        future = self.create_future()
        self._blocked_s = 0.0
        try:
            result = func(*args)
            settle = partial(future.set_result, result)
        except BaseException as error:
            settle = partial(future.set_exception, error)
        blocked_s, self._blocked_s = self._blocked_s, None
        # An executor of ours has one thread: its calls wait for one another. The loop's own (None) has many.
        starts_s = self.now_s if executor is None else max(self.now_s, self._busy_until_s.get(executor, 0.0))
        if executor is not None:
            self._busy_until_s[executor] = starts_s + blocked_s
        if starts_s + blocked_s > self.now_s:
            self.call_at(starts_s + blocked_s, lambda: future.done() or settle())
        else:
            settle()
        return future

    async def create_connection(self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Lead to the simulated `network` where there is one."""
        if self.network is not None:
            return await self.network.connect(protocol_factory, host, port)
        return await super().create_connection(protocol_factory, host, port, **options)

    def block(self, seconds: float) -> None:
        """Say, from within a call, how long it takes: a slow flush, for instance. Outside an executor the whole loop stands still."""
        if self._blocked_s is None:
            self.now_s += seconds
            self.stalled_s += seconds
        else:
            self._blocked_s += seconds

    _timer_cancelled_count: int


class _Jumping(selectors.DefaultSelector):
    """Polls real files without waiting; instead of waiting, moves the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        due = self._loop.next_timer_s()
        if due is None:
            raise DeadlockError(f"nothing left to do at {self._loop.now_s:.3f} s")
        self._loop.now_s = max(self._loop.now_s, due)
        return ready


class VirtualClock:
    """The clock that all code takes as a parameter, on a virtual loop. `step` moves wall time only; `reboot` restarts mono."""

    def __init__(self, loop: VirtualLoop, *, wall_ms: int = START_WALL_MS, state: int = 2) -> None:
        self._loop = loop
        self._wall_offset_ms = wall_ms
        self._mono_offset_ms = 5_000
        self._state = state

    def wall_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        return self._wall_offset_ms + round(self._loop.time() * 1000)

    def mono_ms(self) -> int:
        """Milliseconds since boot."""
        return self._mono_offset_ms + round(self._loop.time() * 1000)

    def state(self) -> int:
        """0 unset, 1 rtc, 2 ntp, 3 ptp, 4 stepped."""
        return self._state

    def step(self, by_ms: int, state: int | None = None) -> None:
        """Set the wall clock forward or back, as an operator or NTP would."""
        self._wall_offset_ms += by_ms
        self._state = self._state if state is None else state

    def reboot(self) -> None:
        """Let mono begin again, as after a power cut."""
        self._mono_offset_ms = 2_000 - round(self._loop.time() * 1000)

    async def sleep_until_mono(self, mono_ms: int) -> None:
        """Sleep until mono reaches the given value."""
        await asyncio.sleep(max(0.0, (mono_ms - self.mono_ms()) / 1000))


def run(program: Callable[[VirtualClock], Awaitable[Result]], *, seed: int, for_s: float = 1e9) -> Result:
    """Run a program on virtual time with `random` seeded. Raises DeadlockError, TimeoutError, or what the program raises."""
    random.seed(seed)
    loop = VirtualLoop()

    async def bounded() -> Result:
        async with asyncio.timeout(None if for_s == float("inf") else for_s):
            return await program(VirtualClock(loop))

    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_as_coroutine(bounded))
    finally:
        _cancel_all(loop)
        asyncio.set_event_loop(None)
        loop.close()


async def _as_coroutine(program: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    return await program()


def _cancel_all(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
