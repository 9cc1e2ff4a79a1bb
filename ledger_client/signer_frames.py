"""Frames between the core and the signer process: `length: u32 big-endian`, then a CBOR array of at most 1 MiB.

Room: ground. Both ends use it: signer.py with its own blocking socket, signer_client.py through `SignerLine`. It does not judge what
is in a frame, and starts no process.
"""

from __future__ import annotations

import select
import socket
import time
from threading import Lock
from typing import Final

from ledger_client.errors import FormatError

FRAME_SIZE_MAX: Final = 1 << 20
READ_BYTES: Final = 16 << 10


def framed(content: bytes) -> bytes:
    """Return a frame with this content."""
    return len(content).to_bytes(4, "big") + content


class FrameBuffer:
    """Cuts what arrives into frames; requests and answers may come several at a time or in parts."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> None:
        """Take in what was read from the line."""
        self._data = self._data + data if self._data else data

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here, not even a part."""
        return not self._data

    def next(self) -> bytes | None:
        """Return the content of the next whole frame, None when it is not there yet. Raises FormatError for an impossible length."""
        data = self._data
        if len(data) < 4:
            return None
        end = 4 + int.from_bytes(data[:4], "big")
        if not 4 < end <= 4 + FRAME_SIZE_MAX:
            raise FormatError("cbor_invalid", what="signer", reason="length")
        if len(data) < end:
            return None
        self._data = data[end:]
        return data[4:end]


class SignerLine:
    """The core's end of the line. `offer` is for the loop and never waits; everything else is for one other thread at a time."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._frames = FrameBuffer()
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(line, select.POLLIN)
        self._writable.register(line, select.POLLOUT)
        self._closing = Lock()
        self._closed = False

    def offer(self, data: bytes) -> None:
        """Send small frames at once. Raises OSError: they did not go out whole, or the line is closed; who reads then meets its end."""
        with self._closing:  # the number of a closed socket may belong to another file by now
            if self._closed:
                raise ConnectionError("closed")
            try:
                sent = self._line.send(data)
            except BlockingIOError:
                sent = 0
            if sent != len(data):
                self._line.shutdown(socket.SHUT_RDWR)
                raise ConnectionError("the signer does not read")

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send a frame. Raises OSError, TimeoutError."""
        view, until_s = memoryview(data), time.monotonic() + timeout_s
        while view:
            try:
                view = view[self._line.send(view) :]
            except BlockingIOError:
                self._wait(self._writable, until_s)

    def arrived(self) -> bytes | None:
        """Return the next frame's content if it is there. Raises OSError, FormatError."""
        frame = self._frames.next()
        if frame is not None:
            return frame
        try:
            data = self._line.recv(READ_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionError("the signer has closed the line")
        self._frames.feed(data)
        return self._frames.next()

    def receive(self, timeout_s: float) -> bytes:
        """Return the next frame's content. Raises OSError, TimeoutError, FormatError."""
        until_s = time.monotonic() + timeout_s
        while (frame := self.arrived()) is None:
            self._wait(self._readable, until_s)
        return frame

    def close(self) -> None:
        """Close the line; the signer ends by that."""
        with self._closing:
            self._closed = True
            self._line.close()

    @staticmethod
    def _wait(ready: select.poll, until_s: float) -> None:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not ready.poll(left_s * 1000):
            raise TimeoutError
