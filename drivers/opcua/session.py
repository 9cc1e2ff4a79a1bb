"""One OPC UA session: connect, read, write, monitor, publish, close. The only file that imports asyncua.

Room: ground, driver `opcua`. `driver.py` bounds every call with a deadline and turns faults into DriverError.

asyncua's own `Client.connect` starts a supervisor, a watchdog and a renewal task, and its subscriptions start more; none of
them belongs to a task group, and they go on after a cancelled connect. So this file uses the parts below them, which start
nothing: the public steps socket, hello, channel, session, and `protocol.send_request` for each service. Keep-alive,
renewal of the channel and publishing are then plain calls with a deadline.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from drivers.opcua.codec import Sample

wire_faults: Final = (UaError, OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error)
"""What asyncua raises for a broken connection, a refusal, or bytes that are no OPC UA."""

library_limit_s: Final = 120.0
"""asyncua's own time limit for a request, out of the way of ours."""
no_limit_s: Final[Any] = None
"""No limit of asyncua's own while connecting: Python 3.11's wait_for can swallow the cancellation that ends ours."""
renew_share: Final = 0.75
"""Share of a channel's lifetime after which it is renewed."""
keep_alive_count: Final = 10
float32_max: Final = 3.4028234663852886e38
integer_bits: Final = MappingProxyType(
    {f"{sign}Int{n}": (-(1 << n - 1), (1 << n - 1) - 1) if not sign else (0, (1 << n) - 1) for sign in ("", "U") for n in (16, 32, 64)}
    | {"SByte": (-128, 127), "Byte": (0, 255)}
)
"""Bounds of the integer types."""
lifetime_count: Final = 100

session_lost_codes: Final = frozenset(
    {
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionNotActivated,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelTokenUnknown,
    }
)
"""Service faults that mean: connect again, the request itself was not looked at."""
too_many_codes: Final = frozenset(
    {
        StatusCodes.BadTooManyOperations,
        StatusCodes.BadEncodingLimitsExceeded,
        StatusCodes.BadResponseTooLarge,
        StatusCodes.BadRequestTooLarge,
        StatusCodes.BadTcpMessageTooLarge,
    }
)
"""Service faults that mean: ask for fewer nodes at a time."""
undecided_codes: Final = frozenset({StatusCodes.BadTimeout, StatusCodes.BadRequestTimeout, StatusCodes.BadUnexpectedError})
"""Service faults after which a write may still have taken effect."""


def fault_code(error: BaseException) -> int | None:
    """Return the status code of a service fault, None for any other error."""
    return int(error.code) if isinstance(error, UaStatusCodeError) else None


