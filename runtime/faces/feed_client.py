"""A face's end of the feed: keeps the newest values, health and events, and asks. Reconnects by itself.

Room: hall. The web face, the OPC UA face and the CLI use it. It holds one value per tag and no history; when the core is
away, `connected` is False and what it holds is old, which a face must show. A core that hangs keeps its connections: with `silent_s`
one that said nothing for so long counts as away too, until it says something again. It tells its health once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger_client.errors import FormatError
from runtime.faces import feed
from runtime.faces.feed import RequestRefusedError, Row

CONNECT_TIMEOUT_S = 5.0
RECONNECT_S = 0.5
HEARD_WITHIN_S = 5.0
"""A core that is silent for longer answers nobody; static/live.js says the same of a page's own line (SILENT_AFTER_MS)."""

Listener = Callable[[str, Any], None]
"""(what, data): what is "tags", "values", "models", "findings" (rows), "alarms" (summary and rows), "health", "link" (bool) or "event".

An event is [cursor, ms, kind, detail].
"""


class FeedClient:
    """`tags` and `values` map uid to rows (see `feed.ValueSource`); `health` is the newest snapshot.

    `models` and `findings` are rows of `feed.JudgementSource`, `alarms` is what `feed.AlarmSource` says; they come when `parts` names them.
    """

    def __init__(
        self, path: Path, face: str, listener: Listener | None = None, *, events_cursor: int | None = None, values: bool = True,
        parts: Sequence[str] = (), silent_s: float | None = None,
    ) -> None:  # fmt: skip
        self._path, self._face, self._listener, self._wants_values, self._parts = path, face, listener, values, list(parts)
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._silent_s, self._heard_at = silent_s, 0.0
        self._told_at: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._tag_draft: dict[int, Row] = {}
        self.tags: dict[int, Row] = {}
        self.values: dict[int, Row] = {}
        self.health: Mapping[str, Any] = {}
        self.models: list[dict[str, Any]] = []
        self.findings: list[dict[str, Any]] = []
        self.alarms: Mapping[str, Any] = {"summary": {}, "rows": []}
        self.cursor = events_cursor
        self.connected = False

    async def __aenter__(self) -> Self:
        """Nothing is opened yet; `run` does."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        self._drop()

    async def run(self) -> None:
        """Stay connected and take what comes, until cancelled."""
        while True:
            with contextlib.suppress(OSError, FormatError, TimeoutError):
                reader = await self.connect()
                await self.send(["subscribe", self._wants_values, self.cursor, *([self._parts] if self._parts else ())])
                while (message := await feed.read_frame(reader)) is not None:
                    self._hear()
                    self._take(message)
            self._drop()
            await asyncio.sleep(RECONNECT_S)

    async def connect(self) -> asyncio.StreamReader:
        """Connect and greet. Raises OSError, TimeoutError or FormatError (a core of another version)."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, self._writer = await asyncio.open_unix_connection(self._path, limit=feed.FRAME_SIZE_MAX)
            await self.send(["hello", feed.VERSION, self._face])
            greeting = await feed.read_frame(reader)
        match greeting:
            case ["hello", feed.VERSION, list()]:
                self._hear()
                return reader
        raise FormatError("feed_version", found=str(greeting)[:80])

    def silent_ms(self) -> int:
        """Return how long ago the core last told its health, and with it its clock, in ms; 0 when it never did."""
        return 0 if self._told_at is None else round(1000 * (time.monotonic() - self._told_at))

    async def request(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        """Ask the core over the running connection.

        Raises:
            RequestRefusedError: the core's own refusal, `core_away` / `request_timeout`, or as `feed.request_frame`.
        """
        if not self.connected:
            raise RequestRefusedError("core_away")
        self._number += 1
        number = self._number
        frame = feed.request_frame(number, method, params)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await self._send(frame)
                return await answer
        except TimeoutError as error:
            raise RequestRefusedError("request_timeout", method=method, timeout_s=timeout_s) from error
        except OSError as error:
            raise RequestRefusedError("core_away") from error
        finally:
            self._answers.pop(number, None)

    async def renew_models(self, timeout_s: float) -> None:
        """Ask for models and findings now: what an act changed is pushed a moment after its outcome. Raises as `request`, FormatError."""
        told = await self.request("models", {}, timeout_s)
        for part in feed.JUDGEMENT_PARTS:
            self._take([part, 0, told.get(part) if isinstance(told, dict) else None])

    async def send(self, message: list[Any]) -> None:
        """Write one frame. Raises OSError when the link is down."""
        await self._send(feed.encode_frame(message))

    async def ask_first(self, method: str, params: Mapping[str, Any]) -> None:
        """Send request 1 of a connection that nobody else uses. Raises OSError, and RequestRefusedError as `request` does."""
        await self._send(feed.request_frame(1, method, params))

    async def _send(self, frame: bytes) -> None:
        if self._writer is None:
            raise ConnectionResetError
        self._writer.write(frame)
        await self._writer.drain()

    def _take(self, message: list[Any]) -> None:
        match message:
            case ["values", int(), bool(), list(rows)] if feed.are_rows(rows, feed.VALUE_COLUMNS):
                for row in rows:
                    self.values[row[0]] = row
                self._tell("values", rows)
            case ["tags", int(), bool(more), list(rows)] if feed.are_rows(rows, feed.TAG_COLUMNS):
                self._tag_draft.update((row[0], row) for row in rows)
                if not more:
                    self.tags, self._tag_draft = self._tag_draft, {}
                    self.values = {uid: row for uid, row in self.values.items() if uid in self.tags}
                    self._tell("tags", self.tags)
            case ["health", dict(snapshot)]:
                self.health, self._told_at = snapshot, time.monotonic()
                self._tell("health", snapshot)
            case ["models", int(), list(rows)] if feed.are_named_rows(rows, "name"):
                self.models = rows
                self._tell("models", rows)
            case ["findings", int(), list(rows)] if feed.are_named_rows(rows, "model"):
                self.findings = rows
                self._tell("findings", rows)
            case ["alarms", int(), {"summary": dict(), "rows": list(rows)} as alarms] if feed.are_named_rows(rows, "name"):
                self.alarms = alarms
                self._tell("alarms", alarms)
            case ["event", int(cursor), int(), _, _]:
                self.cursor = cursor
                self._tell("event", message[1:])
            case ["response", int(number), bool(ok), result]:
                answer = self._answers.get(number)
                if answer is not None and not answer.done():
                    if ok:
                        answer.set_result(result)
                    else:
                        answer.set_exception(_refusal(result))
            case _:
                raise FormatError("frame_shape")

    def _tell(self, what: str, data: Any) -> None:
        if self._listener is not None:
            self._listener(what, data)

    def _hear(self) -> None:
        """The core said something: it is there."""
        self._heard_at = time.monotonic()
        if self._silent_s is not None and self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._silent_s, self._look, self._silent_s)
        if not self.connected:
            self.connected = True
            self._tell("link", True)

    def _look(self, silent_s: float) -> None:
        """Say that the core is away once nothing was heard for so long; the connection stays, and it may speak again."""
        left_s = self._heard_at + silent_s - time.monotonic()
        self._watch = asyncio.get_running_loop().call_later(left_s, self._look, silent_s) if left_s > 0 else None
        if self._watch is None:
            self._away()

    def _away(self) -> None:
        if self.connected:
            self.connected = False
            self._tell("link", False)

    def _drop(self) -> None:
        self._tag_draft = {}  # the rest of it does not come
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RequestRefusedError("core_away"))
        self._away()


async def ask_once(path: Path, face: str, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
    """Connect, ask one thing, hang up. Raises RequestRefusedError (`core_away` when nobody listens)."""
    client = FeedClient(path, face)
    try:
        async with client, asyncio.timeout(timeout_s):
            reader = await client.connect()
            await client.ask_first(method, params)
            while (message := await feed.read_frame(reader)) is not None:
                match message:
                    case ["response", 1, True, result]:
                        return result
                    case ["response", 1, False, said]:
                        raise _refusal(said)
                    case ["response", *_]:
                        raise FormatError("frame_shape")
    except TimeoutError as error:  # before OSError, of which it is a kind
        raise RequestRefusedError("request_timeout", method=method, timeout_s=timeout_s) from error
    except (OSError, FormatError) as error:
        raise RequestRefusedError("core_away") from error
    raise RequestRefusedError("core_away")


def _refusal(said: Any) -> RequestRefusedError:
    """Return the core's refusal. Raises FormatError for anything else."""
    match said:
        case [str(code), dict(params)] if all(isinstance(name, str) for name in params):
            refusal = RequestRefusedError(code)
            refusal.params = params
            return refusal
    raise FormatError("frame_shape")
