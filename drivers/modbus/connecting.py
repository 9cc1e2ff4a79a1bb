"""How a lane gets its connection: with pauses between attempts, over to a backup address and back.

Room: ground, driver `modbus`. Used by `lane.py` only, which holds the connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.modbus.end_point import EndPoint, LineShape
from drivers.modbus.link import Link, Record
from drivers.modbus.tcp_link import TcpLink
from drivers.modbus.tls import is_pinned, tls_context
from drivers.pause import ConnectPause
from drivers.reading import Status
from drivers.serial_port import open_fault

unanswered_max: Final = 3
"""So many requests in a row without an answer, and the next connection goes to the next address, when there is one."""
main_attempt_s: Final = 0.5
"""How long the main address may keep the line from working on a backup when it is tried again."""


class Connecting:
    """Opens links to the line's addresses. `made` counts them."""

    def __init__(self, shape: LineShape, clock: Clock, record: Record) -> None:
        self.made = 0
        self._points = shape.points
        self._in_flight = shape.in_flight
        self._return_ms = round(shape.return_after_s * 1000)
        self._clock = clock
        self._record = record
        self._pause = ConnectPause(clock)
        self._at = 0
        self._main_due_ms = 0
        self._unanswered = 0
        self.was_refused = False
        """Whether the last attempt ended with a no, and not with the time."""
        self._reason: DriverError | None = None
        """What is known of why the last attempt failed: somebody who is not believed, or what is the matter with a port; None: nothing."""
        self._is_unknown = False
        """Whether no address was known for the name in the last attempt."""

    @property
    def wants_main(self) -> bool:
        """Whether a backup serves and the main address is due to be tried again."""
        return self._at > 0 and self._clock.mono_ms() >= self._main_due_ms

    def answered(self) -> None:
        """The address in use answers."""
        self._unanswered = 0

    def unanswered(self) -> None:
        """A request got no answer: after some, the next connection goes elsewhere."""
        self._unanswered += 1
        if self._unanswered >= unanswered_max and len(self._points) > 1:
            self._unanswered = 0
            self._use(self._at + 1)

    async def open(self, current: Link | None, until: float) -> Link:
        """Return an open link, `current` when that is open and the main address does not accept. Raises DriverError."""
        if current is not None and current.is_open:
            self._main_due_ms = self._clock.mono_ms() + self._return_ms
            link = await self._attempt(self._points[0], min(until, asyncio.get_running_loop().time() + main_attempt_s))
            if link is None:
                return current
            current.close()
            self._at = 0
            return link
        self._pause.begin(self._points[self._at].place)
        if self.wants_main:
            self._at = 0
        loop, count, fault, unknown = asyncio.get_running_loop(), len(self._points), None, 0
        for left in range(count, 0, -1):
            now = loop.time()
            link = await self._attempt(self._points[self._at], now + (until - now) / left)
            if link is not None:
                self._pause.succeeded()
                return link
            fault, unknown = fault or self._reason, unknown + self._is_unknown
            self._use(self._at + 1)
        cause = "name_unknown" if unknown == count else "connect_failed"
        raise fault or DriverError(cause, Status.BAD_NOT_CONNECTED, **self._points[self._at].place)

    def _use(self, at: int) -> None:
        self._at = at % len(self._points)
        self._main_due_ms = self._clock.mono_ms() + self._return_ms

    async def _attempt(self, point: EndPoint, until: float) -> Link | None:
        self._reason, self._is_unknown = None, False
        try:
            async with asyncio.timeout_at(until):
                link = await self._open_serial_frames(point) if point.framing != "mbap" else await self._open_tcp(point)
        except TimeoutError:
            self.was_refused = False
            return None
        except OSError as error:
            self._is_unknown = isinstance(error, socket.gaierror)
            self.was_refused = not self._is_unknown
            return None
        except DriverError as error:
            self.was_refused, self._reason = True, error
            return None
        if link is not None:
            self.made += 1
        return link

    async def _open_serial_frames(self, point: EndPoint) -> Link | None:
        from drivers.modbus.pymodbus_link import PymodbusLink  # a gateway without such lines never loads pymodbus

        if point.host:  # pymodbus tells nobody that a name has no address
            await asyncio.get_running_loop().getaddrinfo(point.host, point.port, type=socket.SOCK_STREAM)
        link = PymodbusLink(point, self._record)
        if await link.connect():
            return link
        if point.serial_port:
            raise open_fault(point.serial_port, link.refusal)
        return None

    async def _open_tcp(self, point: EndPoint) -> Link:
        loop, trust = asyncio.get_running_loop(), point.tls
        if trust is None:
            _, link = await loop.create_connection(lambda: TcpLink(self._record, self._in_flight), point.host, point.port)
            return link
        context = await loop.run_in_executor(None, tls_context, trust)
        name = trust.server_name or point.host
        try:
            transport, link = await loop.create_connection(
                lambda: TcpLink(self._record, self._in_flight), point.host, point.port, ssl=context, server_hostname=name
            )
        except ssl.SSLError as error:
            raise DriverError("tls_refused", Status.BAD_NOT_CONNECTED, detail=error.reason or str(error), **point.place) from error
        shown = transport.get_extra_info("ssl_object")
        if not is_pinned(trust, shown.getpeercert(binary_form=True) if shown is not None else None):
            transport.abort()
            raise DriverError("tls_not_pinned", Status.BAD_NOT_CONNECTED, **point.place)
        return link
