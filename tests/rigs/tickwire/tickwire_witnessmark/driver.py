"""One Tickwire terminal. Questions and pushed samples have a connection each, so that neither waits for the other."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import Self, TypeVar

from drivers.driver import Clock, DriverError
from drivers.pause import ConnectPause
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new
from drivers.scaling import Scaling
from tickwire_witnessmark.codec import ANSWER, IDLE, PUSH, PUSHED, READ, REFUSED, SET, Frame, FrameError, Sample, samples, split, wrap
from tickwire_witnessmark.config import Address, DeviceOptions

Result = TypeVar("Result")


class Connection:
    """A connection that is closed as soon as anything on it is wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: dict[str, str | int]) -> None:
        self._reader, self._writer, self._place = reader, writer, place
        self._held = b""
        self._frames: list[Frame] = []

    async def send(self, frame: Frame) -> None:
        self._writer.write(wrap(frame))

    async def frame(self) -> Frame:
        """Return the next frame. Raises DriverError."""
        while not self._frames:
            try:
                data = await self._reader.read(4096)
            except OSError as error:
                raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, **self._place) from error
            if not data:
                raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, **self._place)
            try:
                self._frames, self._held = split(self._held + data)
            except FrameError as error:
                raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=str(error)) from error
        return self._frames.pop(0)

    def close(self) -> None:
        self._writer.transport.abort()


class TickwireDriver:
    """See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._place: dict[str, str | int] = {"host": options.host, "port": options.port}
        self._pause, self._push_pause = ConnectPause(clock), ConnectPause(clock)
        self._turn = asyncio.Lock()
        self._asking: Connection | None = None
        self._pushing: set[Connection] = set()
        self._sequence = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in (*self._pushing, *((self._asking,) if self._asking else ())):
            connection.close()
        self._asking = None

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        values: list[Value] = []
        statuses: list[int] = []
        sources: list[int | None] = []
        try:
            async with asyncio.timeout(deadline_s), self._turn:
                for tag in group.tags:
                    value, status, source = await self._value(tag)
                    values.append(value)
                    statuses.append(status)
                    sources.append(source)
        except TimeoutError as error:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(deadline_s * 1000)) from error
        newest = max((source for source in sources if source is not None), default=None)
        return Scan(group, values, self._clock.wall_ms(), statuses if any(statuses) else None, newest, sources=sources)

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        places: dict[int, list[int]] = {}
        for n, tag in enumerate(group.tags):
            places.setdefault(_address(tag).channel, []).append(n)
        connection = await self._within(self._options.silence_s, self._connect(self._push_pause))
        self._pushing.add(connection)
        try:
            await connection.send(Frame(0, PUSH, bytes(sorted(places))))
            while True:
                frame = await self._within(self._options.silence_s, connection.frame())
                if frame.verb == IDLE:
                    yield nothing_new(group, self._clock.wall_ms())
                elif frame.verb == PUSHED:
                    yield self._pushed(group, places, frame.payload)
                elif frame.verb == REFUSED:
                    raise DriverError("device_exception", Status.BAD_DEVICE_FAILURE, code=_code(frame))
                elif frame.verb != PUSH | ANSWER:
                    raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=f"verb {frame.verb:#x}")
        finally:
            self._pushing.discard(connection)
            connection.close()

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        if not tag.writable:
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        address, raw = _address(tag), _raw(value, _address(tag))
        sent = False
        try:
            async with asyncio.timeout(deadline_s), self._turn:
                if self._asking is None:
                    self._asking = await self._connect(self._pause)
                sent = True
                await self._ask(SET, bytes((address.channel,)) + raw.to_bytes(4, "big", signed=True))
        except TimeoutError as error:
            if sent:
                raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_answer") from error
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(deadline_s * 1000)) from error
        except DriverError as error:
            if error.cause == "device_exception":
                raise DriverError("write_refused", Status.BAD_DEVICE_FAILURE, code=error.params["code"]) from error
            if sent:
                raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason=error.cause) from error
            raise

    async def _value(self, tag: Tag) -> tuple[Value, int, int | None]:
        address = _address(tag)
        try:
            payload = await self._ask(READ, bytes((address.channel,)))
            (sample,) = samples(payload)
        except DriverError as error:
            if error.cause != "device_exception":
                raise
            return None, Status.BAD_DEVICE_FAILURE, None
        except ValueError as error:
            self._drop()
            raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=str(error)) from error
        if sample.channel != address.channel:
            self._drop()
            raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=f"channel {sample.channel}")
        value, status = _meaning(sample, address)
        return value, status, sample.time_ms

    async def _ask(self, verb: int, payload: bytes) -> bytes:
        if self._asking is None:
            self._asking = await self._connect(self._pause)
        self._sequence = self._sequence % 255 + 1
        answered = False
        try:
            await self._asking.send(Frame(self._sequence, verb, payload))
            frame = await self._asking.frame()
            if frame.sequence != self._sequence or frame.verb not in (verb | ANSWER, REFUSED):
                raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=f"answer {frame.verb:#x} to {frame.sequence}")
            answered = True
        finally:
            if not answered:
                self._drop()
        if frame.verb == REFUSED:
            raise DriverError("device_exception", Status.BAD_DEVICE_FAILURE, code=_code(frame))
        return frame.payload

    async def _connect(self, pause: ConnectPause) -> Connection:
        pause.begin(self._place)
        try:
            reader, writer = await asyncio.open_connection(self._options.host, self._options.port)
        except OSError as error:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **self._place) from error
        pause.succeeded()
        return Connection(reader, writer, self._place)

    def _pushed(self, group: TagGroup, places: dict[int, list[int]], payload: bytes) -> Scan:
        count = len(group.tags)
        values: list[Value] = [None] * count
        statuses, present = [0] * count, [False] * count
        sources: list[int | None] = [None] * count
        try:
            for sample in samples(payload):
                for n in places.get(sample.channel, ()):
                    values[n], statuses[n] = _meaning(sample, _address(group.tags[n]))
                    present[n], sources[n] = True, sample.time_ms
        except FrameError as error:
            raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=str(error)) from error
        newest = max((source for source in sources if source is not None), default=None)
        return Scan(group, values, self._clock.wall_ms(), statuses if any(statuses) else None, newest, present, sources=sources)

    async def _within(self, limit_s: float, call: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except TimeoutError as error:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(limit_s * 1000)) from error

    def _drop(self) -> None:
        connection, self._asking = self._asking, None
        if connection is not None:
            connection.close()


def _code(frame: Frame) -> int:
    return frame.payload[0] if frame.payload else 0


def _meaning(sample: Sample, address: Address) -> tuple[Value, int]:
    if sample.overload:
        return None, Status.BAD_OUT_OF_RANGE
    if address.kind == "alarm":
        return sample.value != 0, Status.GOOD
    if address.kind == "counter":
        return sample.value, Status.GOOD
    return float(Scaling(address.scale).apply(sample.value)), Status.GOOD


def _raw(value: Value, address: Address) -> int:
    """Return the terminal's number for a value. Raises DriverError `write_out_of_range`."""
    if isinstance(value, int | float) and math.isfinite(value):
        raw = Scaling(address.scale if address.kind == "weight" else 1).invert(value)
        if raw.denominator == 1 and -(1 << 31) <= raw < 1 << 31:
            return int(raw)
    raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))


def _address(tag: Tag) -> Address:
    if not isinstance(tag.address, Address):
        raise DriverError("write_not_supported", Status.BAD_CONFIGURATION_ERROR)
    return tag.address
