"""A relay before a server that knows no faults: it delays, loses and breaks what goes through.

Room: ground, sim board. `servers.py` puts it before the OPC UA server, whose library offers no such switch. It reads
no message: one read of the socket is one unit of delay or loss.
"""

from __future__ import annotations

import asyncio
from typing import Final

from boards.sim.faults import Faults

IDLE_S: Final = 3600.0
CONNECT_S: Final = 5.0
SEND_S: Final = 10.0
CHUNK_BYTES: Final = 65536
CHUNKS_MAX: Final = 256


class Gate:
    """Connects each client to `inner_port` on the same host, under the faults in force."""

    def __init__(self, host: str, faults: Faults) -> None:
        """Relay to `host`; set `inner_port` before the first client comes."""
        self.inner_port = 0
        self._host = host
        self._faults = faults

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side ends it."""
        if self.inner_port == 0:
            return
        async with asyncio.timeout(CONNECT_S):
            inner_reader, inner_writer = await asyncio.open_connection(self._host, self.inner_port)
        answers: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_MAX)
        ends = (writer, inner_writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(reader, inner_writer, ends))
                tasks.create_task(self._answers(inner_reader, answers, ends))
                tasks.create_task(self._deliver(answers, writer, ends))
        finally:
            inner_writer.close()

    async def _requests(self, reader: asyncio.StreamReader, inner: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...]) -> None:
        try:
            while data := await _read(reader):
                if self._faults.link().dead:
                    continue
                if self._faults.loses():
                    return
                inner.write(data)
                async with asyncio.timeout(SEND_S):
                    await inner.drain()
        except (ConnectionError, TimeoutError):
            pass  # Both ends close below.
        finally:
            _abort(ends)

    async def _answers(
        self, reader: asyncio.StreamReader, answers: asyncio.Queue[tuple[float, bytes]], ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await _read(reader):
                answers.put_nowait((loop.time() + self._faults.link().delay_s, data))
        except (ConnectionError, TimeoutError, asyncio.QueueFull):
            pass  # As above; a client that reads slower than a full queue of answers loses its connection.
        finally:
            _abort(ends)
            if answers.full():
                answers.get_nowait()
            answers.put_nowait((0.0, b""))

    async def _deliver(
        self, answers: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (due := await answers.get())[1]:
                await asyncio.sleep(max(due[0] - loop.time(), 0.0))
                if self._faults.link().dead:
                    continue
                writer.write(due[1])
                async with asyncio.timeout(SEND_S):
                    await writer.drain()
        except (ConnectionError, TimeoutError):
            pass  # As above.
        finally:
            _abort(ends)


async def _read(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(IDLE_S):
        return await reader.read(CHUNK_BYTES)


def _abort(ends: tuple[asyncio.StreamWriter, ...]) -> None:
    for end in ends:
        end.transport.abort()
