"""A connection that frames with a checksum (RTU, ASCII), on a serial port or over TCP. The only file that imports pymodbus.

Room: ground, driver `modbus`. Made by `connecting.py`. pymodbus opens the port or socket, sends and frames; the strict gate of `framing.py`
sees every byte first, and both must agree before an answer counts.

What pymodbus 3.16 would do by itself is switched off, because a deadline must hold: its retries (`retries=0`), its reconnect task
(`reconnect_delay=0`) and its time limit (`no_limit_s`). Further facts of its source shape this file. It does not fail a pending request
when the peer closes, so `trace_connect` ends our wait. After `close()` a client object may still get the `connection_lost` of its old
transport, so every connection is a new client. Its RTU framer hunts for a frame inside noise and its ASCII framer raises ValueError on
some, so `trace_packet` hands it nothing but what has passed the gate. It tells nobody why a port could not be opened, so its `call_create`
is wrapped. It drops what it holds before each request, but not what the port
holds.
"""

from __future__ import annotations

import asyncio
import termios
from functools import cache
from typing import Any, Final

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.modbus.end_point import EndPoint
from drivers.modbus.framing import Ascii, Rtu, SerialFraming, bare, seek_echo
from drivers.modbus.identification import answer_length, function
from drivers.modbus.link import LinkError, Record
from drivers.modbus.request import ECHO, REFUSED, OddAnswerError, Request

no_limit_s: Final[Any] = None
"""No time limit of pymodbus' own: a second timer, and Python 3.11's wait_for can swallow a cancellation that meets the answer."""
answer_sizes: Final = {1: 0, 2: 0, 3: 0, 4: 0, 5: 8, 6: 8, 8: 8, 15: 8, 16: 8, 22: 10}
"""Function -> bytes of its RTU answer; 0: its third byte counts the rest."""


class RawRequest(ModbusPDU):
    """A request as the bytes it has."""

    def __init__(self, request: Request) -> None:
        super().__init__(dev_id=request.unit_id)
        self.function_code = request.pdu[0]
        self._data = request.pdu[1:]

    def encode(self) -> bytes:
        """Return what follows the function code."""
        return self._data


class RawAnswer(ModbusPDU):
    """An answer as the bytes that came. Each function has a kind of its own, because pymodbus tells them apart by it."""

    data = b""

    def decode(self, data: bytes) -> None:
        """Keep what follows the function code."""
        self.data = bytes(data)

    def __str__(self) -> str:
        """Stay cheap: pymodbus formats every answer for its debug log."""
        return f"{len(self.data)} bytes"


class SelfSized(RawAnswer):
    """An answer of function 43: what it holds tells how long it is."""

    function_code = function

    @classmethod
    def calculateRtuFrameSize(cls, data: bytes) -> int:  # noqa: N802 - pymodbus' name
        """Return unit, PDU and checksum; 0 while they are not all here."""
        return (answer_length(data[1:]) or -3) + 3


@cache
def answer_kinds() -> list[type[RawAnswer]]:
    """Return the kind of each function's answer."""
    return [
        SelfSized,
        *(
            type(
                f"RawAnswer{code}",
                (RawAnswer,),
                {"function_code": code, "rtu_frame_size": size, "rtu_byte_count_pos": 0 if size else 2},
            )
            for code, size in answer_sizes.items()
        ),
    ]


