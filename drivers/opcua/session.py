"""One OPC UA session: connect, ask, come back on another connection, close. The only file that imports asyncua.

Room: ground, driver `opcua`. `link.py` bounds every call with a deadline and turns faults into DriverError.

Of asyncua, this file uses what opens and secures a channel and a session, and nothing that starts a task: `Client.connect` starts a
supervisor, a watchdog and a renewal task, which belong to no task group and go on after a cancelled connect. Requests and answers of
all services are bytes of ours (`requests.py`, `answers.py`): the library's decoder has no bounds (docs/decisions/0010).
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.crypto import security_policies, uacrypto
from asyncua.ua.ua_binary import nodeid_to_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from drivers.opcua.answers import ServiceFaultError, open_answer
from drivers.opcua.binary import MalformedError, Reader, put_node, ticks_per_ms, unix_ticks
from drivers.opcua.nodes import NodeId
from drivers.opcua.requests import Service, request_header
from drivers.opcua.trust import Identity, application_uri, fingerprint

_invalid_signature: Final[Any] = uacrypto.InvalidSignature  # type: ignore[attr-defined]
wire_faults: Final = (
    UaError, OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, struct.error, _invalid_signature,
)  # fmt: skip
"""What asyncua raises for a broken connection, a refusal, or bytes that are no OPC UA."""

library_limit_s: Final = 120.0
"""asyncua's own time limit for a request, out of the way of ours."""
no_limit_s: Final[Any] = None
"""No limit of asyncua's own while connecting: Python 3.11's wait_for can swallow the cancellation that ends ours."""
renew_share: Final = 0.75
"""Share of a channel's lifetime after which it is renewed."""
renew_s_min: Final = 2.0
"""A server that gives a channel less life than this gets one renewal per so many seconds, not one per request."""
chunk_size_max: Final = 65_536
answer_size_max: Final = 8 << 20
opening_size_max: Final = 256 << 10
"""Bytes of an answer while a session is opened: asyncua decodes those, so they are kept small."""
bad_request_too_large: Final = 0x80B80000
offers_max: Final = 32
unanswered_max: Final = 64
"""Requests that were given up and may still be answered; beyond, the connection is dropped."""
policies: Final[dict[str, Any]] = {
    "none": security_policies.SecurityPolicyNone,
    "basic256sha256": security_policies.SecurityPolicyBasic256Sha256,
    "aes128_sha256_rsaoaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "aes256_sha256_rsapss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


def fault_code(error: BaseException) -> int | None:
    """Return the status code of a service fault, None for any other error."""
    if isinstance(error, ServiceFaultError):
        return error.status
    return int(error.code) if isinstance(error, UaStatusCodeError) else None


class TrustError(Exception):
    """What is not trusted or not offered: a cause code of `drivers.causes` with its parameters."""

    def __init__(self, cause: str, /, **params: str) -> None:
        self.cause, self.params = cause, params
        super().__init__(cause)


class _Protocol(UASocketProtocol):
    """asyncua's connection with bounds, and with a way to send requests that are bytes already."""

    ours: set[int]

    def data_received(self, data: bytes) -> None:
        """Take what came; nobody gets more memory than a chunk, whatever length its header claims."""
        super().data_received(data)
        if self.receive_buffer is not None and len(self.receive_buffer) > chunk_size_max:
            self.receive_buffer = None
            self.disconnect_socket()

    def bound(self, size_max: int) -> None:
        """Set the limits of answers: the acknowledgement of a hello has put the server's in their place."""
        limits = self._connection._limits  # noqa: SLF001
        limits.max_recv_buffer, limits.max_chunk_count, limits.max_message_size = chunk_size_max, 1 + size_max // 4096, size_max

    def post(self, kind: int, parameters: bytes, hint_ms: int) -> asyncio.Future[Any]:
        """Send a request; return the future of its answer's bytes. Raises OSError."""
        if self.transport is None or len(self._callbackmap) >= unanswered_max:
            raise ConnectionError("not open, or too much unanswered")
        self._request_handle += 1
        self._request_id += 1
        ticks = time.time_ns() // 1_000_000 * ticks_per_ms + unix_ticks
        header = request_header(nodeid_to_binary(self.authentication_token), self._request_handle & 0xFFFFFFFF, ticks, hint_ms)
        self.revolve_security_token()
        message = self._connection.message_to_binary(put_node(NodeId(0, "i", kind)) + header + parameters, request_id=self._request_id)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._callbackmap[self._request_id] = future
        self.ours.add(self._request_id)
        self.transport.write(message)
        return future

    def _call_callback(self, request_id: int, body: Any) -> None:
        """Give an answer to whoever waits; what asyncua is going to decode must have a plain header."""
        if request_id in self.ours:
            self.ours.discard(request_id)
            future = self._callbackmap.pop(request_id)
            if not future.done():
                future.set_result(bytes(body))
            return
        if not isinstance(body, ua.Acknowledge):
            _demand_plain_header(bytes(body))
        super()._call_callback(request_id, body)


class _Transport(UaClient):
    def _make_protocol(self) -> _Protocol:
        self.protocol = protocol = _Protocol(self._timeout, security_policy=self.security_policy)
        protocol.ours = set()
        protocol.on_connection_lost = self._on_transport_lost
        return protocol


class Session:
    """A connection, a secure channel and a session on it. When the connection breaks, `resume` may find the session alive."""

    def __init__(self, endpoint: str, session_timeout_s: float) -> None:
        """Describe the session; opens nothing."""
        self._client = Client(endpoint, timeout=no_limit_s)
        self._client.uaclient = _Transport(no_limit_s)
        self._client.name = self._client.description = "Witnessmark"
        self._client.application_uri = application_uri
        self._client.max_messagesize, self._client.max_chunkcount = answer_size_max, 1 + answer_size_max // 4096
        self._client.session_timeout = round(session_timeout_s * 1000)
        self._identity: Identity | None = None
        self._request_size_max = 0
        self._renew_at = 0.0
        self._renewing = asyncio.Lock()

    async def connect(
        self, identity: Identity | None = None, policy: str = "none", mode: str = "sign_and_encrypt", pin: str | None = None
    ) -> None:
        """Open socket, channel and session. On any failure, cancellation included, nothing stays open. Raises TrustError.

        `identity` is wanted for every policy but none; `pin` is the fingerprint that the server's certificate must have.
        """
        self._identity = identity
        try:
            if identity is not None:
                await self._secure(identity, policy, mode, pin)
            await self._open()
            created = await self._client.create_session()
            self._request_size_max = int(created.MaxRequestMessageSize)
            await self._activate()
        except BaseException:
            self.drop()
            raise

    async def resume(self) -> None:
        """Take the same session over on another connection. On any failure nothing stays open; a service fault: the session is gone."""
        self.drop()
        try:
            await self._open()
            self._client.uaclient.session.rebind_authentication_token()
            await self._activate()
        except BaseException:
            self.drop()
            raise

    @property
    def timeout_s(self) -> float:
        """How long the server keeps the session without a request, as it said itself."""
        return float(self._client.session_timeout) / 1000

    @property
    def alive(self) -> bool:
        """False once the socket is gone."""
        protocol = self._client.uaclient.protocol
        return protocol is not None and protocol.transport is not None and not protocol.is_closed

    async def ask(self, service: Service, parameters: bytes, hint_ms: int = 0) -> Reader:
        """Send one request; return its answer, behind the header. The caller bounds the wait. Raises what `wire_faults` lists."""
        protocol = self._client.uaclient.protocol
        if not isinstance(protocol, _Protocol):
            raise ConnectionError("not connected")
        if self._request_size_max and len(parameters) + 200 > self._request_size_max:
            raise ServiceFaultError(bad_request_too_large)
        if asyncio.get_running_loop().time() >= self._renew_at:
            await self._renew()
        return open_answer(await protocol.post(service.request, parameters, hint_ms), service.answer)

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

    async def _open(self) -> None:
        await _open_channel(self._client)
        self._plan_renewal()

    async def _activate(self) -> None:
        client, identity = self._client, self._identity
        if identity is not None and identity.user is not None:
            policy = client.server_policy(ua.UserTokenType.UserName)
            hidden = policy.SecurityPolicyUri != security_policies.SecurityPolicyNone.URI
            if not hidden and client.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
                raise TrustError("opcua_password_in_clear")
            await client.activate_session(identity.user, identity.password)
        else:
            await client.activate_session()
        protocol = client.uaclient.protocol
        if isinstance(protocol, _Protocol):
            protocol.bound(answer_size_max)

    async def _secure(self, identity: Identity, policy: str, mode: str, pin: str | None) -> None:
        """Ask for the server's certificate on a channel without security, and go on only with the one that the configuration names."""
        client = self._client
        endpoints = await _endpoints_of(client.server_url.geturl())
        wanted = ua.MessageSecurityMode.Sign if mode == "sign" else ua.MessageSecurityMode.SignAndEncrypt
        found = [e for e in endpoints if e.SecurityPolicyUri == policies[policy].URI and e.SecurityMode == wanted and e.ServerCertificate]
        if not found:
            offered = sorted({f"{str(e.SecurityPolicyUri).rpartition('#')[2][:40]} {e.SecurityMode.name}" for e in endpoints})
            raise TrustError("opcua_security_not_offered", wanted=f"{policy} {mode}", offered=", ".join(offered[:12]))
        certificate = _leading(found[0].ServerCertificate)
        shown = fingerprint(certificate)
        if pin is None:
            raise TrustError("opcua_server_not_pinned", fingerprint=shown)
        if shown != pin.lower():
            raise TrustError("opcua_server_changed", fingerprint=shown, pinned=pin)
        client.application_uri = identity.uri
        ours, key = uacrypto.CertProperties(identity.certificate, "der"), uacrypto.CertProperties(identity.key, "pem")
        await client.set_security(policies[policy], ours, key, server_certificate=uacrypto.CertProperties(certificate, "der"), mode=wanted)

    async def _renew(self) -> None:
        async with self._renewing:
            if asyncio.get_running_loop().time() >= self._renew_at:
                await self._client.open_secure_channel(renew=True)
                self._plan_renewal()

    def _plan_renewal(self) -> None:
        lasts_s = self._client.secure_channel_timeout / 1000 * renew_share
        self._renew_at = asyncio.get_running_loop().time() + max(lasts_s, renew_s_min)


async def offers(endpoint: str) -> list[tuple[str, str, str | None, tuple[str, ...]]]:
    """Return (policy, mode, fingerprint or None, ways to log in) of what a server offers, policies and modes as a configuration names them.

    Asked on a channel without security: believe the fingerprint only when a person compared it. The caller bounds the wait. Raises what
    `wire_faults` lists.
    """
    names = {each.URI: name for name, each in policies.items()}
    modes = {ua.MessageSecurityMode.Sign: "sign", ua.MessageSecurityMode.SignAndEncrypt: "sign_and_encrypt"}
    found = []
    for each in (await _endpoints_of(endpoint))[:offers_max]:
        policy = names.get(each.SecurityPolicyUri, str(each.SecurityPolicyUri).rpartition("#")[2][:40])
        shown = fingerprint(_leading(each.ServerCertificate)) if each.ServerCertificate else None
        logins = tuple(sorted({token.TokenType.name for token in each.UserIdentityTokens or ()}))
        found.append((policy, modes.get(each.SecurityMode, "none"), shown, logins))
    return found


async def _endpoints_of(endpoint: str) -> list[ua.EndpointDescription]:
    """Ask a server on a channel without security, in which nothing is believed."""
    asking = Client(endpoint, timeout=no_limit_s)
    asking.uaclient = _Transport(no_limit_s)
    try:
        await _open_channel(asking)
        return list(await asking.get_endpoints() or ())
    finally:
        protocol = asking.uaclient.protocol
        asking.disconnect_socket()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


async def _open_channel(client: Client) -> None:
    """Open socket and channel, and set our limits before any answer of a service can come."""
    await client.connect_socket()
    await client.send_hello()
    protocol = client.uaclient.protocol
    if not isinstance(protocol, _Protocol):
        raise ConnectionError("closed during the hello")
    limits = protocol._connection._limits  # noqa: SLF001
    if limits.max_send_buffer < 1024:
        raise MalformedError("no request fits into the server's buffer")
    limits.max_send_buffer = min(limits.max_send_buffer, chunk_size_max)
    protocol.bound(opening_size_max)
    await client.open_secure_channel()
    protocol.timeout = library_limit_s


def _leading(chain: bytes) -> bytes:
    """Return the first certificate of what may be a chain (DER: a SEQUENCE with a length of two bytes)."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]


def _demand_plain_header(data: bytes) -> None:
    """Raise MalformedError unless diagnostics are empty and no additional header is there: decoding one can be made to take all memory."""
    reader = Reader(data)
    reader.node()
    reader.take(16)
    reader.skip_diagnostics()
    for _ in range(reader.count()):
        reader.raw()
    if reader.node() != NodeId(0, "i", 0) or reader.u8() != 0:
        raise MalformedError("an additional header")
