"""Time: wall time, time since boot, how far the wall clock can be trusted, and noticing that it was stepped.

Room: hall. `app` makes one `SystemClock` and hands it to everything; tests hand in a virtual one. Nothing else in this
package reads the time. It never sets a clock. Stamps come from `time.*_ns`, because an event loop's own time may have
steps of 1 ms.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ledger_client.kinds import ClockState

STEP_MS: Final = 250
"""A change of wall minus boot time beyond this is a step, and gets a clock entry."""
WALL_SANE_MS: Final = 1_735_689_600_000
"""2025-01-01: a wall clock before this was never set."""
NAP_S_MAX: Final = 1.0
STATE_AGE_MS_MAX: Final = 1_000
_NTP_UNSYNCHRONISED: Final = 5
_TIMEX_BYTES: Final = 512

state_names: Final = ("unset", "rtc", "ntp", "ptp", "stepped")
"""Words for `ClockState`, as health and status give them."""


class Clock(Protocol):
    """The time that the runtime may use."""

    def wall_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def mono_ms(self) -> int:
        """Milliseconds since boot; goes on during suspend; never steps."""
        ...

    def state(self) -> int:
        """How far the wall clock can be trusted: a `ClockState`."""
        ...

    async def sleep_until_mono(self, mono_ms: int) -> None:
        """Return when `mono_ms()` has reached this, at once when it has already."""
        ...


class SystemClock:
    """The machine's own clocks. The kernel says whether the wall clock is disciplined (adjtimex; asked once a second at most)."""

    def __init__(self) -> None:
        self._ask_kernel = _kernel_question()
        self._state = ClockState.UNSET
        self._asked_ms = -STATE_AGE_MS_MAX
        self._offset_ms: int | None = None
        self._stepped = False

    def wall_ms(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """See Clock."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def state(self) -> ClockState:
        """See Clock. Without a daemon that disciplines it, the clock counts as set from the battery clock, or as stepped once it was."""
        mono, wall = self.mono_ms(), self.wall_ms()
        if mono - self._asked_ms >= STATE_AGE_MS_MAX:
            self._asked_ms = mono
            offset, self._offset_ms = self._offset_ms, wall - mono
            disciplined = self._ask_kernel() != _NTP_UNSYNCHRONISED
            self._stepped = not disciplined and (self._stepped or (offset is not None and abs(wall - mono - offset) > STEP_MS))
            if wall < WALL_SANE_MS:
                self._state = ClockState.UNSET
            elif disciplined:
                self._state = ClockState.NTP
            else:
                self._state = ClockState.STEPPED if self._stepped else ClockState.RTC
        return self._state

    async def sleep_until_mono(self, mono_ms: int) -> None:
        """See Clock. Sleeps in naps, so that a suspend of the machine cannot stretch it by more than one nap."""
        while (left_ms := mono_ms - self.mono_ms()) > 0:  # noqa: ASYNC110  time passing is the event
            await asyncio.sleep(min(left_ms / 1000, NAP_S_MAX))


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock moved by itself: what it would have shown, what it shows, and its states around it."""

    wall_before_ms: int
    wall_after_ms: int
    state_before: int
    state_after: int


class StepWatch:
    """Tells when wall time and time since boot have drifted apart by more than STEP_MS since it last looked at a step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = clock.wall_ms() - clock.mono_ms()
        self._state = clock.state()
        self.steps = 0

    def look(self) -> Step | None:
        """Return the step that happened since the last look, None when there was none. `offset_ms` follows a step."""
        mono, wall = self._clock.mono_ms(), self._clock.wall_ms()
        if -STEP_MS <= wall - mono - self.offset_ms <= STEP_MS:
            return None
        before = mono + self.offset_ms
        self.offset_ms = wall - mono
        self.steps += 1
        state_before, self._state = self._state, self._clock.state()
        return Step(before, wall, state_before, ClockState.STEPPED if self._state == ClockState.RTC else self._state)

    def renew(self) -> int:
        """Take the present offset as the new reference (a slow drift is no step) and return it; call after `look` gave None."""
        self.offset_ms = self._clock.wall_ms() - self._clock.mono_ms()
        self._state = self._clock.state()
        return self.offset_ms


def _kernel_question() -> Callable[[], int]:
    """Return a call of ntp_adjtime(2) that changes nothing and returns the kernel's clock state."""
    try:
        call = ctypes.CDLL(None, use_errno=True).ntp_adjtime
    except (OSError, AttributeError):
        return lambda: _NTP_UNSYNCHRONISED
    call.restype = ctypes.c_int
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # zeroed: modes 0 asks only

    def ask() -> int:
        ctypes.memset(timex, 0, _TIMEX_BYTES)
        return int(call(timex))

    return ask
