"""A TCP port on loopback that can die and come back on the same number, as a device does.

Room: ground, sim board. Called by `servers.py`, `modbus_server.py` and `gate.py` only say what a connection does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CONNECTIONS_MAX: Final = 64
LINE_BYTES_MAX: Final = 65536


class Port:
    """Listens from `async with` on. A dead port refuses connections and keeps its number reserved."""

    def __init__(self, host: str, port: int, connection: Connection) -> None:
        """Port 0 takes a free one; `number` then says which."""
        self.host = host
        self.number = port
        self._connection = connection
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Bind and listen. Raises OSError when the port is taken."""
        self._reserve()
        await self.revive()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        self.break_connections()

    def die(self) -> None:
        """Refuse new connections. Open ones stay: a device without power sends no farewell."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._reserve()

    async def revive(self) -> None:
        """Listen again; connections from before are unknown to the device now, so they break."""
        if self._server is None and self._reserved is not None:
            self.break_connections()
            reserved, self._reserved = self._reserved, None
            self._server = await asyncio.start_server(self._accept, sock=reserved, limit=LINE_BYTES_MAX)

    def break_connections(self) -> None:
        """Reset every open connection."""
        for writer in list(self._open):
            if writer.transport.is_closing():
                continue
            # Lingering for 0 s makes it a reset, as of a device that has forgotten the connection, not a farewell.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _reserve(self) -> None:
        # Bound but not listening: the kernel refuses connections, and gives the number to nobody else.
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reserved.bind((self.host, self.number))
        except OSError:
            reserved.close()
            raise
        self.number = reserved.getsockname()[1]
        self._reserved = reserved

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            await self._connection(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass  # The client went away, or said nothing for too long.
        finally:
            self._open.discard(writer)
            writer.close()
