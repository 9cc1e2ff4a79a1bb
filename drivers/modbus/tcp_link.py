"""Our own Modbus TCP connection, also inside TLS: frames prepared once, answers matched by number, bytes handed on as they are.

Room: ground, driver `modbus`. Made by `connecting.py`. Why it exists beside pymodbus: docs/decisions/0011. It never retries, never
reconnects, and believes no byte that no request asked for: anything odd ends the connection, and with it all that waits.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, TimerHandle
from typing import Final, cast

from drivers.modbus.framing import Mbap
from drivers.modbus.link import LinkError, Record
from drivers.modbus.request import OddAnswerError, Request

received_bytes_max: Final = 4096
"""More than 16 answers; a peer that sends more without a sense is cut off."""
header_bytes: Final = 6
"""Transaction, protocol, length; the length counts what follows."""


class TcpLink(asyncio.Protocol):
    """One connection. `in_flight_max` requests may wait for their answers at a time; the answers may come in any order."""

    heard_at = 0.0

    def __init__(self, record: Record, in_flight_max: int = 1) -> None:
        self.in_flight_max = in_flight_max
        self._record = record
        self._framing = Mbap()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, tuple[Request, Future[bytes]]] = {}
        self._received = b""
        self._transaction = 0
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        """See Link."""
        return self._transport is not None

    async def ask(self, request: Request, answer_by: float) -> bytes:
        """See Link. Given up (timeout, cancellation), it ends the connection: a late answer finds nobody."""
        if self._transport is None:
            raise LinkError("connection_lost")
        transaction = self._transaction = self._transaction % 0xFFFF + 1
        answer: Future[bytes] = self._loop.create_future()
        self._waiting[transaction] = request, answer
        frame = transaction.to_bytes(2, "big") + request.mbap_tail
        self._record(True, frame)
        self._transport.write(frame)
        timer: TimerHandle = self._loop.call_at(answer_by, self._expire, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self._end("connection_lost")
            raise
        finally:
            timer.cancel()
            self._waiting.pop(transaction, None)

    async def drain(self) -> int:
        """See Link."""
        return 0

    def close(self) -> None:
        """See Link."""
        self._end("connection_lost")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._end("connection_lost")

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. Cuts what came into frames and gives each to the one who asked."""
        self._record(False, data)
        received = self._received + data if self._received else data
        while len(received) >= header_bytes:
            end = header_bytes + int.from_bytes(received[4:6], "big")
            if end > received_bytes_max:
                self._end("bad_answer", "length")
                return
            if len(received) < end:
                break
            frame, received = received[:end], received[end:]
            if not self._deliver(frame):
                return
        self._received = received

    def _deliver(self, frame: bytes) -> bool:
        transaction = int.from_bytes(frame[:2], "big")
        asked = self._waiting.get(transaction)
        if asked is None or asked[1].done():
            self._end("bad_answer", f"transaction {transaction}, which nobody waits for")
            return False
        request, answer = asked
        try:
            pdu = self._framing.take(frame, request, transaction)
        except OddAnswerError as odd:
            self._end("bad_answer", odd.detail)
            return False
        if pdu is None:
            self._end("bad_answer", f"{len(frame)} bytes")
            return False
        answer.set_result(pdu)
        return True

    def _expire(self, answer: Future[bytes]) -> None:
        if not answer.done():
            answer.set_exception(LinkError("no_answer"))
            self._end("connection_lost", "another request on it had no answer")

    def _end(self, cause: str, detail: str = "") -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._received = b""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LinkError(cause, detail))
