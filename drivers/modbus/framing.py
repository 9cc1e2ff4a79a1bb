"""How a request travels on each kind of wire, and the strict gate that an answer's bytes must pass.

Room: ground, driver `modbus`; pure. The links call `wrap` and give every byte that came since to `take`, which answers: not all here
yet, here is the answer's PDU, or this is no answer to that request. One byte too many is as odd as one too few: an answer stands alone.
Sources: MODBUS over Serial Line V1.02 (2.5.1 RTU, 2.5.2 ASCII), MODBUS Messaging on TCP/IP V1.0b (3.1.3 MBAP).
"""

from __future__ import annotations

from binascii import hexlify, unhexlify
from functools import cache
from typing import Final, Protocol

from drivers.modbus.request import REFUSED, OddAnswerError, Request, exception_bytes

idle_bytes: Final = b"\x00\xff"
"""What a line driver that is switched around puts before a frame: no unit has these numbers on a serial line."""
idle_bytes_max: Final = 4
pdu_bytes_max: Final = 253


@cache
def crc_table() -> tuple[int, ...]:
    """Return what each byte does to the check (V1.02, appendix B)."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


def crc16(data: bytes) -> bytes:
    """Return the CRC-16 of a serial frame as it is sent, low byte first (V1.02, 6.2.2)."""
    crc = 0xFFFF
    table = crc_table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return bytes((crc & 0xFF, crc >> 8))


def lrc(data: bytes) -> int:
    """Return the longitudinal check of an ASCII frame: the two's complement of the sum of its bytes (V1.02, 6.2.1)."""
    return -sum(data) & 0xFF


class Framing(Protocol):
    """One kind of wire."""

    def wrap(self, request: Request, transaction: int) -> bytes:
        """Return the frame of a request; `transaction` counts where the wire has room for it (1 to 65535)."""
        ...

    def take(self, received: bytes, request: Request, transaction: int) -> bytes | None:
        """Return the PDU of the answer, None when bytes are still missing. Raises OddAnswerError."""
        ...


class SerialFraming(Framing, Protocol):
    """A wire whose frames have no number."""

    refusal_bytes: int
    """How long the frame of a refusal is."""

    def refusal_head(self, request: Request) -> bytes:
        """Return how the frame of this request's refusal begins."""
        ...


class Rtu:
    """Unit, PDU, CRC; frames are told apart by silence."""

    refusal_bytes = 5

    def refusal_head(self, request: Request) -> bytes:
        """See SerialFraming."""
        return bytes((request.unit_id, request.pdu[0] | REFUSED))

    def wrap(self, request: Request, transaction: int = 0) -> bytes:
        """See Framing."""
        body = bytes((request.unit_id,)) + request.pdu
        return body + crc16(body)

    def take(self, received: bytes, request: Request, transaction: int = 0) -> bytes | None:
        """See Framing."""
        frame = bare(received)
        if not frame:
            return None
        if frame[0] != request.unit_id:
            raise OddAnswerError(f"unit {frame[0]} for {request.unit_id}")
        wanted = _pdu_bytes(frame[1:], request)
        if wanted is None or len(frame) < wanted + 3:
            return None
        if len(frame) > wanted + 3:
            raise OddAnswerError(f"{len(frame) - wanted - 3} bytes after the frame")
        if crc16(frame[:-2]) != frame[-2:]:
            raise OddAnswerError("checksum")
        return frame[1:-2]


