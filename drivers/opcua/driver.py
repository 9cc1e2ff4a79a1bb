"""The driver of one OPC UA server: polled reads and writes over one session, and one session per pushed group.

Room: ground. Made by `factory.py`, asked by the runtime. Starts no task, and never imports asyncua (`session.py` does).

A session of its own for each pushed group keeps publish answers apart: OPC UA delivers them per session, not per
subscription. Nothing is queued here: while the runtime is busy with a scan, the server keeps the next samples, as many as
`queue_size` of each tag. A loss is told by the server (overflow bit), seen in the sequence numbers, or feared
because the runtime took longer than the queue lasts; each ends the stream with `overflow`, so that it becomes a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from drivers.driver import Clock, DriverError
from drivers.opcua.codec import Sample, convert, overflowed, python_types, scan_of, scans_of
from drivers.opcua.config import Address, DeviceOptions
from drivers.opcua.session import (
    Session,
    fault_code,
    next_number,
    read_request,
    session_lost_codes,
    too_many_codes,
    undecided_codes,
    wire_faults,
    write_request,
)
from drivers.pause import ConnectPause
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new

close_limit_s: Final = 0.5
"""How long saying goodbye may take."""
silent_max: Final = 2
"""Unanswered requests in a row after which the connection is dropped. Answers carry numbers, so one late answer does no harm."""


T = TypeVar("T")


class OpcUaDriver:
    """One server. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Describe the device; opens nothing."""
        self._options = options
        self._clock = clock
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._pause = ConnectPause(clock)
        self._max_nodes = options.max_nodes
        self._silent = 0
        self._requests: dict[int, tuple[TagGroup, int, list[Any]]] = {}

    async def __aenter__(self) -> Self:
        """Get ready; connects at the first read."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the session; waits at most half a second for the server."""
        session, self._session = self._session, None
        if session is not None:
            await _close(session)

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read all nodes of the group in as few requests as the server allows; each tag keeps the server's own status."""
        until = asyncio.get_running_loop().time() + deadline_s
        again = True
        while True:
            try:
                samples = await self._read_all(group, until)
                return scan_of(group, _types(group), samples, self._clock.wall_ms())
            except DriverError as error:
                code = error.params.get("code")
                if code in too_many_codes and self._max_nodes > 1:
                    self._max_nodes = max(1, min(self._max_nodes, len(group.tags)) // 2)
                elif code in session_lost_codes and again:
                    again = False
                    self._drop()
                else:
                    raise

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield a scan per notification until cancelled. Raises DriverError when the stream broke or lost something.

        `present` tells which tags the server reported; the first scan holds the tags that it refused to monitor. Close
        the iterator (`contextlib.aclosing`) so that its session ends with it.
        """
        interval_ms = self._options.subscription_interval_ms or group.period_ms
        types = _types(group)
        session = await self._new_session(asyncio.get_running_loop().time() + self._options.request_timeout_s)
        try:
            subscription_id, silence_s, refused = await self._monitor(session, group, interval_ms)
            for scan in scans_of(group, types, refused, self._clock.wall_ms()):
                yield scan
            limit_s = silence_s + self._options.request_timeout_s
            expected: int | None = None
            acknowledge: int | None = None
            while True:
                number, notified, ended = await self._ask(session.publish(subscription_id, acknowledge), limit_s, shared=False)
                read_ms, taken_ms = self._clock.wall_ms(), self._clock.mono_ms()
                lost = bool(notified) and expected not in (None, number)
                for scan in scans_of(group, types, notified, read_ms):
                    yield scan
                if not notified and not ended:  # a keep-alive
                    yield nothing_new(group, read_ms)
                if ended:
                    raise DriverError("connection_lost", ended, code=ended, endpoint=self._options.endpoint)
                lost = lost or any(overflowed(status) for _, (_, status, _) in notified)
                if lost or self._clock.mono_ms() - taken_ms > interval_ms * self._options.queue_size:
                    raise DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=self._options.queue_size)
                acknowledge = number if notified else None
                expected = next_number(number) if notified else expected
        finally:
            await _close(session)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value in the node's own type and wait for the server's status.

        Raises DriverError: `write_not_supported`, `write_out_of_range`, `write_refused` (params code), a connection cause
        when nothing was sent, or `write_unknown`. A cancelled write is unknown as well.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        if not tag.writable:
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        address = _address(tag)
        given, status = convert(value, 0, python_types[address.type])
        if status or given is None:
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
        session = await self._connected(until)
        kind = await self._ask(session.value_type(address.node), until - loop.time())
        try:
            request = write_request(address.node, given, kind)
        except ValueError as error:
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
        try:
            code = await self._ask(session.write(request), until - loop.time())
        except DriverError as error:
            code = int(error.params.get("code", 0))
            if error.cause != "device_exception" or code in undecided_codes:
                raise DriverError("write_unknown", error.status, reason=error.cause) from error
        if code:
            raise DriverError("write_refused", code, code=code)

    async def _read_all(self, group: TagGroup, until: float) -> list[Sample]:
        loop = asyncio.get_running_loop()
        samples: list[Sample] = []
        for request in self._read_requests(group):
            session = await self._connected(until)
            limit_s = min(until - loop.time(), self._options.request_timeout_s)
            samples += await self._ask(session.read(request), limit_s)
        return samples

    def _read_requests(self, group: TagGroup) -> list[Any]:
        known = self._requests.get(group.uid)
        if known is None or known[0] is not group or known[1] != self._max_nodes:
            nodes, size = [_address(tag).node for tag in group.tags], self._max_nodes
            known = group, size, [read_request(nodes[at : at + size]) for at in range(0, len(nodes), size)]
            self._requests[group.uid] = known
        return known[2]

    async def _monitor(self, session: Session, group: TagGroup, interval_ms: int) -> tuple[int, float, list[tuple[int, Sample]]]:
        limit_s = self._options.request_timeout_s
        subscription_id, silence_s = await self._ask(session.subscribe(interval_ms), limit_s, shared=False)
        nodes = [(place, _address(tag).node) for place, tag in enumerate(group.tags)]
        refused: list[tuple[int, Sample]] = []
        size, at = self._max_nodes, 0
        while at < len(nodes):
            some = nodes[at : at + size]
            try:
                call = session.monitor(subscription_id, some, interval_ms, self._options.queue_size)
                statuses = await self._ask(call, limit_s, shared=False)
            except DriverError as error:
                if error.params.get("code") not in too_many_codes or size == 1:
                    raise
                size = max(1, min(size, len(nodes)) // 2)
                continue
            refused += [(place, (None, status, None)) for (place, _), status in zip(some, statuses, strict=True) if status >> 30]
            at += size
        return subscription_id, silence_s, refused

    async def _ask(self, call: Coroutine[Any, Any, T], limit_s: float, *, shared: bool = True) -> T:
        """Await one service call within `limit_s`; turn what went wrong into a DriverError.

        `shared`: the session is the one of reads and writes, which is dropped when it is broken. A pushed group closes its own.
        """
        try:
            async with asyncio.timeout(limit_s):
                answer = await call
        except TimeoutError:
            self._silent += shared
            if self._silent >= silent_max:
                self._drop()
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(limit_s * 1000)) from None
        except wire_faults as error:
            raise self._fault(error, shared=shared) from error
        if shared:
            self._silent = 0
        return answer

    def _fault(self, error: BaseException, *, shared: bool) -> DriverError:
        code = fault_code(error)
        if code is not None:
            return DriverError("device_exception", code, code=code)
        if shared:
            self._drop()
        if isinstance(error, OSError):
            return DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, endpoint=self._options.endpoint)
        return DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=type(error).__name__)

    async def _connected(self, until: float) -> Session:
        session = self._session
        if session is not None and session.alive:
            return session
        self._drop()
        self._session = session = await self._new_session(until)
        return session

    async def _new_session(self, until: float) -> Session:
        """Connect within the deadline, one connection attempt at a time, with a pause after one that failed."""
        place: dict[str, str | int] = {"endpoint": self._options.endpoint}
        session = Session(self._options.endpoint, self._options.session_timeout_s)
        try:
            async with asyncio.timeout_at(until), self._connecting:
                self._pause.begin(place)
                await session.connect()
                self._pause.succeeded()
        except TimeoutError:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **place) from None
        except wire_faults as error:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail=type(error).__name__, **place) from error
        return session

    def _drop(self) -> None:
        session, self._session, self._silent = self._session, None, 0
        if session is not None:
            session.drop()


def _address(tag: Tag) -> Address:
    if not isinstance(tag.address, Address):
        raise TypeError(f"not an OPC UA address: {tag.address!r}")
    return tag.address


def _types(group: TagGroup) -> list[type]:
    return [python_types[_address(tag).type] for tag in group.tags]


async def _close(session: Session) -> None:
    try:
        async with asyncio.timeout(close_limit_s):
            await session.close()
    except TimeoutError:
        session.drop()
