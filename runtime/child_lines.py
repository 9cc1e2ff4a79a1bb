"""The lines that a child writes to its standard error, taken off a pipe on the core's loop, a bounded amount at a time.

Room: hall. `supervisor` puts it around a child's life. A child that writes faster than this waits for its own pipe; the core does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import IO, Final

Said = Callable[[str, str], None]
"""(child's name, line without its end)."""
READ_BYTES: Final = 16 << 10
EVERY_S: Final = 0.05
"""Between two reads: at most 320 KiB of log a second cost the loop anything."""
LINE_BYTES_MAX: Final = 16 << 10
LAST_READS: Final = 16


class _Lines:
    """Cuts what comes into lines; one that does not end is one all the same once it is LINE_BYTES_MAX long."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take, self._rest = take, b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= LINE_BYTES_MAX:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line.decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        if self._rest:
            self.feed(b"\n")


@contextlib.contextmanager
def said_lines(pipe: IO[bytes] | None, take: Callable[[str], None] | None) -> Iterator[None]:
    """Give `take` each line while within; on leaving also what is still in the pipe, and close it. Without a pipe: nothing."""
    if pipe is None or take is None:
        yield
        return
    handle, loop, lines = pipe.fileno(), asyncio.get_running_loop(), _Lines(take)
    os.set_blocking(handle, False)
    timers: list[asyncio.TimerHandle] = []

    def listen() -> None:
        loop.add_reader(handle, read)

    def read() -> None:
        loop.remove_reader(handle)
        data = _read(handle)
        if data:
            lines.feed(data)
            timers[:] = [loop.call_later(EVERY_S, listen)]

    listen()
    try:
        yield
    finally:
        loop.remove_reader(handle)
        for timer in timers:
            timer.cancel()
        for _ in range(LAST_READS):
            data = _read(handle)
            if not data:
                break
            lines.feed(data)
        lines.end()
        pipe.close()


def _read(handle: int) -> bytes:
    """Return what is there now: nothing at the end, or when nothing came."""
    try:
        return os.read(handle, READ_BYTES)
    except OSError:
        return b""