class Ascii:
    """A colon, unit and PDU as hexadecimal text, LRC, carriage return, line feed."""

    refusal_bytes = 11

    def refusal_head(self, request: Request) -> bytes:
        """See SerialFraming."""
        return b":" + hexlify(bytes((request.unit_id, request.pdu[0] | REFUSED))).upper()

    def wrap(self, request: Request, transaction: int = 0) -> bytes:
        """See Framing."""
        body = bytes((request.unit_id,)) + request.pdu
        return b":" + hexlify(body + bytes((lrc(body),))).upper() + b"\r\n"

    def take(self, received: bytes, request: Request, transaction: int = 0) -> bytes | None:
        """See Framing."""
        frame = bare(received)
        if not frame:
            return None
        if frame[:1] != b":":
            raise OddAnswerError("no colon")
        end = frame.find(b"\n")
        text = frame[1:] if end < 0 else frame[1:end]
        body = _from_hex(text[: len(text) & ~1] if end < 0 else text.removesuffix(b"\r"), whole=end >= 0)
        if body and body[0] != request.unit_id:
            raise OddAnswerError(f"unit {body[0]} for {request.unit_id}")
        wanted = _pdu_bytes(body[1:], request)
        if end < 0:
            if wanted is not None and len(body) > wanted + 2:
                raise OddAnswerError("no end of line")
            return None
        if wanted is None or len(body) != wanted + 2 or frame[end - 1 : end] != b"\r":
            raise OddAnswerError(f"{len(body)} bytes")
        if end + 1 != len(frame):
            raise OddAnswerError(f"{len(frame) - end - 1} bytes after the frame")
        if lrc(body[:-1]) != body[-1]:
            raise OddAnswerError("checksum")
        return body[1:-1]


class Mbap:
    """Transaction number, protocol 0, length, unit, PDU: Modbus TCP, also inside TLS."""

    def wrap(self, request: Request, transaction: int) -> bytes:
        """See Framing."""
        return transaction.to_bytes(2, "big") + request.mbap_tail

    def take(self, received: bytes, request: Request, transaction: int) -> bytes | None:
        """See Framing."""
        if len(received) < 8:
            return None
        if received[:2] != transaction.to_bytes(2, "big"):
            raise OddAnswerError(f"transaction {int.from_bytes(received[:2], 'big')} for {transaction}")
        if received[2:4] != b"\0\0":
            raise OddAnswerError("protocol")
        if request.unit_id and received[6] != request.unit_id:  # unit 0 is "the device itself"; devices answer it as they like
            raise OddAnswerError(f"unit {received[6]} for {request.unit_id}")
        length = int.from_bytes(received[4:6], "big")
        if length not in (request.answer_bytes + 1, exception_bytes + 1) and (
            request.whole is None or not request.answer_bytes < length <= pdu_bytes_max + 1
        ):
            raise OddAnswerError(f"length {length} for {request.answer_bytes + 1}")
        if len(received) < length + 6:
            return None
        if len(received) > length + 6:
            raise OddAnswerError(f"{len(received) - length - 6} bytes after the frame")
        return received[7:]


def seek_echo(framing: SerialFraming, received: bytes, echo: Request) -> bytes | None:
    """Return the PDU that answers an echo (or refuses it), wherever it stands among old answers and noise; None while it is not there.

    An echo holds 16 bits that were never asked before, so it cannot be part of anything else that a unit had to say.
    """
    if framing.wrap(echo, 0) in received:
        return echo.pdu
    head, at = framing.refusal_head(echo), -1
    while (at := received.find(head, at + 1)) >= 0:
        try:
            pdu = framing.take(received[at : at + framing.refusal_bytes], echo, 0)
        except OddAnswerError:
            continue
        if pdu is not None:
            return pdu
    return None


def bare(received: bytes) -> bytes:
    """Return a serial frame without what a line driver put before it. Raises OddAnswerError when that is too much."""
    frame = received.lstrip(idle_bytes)
    if len(received) - len(frame) > idle_bytes_max:
        raise OddAnswerError("noise")
    return frame


def _pdu_bytes(head: bytes, request: Request) -> int | None:
    """Return how long the answer's PDU is, told by its beginning; None when too little of it is here yet."""
    if not head:
        return None
    function = request.pdu[0]
    if head[0] == function | REFUSED:
        return exception_bytes
    if head[0] != function:
        raise OddAnswerError(f"function {head[0]} for {function}")
    if request.whole is not None:
        return request.whole(head)
    if request.echo is None and len(head) > 1 and head[1] != request.answer_bytes - 2:
        raise OddAnswerError(f"byte count {head[1]} for {request.answer_bytes - 2}")
    return request.answer_bytes


def _from_hex(text: bytes, whole: bool) -> bytes:
    try:
        return unhexlify(text)
    except ValueError as error:
        raise OddAnswerError("no hexadecimal text" if whole else "noise") from error
