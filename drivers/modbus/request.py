"""A Modbus request as the bytes that ask, and what an answer to it must look like.

Room: ground, driver `modbus`; pure. `driver.py` builds requests, `framing.py` and the links carry them, `judge` is the last gate before
an answer is believed. Source: MODBUS Application Protocol V1.1b3, sections 6 and 7.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from drivers.modbus.address import data_bytes

read_functions: Final = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
read_tables: Final = {function: table for table, function in read_functions.items()}
ECHO: Final = 8
"""Function 8 sub-function 0 returns what it was sent. A unit without it answers exception 1, which tells as much."""
REFUSED: Final = 0x80
"""Added to the function code of a request that is refused."""
exception_bytes: Final = 2


class RefusalError(Exception):
    """The unit answered with a Modbus exception (V1.1b3, 7). The connection is sound."""

    def __init__(self, code: int) -> None:
        """Keep the exception code."""
        self.code = code
        super().__init__(f"Modbus exception {code}")


class OddAnswerError(Exception):
    """An answer that the protocol does not allow to this request. `detail` says what is odd about it, in a few words."""

    def __init__(self, detail: str) -> None:
        """Keep the words."""
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class Request:
    """One request to one unit. `pdu` is function code and data; `answer_bytes` the length of a good answer's PDU.

    `echo` is what a good answer must repeat after its function code (writes); None for reads, whose second byte counts the rest.
    """

    unit_id: int
    pdu: bytes
    answer_bytes: int
    echo: bytes | None = None
    whole: Callable[[bytes], int | None] | None = None
    """Where the length of a good answer's PDU depends on it: tells it from the PDU's beginning, None while that is too short; raises
    OddAnswerError. `answer_bytes` is the least then."""

    @property
    def function_code(self) -> int:
        """The function asked for."""
        return self.pdu[0]

    @property
    def is_write(self) -> bool:
        """Whether the answer confirms a change."""
        return self.echo is not None and self.pdu[0] != ECHO

    @cached_property
    def mbap_tail(self) -> bytes:
        """All of the TCP frame but its transaction number (MODBUS Messaging on TCP/IP V1.0b, 3.1.3)."""
        return struct.pack(">HHB", 0, len(self.pdu) + 1, self.unit_id) + self.pdu


def read_request(unit_id: int, table: str, start: int, count: int) -> Request:
    """Return a reusable request for `count` registers or bits of a table (functions 1 to 4)."""
    return Request(unit_id, struct.pack(">BHH", read_functions[table], start, count), 2 + data_bytes(table, count))


def write_coil_request(unit_id: int, start: int, on: bool) -> Request:
    """Return a request for function 5."""
    body = struct.pack(">HH", start, 0xFF00 if on else 0)
    return Request(unit_id, b"\x05" + body, 5, body)


def write_registers_request(unit_id: int, start: int, registers: list[int], single: bool) -> Request:
    """Return a request for function 6 (`single`) or 16."""
    count = len(registers)
    if single:
        body = struct.pack(">HH", start, registers[0])
        return Request(unit_id, b"\x06" + body, 5, body)
    echo = struct.pack(">HH", start, count)
    return Request(unit_id, b"\x10" + echo + struct.pack(f">B{count}H", count * 2, *registers), 5, echo)


def write_coils_request(unit_id: int, start: int, bits: list[bool]) -> Request:
    """Return a request for function 15."""
    packed = bytearray((len(bits) + 7) // 8)
    for at, bit in enumerate(bits):
        packed[at // 8] |= bit << at % 8
    echo = struct.pack(">HH", start, len(bits))
    return Request(unit_id, b"\x0f" + echo + bytes((len(packed),)) + packed, 5, echo)


def write_mask_request(unit_id: int, start: int, and_mask: int, or_mask: int) -> Request:
    """Return a request for function 22."""
    body = struct.pack(">HHH", start, and_mask, or_mask)
    return Request(unit_id, b"\x16" + body, 7, body)


def echo_request(unit_id: int, nonce: int) -> Request:
    """Return a request for function 8, sub-function 0, with 16 bits of the caller's."""
    body = struct.pack(">HH", 0, nonce)
    return Request(unit_id, bytes((ECHO,)) + body, 5, body)


def judge(request: Request, pdu: bytes) -> bytes:
    """Return the data of a sound answer: the bytes of the registers of a read, what a write repeats.

    Raises RefusalError for an exception answer, OddAnswerError for one that does not fit the request: another function, length,
    byte count or echo.
    """
    function = request.pdu[0]
    if pdu[:1] != request.pdu[:1]:
        if len(pdu) == exception_bytes and pdu[0] == function | REFUSED and pdu[1]:
            raise RefusalError(pdu[1])
        raise OddAnswerError(f"function {pdu[0]} for {function}" if pdu else "empty")
    if request.whole is not None:
        if request.whole(pdu) != len(pdu):
            raise OddAnswerError(f"{len(pdu)} bytes")
        return pdu[2:]
    if len(pdu) != request.answer_bytes:
        raise OddAnswerError(f"{len(pdu)} bytes for {request.answer_bytes}")
    if request.echo is None:
        if pdu[1] != request.answer_bytes - 2:
            raise OddAnswerError(f"byte count {pdu[1]} for {request.answer_bytes - 2}")
        return pdu[2:]
    if pdu[1:] != request.echo:
        raise OddAnswerError("echo differs")
    return request.echo
