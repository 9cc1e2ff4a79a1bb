"""What one connection to a line can do, and how it says that it could not.

Room: ground, driver `modbus`. `lane.py` holds one link at a time; `tcp_link.py` (our own) and `pymodbus_link.py` are the two kinds.
Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from drivers.modbus.request import Request

Record = Callable[[bool, bytes], None]
"""Takes note of bytes on the wire: (True when we sent them, the bytes)."""


over_s: Final = 0.001
"""What has less time left than this has none: timers of an event loop may fire that much before their time."""


class LinkError(Exception):
    """An exchange failed: `cause` is `no_answer`, `connection_lost` or `bad_answer`. The link may still hold an answer to it."""

    def __init__(self, cause: str, detail: str = "") -> None:
        """Keep the code and, for people, what was odd."""
        self.cause, self.detail = cause, detail
        super().__init__(f"{cause} {detail}")


class Link(Protocol):
    """One open connection. An answer that `ask` returns has passed the framing's gate: it belongs to that request."""

    in_flight_max: int
    """How many requests it may carry at a time."""

    heard_at: float
    """Event loop time of the last byte that came; 0 where silence means nothing."""

    @property
    def is_open(self) -> bool:
        """Whether it can still carry a request."""
        ...

    async def ask(self, request: Request, answer_by: float) -> bytes:
        """Send a request and return the PDU of its answer. `answer_by` is event loop time. Raises LinkError."""
        ...

    async def drain(self) -> int:
        """Throw away what came unasked; return how many bytes since the last time. A connection that numbers its frames has none."""
        ...

    def close(self) -> None:
        """End it at once; unsent bytes are thrown away, whoever waits gets `connection_lost`."""
        ...
