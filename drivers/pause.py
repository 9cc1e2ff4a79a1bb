"""The pause between two attempts to connect, so that a device that is away is not stormed.

Room: ground. Used by drivers that connect when a read needs it. Never sleeps: it says no until the pause is over.
"""

from __future__ import annotations

from typing import Final

from drivers.driver import Clock, DriverError
from drivers.reading import Status

pause_ms_first: Final = 250
pause_ms_max: Final = 5000


class ConnectPause:
    """Doubles from 0.25 s to 5 s with every attempt that fails; the first attempt after a lost connection is free."""

    def __init__(self, clock: Clock) -> None:
        """Start with a free attempt."""
        self._clock = clock
        self._pause_ms = 0
        self._due_ms = 0

    def begin(self, place: dict[str, str | int]) -> None:
        """Start an attempt; until `succeeded`, it counts as failed (so a cancelled one pauses the next as well).

        Raises DriverError `connect_waiting` with `place` and retry_ms while the pause lasts.
        """
        now_ms = self._clock.mono_ms()
        if now_ms < self._due_ms:
            raise DriverError("connect_waiting", Status.BAD_NOT_CONNECTED, retry_ms=self._due_ms - now_ms, **place)
        self._pause_ms = min(max(pause_ms_first, self._pause_ms * 2), pause_ms_max)
        self._due_ms = now_ms + self._pause_ms

    def succeeded(self) -> None:
        """The attempt worked: the next one is free."""
        self._pause_ms = self._due_ms = 0
