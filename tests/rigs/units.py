"""Simulated Modbus units behind one TCP port or one serial line, each with its own vice: dead, slow, wrong number.

Their protocol is the sim board's (`boards/sim/pdu.py`), not pymodbus': two readers of the standard meet. Frames of the serial line are
made here, bit by bit after the specification, and not by the code under test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import pytest

from boards.sim.pdu import answer
from boards.sim.register_map import ILLEGAL_ADDRESS, RefusedError
from drivers.driver import Driver, DriverError
from drivers.reading import TagGroup, Value
from drivers.wire import Listener


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of a serial frame, low byte first, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


@dataclass
class Unit:
    """One unit: 200 holding registers, mirrored in the other tables. `knows_echo`: function 8 is answered; else refused."""

    words: list[int] = field(default_factory=lambda: list(range(200)))
    dead: bool = False
    delay_s: float = 0.0
    answers_as: int | None = None
    knows_echo: bool = True
    ignores_echo: bool = False
    refuses: int | None = None
    """Exception code with which it refuses every read."""
    asked: int = 0

    def read(self, table: str, start: int, count: int) -> list[int]:
        if self.refuses is not None:
            raise RefusedError(self.refuses)
        if start + count > len(self.words):
            raise RefusedError(ILLEGAL_ADDRESS)
        words = self.words[start : start + count]
        return words if table in ("holding", "input") else [word & 1 for word in words]

    def write(self, table: str, start: int, words: list[int]) -> None:
        if start + len(words) > len(self.words):
            raise RefusedError(ILLEGAL_ADDRESS)
        self.words[start : start + len(words)] = words

    def respond(self, pdu: bytes) -> bytes | None:
        self.asked += 1
        if self.dead or (pdu[0] == 8 and self.ignores_echo):
            return None
        if pdu[0] == 8 and self.knows_echo:
            return pdu
        return answer(self, pdu)


class TcpUnits(Listener):
    """Units behind one TCP port. Requests of one connection are served in order; `connections_max` refuses more at a time."""

    def __init__(self, units: dict[int, Unit]) -> None:
        super().__init__()
        self.units = units
        self.connections_max = 99
        self.shuffled = False
        """Answer what waits in one go, newest first."""
        self.requests: list[tuple[int, bytes]] = []

    def refuse(self) -> None:
        """Close the port and keep the connections that there are, as a device with room for no more."""
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open >= self.connections_max:
            writer.transport.abort()
            return
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        try:
            while True:
                batch = [await self._answer(*await self._request(reader))]
                while self.shuffled and len(batch) < 4:
                    try:
                        async with asyncio.timeout(0.01):
                            request = await self._request(reader)
                    except TimeoutError:
                        break
                    batch.append(await self._answer(*request))
                writer.write(b"".join(reversed(batch)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        transaction, _, length, number = struct.unpack(">HHHB", await reader.readexactly(7))
        return transaction, number, await reader.readexactly(length - 1)

    async def _answer(self, transaction: int, number: int, pdu: bytes) -> bytes:
        self.requests.append((number, pdu))
        unit = self.units.get(number)
        if unit is None:
            return b""
        if unit.delay_s:
            await asyncio.sleep(unit.delay_s)
        response = unit.respond(pdu)
        if response is None:
            return b""
        return struct.pack(">HHHB", transaction, 0, len(response) + 1, unit.answers_as or number) + response


class PacedUnits:
    """Units at the far end of a pseudo-terminal, with the timing of a wire: an answer's bytes come one by one at `baud`.

    `spoil` may change what is sent: it gets the answer's frame and returns (delay in s, bytes) pieces to send one after another.
    """

    def __init__(self, units: dict[int, Unit], baud: int) -> None:
        self.units = units
        self.character_s = 11 / baud
        self.spoil: Callable[[bytes], list[tuple[float, bytes]]] | None = None
        self.requests: list[tuple[int, bytes]] = []
        self.broken_requests = 0
        self._near, self._far = os.openpty()
        self.path = os.ttyname(self._far)
        self._received = b""
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        import tty

        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        asyncio.get_running_loop().add_reader(self._near, self._take)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._tasks.__aexit__(None, None, None)
        asyncio.get_running_loop().remove_reader(self._near)
        os.close(self._near)
        os.close(self._far)

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):  # spoken over, and taken away
            self._received += os.read(self._near, 4096)
            self._arrived.set()

    async def _serve(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._received:
                frame, self._received = self._received[: self._size()], self._received[self._size() :]
                if len(frame) < 4 or crc(frame[:-2]) != frame[-2:]:
                    self.broken_requests += 1
                    self._received = b""
                    break
                await asyncio.sleep(len(frame) * self.character_s)  # a wire would still be carrying it
                self.requests.append((frame[0], frame[1:-2]))
                await self._respond(frame)

    def _size(self) -> int:
        function = self._received[1:2]
        return 9 + self._received[6] if function in (b"\x0f", b"\x10") and len(self._received) > 6 else 10 if function == b"\x16" else 8

    async def _respond(self, frame: bytes) -> None:
        unit = self.units.get(frame[0])
        response = unit.respond(frame[1:-2]) if unit is not None else None
        if unit is None or response is None:
            return
        body = bytes((unit.answers_as or frame[0],)) + response
        whole = body + crc(body)
        for place, (delay_s, piece) in enumerate(self.spoil(whole) if self.spoil else [(0.0, whole)]):
            await asyncio.sleep(max(delay_s, 3.5 * self.character_s) + unit.delay_s)
            await self._send(piece, again=place > 0)

    def _is_spoken_over(self) -> bool:
        """Whether somebody else has begun to talk meanwhile, seen at the wire itself: this loop may have been kept from reading it."""
        return bool(self._received) or bool(select.select([self._near], [], [], 0)[0])

    async def _send(self, data: bytes, *, again: bool) -> None:
        """Send at the speed of the wire, in slices of some milliseconds, as a UART's buffer gives them.

        `again`: more of the same answer. Two that talk at once on one pair of wires are heard by nobody, neither this nor the request.
        """
        slice_bytes = max(1, int(0.004 / self.character_s))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in range(0, len(data), slice_bytes):
            piece = data[at : at + slice_bytes]
            await asyncio.sleep(max(0.0, began + (at + len(piece)) * self.character_s - loop.time()))
            if again and self._is_spoken_over():
                with contextlib.suppress(BlockingIOError):
                    os.read(self._near, 4096)
                piece, self._received = bytes(byte ^ 0x5A for byte in piece), b""
            try:
                os.write(self._near, piece)
            except BlockingIOError:
                return  # nobody reads the other end


async def answered(driver: Driver, group: TagGroup) -> list[Value]:
    """Return what a group's tags have, read again and again until the unit answers."""
    while True:
        try:
            return list((await driver.read(group, 1.0)).values)
        except DriverError:
            await asyncio.sleep(0)


async def cause_of(call: Awaitable[object]) -> str:
    """Return with which cause something fails."""
    with pytest.raises(DriverError) as caught:
        await call
    return caught.value.cause
