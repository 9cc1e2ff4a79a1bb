"""A real OPC UA server (asyncua) on loopback behind a wire that tests can cut, stall and mend."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Self

from asyncua import Server, ua


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OpcUaPlant:
    """Variables ns=2;s=t0 ... of given start values."""

    def __init__(self, *values: object) -> None:
        self.port = free_port()
        self.endpoint = f"opc.tcp://127.0.0.1:{self.port}/plant"
        self._values = list(values)
        self._server: Server | None = None

    async def start(self) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        server = Server()
        await server.init()
        server.set_endpoint(self.endpoint)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("urn:plant")
        folder = await server.nodes.objects.add_object(2, "plant")
        for n, value in enumerate(self._values):
            node = await folder.add_variable(ua.NodeId(f"t{n}", 2), f"t{n}", value)
            await node.set_writable()
        await server.start()
        self._server = server

    async def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def set(self, n: int, value: object, status: int = 0) -> None:
        assert self._server is not None
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
        await self._server.write_attribute_value(
            ua.NodeId(f"t{n}", 2), ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=ua.datetime.now(ua.timezone.utc))
        )

    async def get(self, n: int) -> object:
        assert self._server is not None
        return await self._server.get_node(ua.NodeId(f"t{n}", 2)).read_value()


class Wire:
    """A TCP relay to a port: `stall` lets nothing through but keeps connections, `cut` closes and refuses them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.connections = 0
        self.open = 0
        self._flow = asyncio.Event()
        self._flow.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    def stall(self) -> None:
        self._flow.clear()

    async def cut(self) -> None:
        self._flow.set()
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
            while self.open:
                await asyncio.sleep(0.005)

    async def mend(self) -> None:
        self._flow.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, far_writer}
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, far_writer))
                tasks.create_task(self._pump(far_reader, writer))
            self._writers -= {writer, far_writer}
        except OSError:
            writer.close()
        finally:
            self.open -= 1

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flow.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
