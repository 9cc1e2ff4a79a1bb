"""Faulty links between a client and a real server: a loopback relay that delays, cuts, stalls, drops and garbles.

Room: tests, also for authors of drivers and anchors. Point the client at `link.port`; switch faults on and off while it runs.
Every random choice comes from the seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class Faults:
    """What the link does to each chunk of bytes that passes."""

    delay_s: float = 0.0
    stalled: bool = False
    refuse: bool = False
    cut_after_bytes: int | None = None
    garble: float = 0.0
    drop: float = 0.0


class FaultyLink:
    """A TCP relay on 127.0.0.1 to `target_port`; `faults` may be changed at any time."""

    def __init__(self, target_port: int, *, seed: int) -> None:
        self.faults = Faults()
        self.connections = 0
        self._target_port = target_port
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._mended = asyncio.Event()

    @property
    def port(self) -> int:
        """Where to connect to."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """Reset every connection that is open now."""
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Switch all faults off; what was stalled flows."""
        self.faults = Faults()
        self._mended.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.faults.refuse:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        except* (OSError, EOFError):
            pass
        finally:
            for end in (writer, far_writer):
                self._open.discard(end)
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await source.read(4096):
            faults = self.faults
            if faults.delay_s:
                await asyncio.sleep(faults.delay_s)
            while self.faults.stalled:
                self._mended.clear()
                await self._mended.wait()
            if self._random.random() < faults.drop:
                continue
            if self._random.random() < faults.garble:
                data = _garbled(data, self._random.randrange)
            passed += len(data)
            if faults.cut_after_bytes is not None and passed > faults.cut_after_bytes:
                raise EOFError
            sink.write(data)
            await sink.drain()
        raise EOFError


def _garbled(data: bytes, pick: Callable[[int], int]) -> bytes:
    position = pick(len(data))
    return data[:position] + bytes([data[position] ^ (1 << pick(8))]) + data[position + 1 :]