class Session:
    """A connection, a secure channel and a session on it. Made for one life: when it breaks, drop it and make another."""

    def __init__(self, endpoint: str, session_timeout_s: float) -> None:
        """Describe the session; opens nothing."""
        self._client = Client(endpoint, timeout=no_limit_s)
        self._client.name = self._client.description = "Witnessmark"
        self._client.application_uri = "urn:witnessmark:gateway"
        self._client.session_timeout = round(session_timeout_s * 1000)
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()
        self._value_types: dict[str, ua.VariantType] = {}

    async def connect(self) -> None:
        """Open socket, channel and session. On any failure, cancellation included, nothing stays open."""
        connected = False
        try:
            await self._client.connect_socket()
            await self._client.send_hello()
            await self._client.open_secure_channel()
            if self._client.uaclient.protocol is not None:
                self._client.uaclient.protocol.timeout = library_limit_s
            await self._client.create_session()
            await self._client.activate_session()
            self._plan_renewal()
            connected = True
        finally:
            if not connected:
                self.drop()

    @property
    def alive(self) -> bool:
        """False once the socket is gone."""
        protocol = self._client.uaclient.protocol
        return protocol is not None and protocol.transport is not None and not protocol.is_closed

    async def read(self, request: ua.ReadRequest) -> list[Sample]:
        """Read the nodes of a prepared request, in its order."""
        response = await self._call(request, ua.ReadResponse)
        samples = [_sample(result) for result in response.Results]
        if len(samples) != len(request.Parameters.NodesToRead):
            raise ValueError("as many results as nodes wanted")
        return samples

    async def write(self, request: ua.WriteRequest) -> int:
        """Send a prepared write; return the bad status that the server gave, or 0."""
        response = await self._call(request, ua.WriteResponse)
        status = int(response.Results[0].value)
        return status if status >> 30 else 0

    async def value_type(self, node: str) -> ua.VariantType:
        """Return the type of a node's present value: servers refuse a Double for a Float and an Int64 for an Int16."""
        if node not in self._value_types:
            response = await self._call(read_request([node]), ua.ReadResponse)
            response.Results[0].StatusCode.check()
            self._value_types[node] = response.Results[0].Value.VariantType
        return self._value_types[node]

    async def subscribe(self, interval_ms: float) -> tuple[int, float]:
        """Create a subscription; return its id and the longest silence (s) before the next keep-alive is overdue."""
        request = ua.CreateSubscriptionRequest()
        parameters = request.Parameters
        parameters.RequestedPublishingInterval = interval_ms
        parameters.RequestedLifetimeCount = lifetime_count
        parameters.RequestedMaxKeepAliveCount = keep_alive_count
        parameters.MaxNotificationsPerPublish = 0
        parameters.PublishingEnabled = True
        response = await self._call(request, ua.CreateSubscriptionResponse)
        given = response.Parameters
        silence_s = given.RevisedPublishingInterval / 1000 * (given.RevisedMaxKeepAliveCount + 1)
        return int(given.SubscriptionId), silence_s

    async def monitor(self, subscription_id: int, nodes: Sequence[tuple[int, str]], interval_ms: float, queue_size: int) -> list[int]:
        """Monitor (client handle, node) pairs; return one status per node."""
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription_id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
        for handle, node in nodes:
            wanted = ua.MonitoredItemCreateRequest(ItemToMonitor=_value_of(node), MonitoringMode=ua.MonitoringMode.Reporting)
            wanted.RequestedParameters.ClientHandle = handle
            wanted.RequestedParameters.SamplingInterval = interval_ms
            wanted.RequestedParameters.QueueSize = queue_size
            wanted.RequestedParameters.DiscardOldest = True
            request.Parameters.ItemsToCreate.append(wanted)
        response = await self._call(request, ua.CreateMonitoredItemsResponse)
        if len(response.Results) != len(nodes):
            raise ValueError("as many results as nodes wanted")
        return [int(result.StatusCode.value) for result in response.Results]

    async def publish(self, subscription_id: int, acknowledge: int | None) -> tuple[int, list[tuple[int, Sample]], int]:
        """Wait for the next notification; return its sequence number, (client handle, sample) pairs, and a status.

        The status is not 0 when the server ended the subscription. A keep-alive has no pairs.
        """
        request = ua.PublishRequest()
        if acknowledge is not None:
            request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(subscription_id, acknowledge)]
        response = await self._call(request, ua.PublishResponse)
        message = response.Parameters.NotificationMessage
        samples: list[tuple[int, Sample]] = []
        ended = 0
        for part in message.NotificationData or ():
            if isinstance(part, ua.DataChangeNotification):
                samples += [(int(change.ClientHandle), _sample(change.Value)) for change in part.MonitoredItems]
            elif isinstance(part, ua.StatusChangeNotification):
                ended = int(part.Status.value) or int(StatusCodes.BadUnexpectedError)
        return int(message.SequenceNumber), samples, ended

    async def close(self) -> None:
        """Tell the server, so that it frees the session at once, then drop. The caller bounds it."""
        try:
            if self.alive:
                await self._client.uaclient.session.close_session(True)
                await self._client.uaclient.close_secure_channel()
        except wire_faults:
            pass  # it is being closed anyway; the server's own timeout does the rest
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket now; unsent bytes are thrown away."""
        protocol = self._client.uaclient.protocol
        self._client.disconnect_socket()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()

    async def _call(self, request: Any, kind: Any) -> Any:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("not connected")
        if asyncio.get_running_loop().time() >= self._renew_at:
            await self._renew()
        data = await protocol.send_request(request)
        response = struct_from_binary(kind, data)
        response.ResponseHeader.ServiceResult.check()
        return response

    async def _renew(self) -> None:
        async with self._renewing:
            if asyncio.get_running_loop().time() >= self._renew_at:
                await self._client.open_secure_channel(renew=True)
                self._plan_renewal()

    def _plan_renewal(self) -> None:
        self._renew_at = asyncio.get_running_loop().time() + self._client.secure_channel_timeout / 1000 * renew_share


def read_request(nodes: Sequence[str]) -> ua.ReadRequest:
    """Return a reusable request for the values and source times of nodes."""
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
    request.Parameters.NodesToRead = [_value_of(node) for node in nodes]
    return request


def write_request(node: str, value: bool | float | str, kind: ua.VariantType) -> ua.WriteRequest:
    """Return a request that writes the Value attribute in the node's own type. Raises ValueError when it does not fit."""
    if kind.name in integer_bits:
        low, high = integer_bits[kind.name]
        if isinstance(value, str) or int(value) != value or not low <= value <= high:
            raise ValueError(f"{value} is no {kind.name}")
        value = int(value)
    elif kind in (ua.VariantType.Float, ua.VariantType.Double):
        if isinstance(value, str):
            raise ValueError(f"{value} is no {kind.name}")
        value = float(value)
        if kind is ua.VariantType.Float and abs(value) > float32_max and math.isfinite(value):
            raise ValueError(f"{value} is no Float")
    elif (kind, type(value)) not in ((ua.VariantType.Boolean, bool), (ua.VariantType.String, str)):
        raise ValueError(f"{value} is no {kind.name}")
    wanted = ua.WriteValue()
    wanted.NodeId = ua.NodeId.from_string(node)
    wanted.AttributeId = AttributeIds.Value
    wanted.Value = ua.DataValue(ua.Variant(value, kind))
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [wanted]
    return request


def next_number(number: int) -> int:
    """Return the sequence number after `number`: it rolls over to 1 (OPC UA Part 4, 7.25)."""
    return number + 1 if number < 0xFFFFFFFF else 1


def _value_of(node: str) -> ua.ReadValueId:
    wanted = ua.ReadValueId()
    wanted.NodeId = ua.NodeId.from_string(node)
    wanted.AttributeId = AttributeIds.Value
    return wanted


def _sample(result: ua.DataValue) -> Sample:
    status = result.StatusCode.value if result.StatusCode is not None else 0
    return (result.Value.Value if result.Value is not None else None, int(status), result.SourceTimestamp)
