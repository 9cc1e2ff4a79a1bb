"""One Modbus TCP connection or serial line, shared by the units behind it. The only file that imports pymodbus.

Room: ground, driver `modbus`. `driver.py` joins a line, asks it to `exchange` one request at a time, and leaves it.

What pymodbus 3.16 would do by itself is switched off, because a deadline must hold: its retries (`retries=0`), its
reconnect task (`reconnect_delay=0`) and its time limit (`no_limit_s`). Three further facts of its
source shape this file. It does not fail a pending request when the peer closes, so `trace_connect` ends our wait. After
`close()` a client object may still get the `connection_lost` of its old transport, so every connection gets a new client.
It unpacks registers one by one and formats every answer for its log, so `RawResponse` keeps the bytes instead.

A request that was given up (timeout, cancellation) is never followed by another on the same connection: devices exist,
pymodbus' own server among them, that label a late answer with the number of the newest question, and a witness must not
take one register for another. TCP reconnects. On a serial line the same unit is left alone for a while.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.driver import Clock, DriverError
from drivers.modbus.config import DeviceOptions
from drivers.pause import ConnectPause
from drivers.reading import Status

no_limit_s: Final[Any] = None
"""No time limit of pymodbus' own: a second timer, and Python 3.11's wait_for can swallow a cancellation that meets the answer."""
quiet_s_min: Final = 0.1
"""Shortest rest of a serial unit that did not answer. RTU answers carry no number, so a late one must not meet the next question."""

Request = ModbusPDU
Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class RawResponse(ModbusPDU):
    """The answer to a read, kept as the bytes that came."""

    rtu_byte_count_pos = 2
    raw: bytes = b""

    def decode(self, data: bytes) -> None:
        """Keep the data bytes; a byte count that disagrees leaves a wrong length, which `exchange` refuses."""
        self.raw = bytes(data[1:]) if data and data[0] == len(data) - 1 else b""

    def __str__(self) -> str:
        """Stay cheap: pymodbus formats every answer for its debug log."""
        return f"{len(self.raw)} bytes"


class RawCoils(RawResponse):
    """Function 1."""

    function_code = 1


class RawDiscretes(RawResponse):
    """Function 2."""

    function_code = 2


class RawHoldings(RawResponse):
    """Function 3."""

    function_code = 3


class RawInputs(RawResponse):
    """Function 4."""

    function_code = 4


class RefusalError(Exception):
    """The unit answered with a Modbus exception (V1.1b3, 7). The connection is sound."""

    def __init__(self, code: int) -> None:
        """Keep the exception code."""
        self.code = code
        super().__init__(f"Modbus exception {code}")


def read_request(unit_id: int, table: str, start: int, count: int) -> Request:
    """Return a reusable request for `count` registers or bits of a table."""
    kinds: dict[str, type[ModbusPDU]] = {
        "coil": ReadCoilsRequest,
        "discrete": ReadDiscreteInputsRequest,
        "holding": ReadHoldingRegistersRequest,
        "input": ReadInputRegistersRequest,
    }
    return kinds[table](address=start, count=count, dev_id=unit_id)


def write_coil_request(unit_id: int, start: int, on: bool) -> Request:
    """Return a request for function 5."""
    return WriteSingleCoilRequest(address=start, bits=[on], dev_id=unit_id)


def write_registers_request(unit_id: int, start: int, registers: list[int], single: bool) -> Request:
    """Return a request for function 6 (`single`) or 16."""
    kind = WriteSingleRegisterRequest if single else WriteMultipleRegistersRequest
    return kind(address=start, registers=registers, dev_id=unit_id)


def write_mask_request(unit_id: int, start: int, and_mask: int, or_mask: int) -> Request:
    """Return a request for function 22."""
    return MaskWriteRegisterRequest(address=start, and_mask=and_mask, or_mask=or_mask, dev_id=unit_id)


def confirms(request: Request, response: ModbusPDU) -> bool:
    """Tell whether a write's answer repeats what was asked, as the protocol demands."""
    same = response.function_code == request.function_code and response.address == request.address
    if isinstance(request, WriteSingleCoilRequest):
        return same and list(response.bits)[:1] == list(request.bits)
    if isinstance(request, WriteSingleRegisterRequest):
        return same and list(response.registers) == list(request.registers)
    if isinstance(request, MaskWriteRegisterRequest):
        return same and (response.and_mask, response.or_mask) == (request.and_mask, request.or_mask)  # type: ignore[attr-defined]
    return same and response.count == request.count


