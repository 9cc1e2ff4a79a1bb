"""The page's socket: TLS where others can reach it, plain HTTP only redirected there, and what a connection may cost.

Room: hall, face. `__main__` runs it. It takes each connection itself, looks at its first byte, and hands it to the HTTP server: so one port
answers both, a handshake has a deadline, and no address can take all connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from runtime.faces.web.headers import is_known
from runtime.faces.web.uvicorn_alone import H11Protocol, RequestResponseCycle, Server
from runtime.web_names import CERTIFICATE_FILE, KEY_FILE

HELLO: Final = b"\x16"
"""The first byte of a TLS handshake."""
FIRST_BYTE_S: Final = 10.0
HANDSHAKE_S: Final = 10.0
HEADERS_S: Final = 15.0
"""How long a request's head may take to come in."""
HEAD_SIZE_MAX: Final = 16_384
CONNECTIONS_MAX: Final = 256
OF_ONE_ADDRESS_MAX: Final = 64
RELOAD_S: Final = 5.0
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which waits for the head of a request only so long: it has no limit of its own for one that trickles."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See uvicorn."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """See uvicorn."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._stop()
        elif self._late is None:
            self._wait()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._stop()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """See uvicorn."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._late = asyncio.get_running_loop().call_later(HEADERS_S, self.transport.abort)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class Listener:
    """Takes connections of one bound socket; `run` until cancelled."""

    def __init__(self, server: Server, bound: socket.socket, tls: ssl.SSLContext | None, known: Callable[[], Collection[str]]) -> None:
        self._server, self._bound, self._tls, self._known = server, bound, tls, known
        self._of: Counter[str] = Counter()

    async def run(self) -> None:
        """Accept; what a single connection does wrong ends with it."""
        self._bound.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    connection, address = await loop.sock_accept(self._bound)
                except OSError:  # out of file descriptors: the ones that are open are served first
                    await asyncio.sleep(1.0)
                    continue
                source = str(address[0])
                if sum(self._of.values()) >= CONNECTIONS_MAX or (not _is_loopback(source) and self._of[source] >= OF_ONE_ADDRESS_MAX):
                    connection.close()
                    continue
                self._of[source] += 1
                group.create_task(self._take(connection, source), name="connection")

    async def _take(self, connection: socket.socket, source: str) -> None:
        """Hand one connection to the HTTP server and stay until it ends."""
        ended = asyncio.Event()
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None and not await self._begins_tls(connection):
                await self._redirect(connection)
                return
            loop = asyncio.get_running_loop()

            def protocol() -> asyncio.Protocol:
                return _Ending(PatientProtocol(self._server.config, self._server.server_state, {}, loop), ended)

            options: dict[str, Any] = {} if self._tls is None else {"ssl": self._tls, "ssl_handshake_timeout": HANDSHAKE_S}
            with contextlib.suppress(OSError, TimeoutError, ssl.SSLError):
                await loop.connect_accepted_socket(protocol, connection, **options)
                await ended.wait()
        finally:
            self._of[source] -= 1
            if not self._of[source]:
                del self._of[source]
            if not ended.is_set():
                connection.close()

    @staticmethod
    async def _begins_tls(connection: socket.socket) -> bool:
        """Look at the first byte without taking it."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(connection, readable.set)
        try:
            async with asyncio.timeout(FIRST_BYTE_S):
                await readable.wait()
            return connection.recv(1, socket.MSG_PEEK) == HELLO
        except (OSError, TimeoutError):
            return True  # nobody there: the handshake finds out
        finally:
            loop.remove_reader(connection)

    async def _redirect(self, connection: socket.socket) -> None:
        """Answer plain HTTP with the same address under https, when it names this machine; say nothing else."""
        with contextlib.suppress(OSError, TimeoutError):
            reached_at = str(connection.getsockname()[0])
            reader, writer = await asyncio.open_connection(sock=connection, limit=HEAD_SIZE_MAX)
            try:
                async with asyncio.timeout(HEADERS_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(redirect_of(head, self._known(), reached_at))
                    await writer.drain()
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()


class _Ending(asyncio.Protocol):
    """Passes everything on and says when the connection ended."""

    def __init__(self, inner: PatientProtocol, ended: asyncio.Event) -> None:
        self._inner, self._ended = inner, ended
        self.connection_made = inner.connection_made  # type: ignore[method-assign,assignment]
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._inner.connection_lost(exc)
        self._ended.set()


def redirect_of(head: bytes, known: Collection[str], reached_at: str = "") -> bytes:
    """Return the answer to a plain request: 308 to https for a name of ours (`is_known`) and a path without tricks, else 400."""
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    path = rest.partition(" ")[0]
    hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
    fine = method in {"GET", "HEAD"} and path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    fine = fine and "\\" not in path
    if not fine or len(hosts) != 1 or not is_known(hosts[0], known, reached_at):
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    target = f"https://{hosts[0]}{path}".encode("ascii", "ignore")
    return (
        b"HTTP/1.1 308 Permanent Redirect\r\nLocation: "
        + target
        + b"\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return the server's side of TLS 1.2 and later with the certificate in the folder. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(folder / CERTIFICATE_FILE, folder / KEY_FILE)
    return context


async def follow_certificate(context: ssl.SSLContext, folder: Path) -> None:
    """Serve new connections with a certificate that was imported or made anew, without a restart."""
    seen = (folder / CERTIFICATE_FILE).stat().st_mtime_ns
    while True:
        await asyncio.sleep(RELOAD_S)
        with contextlib.suppress(OSError, ssl.SSLError):
            now = (folder / CERTIFICATE_FILE).stat().st_mtime_ns
            if now != seen:
                context.load_cert_chain(folder / CERTIFICATE_FILE, folder / KEY_FILE)
                seen = now


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
