"""A session with what is known of its server: every service call goes through here, with a deadline, and every fault becomes a DriverError.

Room: ground, driver `opcua`. `driver.py` has one for reads and writes, `stream.py` one per pushed group; `Dialer` makes them. Nothing here
starts a task or waits without a limit.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

from drivers.driver import Clock, DriverError
from drivers.opcua.answers import ServiceFaultError, read_answer
from drivers.opcua.binary import Reader
from drivers.opcua.codec import Sample
from drivers.opcua.config import DeviceOptions
from drivers.opcua.limits import Limits, limit_nodes, limits_of, namespace_array, namespaces_of
from drivers.opcua.nodes import NodeId
from drivers.opcua.plan import Plan
from drivers.opcua.requests import Service, read_parameters, read_service
from drivers.opcua.session import Session, TrustError, fault_code, wire_faults
from drivers.opcua.trust import Identity, load_identity
from drivers.pause import ConnectPause
from drivers.reading import Status, TagGroup

close_limit_s: Final = 0.5
"""How long saying goodbye may take."""
silent_max: Final = 2
"""Unanswered requests in a row after which the connection is dropped. Answers carry numbers, so one late answer does no harm."""
quiet_share: Final = 0.5
"""Share of a session's timeout without an answer after which a write looks first whether the session is there."""
session_lost_codes: Final = frozenset({0x80250000, 0x80260000, 0x80270000, 0x80220000, 0x80860000, 0x80870000})
"""BadSessionIdInvalid, -Closed, -NotActivated, BadSecureChannelIdInvalid, -Closed, -TokenUnknown: connect again, the session is gone."""
unheard_codes: Final = session_lost_codes - {0x80260000, 0x80860000}
"""Those by which a server tells that it did not look at a request. BadSessionClosed and BadSecureChannelClosed may also be the end of one
that it was at: after them a read is asked again, a write never."""
too_many_codes: Final = frozenset({0x80100000, 0x80080000, 0x80B90000, 0x80B80000, 0x80800000})
"""BadTooManyOperations, BadEncodingLimitsExceeded, BadResponseTooLarge, BadRequestTooLarge, BadTcpMessageTooLarge: ask for fewer nodes."""
undecided_codes: Final = frozenset(
    {0x800A0000, 0x80850000, 0x80010000, 0x80020000, 0x80050000, 0x80090000, 0x800C0000, 0x808B0000, 0x80AD0000, 0x80AE0000}
    | {0x80B20000, 0x80B30000, 0x80060000, 0x80080000, 0x80B90000, 0x80260000, 0x80860000, 0x002E0000, 0x00300000}
)
"""BadTimeout, -RequestTimeout, -UnexpectedError, -InternalError, -CommunicationError, -UnknownResponse, -Shutdown, -DeviceFailure,
-Disconnect, -ConnectionClosed, -SessionClosed, -SecureChannelClosed, -WaitingForResponse, -OperationAbandoned: a server may have passed a
write on to its controller before it said so. BadEncodingError, -EncodingLimitsExceeded, -ResponseTooLarge: it may be the answer that could
not be sent. GoodCompletesAsynchronously and GoodClamped: taken, but not yet done, or not as asked."""

T = TypeVar("T")