class PymodbusLink:
    """One serial port, or one TCP connection that carries serial frames. One request at a time."""

    in_flight_max = 1

    def __init__(self, point: EndPoint, record: Record) -> None:
        self._framing: SerialFraming = Ascii() if point.framing == "ascii" else Rtu()
        self._record = record
        self._request: Request | None = None
        self._approved: bytes | None = None
        self._seen_bytes = 0
        self.heard_at = 0.0
        self.refusal: OSError | None = None
        """What opening the port or the connection ended with, where the system said it."""
        self._strays = 0
        self._loop = asyncio.get_running_loop()
        self._client = self._make_client(point)

    @property
    def is_open(self) -> bool:
        """See Link."""
        return self._client.ctx.transport is not None

    async def connect(self) -> bool:
        """Open the port or the connection; False when it cannot be."""
        connected = False
        try:
            connected = await self._client.connect()
        except (termios.error, ValueError):
            pass  # a port that cannot be set so; pymodbus expects OSError only
        finally:
            if not connected:
                self._client.close()
        return connected

    async def ask(self, request: Request, answer_by: float) -> bytes:
        """See Link. `drain` first."""
        self._request, self._approved, self._seen_bytes = request, None, 0
        timer = self._loop.call_at(answer_by, self._fail, "no_answer")
        try:
            response = await self._client.execute(False, RawRequest(request))
        except ModbusException as error:
            raise LinkError("connection_lost", error.string) from error
        finally:
            timer.cancel()
            self._request = None
        approved = self._passed()
        if approved is None or not _same(response, approved):
            raise LinkError("bad_answer", "framers differ")
        return approved

    def close(self) -> None:
        """See Link."""
        transport = self._client.ctx.transport
        self._client.close()
        if hasattr(transport, "abort"):
            transport.abort()
        self._fail("connection_lost")

    async def drain(self) -> int:
        """See Link: what lies in the port or the socket."""
        port = getattr(self._client.ctx.transport, "sync_serial", None)
        if port is not None:
            self._strays += port.in_waiting
            port.reset_input_buffer()
        else:
            await asyncio.sleep(0)  # one pass of the loop reads what the socket has
        strays, self._strays = self._strays, 0
        return strays

    def _trace(self, sending: bool, data: bytes) -> bytes:
        """Let pymodbus see nothing but a frame that has passed the gate. `data` is all that came since the request."""
        if sending:
            self._record(True, data)
            return data
        fresh = data[self._seen_bytes :] if len(data) > self._seen_bytes else data
        self._seen_bytes = len(data)
        self._record(False, fresh)
        self.heard_at = self._loop.time()
        if self._request is None or self._approved is not None:
            self._strays += len(fresh)
            return b""
        if self._request.pdu[0] == ECHO:
            self._approved = pdu = seek_echo(self._framing, data, self._request)
            return b"" if pdu is None else self._framing.wrap(Request(self._request.unit_id, pdu, len(pdu)), 0)
        try:
            self._approved = self._framing.take(data, self._request, 0)
        except OddAnswerError as odd:
            self._fail("bad_answer", odd.detail)
        return b"" if self._approved is None else bare(data)

    def _passed(self) -> bytes | None:
        """Return what passed the gate while `ask` waited."""
        return self._approved

    def _fail(self, cause: str, detail: str = "") -> None:
        """End the wait for an answer, if there is one."""
        answer = self._client.ctx.response_future
        if self._request is not None and not answer.done():
            answer.set_exception(LinkError(cause, detail))

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self._fail("connection_lost")

    def _make_client(self, point: EndPoint) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        framer = FramerType.ASCII if point.framing == "ascii" else FramerType.RTU
        client: AsyncModbusTcpClient | AsyncModbusSerialClient
        if point.serial_port:
            client = AsyncModbusSerialClient(
                point.serial_port, framer=framer, baudrate=point.baud, bytesize=point.data_bits, parity=point.parity[0].upper(),
                stopbits=point.stop_bits, timeout=no_limit_s, retries=0, reconnect_delay=0,
                trace_connect=self._connection_changed, trace_packet=self._trace,
            )  # fmt: skip
        else:
            client = AsyncModbusTcpClient(
                point.host, port=point.port, framer=framer, timeout=no_limit_s, retries=0, reconnect_delay=0,
                trace_connect=self._connection_changed, trace_packet=self._trace,
            )  # fmt: skip
        create = client.ctx.call_create

        async def created() -> Any:
            try:
                return await create()
            except OSError as error:
                self.refusal = error
                raise

        client.ctx.call_create = created
        for kind in answer_kinds():
            client.register(kind)
        return client


def _same(response: ModbusPDU, pdu: bytes) -> bool:
    """Tell whether pymodbus made of the frame what the gate did."""
    if response.function_code >= REFUSED:
        return bytes((response.function_code, response.exception_code)) == pdu
    return isinstance(response, RawAnswer) and bytes((response.function_code,)) + response.data == pdu
