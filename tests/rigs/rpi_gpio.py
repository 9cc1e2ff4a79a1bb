"""A stand-in for the RPi.GPIO module with the documented interface, on a Pi whose header the test drives.

Room: tests. `installed` puts it where `from RPi import GPIO` finds it; callbacks come from another thread, as the library's do.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType


class Header(ModuleType):
    """The module, and the pins behind it."""

    BCM, BOARD, IN, OUT = 11, 10, 1, 0
    PUD_OFF, PUD_UP, PUD_DOWN = 20, 22, 21
    RISING, FALLING, BOTH = 31, 32, 33
    LOW, HIGH = 0, 1

    def __init__(self) -> None:
        super().__init__("RPi.GPIO")
        self.levels = dict.fromkeys(range(28), 0)
        self.directions: dict[int, int] = {}
        self.pulls: dict[int, int] = {}
        self.busy: set[int] = set()
        self.mode: int | None = None
        self._detected: dict[int, tuple[int, Callable[[int], None]]] = {}

    def setwarnings(self, on: bool) -> None: ...

    def setmode(self, mode: int) -> None:
        if self.mode not in (None, mode):
            raise ValueError("A different mode has already been set!")
        self.mode = mode

    def setup(self, channel: int, direction: int, pull_up_down: int = 20, initial: int | None = None) -> None:
        if channel in self.busy:
            raise RuntimeError("GPIO busy")
        self.directions[channel], self.pulls[channel] = direction, pull_up_down
        if initial is not None:
            self.levels[channel] = initial

    def gpio_function(self, channel: int) -> int:
        return self.directions.get(channel, self.IN)

    def input(self, channel: int) -> int:
        self._check(channel)
        return self.levels[channel]

    def output(self, channel: int, level: int) -> None:
        self._check(channel)
        if self.directions[channel] != self.OUT:
            raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
        self.levels[channel] = level

    def add_event_detect(self, channel: int, edge: int, callback: Callable[[int], None]) -> None:
        self._check(channel)
        if channel in self._detected:
            raise RuntimeError("Conflicting edge detection already enabled for this GPIO channel")
        self._detected[channel] = edge, callback

    def remove_event_detect(self, channel: int) -> None:
        self._detected.pop(channel, None)

    def cleanup(self, channel: int) -> None:
        self._check(channel)
        self._detected.pop(channel, None)
        del self.directions[channel]

    def drive(self, channel: int, *levels: int) -> None:
        """Let the world set a pin, in a thread as the library's."""

        def change() -> None:
            for level in levels:
                was, self.levels[channel] = self.levels[channel], level
                edge, callback = self._detected.get(channel, (0, print))
                if was != level and edge in (self.BOTH, self.RISING if level else self.FALLING):
                    callback(channel)

        thread = threading.Thread(target=change)
        thread.start()
        thread.join()

    def _check(self, channel: int) -> None:
        if channel not in self.directions:
            raise RuntimeError("You must setup() the GPIO channel first")


@contextlib.contextmanager
def installed(header: ModuleType | None) -> Iterator[None]:
    """Have `RPi.GPIO` be this; None: not installed."""
    names = ("RPi", "RPi.GPIO", "drivers.gpio.rpi_chip")
    before = {name: sys.modules.pop(name, None) for name in names}
    package = ModuleType("RPi")
    package.GPIO = header  # type: ignore[attr-defined]
    sys.modules["RPi"] = package if header is not None else None  # type: ignore[assignment]
    if header is not None:
        sys.modules["RPi.GPIO"] = header
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
