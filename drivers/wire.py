"""TCP on loopback under a test's hand: a listener that goes and comes back on its port, and a wire that can be cut, stalled and mended.

Room: ground; shipped beside `conformance.py`, so that a driver author's rig can break and mend the way to a device. No driver and no
part of the runtime uses it; it listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

read_bytes_max: Final = 65536


class Fates(Protocol):
    """What can say what is to happen to the next answer."""

    def take_fate(self) -> str:
        """See Wire."""
        ...


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
            if not self.port:
                self._keep_port()
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def _keep_port(self) -> None:
        """Take a free port and stay bound to it without listening, so that nobody else is given it between two starts."""
        keeper = socket.socket()
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        self.port = keeper.getsockname()[1]
        weakref.finalize(self, keeper.close)

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

    `mend` undoes both, on the same port. A subclass may look at what the far end sends, in `_pump_back`. `lose_answer` and `hold_answer`
    are for protocols whose far end speaks when it is asked: an answer is what it sends until the near end speaks again.
    """

    def __init__(self, port: int) -> None:
        """Lead to this port; `mend` before use."""
        super().__init__()
        self._target = port
        self._flow = asyncio.Event()
        self._flow.set()
        self._fate = ""

    def lose_answer(self) -> None:
        """Swallow the answer to the next question. The question arrives, and the connection stays."""
        self._fate = "lose"

    def hold_answer(self) -> None:
        """Hold the answer to the next question back, and send it right before the next answer on that connection, if there is one."""
        self._fate = "hold"

    def take_fate(self) -> str:
        """Return what is to happen to the answer to the question that goes by now: nothing (``""``), `lose` or `hold`. Told once."""
        fate, self._fate = self._fate, ""
        return fate

    def stall(self) -> None:
        """Hold back everything from now on, both ways."""
        self._flow.clear()

    async def start(self) -> None:
        """Let everything through, the next answer too."""
        self._flow.set()
        self._fate = ""
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
                answers = Answers(self)
                tasks.create_task(self._pump(reader, far_writer, answers.asked))
                tasks.create_task(self._pump_back(far_reader, writer, answers))
            self._writers -= {writer, far_writer}
        except OSError:
            writer.close()
        finally:
            self.open -= 1

    async def _pump_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers) -> None:
        await self._pump(reader, writer, answers.came)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Callable[[bytes], bytes]) -> None:
        try:
            while data := await reader.read(read_bytes_max):
                await self._flow.wait()
                writer.write(passed(data))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class Answers:
    """What happens to the answers of one connection, or of one serial line: give every piece of data that goes by to it, each way."""

    def __init__(self, wire: Fates) -> None:
        """Let the wire say what each answer's fate is."""
        self._wire = wire
        self._fate = ""
        self._kept = b""

    def asked(self, data: bytes) -> bytes:
        """Return what goes on to the far end: all. A question after an answer that was kept ends the keeping."""
        if self._kept and self._fate:
            self._kept = b"" if self._fate == "lose" else self._kept
            self._fate = ""
        self._fate = self._fate or self._wire.take_fate()
        return data

    def came(self, data: bytes) -> bytes:
        """Return what goes on to the near end now."""
        self._kept += data
        if self._fate:
            return b""
        passed, self._kept = self._kept, b""
        return passed
