"""The frames between the worker and its client: lengths first, numbers little-endian, nothing that has to be parsed with care.

Room: ground. `worker` and `worker_client` share it. Either end takes only what is exactly a frame of this file; the client does not
trust the worker, which runs foreign code. Pure.

A frame is a length (u32) and that many bytes. Requests: kind (u8), number of the model (u32), columns (u32), dtype (u8), then bytes:
kind 1 load = SHA-256 and model, kind 2 run = rows, kind 3 drop. Answers: kind (u8): 0 done = columns (u32), dtype (u8), bytes;
1 refused = UTF-8 text of a code, a line feed, and a detail.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

FRAME_BYTES_MAX: Final = 8 * 1024 * 1024
LENGTH: Final = struct.Struct("<I")
REQUEST: Final = struct.Struct("<BIIB")
ANSWER: Final = struct.Struct("<BIB")
LOAD, RUN, DROP = 1, 2, 3
DONE, REFUSED = 0, 1
DTYPES: Final = ("int8", "float32")
"""Their index is what a frame carries."""
SIZES: Final = (1, 4)


class FrameError(ValueError):
    """Bytes that are no frame."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the client wants."""

    kind: int
    model: int
    columns: int
    dtype: int
    data: bytes

    def framed(self) -> bytes:
        """Return the bytes for the pipe."""
        return LENGTH.pack(REQUEST.size + len(self.data)) + REQUEST.pack(self.kind, self.model, self.columns, self.dtype) + self.data


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: rows as bytes, or a refusal."""

    columns: int
    dtype: int
    data: bytes
    refused: str | None = None
    detail: str = ""

    def framed(self) -> bytes:
        """Return the bytes for the pipe."""
        if self.refused is not None:
            body = bytes([REFUSED]) + f"{self.refused}\n{self.detail}".encode()
        else:
            body = ANSWER.pack(DONE, self.columns, self.dtype) + self.data
        return LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """Return how many bytes follow the four of `head`. Raises FrameError."""
    (length,) = LENGTH.unpack(head)
    if not 1 <= length <= FRAME_BYTES_MAX:
        raise FrameError(f"length {length}")
    return int(length)


def read_request(body: bytes) -> Request:
    """Return the request in a frame's bytes. Raises FrameError."""
    if len(body) < REQUEST.size:
        raise FrameError("short request")
    kind, model, columns, dtype = REQUEST.unpack_from(body)
    if kind not in {LOAD, RUN, DROP} or dtype >= len(DTYPES):
        raise FrameError("request")
    return Request(kind, model, columns, dtype, body[REQUEST.size :])


def read_answer(body: bytes) -> Answer:
    """Return the answer in a frame's bytes: whole rows, or a refusal. Raises FrameError."""
    if body[:1] == bytes([REFUSED]):
        try:
            code, _, detail = body[1:].decode("utf-8").partition("\n")
        except UnicodeDecodeError as error:
            raise FrameError("text") from error
        return Answer(0, 0, b"", code[:64], detail[:200])
    if len(body) < ANSWER.size or body[0] != DONE:
        raise FrameError("answer")
    _, columns, dtype = ANSWER.unpack_from(body)
    data = body[ANSWER.size :]
    if dtype >= len(DTYPES) or (data and (columns == 0 or len(data) % (columns * SIZES[dtype]))):
        raise FrameError("rows")
    return Answer(columns, dtype, data)
