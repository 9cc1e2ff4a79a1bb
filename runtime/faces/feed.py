"""The feed's wire: frames on a Unix socket between the core and a face. Shared by both ends; knows neither.

Room: hall. `feed_server` and `feed_client` call it. A frame is a u32 big-endian length and one strict CBOR array of at most
1 MiB whose first member names it:

    face -> core   ["hello", version, face]                      first frame, once
                   ["subscribe", values, events_cursor | null]   health and (from the cursor on) events; values and tags when true
                   ["subscribe", values, cursor, [part...]]      the same, and of PARTS those that are named
                   ["request", id, method, {params}]             own bounded lane
    core -> face   ["hello", version, [feature...]]
                   ["tags", revision, more, [row...]]            row as ValueSource.tag_rows
                   ["values", generation, more, [row...]]        row as ValueSource.changed_since; first one is the snapshot
                   ["health", {...}]
                   ["models", generation, [row...]]              row as JudgementSource.model_rows; all of them, whenever one changed
                   ["findings", generation, [row...]]            row as JudgementSource.finding_rows; the newest, newest first
                   ["alarms", generation, {summary, rows}]       as AlarmSource.frame; whole, whenever something changed
                   ["event", cursor, wall_ms, kind, detail]      cursor = seq of a durable entry
                   ["response", id, ok, result | [code, {params}]]

Nothing a peer sends is believed before it is checked: a frame of another shape ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ledger_client import cbor
from ledger_client.errors import FormatError

VERSION = 1
FRAME_SIZE_MAX = 1 << 20
CONFIG_TEXT_MAX = 1_000_000
"""Bytes of a configuration that is shown, or put in force, as one text: a frame of it and what goes with it is under FRAME_SIZE_MAX."""
HELLO_SIZE_MAX = 256
"""A peer that has not said who it is gets no more of the core's memory and time than this."""
STRANGER_SIZE_MAX = 16 << 10
"""Requests of another user than the core's own, root and `[feed] web_user` are no longer."""
LARGE_VALUES_MAX = 4_096
"""Values in a frame that is longer than JUDGE_SIZE_MAX: a configuration is one text. Reading 1 MiB of small ones takes half a second."""
JUDGE, JUDGE_SIZE_MAX = "judge", 32 << 10
"""The judge runs what others made of numbers, so it gets little of the core's time too; its longest word is a receipt of 24 kB."""
ROWS_PER_FRAME = 500
"""Small enough that encoding one frame does not hold the core's loop for a millisecond."""
REQUESTS_IN_FLIGHT_MAX = 8
MAP_MAX = 1_024
"""Entries of one map in a frame: parameters, health."""
TAG_COLUMNS, VALUE_COLUMNS = 10, 8
"""What rows have at least; see ValueSource."""
JUDGEMENT_PARTS = ("models", "findings")
ALARMS = "alarms"
PARTS = (*JUDGEMENT_PARTS, ALARMS)
FINDINGS_MAX = 50

UNFIT = (cbor.EncodeError, ValueError, TypeError, OverflowError, RecursionError)
"""What the encoder raises for what is no plain data."""

Row = list[Any]


class RequestRefusedError(Exception):
    """An answer that is an error: a message code with its parameters, never a traceback."""

    def __init__(self, code: str, /, **params: str | int | float | None) -> None:
        self.code = code
        self.params = dict(params)
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks: the face's own name, and the user id that the kernel vouches for."""

    face: str
    uid: int


class ValueSource(Protocol):
    """Newest values; `generation` counts changes."""

    @property
    def generation(self) -> int:
        """Grows with every change of any value."""
        ...

    @property
    def tags_revision(self) -> int:
        """Grows whenever tag_rows would differ."""
        ...

    def tag_rows(self) -> list[Row]:
        """[uid, "device/tag", device, unit, type, exponent, group, period_ms, writable, asset] of each tag."""
        ...

    def changed_since(self, generation: int) -> list[Row]:
        """[uid, value, status, read_ms, source_ms, state, seq, cause] of each tag changed after that generation."""
        ...


class HealthSource(Protocol):
    """State of every part as plain data."""

    def snapshot(self) -> Mapping[str, Any]:
        """Maps, lists, text, numbers; no more than a few kB."""
        ...