class Line:
    """A connection and the lock that keeps its units apart: one request is on the way at a time."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Describe the line; connects when first needed."""
        self.users = 0
        self.generation = 0
        """Grows with every connection made, so that a driver knows when to forget what it learned."""
        self._options = options
        self._lock = asyncio.Lock()
        self._client: Client | None = None
        self._window: asyncio.Timeout | None = None
        self._lost = False
        self._quiet_until: dict[int, float] = {}
        self._pause = ConnectPause(clock)
        self._place: dict[str, str | int] = (
            {"host": str(options.host), "port": options.port} if options.transport == "tcp" else {"serial_port": str(options.serial_port)}
        )
        # 3.5 characters of 11 bits between frames, 1.75 ms at the least (Modbus over serial line V1.02, 2.5.1.1)
        self._rest_s = 0.0 if options.transport == "tcp" else max(0.00175, 38.5 / options.baud)

    def suits(self, options: DeviceOptions) -> bool:
        """Tell whether a device with these options can share the line: a serial line has one baud rate, parity and stop bits."""
        o = self._options
        return o.transport == "tcp" or (o.baud, o.parity, o.stop_bits) == (options.baud, options.parity, options.stop_bits)

    async def exchange(self, request: Request, limit_s: float, until: float) -> ModbusPDU:
        """Send one request and return its answer, connecting first when needed.

        `until` (event loop time) bounds everything, `limit_s` the wait for the answer. Raises RefusalError when the
        unit answered with an exception, DriverError for everything else.
        """
        stage = "line_busy"
        try:
            async with asyncio.timeout_at(until) as window:
                await self._rest(request.dev_id)
                async with self._lock:
                    stage = "connect_failed"
                    client = self._client or await self._connect()
                    if self._rest_s:
                        await asyncio.sleep(self._rest_s)
                    stage = "no_answer"
                    if window.expired():
                        raise TimeoutError
                    answer_by = asyncio.get_running_loop().time() + limit_s
                    if answer_by < until:
                        window.reschedule(answer_by)
                    response = await self._ask(client, request, window, limit_s)
        except TimeoutError:
            raise self._silence(stage, limit_s) from None
        if response.function_code > 0x80:
            raise RefusalError(response.exception_code)
        if response.function_code != request.function_code:
            self.drop()
            raise DriverError("bad_answer", detail=f"function {response.function_code}")
        return response

    def drop(self) -> None:
        """Give the connection up; the next exchange makes a new one. Unsent bytes are thrown away."""
        client, self._client = self._client, None
        if client is not None:
            transport = client.ctx.transport
            client.close()
            if hasattr(transport, "abort"):
                transport.abort()

    async def _ask(self, client: Client, request: Request, window: asyncio.Timeout, limit_s: float) -> ModbusPDU:
        self._lost, self._window = False, window
        response: ModbusPDU | None = None
        try:
            response = await client.execute(False, request)
        except ModbusException as error:
            raise DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, detail=error.string) from error
        finally:
            self._window = None
            if response is None:
                self._give_up(request.dev_id, limit_s)
        return response

    def _give_up(self, unit_id: int, limit_s: float) -> None:
        if self._options.transport == "tcp":
            self.drop()
        else:
            self._quiet_until[unit_id] = asyncio.get_running_loop().time() + max(quiet_s_min, limit_s)

    async def _rest(self, unit_id: int) -> None:
        """Wait, without holding the line, until a late answer of this serial unit need no longer be feared."""
        quiet_until = self._quiet_until.pop(unit_id, None)
        if quiet_until is None:
            return
        try:
            await asyncio.sleep(quiet_until - asyncio.get_running_loop().time())
        except asyncio.CancelledError:
            self._quiet_until[unit_id] = quiet_until
            raise

    async def _connect(self) -> Client:
        self._pause.begin(self._place)
        client = self._make_client()
        connected = False
        try:
            connected = await client.connect()
        finally:
            if not connected:
                client.close()
        if not connected:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **self._place)
        self._client = client
        self._pause.succeeded()
        self.generation += 1
        return client

    def _make_client(self) -> Client:
        o = self._options
        client: Client

        def connection_changed(connected: bool) -> None:
            if not connected and self._client is client:
                self._on_lost()

        if o.transport == "tcp":
            client = AsyncModbusTcpClient(
                str(o.host), port=o.port, timeout=no_limit_s, retries=0, reconnect_delay=0, trace_connect=connection_changed
            )
        else:
            client = AsyncModbusSerialClient(
                str(o.serial_port),
                framer=FramerType.RTU,
                baudrate=o.baud,
                parity=o.parity[0].upper(),
                stopbits=o.stop_bits,
                timeout=no_limit_s,
                retries=0,
                reconnect_delay=0,
                trace_connect=connection_changed,
            )
        for kind in (RawCoils, RawDiscretes, RawHoldings, RawInputs):
            client.register(kind)
        return client

    def _on_lost(self) -> None:
        """The transport has gone: forget it, and end a wait for an answer that cannot come."""
        self._client = None
        if self._window is not None:
            self._lost = True
            self._window.reschedule(asyncio.get_running_loop().time())

    def _silence(self, stage: str, limit_s: float) -> DriverError:
        if stage == "line_busy":
            return DriverError("line_busy", Status.BAD_TIMEOUT, **self._place)
        if stage == "connect_failed":
            return DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **self._place)
        if self._lost:
            return DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, **self._place)
        return DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(limit_s * 1000))
