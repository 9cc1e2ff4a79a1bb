"""The lines that a serial gauge or scanner sends by itself.

Room: ground, driver `manual`. The only file of it that knows pyserial. `driver.py` opens one for as long as a group is subscribed to. It
sends nothing, waits for no line longer than it is told, and keeps a bounded number of them. `line_framer.py` says what a line is.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, Final, Self

import serial

from drivers.driver import Clock, DriverError
from drivers.manual.config import Gauge
from drivers.manual.line_framer import LineFramer
from drivers.reading import Status
from drivers.serial_port import open_fault

lines_kept_max: Final = 100
open_s_max: Final = 3.0
parities: Final = {"none": "N", "even": "E", "odd": "O"}


class GaugePort:
    """`async with` opens the port; `line` gives (wall ms, text or None) one after the other, as `LineFramer` tells them."""

    def __init__(self, options: Gauge, clock: Clock, thread: Executor, open_s: float = open_s_max) -> None:
        """Describe the port; opens nothing. `thread` is for opening it: one, so that nothing piles up behind an adapter that hangs."""
        self._options, self._clock, self._thread, self._open_s = options, clock, thread, open_s
        self._port: Any = None
        self._framer = LineFramer(options.encoding)
        self._pause: asyncio.TimerHandle | None = None
        self._lines: deque[tuple[int, str | None]] = deque()
        self._fault: DriverError | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Open the port, alone. Raises DriverError `connect_failed`, also when that hangs: nobody waits for an adapter."""
        opening = self._thread.submit(self._open)
        try:
            async with asyncio.timeout(self._open_s):
                self._port = await asyncio.wrap_future(opening)
        except (asyncio.CancelledError, serial.SerialException, OSError, ValueError) as error:  # a TimeoutError is an OSError
            opening.add_done_callback(_close_late)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise open_fault(self._options.serial_port, error if isinstance(error, OSError) else None) from error
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable)
        self._await_pause()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        port, self._port = self._port, None
        if self._pause is not None:
            self._pause.cancel()
        if port is not None:
            asyncio.get_running_loop().remove_reader(port.fileno())
            port.close()

    async def line(self, wait_s: float) -> tuple[int, str | None] | None:
        """Return the wall time at which the next line was whole, and its text, None where it must not be judged; None when none came.

        Raises DriverError `connection_lost` when the port is gone, `overflow` when lines were lost.
        """
        if not self._lines and self._fault is None:
            self._news.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                return None
        if self._lines:
            return self._lines.popleft()
        assert self._fault is not None
        raise self._fault.again()

    def _open(self) -> Any:
        how = self._options
        return serial.Serial(
            how.serial_port, how.baud, how.data_bits, parities[how.parity], how.stop_bits, timeout=0, exclusive=True
        )  # fmt: skip

    def _readable(self) -> None:
        """Take what came; nothing may have."""
        try:
            data = self._port.read(4096)
        except (serial.SerialException, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.EINTR):
                self._await_pause()
                return
            self._end(DriverError("connection_lost", Status.BAD_NOT_CONNECTED, serial_port=self._options.serial_port))
            return
        self._keep(self._framer.fed(data, self._clock.mono_ms()) if data else [])

    def _paused(self) -> None:
        """Look whether really nothing came: this loop may have been late."""
        try:
            is_quiet = not self._port.in_waiting
        except OSError:
            is_quiet = False  # the port is gone, which `_readable` tells
        if is_quiet:
            self._keep(self._framer.paused())
        else:
            self._readable()

    def _await_pause(self) -> None:
        """Begin to wait anew for the pause that means something now."""
        if self._pause is not None:
            self._pause.cancel()
        waits_ms = self._framer.waits_ms if self._fault is None else None
        self._pause = None if waits_ms is None else asyncio.get_running_loop().call_later(waits_ms / 1000, self._paused)

    def _keep(self, lines: list[str | None]) -> None:
        now_ms = self._clock.wall_ms()
        self._lines.extend((now_ms, line) for line in lines)
        if len(self._lines) > lines_kept_max:
            self._lines.clear()
            self._end(DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=lines_kept_max))
        if self._lines:
            self._news.set()
        self._await_pause()

    def _end(self, fault: DriverError) -> None:
        """Take nothing more; the next `line` says why."""
        self._fault = fault
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._port.fileno())
        self._news.set()


def _close_late(opening: Future[Any]) -> None:
    """The port of one who was gone when it was open at last. Called in the thread that opened it, or at once."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
