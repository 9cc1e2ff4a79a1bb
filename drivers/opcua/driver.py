"""The driver of one OPC UA server: polled reads, writes and method calls over one session, and one session per pushed group.

Room: ground. Made by `factory.py`, asked by the runtime. Starts no task, and never imports asyncua (`session.py` does). How a pushed group
stays whole over a lost connection: `stream.py`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

from drivers.abilities import Bounds, Found, Offer
from drivers.driver import Clock, DriverError
from drivers.narrow import float32_loss
from drivers.opcua.answers import ServiceFaultError, call_answer, kind_answer, read_answer, write_answer
from drivers.opcua.binary import Array, Moment, Reader, float32
from drivers.opcua.browse import Walk, start_of
from drivers.opcua.codec import Sample, convert, python_types, scan_of, scans_of
from drivers.opcua.config import Address, DeviceOptions
from drivers.opcua.limits import namespace_array
from drivers.opcua.link import Dialer, Link, name_unknown, session_lost_codes, too_many_codes, undecided_codes, unheard_codes
from drivers.opcua.nodes import NodeId, parse_node
from drivers.opcua.plan import address_of, bad_node_id_unknown
from drivers.opcua.requests import (
    Service,
    call_parameters,
    call_service,
    data_type_attribute,
    read_pairs,
    read_service,
    value_attribute,
    write_parameters,
    write_service,
)
from drivers.opcua.session import offers, wire_faults
from drivers.opcua.stream import Stream
from drivers.opcua.type_book import TypeBook
from drivers.opcua.writing import encode_variant, integer_bounds, parse_argument
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new

bad_type_mismatch: Final = 0x80740000
written_max: Final = 1_000
outputs_max: Final = 32
output_text_max: Final = 1_000
T = TypeVar("T")


class OpcUaDriver:
    """One server. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Describe the device; opens nothing."""
        self._options = options
        self._clock = clock
        self._dialer = Dialer(options, clock)
        self._link: Link | None = None
        self._types: TypeBook | None = None
        self._kinds: dict[NodeId, int] = {}
        """Built-in types of nodes that were written to in this session."""
        self._written: dict[Address, int] = {}
        """Tags -> the type of their last write, whatever became of its session: what is read back is read on the next one."""

    async def __aenter__(self) -> Self:
        """Get ready; connects at the first read."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the session; waits at most half a second for the server."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read all nodes of the group in as few requests as the server allows; each tag keeps the server's own status."""
        until = asyncio.get_running_loop().time() + deadline_s
        again, link = True, None
        while True:
            try:
                link = await self._connected(until)
                plan = link.plan(group)
                samples = plan.samples(await self._read_nodes(link, group, until))
                return scan_of(group, plan.types, samples, self._clock.wall_ms())
            except DriverError as error:
                code = error.params.get("code")
                if code in session_lost_codes and again:
                    again = False
                    self._drop(link)
                elif code not in too_many_codes or self._link is None or not self._link.limits.shrink("read", len(group.tags)):
                    raise

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield a scan per notification until cancelled. Raises DriverError when the stream broke or lost something.

        `present` tells which tags the server reported; the first scan holds the tags that it refused to monitor. Close
        the iterator (`contextlib.aclosing`) so that its session ends with it.
        """
        stream = Stream(group, self._options, self._dialer, self._clock)
        try:
            refused = await stream.open()
            types = stream.plan.types
            for scan in scans_of(group, types, refused, self._clock.wall_ms()):
                yield scan
            while True:
                notified = await stream.next_notice()
                read_ms = self._clock.wall_ms()
                for scan in scans_of(group, types, notified, read_ms):
                    yield scan
                if not notified:  # a sign of life
                    yield nothing_new(group, read_ms)
                stream.judge(notified)
        finally:
            await stream.close()

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value in the node's own type and wait for the server's status.

        Raises DriverError: `write_not_supported`, `write_out_of_range`, `write_refused` (params code), a connection cause
        when nothing was sent, or `write_unknown`. A cancelled write is unknown as well. It is sent a second time only on a new session,
        after the server said that it knows the old one no more.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        address = address_of(tag)
        if not tag.writable or address.part:  # servers that do not know index ranges would overwrite the whole array
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        given, status = convert(value, 0, python_types[address.type])
        if status or given is None:
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))

        async def once(link: Link) -> int:
            node = address.name.resolve(link.namespaces)
            if node is None:
                raise DriverError("write_refused", bad_node_id_unknown, code=bad_node_id_unknown)
            kind = await self._kind_of(link, node, until)
            self._remember(address, kind)
            try:
                parameters = write_parameters(node, encode_variant(given, kind))
            except ValueError as error:
                raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
            code = await self._told(link, write_service, parameters, write_answer, until)
            if code == bad_type_mismatch:
                self._kinds.pop(node, None)
            return code

        _require_done(await self._on_a_session(once, until))

    async def call(self, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        """Call a method of an object: node ids as in a configuration, arguments as `int16:5`. Returns its outputs, at most 32.

        Raises DriverError as `write` does: what was not confirmed is `write_unknown`.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        if not self._options.method_calls:
            raise DriverError("call_not_allowed", Status.BAD_NOT_SUPPORTED)
        try:
            names, variants = (parse_node(owner), parse_node(method)), [parse_argument(text) for text in arguments]
        except ValueError as error:
            raise DriverError("call_unusable", Status.BAD_OUT_OF_RANGE, detail=str(error)[:200]) from error

        async def once(link: Link) -> tuple[int, list[int], list[object]]:
            object_id, method_id = (name.resolve(link.namespaces) for name in names)
            if object_id is None or method_id is None:
                raise DriverError("write_refused", bad_node_id_unknown, code=bad_node_id_unknown)
            parameters = call_parameters(object_id, method_id, variants)
            answer = await self._told(link, call_service, parameters, call_answer, until)
            return (answer, [], []) if isinstance(answer, int) else answer

        code, wrong, outputs = await self._on_a_session(once, until)
        if not code >> 30:
            code = next((status for status in wrong if status >> 30), code)
        _require_done(code)
        return [_shown(output) for output in outputs[:outputs_max]]

    def resolution(self, tag: Tag, value: Value) -> float | None:
        """See `drivers.abilities.Resolving`: a node of 32 bits may stand behind a tag of 64, which is known once it was written.

        What a server makes of a Double is not: a controller of 32 bits may stand behind that, too.
        """
        kind = self._written.get(address_of(tag))
        if kind is None or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if kind == float32:
            return float32_loss(value)
        return 0.0 if kind in integer_bounds else None

    async def browse(self, start: str | None, bounds: Bounds, take: Callable[[Found], None]) -> str | None:
        """See `drivers.abilities.Browser`: nodes below the objects folder, or below a node id as in a configuration."""
        timeout_s = self._options.request_timeout_s
        link = await self._dialer.open(asyncio.get_running_loop().time() + timeout_s)
        try:
            walk = Walk(link, TypeBook(link, timeout_s), timeout_s, bounds, take)
            await walk.go(start_of(start, link.namespaces))
        finally:
            await link.close()
        return walk.stopped

    async def offers(self, deadline_s: float) -> list[Offer]:
        """See `drivers.abilities.Offering`: endpoints with their security and the certificate that the server shows."""
        endpoint = self._options.endpoint
        try:
            async with asyncio.timeout(deadline_s):
                found = await offers(endpoint)
        except socket.gaierror as error:
            raise name_unknown(endpoint) from error
        except (TimeoutError, *wire_faults, ServiceFaultError) as error:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, endpoint=endpoint, detail=type(error).__name__) from error
        return [Offer(*each) for each in found]

    async def _read_nodes(self, link: Link, group: TagGroup, until: float) -> list[Sample]:
        loop, plan = asyncio.get_running_loop(), link.plan(group)
        read: list[Sample] = []
        for count, parameters in plan.requests(link.limits.read):
            limit_s = min(until - loop.time(), self._options.request_timeout_s)
            read += await link.ask(read_service, parameters, partial(read_answer, count=count), limit_s)
        if plan.structured and self._types is not None:
            return await self._types.decoded(read, until)
        return read

    async def _kind_of(self, link: Link, node: NodeId, until: float) -> int:
        """Return the built-in type that a node wants: of its value, or, while it has none, of its data type. Arrays are not written."""
        if node in self._kinds:
            return self._kinds[node]
        limit_s = min(until - asyncio.get_running_loop().time(), self._options.request_timeout_s)
        parameters = read_pairs([(node, value_attribute), (node, data_type_attribute)])
        found = await link.ask(read_service, parameters, kind_answer, limit_s)
        if found.data_type is None and found.status >> 30:
            raise DriverError("write_refused", found.status, code=found.status)
        kind: int | None = found.kind
        if not kind and found.data_type is not None and self._types is not None:
            kind = await self._types.encoded_as(found.data_type, until)
        if not kind or found.array:
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        self._kinds[node] = kind
        return kind

    def _remember(self, address: Address, kind: int) -> None:
        """Know the type of a tag's last write; of the newest `written_max` tags."""
        self._written.pop(address, None)
        self._written[address] = kind
        if len(self._written) > written_max:
            del self._written[next(iter(self._written))]

    async def _on_a_session(self, act: Callable[[Link], Awaitable[T]], until: float) -> T:
        """Write or call on a session that the server knows; once more on a new one where it surely did nothing. Raises DriverError."""
        again = True
        while True:
            link = await self._awake(until)
            try:
                return await act(link)
            except DriverError as error:
                code = error.params.get("code")
                if error.cause != "device_exception" or code not in session_lost_codes:
                    raise
                self._drop(link)
                if not again:
                    raise DriverError("write_refused", error.status, code=error.status) from error
                again = False

    async def _told(self, link: Link, service: Service, parameters: bytes, read: Callable[[Reader], T], until: float) -> T | int:
        """Ask for what changes something; return its answer, or the code by which the server surely refused it.

        Raises DriverError: `write_unknown`, or `device_exception` when the server did not look at it for want of a session.
        """
        try:
            return await link.ask(service, parameters, read, until - asyncio.get_running_loop().time())
        except DriverError as error:
            code = error.params.get("code")
            if error.cause == "device_exception" and code in session_lost_codes:
                self._drop(link)
                if code in unheard_codes:
                    raise
            return _decided(error)

    async def _awake(self, until: float) -> Link:
        """Return a link to a session that the server knows: after a long quiet it is asked first, so that no write has to find out."""
        link = await self._connected(until)
        if not link.is_quiet:
            return link
        try:
            await link.read([namespace_array], min(until - asyncio.get_running_loop().time(), self._options.request_timeout_s))
        except DriverError as error:
            if error.cause == "device_exception" and error.params.get("code") not in session_lost_codes:
                return link  # whatever it dislikes, it answers
            self._drop(link)
            return await self._connected(until)
        return link

    async def _connected(self, until: float) -> Link:
        link = self._link
        if link is not None and link.alive:
            return link
        self._drop()
        link = await self._dialer.open(until)
        if self._link is not None and self._link.alive:  # who asked at the same time was quicker
            await link.close()
            return self._link
        self._link = link
        self._types = TypeBook(link, self._options.request_timeout_s)
        return link

    def _drop(self, lost: Link | None = None) -> None:
        """Drop the link; with `lost` only where it is still that one."""
        link = self._link
        if lost is not None and lost is not link:
            return
        self._link = self._types = None
        self._kinds.clear()
        if link is not None:
            link.session.drop()


def _decided(error: DriverError) -> int:
    """Return the code by which a server surely refused. Raises DriverError `write_unknown` when it may have done it."""
    code = int(error.params.get("code", 0))
    if error.cause != "device_exception" or _is_undecided(code):
        raise DriverError("write_unknown", error.status, reason=error.cause) from error
    return code


def _is_undecided(code: int) -> bool:
    """Tell whether a status leaves open what became of a write or a call, as all uncertain ones do. Info bits say nothing of it."""
    return code >> 30 == 1 or code & 0xFFFF0000 in undecided_codes


def _require_done(code: int) -> None:
    """Raise DriverError `write_unknown` or `write_refused` unless a status says that what was asked for is done."""
    if _is_undecided(code):
        raise DriverError("write_unknown", code if code >> 31 else Status.BAD, reason=f"{code:#010x}")
    if code >> 30:
        raise DriverError("write_refused", code, code=code)


def _shown(output: object) -> Value:
    """Return an output as a plain value; what is none is shown as text, shortened."""
    if isinstance(output, bool | int | float) or output is None:
        return output
    text = output.text() if isinstance(output, Moment) else str(output.elements if isinstance(output, Array) else output)
    return text[:output_text_max]
