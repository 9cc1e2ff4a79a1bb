"""Brings frames to a syslog server over TLS (RFC 5425), in a thread of its own: the core only puts them into a line, and never waits.

Room: hall, syslog. `teller` starts it and hands it frames. The line has a size; what does not fit any more is dropped and counted, and the
count is the next message. A server that is slow, away or not who it should be costs the core nothing. TLS 1.2 or later, always verified.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WAITING_MAX: Final = 1_000
CONNECT_S: Final = 10.0
SEND_S: Final = 10.0
RETRY_S_FIRST: Final = 1.0
RETRY_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to. `ca_file` empty: the system's roots; `cert_file` and `key_file`: what we show, where the server wants that."""

    host: str
    port: int
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class Sender:
    """`state` is off, connecting, up or down (with `cause`); `sent`, `dropped` and `waiting` are counts."""

    def __init__(self, receiver: Receiver, dropped_frame: Callable[[int], bytes]) -> None:
        """`dropped_frame` gives the frame that says how many were dropped."""
        self._receiver, self._dropped_frame = receiver, dropped_frame
        self._line: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self._stop = threading.Event()
        self._untold = 0
        self._lock = threading.Lock()
        self.state, self.cause, self.sent, self.dropped = "connecting", "", 0, 0
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)

    @property
    def waiting(self) -> int:
        """Frames that are not sent yet."""
        return self._line.qsize()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, frame: bytes) -> None:
        """Take a frame; never waits. A full line drops it."""
        try:
            self._line.put_nowait(frame)
        except queue.Full:
            with self._lock:
                self._untold += 1
                self.dropped += 1

    def stop(self) -> None:
        """Let the thread end, without waiting for it: it is given what a socket call may take, and the process may end before."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._line.put_nowait(None)

    def _run(self) -> None:
        retry_s, kept = RETRY_S_FIRST, None
        while not self._stop.is_set():
            try:
                with self._connected() as connection:
                    self.state, self.cause, retry_s = "up", "", RETRY_S_FIRST
                    while not self._stop.is_set():
                        kept = kept or self._next()
                        self._check_alive(connection)  # first: what is written to one that has hung up is lost
                        if kept is not None:
                            connection.sendall(kept)
                            self.sent, kept = self.sent + 1, None
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a certificate file that is none a ValueError
                self.state, self.cause = "down", str(error)[:200]
            if not self._stop.wait(retry_s):
                retry_s = min(RETRY_S_MAX, retry_s * 2)

    def _next(self) -> bytes | None:
        """Return the frame that says what was dropped, else the next in line, None after a second without any."""
        with self._lock:
            untold, self._untold = self._untold, 0
        if untold:
            return self._dropped_frame(untold)
        try:
            return self._line.get(timeout=1.0)
        except queue.Empty:
            return None

    def _connected(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self._receiver.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._receiver.cert_file:
            context.load_cert_chain(Path(self._receiver.cert_file), Path(self._receiver.key_file))
        plain = socket.create_connection((self._receiver.host, self._receiver.port), CONNECT_S)
        plain.settimeout(SEND_S)
        try:
            return context.wrap_socket(plain, server_hostname=self._receiver.host)
        except BaseException:
            plain.close()
            raise

    @staticmethod
    def _check_alive(connection: ssl.SSLSocket) -> None:
        """Notice a server that has hung up; it sends nothing otherwise. Raises OSError."""
        connection.settimeout(0.0)
        try:
            if connection.recv(64) == b"":
                raise ConnectionResetError("closed by the server")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        finally:
            connection.settimeout(SEND_S)
