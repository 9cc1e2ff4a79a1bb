"""A GPIO chip that keeps the protocol of `drivers/gpio/chip.py`, with the world on its other side: levels, bounces, users, a hung bus.

Room: tests. Everything that the driver calls from its thread is guarded by one lock; `fd`s are real, so that the event loop is too.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from drivers.gpio.chip import Chip, Edge, Line, LineSettings, Watched, chip_unknown, line_taken, line_unknown, no_edges


@dataclass
class Pin:
    """One line of the chip. `level` is electrical; `held` is a level that somebody else forces, `user` who else has the line."""

    name: str = ""
    level: bool = False
    user: str = ""
    held: bool | None = None
    has_edges: bool = True
    line: FakeLine | None = None
    history: list[bool] = field(default_factory=list)
    """Every level that was set, as output."""


class FakeBoard:
    """A machine with one chip of `count` lines, called `bench`."""

    def __init__(self, count: int = 8, *, debounces: bool = True) -> None:
        self.pins = [Pin(f"P{n}") for n in range(count)]
        self.debounces = debounces
        self.present = True
        self.running = threading.Event()
        self.running.set()
        self.lock = threading.RLock()
        self.opened = 0
        self.edges_kept = 1024
        self.now: int | None = None
        """A time that stands still, ns; None: the machine's."""

    def open_chip(self, name: str) -> Chip:
        self.answer()
        if not self.present or name != "bench":
            raise chip_unknown(name, ["bench (gpiochip0)"])
        self.opened += 1
        return FakeChip(self)

    def answer(self) -> None:
        """Wait while the chip hangs; fail when it is gone."""
        self.running.wait()

    def check(self) -> None:
        self.answer()
        if not self.present:
            raise OSError(errno.ENODEV, "gone")

    def now_ns(self) -> int:
        return time.monotonic_ns() if self.now is None else self.now

    def drive(self, offset: int, level: bool, at_ns: int | None = None) -> None:
        """Let the world set a line."""
        with self.lock:
            pin = self.pins[offset]
            if pin.level != level:
                pin.level = level
                if pin.line is not None:
                    pin.line.seen(level, self.now_ns() if at_ns is None else at_ns)

    def pulse(self, offset: int, count: int = 1) -> None:
        for _ in range(count):
            self.drive(offset, level=True)
            self.drive(offset, level=False)

    def unplug(self) -> None:
        with self.lock:
            self.present = False
            for pin in self.pins:
                if pin.line is not None:
                    os.eventfd_write(pin.line.fd, 1)

    def lines_taken(self) -> int:
        return sum(pin.line is not None for pin in self.pins)


class FakeChip:
    def __init__(self, board: FakeBoard) -> None:
        self.board = board

    def now_ns(self) -> int:
        return self.board.now_ns()

    def take_line(self, settings: LineSettings, level: bool | None) -> Line:
        board = self.board
        board.check()
        names = [pin.name for pin in board.pins]
        if isinstance(settings.at, int) and settings.at >= len(names):
            raise line_unknown("bench", settings.at, [f"0-{len(names) - 1}"])
        if isinstance(settings.at, str) and settings.at not in names:
            raise line_unknown("bench", settings.at, names)
        offset = settings.at if isinstance(settings.at, int) else names.index(settings.at)
        pin = board.pins[offset]
        if pin.user or pin.line is not None:
            raise line_taken("bench", settings.at, pin.user or "witnessmark")
        return FakeLine(board, pin, settings, level)

    def close(self) -> None:
        self.board.opened -= 1


class FakeLine:
    def __init__(self, board: FakeBoard, pin: Pin, settings: LineSettings, level: bool | None) -> None:
        self.board, self.pin, self.settings = board, pin, settings
        self.debounces = board.debounces
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watched: Watched = "none"
        self.waiting: deque[Edge] = deque(maxlen=board.edges_kept)
        self.number = 0
        pin.line = self
        if settings.is_output and level is not None and not settings.only_looked_at:
            self.set(level)

    def get(self) -> bool:
        self.board.check()
        level = self.pin.level if self.pin.held is None else self.pin.held
        return level != self.settings.active_low

    def set(self, level: bool) -> None:
        self.board.check()
        self.pin.level = level != self.settings.active_low
        self.pin.history.append(level)

    def watch(self, edges: Watched) -> None:
        self.board.check()
        if not self.pin.has_edges:
            raise no_edges("bench", self.settings.at)
        with self.board.lock:
            self.watched = edges

    def take(self, most: int) -> list[Edge]:
        with self.board.lock:
            try:
                os.eventfd_read(self.fd)
            except BlockingIOError:
                return []
            if not self.board.present:
                raise OSError(errno.ENODEV, "gone")
            found = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
            if self.waiting:
                os.eventfd_write(self.fd, 1)
            return found

    def close(self) -> None:
        with self.board.lock:
            self.pin.line = None
            os.close(self.fd)

    def seen(self, raw: bool, at_ns: int) -> None:
        is_on = raw != self.settings.active_low
        if self.watched in ("both", "on" if is_on else "off"):
            self.number = (self.number + 1) % (1 << 32)
            self.waiting.append(Edge(is_on, at_ns, self.number))
            os.eventfd_write(self.fd, 1)
