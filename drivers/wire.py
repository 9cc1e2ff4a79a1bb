"""TCP on loopback under a test's hand: a listener that goes and comes back on its port, and a wire that can be cut, stalled and mended.

Room: ground; shipped beside `conformance.py`, so that a driver author's rig can break and mend the way to a device. No driver and no
part of the runtime uses it; it listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

read_bytes_max: Final = 65536


class Listener(ABC):
    """Serves one port, the same after every start. Stopping ends its connections and waits until none is served any more."""

    def __init__(self) -> None:
        """Describe it; opens nothing."""
        self.port = 0
        """0 until the first start: the system picks one."""
        self.connections = 0
        """How many were served so far."""
        self.open = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Listen; nothing when it does already."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and end those that are open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
            while self.open:  # noqa: ASYNC110  no task outlives the test's loop; subclasses count as they like
                await asyncio.sleep(0.005)

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; count it in `connections` and `open`, and keep what is to be aborted in `_writers`."""


class Wire(Listener):
    """A TCP relay to a port of this machine: `stall` lets nothing through but keeps connections, `cut` closes and refuses them.

    `mend` undoes both, on the same port. A subclass may look at what the far end sends, in `_pump_back`.
    """

    def __init__(self, port: int) -> None:
        """Lead to this port; `mend` before use."""
        super().__init__()
        self._target = port
        self._flow = asyncio.Event()
        self._flow.set()

    def stall(self) -> None:
        """Hold back everything from now on, both ways."""
        self._flow.clear()

    async def start(self) -> None:
        """Let everything through."""
        self._flow.set()
        await super().start()

    async def stop(self) -> None:
        """Close and refuse."""
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
                tasks.create_task(self._pump_back(far_reader, writer))
            self._writers -= {writer, far_writer}
        except OSError:
            writer.close()
        finally:
            self.open -= 1

    async def _pump_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pump(reader, writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(read_bytes_max):
                await self._flow.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