class JudgementSource(Protocol):
    """What the models say; `generation` grows with every change of either list. Hashes are hex text, what is not known is null."""

    @property
    def generation(self) -> int:
        """Counts changes."""
        ...

    def model_rows(self) -> list[dict[str, Any]]:
        """Of each model {name, state, progress, score, threshold, alarming, abstained, cell_ms, contributions, coverage, …}.

        `learned` = {rows, left_out, settling}: what it was learned from here, see `judgement.model_rows`.
        `coverage` has `by`: learned, check, or maker of an `imported` one that was not checked here.
        `contributions` are [tag, share, value, low, high] of at most five tags: first whom an alarm names, then the greatest share.
        `open` are {seq, rule, tag, at_ms, evidence, band} of findings that have not ended, oldest first: with one the machine is not
        normal, whatever the score says. Of the evidence it has the value and the limits; `band` is [low, high], as what is not known null.
        """
        ...

    def finding_rows(self) -> list[dict[str, Any]]:
        """The newest FINDINGS_MAX findings, newest first: {seq, at_ms, model, rule, tag, evidence, contributions, band, open}.

        `open`: it has begun and not ended, and its model looks for its end; one of a model that was replaced or is off is open no more.
        """
        ...


class AlarmSource(Protocol):
    """What alarms say; `generation` grows with every change."""

    @property
    def generation(self) -> int:
        """Counts changes."""
        ...

    def frame(self) -> Mapping[str, Any]:
        """{summary, rows}: counts of all alarms, and the most urgent ones; see `runtime.alarms.view`."""
        ...


class EventSource(Protocol):
    """Durable events; a cursor is the seq of an entry."""

    @property
    def newest(self) -> int:
        """Cursor of the newest event, -1 when there is none."""
        ...

    async def beyond(self, cursor: int) -> None:
        """Wait until there is an event after the cursor."""
        ...

    async def since(self, cursor: int, limit: int) -> list[Row]:
        """[seq, wall_ms, kind, detail] of events after the cursor, oldest first, at most `limit`."""
        ...


RequestHandler = Callable[[Session, str, Mapping[str, Any]], Awaitable[Any]]


def encode_frame(message: list[Any]) -> bytes:
    """Return length and CBOR. Raises FormatError when it would exceed FRAME_SIZE_MAX."""
    payload = cbor.encode(message)
    if len(payload) > FRAME_SIZE_MAX:
        raise FormatError("frame_too_long", size=len(payload))
    return len(payload).to_bytes(4, "big") + payload


def request_frame(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Return the frame of a request. The other end hangs up on one that it cannot read, and all pages of a gateway share one connection.

    Raises:
        RequestRefusedError: `frame_too_long`, or `body_unreadable` for a number beyond 64 bits, nesting that is too deep and the like.
    """
    try:
        frame = encode_frame(["request", number, method, dict(params)])
        decode_frame(frame[4:], LARGE_VALUES_MAX if len(frame) > JUDGE_SIZE_MAX else None)
    except FormatError as error:
        if error.code == "frame_too_long":
            raise RequestRefusedError(error.code, **error.params) from error
        raise RequestRefusedError("body_unreadable", detail=f"{error.code} {error.params.get('reason', '')}".strip()) from error
    except UNFIT as error:
        raise RequestRefusedError("body_unreadable", detail=type(error).__name__) from error
    return frame


def decode_frame(payload: bytes, values_max: int | None = None) -> list[Any]:
    """Return the message of a frame's payload. Raises FormatError unless it is a named array in strict CBOR of at most so many values."""
    message = cbor.decode(payload, size_max=FRAME_SIZE_MAX, what="frame", values_max=values_max, map_max=MAP_MAX)
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise FormatError("frame_shape")
    return message


async def read_frame(reader: asyncio.StreamReader, size_max: int = FRAME_SIZE_MAX) -> list[Any] | None:
    """Read one message; None at a clean end. Raises FormatError for a hostile or torn frame."""
    size = await read_size(reader, size_max)
    return None if size is None else decode_frame(await read_payload(reader, size))


async def read_size(reader: asyncio.StreamReader, size_max: int) -> int | None:
    """Read how long the next frame is; None at a clean end. Raises FormatError before any of it is read: no peer makes us hold more."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise FormatError("frame_torn") from error
        return None
    if not 0 < size <= size_max:
        raise FormatError("frame_too_long", size=size)
    return size


async def read_payload(reader: asyncio.StreamReader, size: int) -> bytes:
    """Read a frame's payload. Raises FormatError for one that ends too early."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise FormatError("frame_torn") from error


def are_rows(rows: list[Any], columns: int) -> bool:
    """Tell whether each of them has so many columns, the first of them a tag's number."""
    return all(isinstance(row, list) and len(row) >= columns and type(row[0]) is int for row in rows)


def are_named_rows(rows: list[Any], key: str) -> bool:
    """Tell whether each of them is a map with a text under this key."""
    return all(isinstance(row, dict) and isinstance(row.get(key), str) for row in rows)


def chunks(rows: list[Row]) -> list[tuple[bool, list[Row]]]:
    """Split rows so that each part fits a frame: (more follows, part); one empty part for no rows."""
    parts = [rows[i : i + ROWS_PER_FRAME] for i in range(0, len(rows), ROWS_PER_FRAME)] or [[]]
    return [(i + 1 < len(parts), part) for i, part in enumerate(parts)]
