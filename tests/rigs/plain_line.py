"""A protocol without numbers, its device, and a driver that is right unless it is told to sin: what the conformance suite has to notice.

Room: tests. `GET 4` is answered by the point's value, `SET 4 7` by what the point has now, each a line; all values are integers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Self

from drivers.driver import Driver, DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.wire import Listener
from tests.rigs.conforming import WiredRig
from tests.rigs.wire import Wire


class PlainDevice(Listener):
    """Points with values; counts what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.points = {0: 11, 1: 22}
        self.sets = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                verb, point, *value = line.split()
                if verb == b"SET":
                    self.points[int(point)] = int(value[0])
                    self.sets += 1
                writer.write(b"%d\n" % self.points[int(point)])
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()


class PlainDriver:
    """Drops the connection after a question that was not answered, sends a write once, and says when it cannot tell.

    Sins: `keeps the line` after a time-out, `keeps the line when cancelled`, `writes twice`, `writes again` when no answer came,
    `no_answer` for a write that was sent.
    """

    def __init__(self, port: int, sin: str) -> None:
        self._port, self._sin = port, sin
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._drop()

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        try:
            values = await self._answers([f"GET {tag.address}" for tag in group.tags], deadline_s)
        except TimeoutError as error:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(deadline_s * 1000)) from error
        return Scan(group, list(values), time.time_ns() // 1_000_000)

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        raise DriverError("subscribe_not_supported", Status.BAD_NOT_SUPPORTED)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        if not tag.writable:
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        times = {"writes twice": 2, "writes again": 3}.get(self._sin, 1)
        for left in reversed(range(times)):
            try:
                await self._answers([f"SET {tag.address} {value}"], deadline_s / times)
            except (TimeoutError, DriverError) as error:
                if isinstance(error, DriverError) and error.cause == "connect_failed":
                    raise
                if self._sin == "no_answer":
                    raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(deadline_s * 1000)) from error
                if not left:
                    raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_answer") from error
            else:
                if self._sin != "writes twice":
                    return

    async def _answers(self, questions: list[str], deadline_s: float) -> list[int]:
        """Return the answers, or raise TimeoutError. What was asked and not answered must not meet the next question."""
        try:
            async with asyncio.timeout(deadline_s), self._turn:
                return [await self._ask(question) for question in questions]
        except TimeoutError:
            if self._sin != "keeps the line":
                self._drop()
            raise
        except asyncio.CancelledError:
            if self._sin != "keeps the line when cancelled":
                self._drop()
            raise

    async def _ask(self, line: str) -> int:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, host="127.0.0.1", port=self._port) from error
        reader, writer = self._streams
        try:
            writer.write(f"{line}\n".encode())
            return int(await reader.readuntil(b"\n"))
        except (OSError, asyncio.IncompleteReadError) as error:
            self._drop()
            raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, host="127.0.0.1", port=self._port) from error

    def _drop(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


class PlainRig(WiredRig):
    """Two points behind a wire."""

    features = frozenset({"link", "set", "write", "count", "lose", "late"})

    def __init__(self, sin: str = "") -> None:
        self.sin = sin
        self.device = PlainDevice()
        self.tags = tuple(Tag(n, f"t{n}", "dev", "int", "", n, writable=True) for n in range(2))
        self.group = TagGroup(1, "dev", "g", 100, self.tags)
        self.writable: Tag | None = self.tags[1]
        self.written: Value = 4321

    async def __aenter__(self) -> Self:
        await self.device.start()
        self.wire = Wire(self.device.port)
        await self.wire.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.cut()
        await self.device.stop()

    def make(self) -> Driver:
        return PlainDriver(self.wire.port, self.sin)

    async def set_value(self, tag: Tag, value: Value) -> None:
        assert isinstance(value, int)
        self.device.points[tag.uid] = value

    async def get_value(self, tag: Tag) -> Value:
        return self.device.points[tag.uid]

    def writes(self) -> int:
        return self.device.sets