class Link:
    """One session. `limits` and `namespaces` are the server's, read once per session."""

    def __init__(self, options: DeviceOptions, session: Session) -> None:
        """Take a session that is connected."""
        self._options, self.session = options, session
        self.limits = Limits(options.max_nodes, options.max_nodes)
        self.namespaces: tuple[str, ...] = ()
        self._plans: dict[int, Plan] = {}
        self._silent = 0
        self._heard_s = asyncio.get_running_loop().time()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing came for so long that the server may not know the session any more, or the connection be gone unseen."""
        return asyncio.get_running_loop().time() - self._heard_s > self.session.timeout_s * quiet_share

    @property
    def alive(self) -> bool:
        """Whether the connection is there."""
        return self.session.alive

    async def ask(self, service: Service, parameters: bytes, read: Callable[[Reader], T], limit_s: float) -> T:
        """Make one service call and read its answer. Raises DriverError; a broken connection is dropped, and so is a silent one."""
        try:
            async with asyncio.timeout(limit_s):
                answer = await self.session.ask(service, parameters)
            found = read(answer)
        except TimeoutError:
            self._silent += 1
            if self._silent >= silent_max:
                self.session.drop()
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(limit_s * 1000)) from None
        except (*wire_faults, ServiceFaultError) as error:
            raise self._fault(error) from error
        self._silent, self._heard_s = 0, asyncio.get_running_loop().time()
        return found

    async def read(self, nodes: list[NodeId], limit_s: float) -> list[Sample]:
        """Read the values of a few nodes in one request."""
        return await self.ask(read_service, read_parameters(nodes), lambda reader: read_answer(reader, len(nodes)), limit_s)

    def plan(self, group: TagGroup) -> Plan:
        """Return the plan of a group in this session."""
        plan = self._plans.get(group.uid)
        if plan is None or plan.group is not group:
            plan = self._plans[group.uid] = Plan(group, self.namespaces)
        return plan

    async def discover(self, until: float) -> None:
        """Learn the server's limits and namespaces; what it does not show counts as not limited. Raises DriverError."""
        loop, nodes = asyncio.get_running_loop(), [*limit_nodes.values(), namespace_array]
        try:
            samples = await self.read(nodes, min(until - loop.time(), self._options.request_timeout_s))
        except DriverError as error:
            if error.params.get("code") not in too_many_codes:
                raise
            samples = [(await self.read([node], until - loop.time()))[0] for node in nodes]
        self.limits = limits_of(samples[:-1], self._options.max_nodes)
        self.namespaces = namespaces_of(samples[-1])

    async def close(self) -> None:
        """Say goodbye, within half a second."""
        try:
            async with asyncio.timeout(close_limit_s):
                await self.session.close()
        except TimeoutError:
            self.session.drop()

    def _fault(self, error: BaseException) -> DriverError:
        if isinstance(error, ServiceFaultError):
            return DriverError("device_exception", error.status, code=error.status)
        self.session.drop()
        if isinstance(error, OSError) or fault_code(error) is not None:  # the transport's own end says nothing of the request
            return DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, endpoint=self._options.endpoint)
        return DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=type(error).__name__)


class Dialer:
    """Opens sessions of one server, one attempt at a time, with a pause after one that failed."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Opens nothing."""
        self._options = options
        self._connecting = asyncio.Lock()
        self._pause = ConnectPause(clock)
        self._identity: Identity | None = None

    async def open(self, until: float) -> Link:
        """Return a new link, connected by `until` (loop time). Raises DriverError."""
        options = self._options
        session = Session(options.endpoint, options.session_timeout_s)
        await self._connect(session, until, resumed=False)
        link = Link(options, session)
        try:
            await link.discover(until)
        except BaseException:
            session.drop()
            raise
        return link

    async def resume(self, link: Link, until: float) -> None:
        """Open another connection for a link's session. Raises DriverError; `device_exception` when the server has the session no more."""
        await self._connect(link.session, until, resumed=True)

    async def _connect(self, session: Session, until: float, *, resumed: bool) -> None:
        options, place = self._options, {"endpoint": self._options.endpoint}
        try:
            async with asyncio.timeout_at(until), self._connecting:
                self._pause.begin(dict(place))
                if resumed:
                    await session.resume()
                else:
                    await session.connect(await self._known(), options.security, options.security_mode, options.server_fingerprint)
                self._pause.succeeded()
        except TimeoutError:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **place) from None
        except TrustError as error:
            raise _distrust(error, options.endpoint) from error
        except socket.gaierror as error:
            raise name_unknown(options.endpoint) from error
        except (*wire_faults, ServiceFaultError) as error:
            code = fault_code(error)
            if resumed and code is not None:
                raise DriverError("device_exception", code, code=code) from error
            detail = type(error).__name__ if code is None else f"{code:#010x} {type(error).__name__}"
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, detail=detail, **place) from error

    async def _known(self) -> Identity | None:
        """Return who we are, read or made in a thread; None where the channel is not secured."""
        if self._options.security == "none":
            return None
        if self._identity is None:
            self._identity = await asyncio.to_thread(load_identity, self._options)
        return self._identity


def name_unknown(endpoint: str) -> DriverError:
    """Return the fault of an endpoint whose name has no address."""
    return DriverError("name_unknown", Status.BAD_NOT_CONNECTED, host=urlsplit(endpoint).hostname or "", endpoint=endpoint)


def _distrust(error: TrustError, endpoint: str) -> DriverError:
    params = error.params
    match error.cause:
        case "opcua_server_not_pinned":
            return DriverError("opcua_server_not_pinned", Status.BAD_NOT_CONNECTED, endpoint=endpoint, **params)
        case "opcua_server_changed":
            return DriverError("opcua_server_changed", Status.BAD_NOT_CONNECTED, endpoint=endpoint, **params)
        case "opcua_security_not_offered":
            return DriverError("opcua_security_not_offered", Status.BAD_NOT_CONNECTED, endpoint=endpoint, **params)
    return DriverError("opcua_password_in_clear", Status.BAD_NOT_CONNECTED, endpoint=endpoint)
