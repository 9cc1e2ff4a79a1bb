"""The core's end of the feed: serves values, health, events and requests to faces. Never waits for one.

Room: hall. `app` enters and runs it. Each face has at most one frame under way: while it drains, changes only move a
generation number, so a face that lags gets one fresh delta and never a longer queue; one that takes nothing for
STALL_S is cut off. Frames of faces that stand at the same generation are encoded once. What faces send is read by `feed_reading`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from ledger_client.errors import FormatError
from runtime.faces import feed
from runtime.faces.feed import (
    AlarmSource,
    EventSource,
    HealthSource,
    JudgementSource,
    RequestHandler,
    RequestRefusedError,
    Session,
    ValueSource,
)
from runtime.faces.feed_reading import FrameReading
from runtime.supervisor import absorbed

TICK_S = 0.1
HEALTH_S = 1.0
STALL_S = 30.0
FACES_MAX = 64
JUDGEMENT_S = 0.5
EVENTS_PER_READ = 200
WRITE_HIGH_BYTES = 64 << 10
_CREDENTIALS = struct.Struct("3i")


class FeedServer:
    """Listens on a Unix socket whose mode (and group) say who may connect."""

    def __init__(
        self, path: Path, values: ValueSource, health: HealthSource, events: EventSource, handler: RequestHandler, *, mode: int = 0o660,
        group: str | None = None, web_user: str | None = None, judgement: JudgementSource | None = None, alarms: AlarmSource | None = None,
        tick_s: float = TICK_S,
    ) -> None:  # fmt: skip
        """`web_user`: the one other user than the core's own whose requests may be as long as a configuration."""
        self._path, self._mode, self._group = path, mode, group
        self._reading = FrameReading(web_user)
        self._values, self._health, self._events, self._handler = values, health, events, handler
        self._judgement, self._alarms, self._tick_s = judgement, alarms, tick_s
        self._waiting: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue(FACES_MAX)
        self._frames: dict[int, tuple[int, list[bytes]]] = {}
        self._health_frame: tuple[float, bytes] = (float("-inf"), b"")
        self._alarm_frame: tuple[int, bytes] = (-1, b"")
        self._server: asyncio.Server | None = None
        self._encoding = asyncio.Lock()
        self.connected = 0

    async def __aenter__(self) -> Self:
        """Bind; a stale socket file of a dead core is replaced. Raises OSError."""
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, self._path, limit=feed.STRANGER_SIZE_MAX)
        finally:
            os.umask(before)
        if self._group is not None:
            shutil.chown(self._path, group=self._group)
        self._path.chmod(self._mode)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._reading.close()

    async def run(self) -> None:
        """Serve faces until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                reader, writer = await self._waiting.get()
                group.create_task(absorbed("face", self._serve(reader, writer)), name="face")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connected >= FACES_MAX or self._waiting.full():
            writer.close()
            return
        self._waiting.put_nowait((reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        writer.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        try:
            async with asyncio.timeout(STALL_S):
                hello = await feed.read_frame(reader, feed.HELLO_SIZE_MAX)
            match hello:
                case ["hello", feed.VERSION, str(face)]:
                    session = Session(face[:32], _peer_uid(writer))
                case _:
                    return
            connection = _Connection(writer)
            await connection.send(feed.encode_frame(["hello", feed.VERSION, self._features()]))
            await self._converse(reader, connection, session)
        except* (FormatError, OSError, TimeoutError, _HungUpError):
            pass
        finally:
            self.connected -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, connection: _Connection, session: Session) -> None:
        lane = asyncio.Semaphore(feed.REQUESTS_IN_FLIGHT_MAX)
        subscribed = False
        async with asyncio.TaskGroup() as group:
            while True:
                match await self._reading.next(reader, session):
                    case ["subscribe", bool(wanted), (int() | None) as cursor, *more] if not subscribed and not isinstance(cursor, bool):
                        subscribed = True
                        parts = _parts(more)
                        judged = [part for part in parts if part in feed.JUDGEMENT_PARTS]
                        if judged and self._judgement is not None:
                            group.create_task(self._push_judgement(connection, self._judgement, judged), name="face judgement")
                        if feed.ALARMS in parts and self._alarms is not None:
                            group.create_task(self._push_alarms(connection, self._alarms), name="face alarms")
                        group.create_task(self._push_health(connection), name="face health")
                        if wanted:
                            group.create_task(self._push_values(connection), name="face values")
                        group.create_task(self._push_events(connection, cursor), name="face events")
                    case ["request", int(number), str(method), dict(params)] if lane.locked():
                        await connection.send(_response(number, False, ["busy", {}]))
                    case ["request", int(number), str(method), dict(params)]:
                        await lane.acquire()
                        group.create_task(self._answer(connection, session, number, method, params, lane), name="face request")
                    case None:
                        raise _HungUpError
                    case _:
                        raise FormatError("frame_shape")

    async def _answer(
        self, connection: _Connection, session: Session, number: int, method: str, params: Mapping[str, Any], lane: asyncio.Semaphore
    ) -> None:
        try:
            try:
                frame = _response(number, True, await self._handler(session, method, params), method)
            except RequestRefusedError as refused:
                frame = _response(number, False, [refused.code, refused.params], method)
            await connection.send(frame)
        finally:
            lane.release()

    async def _push_values(self, connection: _Connection) -> None:
        generation, revision = -1, -1
        while True:
            if revision != self._values.tags_revision:
                revision, generation = self._values.tags_revision, -1
                for more, rows in feed.chunks(self._values.tag_rows()):
                    await connection.send(feed.encode_frame(["tags", revision, more, rows]))
            if generation != self._values.generation:
                generation, frames = await self._frames_since(generation)
                for frame in frames:
                    await connection.send(frame)
            await asyncio.sleep(self._tick_s)

    async def _push_health(self, connection: _Connection) -> None:
        while True:
            await connection.send(self._health_now(asyncio.get_running_loop().time()))
            await asyncio.sleep(HEALTH_S)

    async def _frames_since(self, generation: int) -> tuple[int, list[bytes]]:
        """Return the generation reached and its frames; faces that ask the same in the same state share the bytes.

        The loop is handed over after each frame, so that a snapshot of many tags does not hold the field up.
        """
        async with self._encoding:
            reached = self._values.generation
            cached = self._frames.get(generation)
            if cached is None or cached[0] != reached:
                frames: list[bytes] = []
                for more, part in feed.chunks(self._values.changed_since(generation)):
                    frames.append(feed.encode_frame(["values", reached, more, part]))
                    await asyncio.sleep(0)
                cached = (reached, frames)
                self._frames = {g: f for g, f in self._frames.items() if f[0] == reached}
                self._frames[generation] = cached
            return cached

    async def _push_judgement(self, connection: _Connection, judgement: JudgementSource, parts: Sequence[str]) -> None:
        """Send what changed of the parts, never faster than JUDGEMENT_S: the judge's pace is not the face's."""
        generation = -1
        while True:
            if generation != judgement.generation:
                generation = judgement.generation
                for part in parts:
                    rows = judgement.model_rows() if part == "models" else judgement.finding_rows()[: feed.FINDINGS_MAX]
                    await connection.send(feed.encode_frame([part, generation, rows]))
            await asyncio.sleep(JUDGEMENT_S)

    async def _push_alarms(self, connection: _Connection, alarms: AlarmSource) -> None:
        """Send what changed, never faster than JUDGEMENT_S; faces in the same state share the bytes."""
        generation = -1
        while True:
            if generation != alarms.generation:
                generation = alarms.generation
                if self._alarm_frame[0] != generation:
                    self._alarm_frame = generation, feed.encode_frame([feed.ALARMS, generation, dict(alarms.frame())])
                await connection.send(self._alarm_frame[1])
            await asyncio.sleep(JUDGEMENT_S)

    def _features(self) -> list[str]:
        judged = feed.JUDGEMENT_PARTS if self._judgement is not None else ()
        return ["values", "events", "requests", *judged, *((feed.ALARMS,) if self._alarms is not None else ())]

    def _health_now(self, now_s: float) -> bytes:
        if now_s - self._health_frame[0] >= HEALTH_S / 2:
            self._health_frame = (now_s, feed.encode_frame(["health", dict(self._health.snapshot())]))
        return self._health_frame[1]

    async def _push_events(self, connection: _Connection, cursor: int | None) -> None:
        position = self._events.newest if cursor is None else cursor
        while True:
            await self._events.beyond(position)
            while position < self._events.newest:
                rows = await self._events.since(position, EVENTS_PER_READ)
                if not rows:
                    break
                for seq, wall_ms, kind, detail in rows:
                    await connection.send(feed.encode_frame(["event", seq, wall_ms, kind, detail]))
                    position = seq
            await asyncio.sleep(self._tick_s)


class _HungUpError(Exception):
    """The face hung up."""


class _Connection:
    """One face's write side: whole frames in turn, none while another drains."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()

    async def send(self, frame: bytes) -> None:
        """Write a frame and wait until it drains. Raises TimeoutError when the face takes nothing for STALL_S."""
        async with asyncio.timeout(STALL_S), self._turn:
            self._writer.write(frame)
            await self._writer.drain()


def _parts(more: list[Any]) -> list[str]:
    """Return the parts that a subscription names beyond values and events. Raises FormatError for what is no such list."""
    match more:
        case []:
            return []
        case [list(parts)] if all(part in feed.PARTS for part in parts) and len(parts) == len(set(parts)):
            return parts
    raise FormatError("frame_shape")


def _response(number: int, ok: bool, result: Any, method: str = "") -> bytes:
    """Return the frame of an answer. One that cannot be put into a frame costs itself, never the connection that all pages share."""
    try:
        return feed.encode_frame(["response", number, ok, result])
    except FormatError as error:
        return feed.encode_frame(["response", number, False, [error.code, error.params]])
    except feed.UNFIT as error:
        structlog.get_logger("core").error("answer_failed", method=method[:80], detail=type(error).__name__, exc_info=error)
        return feed.encode_frame(["response", number, False, ["answer_failed", {"method": method[:80]}]])


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    return int(_CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1])
