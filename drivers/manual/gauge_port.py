"""The lines that a serial gauge or scanner sends by itself.

Room: ground, driver `manual`. The only file of it that knows pyserial. `driver.py` opens one for as long as a group is subscribed to. It
sends nothing, waits for no line longer than it is told, and keeps a bounded number of them.
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
from drivers.reading import Status

line_bytes_max: Final = 256
lines_kept_max: Final = 100
open_s_max: Final = 3.0
parities: Final = {"none": "N", "even": "E", "odd": "O"}


class GaugePort:
    """`async with` opens the port; `line` gives (wall ms, text) one after the other."""

    def __init__(self, options: Gauge, clock: Clock, thread: Executor, open_s: float = open_s_max) -> None:
        """Describe the port; opens nothing. `thread` is for opening it: one, so that nothing piles up behind an adapter that hangs."""
        self._options, self._clock, self._thread, self._open_s = options, clock, thread, open_s
        self._port: Any = None
        self._held = b""
        self._lines: deque[tuple[int, str]] = deque()
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
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, serial_port=self._options.serial_port) from error
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        port, self._port = self._port, None
        if port is not None:
            asyncio.get_running_loop().remove_reader(port.fileno())
            port.close()

    async def line(self, wait_s: float) -> tuple[int, str] | None:
        """Return the next line and the wall time at which it was whole; None when none came.

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
        try:
            data = self._port.read(4096)
        except (serial.SerialException, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.EINTR):
                return
            self._end(DriverError("connection_lost", Status.BAD_NOT_CONNECTED, serial_port=self._options.serial_port))
            return
        *lines, self._held = (self._held + data.replace(b"\r", b"\n")).split(b"\n")
        if len(self._held) > line_bytes_max:  # noise, or another speed: said as a line that nothing fits
            lines, self._held = [*lines, self._held[:line_bytes_max]], b""
        now_ms = self._clock.wall_ms()
        self._lines.extend((now_ms, line[:line_bytes_max].decode("ascii", "replace")) for line in lines if line.strip())
        if len(self._lines) > lines_kept_max:
            self._lines.clear()
            self._end(DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=lines_kept_max))
        if self._lines:
            self._news.set()

    def _end(self, fault: DriverError) -> None:
        """Take nothing more; the next `line` says why."""
        self._fault = fault
        asyncio.get_running_loop().remove_reader(self._port.fileno())
        self._news.set()


def _close_late(opening: Future[Any]) -> None:
    """The port of one who was gone when it was open at last. Called in the thread that opened it, or at once."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
