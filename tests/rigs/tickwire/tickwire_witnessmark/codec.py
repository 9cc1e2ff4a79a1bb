"""Tickwire frames. Pure.

frame  = 0xA5, length of the rest, sequence, verb, payload, XOR of everything before it
verbs  = 1 read channel, 2 set channel, 3 push channels, 0x81 0x82 0x83 their answers, 0x84 pushed, 0x85 nothing new, 0xFF refused
sample = channel, flags (1: overload), value (int32), time (uint64, ms)
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final

MARK: Final = 0xA5
READ, SET, PUSH, PUSHED, IDLE, REFUSED = 1, 2, 3, 0x84, 0x85, 0xFF
ANSWER: Final = 0x80
OVERLOAD: Final = 1
SAMPLE: Final = struct.Struct(">BBiQ")
LENGTH_MAX: Final = 250


class FrameError(ValueError):
    """Bytes that cannot be a frame: what comes after them cannot be believed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame without its wrapping."""

    sequence: int
    verb: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """One channel's value and the terminal's own time of it."""

    channel: int
    overload: bool
    value: int
    time_ms: int


def wrap(frame: Frame) -> bytes:
    """Return a frame's bytes."""
    body = bytes((MARK, len(frame.payload) + 3, frame.sequence, frame.verb)) + frame.payload
    return body + bytes((reduce(xor, body),))


def split(held: bytes) -> tuple[list[Frame], bytes]:
    """Return the whole frames at the beginning, and what is left. Raises FrameError."""
    frames = []
    while held:
        if held[0] != MARK:
            raise FrameError(f"a frame begins with {MARK:#x}, not {held[0]:#x}")
        if len(held) < 2:
            break
        size = held[1] + 2
        if not 5 <= size <= LENGTH_MAX + 2:
            raise FrameError(f"no frame has {size} bytes")
        if len(held) < size:
            break
        whole, held = held[:size], held[size:]
        if reduce(xor, whole) != 0:
            raise FrameError("checksum")
        frames.append(Frame(whole[2], whole[3], whole[4:-1]))
    return frames, held


def samples(payload: bytes) -> Iterator[Sample]:
    """Yield the samples of a payload. Raises FrameError when they do not fill it."""
    if not payload or len(payload) % SAMPLE.size:
        raise FrameError("samples of another size")
    for channel, flags, value, time_ms in SAMPLE.iter_unpack(payload):
        yield Sample(channel, bool(flags & OVERLOAD), value, time_ms)
