"""TCP on loopback under a test's hand: a listener that goes and comes back on its port, and a wire that can be cut, stalled and mended."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Self


class Listener(ABC):
    """Serves one port, the same after every start. Stopping ends its connections and waits until none is served any more."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        """How many were served so far."""
        self.open = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
            while self.open:  # no task outlives the test's loop
                await asyncio.sleep(0.005)

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; count it in `connections` and `open`, and keep what is to be aborted in `_writers`."""


CHUNKS = (b"MSG", b"OPN", b"CLO", b"ACK", b"ERR")


class Wire(Listener):
    """A TCP relay to a port: `stall` lets nothing through but keeps connections, `cut` closes and refuses them."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._target = port
        self._flow = asyncio.Event()
        self._flow.set()
        self.lose = 0
        """Notifications with values that are still to vanish on the way (channels without security)."""
        self.lost = 0

    def stall(self) -> None:
        self._flow.clear()

    async def start(self) -> None:
        self._flow.set()
        await super().start()

    async def stop(self) -> None:
        self._flow.set()  # what is held back would never see its end
        await super().stop()

    mend, cut = start, stop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, far_writer}
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, far_writer))
                tasks.create_task(self._pump_chunks(far_reader, writer))
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

    async def _pump_chunks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As `_pump`, chunk by chunk (OPC UA Part 6, 7.1.2.2), so that whole ones can vanish. What is no OPC UA goes through as it is."""
        held = b""
        try:
            while data := await reader.read(65536):
                await self._flow.wait()
                held += data
                passed = b""
                if not any(kind.startswith(held[:3]) for kind in CHUNKS):
                    passed, held = held, b""
                while len(held) >= 8:
                    size = int.from_bytes(held[4:8], "little")
                    if held[3:4] not in {b"F", b"C", b"A"} or size < 8:
                        size = len(held)
                    if len(held) < size:
                        break
                    chunk, held = held[:size], held[size:]
                    # a PublishResponse (829) behind chunk, security and sequence header; one without values is shorter
                    if self.lose and chunk[:3] == b"MSG" and chunk[24:28] == b"\x01\x00\x3d\x03" and size > 130:
                        self.lose, self.lost = self.lose - 1, self.lost + 1
                    else:
                        passed += chunk
                writer.write(passed)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
