"""An OPC UA server that speaks the protocol up to a point and then does its worst. No library: every byte is a test's choice."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Self

from drivers.opcua.binary import Reader, put_node, put_raw, put_text
from drivers.opcua.nodes import NodeId

POLICY_NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
Answer = Callable[[int, bytes], bytes | None]
"""(request type, its parameters) -> the answer's body behind the header, or None: say nothing."""


def header(status: int = 0) -> bytes:
    """A response header."""
    return struct.pack("<qII", 0, 0, status) + b"\0" + struct.pack("<i", 0) + b"\0\0\0"


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body) + 8) + body


def data_values(*encoded: bytes) -> bytes:
    """A read's results."""
    return struct.pack("<i", len(encoded)) + b"".join(encoded) + struct.pack("<i", -1)


class HostileServer:
    """Opens channels and sessions as it should; all else comes from `answer`.

    `raw(name)` may return bytes to send in place of the answer to `hello`, `open`, `session`, `activate` or `service`.
    """

    def __init__(self, answer: Answer, raw: Callable[[str], bytes | None] | None = None, revised_ms: int = 3_600_000) -> None:
        self._answer, self._raw, self._revised_ms = answer, raw or (lambda _: None), revised_ms
        self.port = 0
        self.connections = 0
        self.requests = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.02)  # connections that were just accepted begin to be served
        self._server.close()
        await self._server.wait_closed()
        for writer in self._open:
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)

    @property
    def endpoint(self) -> str:
        """Where to connect to."""
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        sequence = 0
        try:
            while True:
                head = await reader.readexactly(8)
                body = await reader.readexactly(struct.unpack("<I", head[4:])[0] - 8)
                kind = head[:3]
                if kind == b"HEL":
                    writer.write(self._raw("hello") or chunk(b"ACKF", struct.pack("<5I", 0, 65536, 65536, 0, 0)))
                    continue
                sequence += 1
                if kind == b"OPN":
                    at = Reader(body, 4)
                    for _ in range(3):
                        at.raw()
                    request = struct.unpack_from("<I", body, at.at + 4)[0]
                    token = struct.pack("<IIqI", 1, 1, 0, self._revised_ms)
                    answer = put_node(NodeId(0, "i", 449)) + header() + struct.pack("<I", 0) + token + put_raw(b"x")
                    security = put_text(POLICY_NONE) + put_raw(None) + put_raw(None)
                    whole = chunk(b"OPNF", struct.pack("<I", 1) + security + struct.pack("<II", sequence, request) + answer)
                    writer.write(self._raw("open") or whole)
                    continue
                at = Reader(body, 16)
                service = int(at.node().name)  # type: ignore[call-overload]
                at.node()
                at.take(16)
                at.raw()
                at.take(7)
                request = struct.unpack_from("<I", body, 12)[0]
                name = {461: "session", 467: "activate"}.get(service, "service")
                if name == "service":
                    self.requests += 1
                sent = self._raw(name)
                given = self._opening(service) if name != "service" else self._answer(service, body[at.at :])
                if sent is not None:
                    writer.write(sent)
                elif given is not None:
                    answer = put_node(NodeId(0, "i", 476 if service == 473 else service + 3)) + given
                    parts = [answer[n : n + 60_000] for n in range(0, len(answer), 60_000)] or [b""]
                    for n, part in enumerate(parts):
                        sequence += n > 0
                        kind = b"MSGF" if n == len(parts) - 1 else b"MSGC"
                        writer.write(chunk(kind, struct.pack("<IIII", 1, 1, sequence, request) + part))
                        await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    def _opening(self, service: int) -> bytes:
        if service == 461:
            description = put_text("urn:x") + put_text("urn:x") + b"\0" + struct.pack("<i", 0) + put_text(None) * 2 + struct.pack("<i", 0)
            token = put_text("anonymous") + struct.pack("<i", 0) + put_text(None) * 3
            endpoint = put_text(self.endpoint) + description + put_raw(None) + struct.pack("<i", 1) + put_text(POLICY_NONE)
            endpoint += struct.pack("<i", 1) + token + put_text("") + b"\0"
            ids = put_node(NodeId(1, "i", 1)) + put_node(NodeId(1, "i", 2))
            ends = struct.pack("<i", -1) + put_text(None) + put_raw(None) + struct.pack("<I", 0)
            return header() + ids + struct.pack("<d", 30_000) + put_raw(b"n" * 32) + put_raw(None) + struct.pack("<i", 1) + endpoint + ends
        return header() + put_raw(b"n" * 32) + struct.pack("<ii", 0, 0)
