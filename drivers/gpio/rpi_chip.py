"""Lines of a Raspberry Pi's header by the RPi.GPIO interface: RPi.GPIO itself, or rpi-lgpio, which has the same one on newer kernels.

Room: ground, driver `gpio`; the only file that imports RPi.GPIO. The library calls back from a thread of its own without a time or a
count, so edges get the time of the call and our own numbers; it cannot debounce as a level that has to stay, so `debounce.py` does.
It names no other user of a line.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any, Final

from RPi import GPIO

from drivers.driver import DriverError
from drivers.gpio.chip import Edge, Line, LineSettings, Watched, line_refused, line_taken
from drivers.reading import Status

waiting_max: Final = 1024
"""Edges of a line that wait for the event loop; more are dropped, and their numbers tell."""


class RpiChip:
    """See drivers.gpio.chip.Chip. The library knows one chip, the header's."""

    def __init__(self) -> None:
        """Number lines as Broadcom does. Raises DriverError."""
        try:
            GPIO.setwarnings(False)  # that a line was set up before is no news to us
            GPIO.setmode(GPIO.BCM)
        except _failures() as error:
            raise DriverError("gpio_no_pi", Status.BAD_CONFIGURATION_ERROR, detail=str(error)[:200]) from error

    def now_ns(self) -> int:
        """See Chip."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def take_line(self, settings: LineSettings, level: bool | None) -> Line:
        """See Chip."""
        assert isinstance(settings.at, int)
        try:
            return RpiLine(settings.at, settings, level)
        except _failures() as error:
            raise _worded(settings.at, error) from error

    def close(self) -> None:
        """See Chip. Lines were given back one by one; the library's mode is the process's."""


class RpiLine:
    """See drivers.gpio.chip.Line."""

    debounces = False

    def __init__(self, channel: int, settings: LineSettings, level: bool | None) -> None:
        """Set the channel up. Raises what the library raises."""
        self._channel, self._settings = channel, settings
        self._waiting: deque[Edge] = deque()
        self._number = 0
        self._watched: Watched = "none"
        if settings.only_looked_at:  # what it is, it stays: setting it up as that changes nothing
            GPIO.setup(channel, GPIO.gpio_function(channel))
        elif settings.is_output:
            # Without `initial` the output keeps what it has.
            initial = {} if level is None else {"initial": self._raw(level)}
            GPIO.setup(channel, GPIO.OUT, **initial)
        else:
            pulls = {"pull_up": GPIO.PUD_UP, "pull_down": GPIO.PUD_DOWN}
            GPIO.setup(channel, GPIO.IN, pull_up_down=pulls.get(settings.bias, GPIO.PUD_OFF))
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def get(self) -> bool:
        """See Line."""
        try:
            return bool(GPIO.input(self._channel)) != self._settings.active_low
        except _failures() as error:
            raise OSError(str(error)) from error

    def set(self, level: bool) -> None:
        """See Line."""
        try:
            GPIO.output(self._channel, self._raw(level))
        except _failures() as error:
            raise OSError(str(error)) from error

    def watch(self, edges: Watched) -> None:
        """See Line."""
        kinds = {"on": GPIO.RISING, "off": GPIO.FALLING, "both": GPIO.BOTH}
        if self._settings.active_low:
            kinds |= {"on": GPIO.FALLING, "off": GPIO.RISING}
        try:
            if self._watched != "none":
                GPIO.remove_event_detect(self._channel)
            self._watched = edges
            GPIO.add_event_detect(self._channel, kinds[edges], callback=self._seen)
        except _failures() as error:
            raise _worded(self._channel, error) from error

    def take(self, most: int) -> list[Edge]:
        """See Line."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return []
        found = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if self._waiting:
            os.eventfd_write(self.fd, 1)
        return found

    def close(self) -> None:
        """See Line. An output keeps its level: the library would make an input of it."""
        try:
            if self._watched != "none":
                GPIO.remove_event_detect(self._channel)
            if not self._settings.is_output:
                GPIO.cleanup(self._channel)
        except _failures():
            pass  # it is not ours any more
        os.close(self.fd)

    def _seen(self, _channel: int) -> None:
        """One edge, in the library's thread."""
        at_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        is_on = self._watched == "on" if self._watched != "both" else bool(GPIO.input(self._channel)) != self._settings.active_low
        self._number += 1
        if len(self._waiting) < waiting_max:
            self._waiting.append(Edge(is_on, at_ns, self._number))
            os.eventfd_write(self.fd, 1)

    def _raw(self, level: bool) -> int:
        return 0 if level == self._settings.active_low else 1


def open_chip(_name: str) -> RpiChip:
    """Open the header's chip. Raises DriverError `gpio_no_pi`."""
    return RpiChip()


def _worded(channel: int, error: BaseException) -> DriverError:
    text = str(error)
    return line_taken("rpi", channel, "") if "busy" in text.lower() else line_refused("rpi", channel, text[:200])


def _failures() -> tuple[type[Exception], ...]:
    """Return what the library raises; rpi-lgpio lets some errors of lgpio through."""
    lgpio: Any = sys.modules.get("lgpio")
    return (RuntimeError, ValueError) if lgpio is None else (RuntimeError, ValueError, lgpio.error)
