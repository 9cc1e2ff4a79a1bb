"""Modbus requests answered: from the bytes of a request PDU to the bytes of its response.

Room: ground, sim board; pure. Called by `modbus_server.py`. Source: Modbus Application Protocol V1.1b3. Any bytes give
an answer; none raise.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from boards.sim.register_map import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, RefusedError

_READS: Final = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Memory(Protocol):
    """The registers of one device, as `servers.py` shows them."""

    def read(self, table: str, start: int, count: int) -> list[int]:
        """Return registers (or bits as 0 and 1). Raises RefusedError."""
        ...

    def write(self, table: str, start: int, words: list[int]) -> None:
        """Take registers (or bits). Raises RefusedError, and then has taken nothing."""
        ...


def answer(memory: Memory, request: bytes) -> bytes:
    """Return the response PDU to a request PDU of at least one byte."""
    function = request[0]
    try:
        return bytes((function,)) + _answer(memory, function, request[1:])
    except RefusedError as error:
        return bytes((function | 0x80, error.code))
    except struct.error:
        return bytes((function | 0x80, ILLEGAL_VALUE))


def _answer(memory: Memory, function: int, data: bytes) -> bytes:
    if function in _READS:
        start, count = struct.unpack(">HH", data)
        values = memory.read(_READS[function], start, count)
        body = _pack_bits(values) if function <= 2 else struct.pack(f">{count}H", *values)
        return bytes((len(body),)) + body
    if function == 5:
        start, word = struct.unpack(">HH", data)
        if word not in (0x0000, 0xFF00):
            raise RefusedError(ILLEGAL_VALUE)
        memory.write("coil", start, [word >> 15])
        return data
    if function == 6:
        start, word = struct.unpack(">HH", data)
        memory.write("holding", start, [word])
        return data
    if function in (15, 16):
        return _write_many(memory, function, data)
    raise RefusedError(ILLEGAL_FUNCTION)


def _write_many(memory: Memory, function: int, data: bytes) -> bytes:
    start, count, size = struct.unpack(">HHB", data[:5])
    body = data[5:]
    limit, expected = (1968, (count + 7) // 8) if function == 15 else (123, 2 * count)
    if not 1 <= count <= limit or size != expected or len(body) != expected:
        raise RefusedError(ILLEGAL_VALUE)
    if start + count > 0x10000:
        raise RefusedError(ILLEGAL_ADDRESS)
    if function == 15:
        memory.write("coil", start, [body[n // 8] >> (n % 8) & 1 for n in range(count)])
    else:
        memory.write("holding", start, list(struct.unpack(f">{count}H", body)))
    return data[:4]


def _pack_bits(values: list[int]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for n, bit in enumerate(values):
        packed[n // 8] |= bit << (n % 8)
    return bytes(packed)
