"""A real Modbus server (pymodbus) on loopback or on a pair of pseudo-terminals, with faults that tests switch on."""

from __future__ import annotations

import asyncio
import os
import ssl
import tty
from typing import Final, Self

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.wire import Answers
from tests.rigs.ports import free_port

WRITES: Final = {5, 6, 15, 16, 22}


class ModbusPlant:
    """Registers 0..99 and 120..139 of every table exist; 100..119 is a hole that answers exception 2. Units 1 and 2."""

    def __init__(self, framer: FramerType = FramerType.SOCKET, tls: ssl.SSLContext | None = None) -> None:
        self.framer, self.tls = framer, tls
        self.port = free_port()
        self.delay_s = 0.0
        self.requests: list[tuple[int, int, int]] = []
        self.refuse: ExcCodes | None = None
        self.refused_functions: set[int] = set()
        self.silent_at: set[int] = set()
        self.connections = 0
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    def _devices(self) -> list[SimDevice]:
        def registers() -> list[SimData]:
            return [
                SimData(0, values=list(range(100)), datatype=DataType.REGISTERS),
                SimData(120, values=list(range(120, 140)), datatype=DataType.REGISTERS),
            ]

        def bits() -> list[SimData]:
            return [SimData(0, values=[n % 3 == 0 for n in range(96)], datatype=DataType.BITS)]

        return [SimDevice(unit, simdata=(bits(), bits(), registers(), registers()), action=self._act) for unit in (1, 2)]

    async def _act(self, function, start, address, count, registers, values):  # type: ignore[no-untyped-def]
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if address in self.silent_at:
            await asyncio.sleep(3600)
        if function in self.refused_functions:
            return ExcCodes.ILLEGAL_FUNCTION
        return self.refuse

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not sending:
            self.requests.append((pdu.function_code, pdu.address, pdu.count))
        return pdu

    def writes(self) -> int:
        """Return how many requests to write were carried out."""
        return sum(function in WRITES - self.refused_functions for function, _, _ in self.requests)

    def _seen(self, connected: bool) -> None:
        self.connections += connected

    async def start(self) -> None:
        """Serve on its port, the same after every start; inside TLS when there is a `tls` context, else framed as `framer` says."""
        devices, address = self._devices(), ("127.0.0.1", self.port)
        if self.tls is not None:
            self._server = ModbusTlsServer(
                devices, address=address, sslctx=self.tls, trace_connect=self._seen, trace_pdu=self._note
            )  # fmt: skip
        else:
            self._server = ModbusTcpServer(
                devices, framer=self.framer, address=address, trace_connect=self._seen, trace_pdu=self._note
            )  # fmt: skip
        await self._server.serve_forever(background=True)

    async def start_serial(self, path: str) -> None:
        framer = FramerType.RTU if self.framer == FramerType.SOCKET else self.framer
        self._server = ModbusSerialServer(self._devices(), framer=framer, port=path, baudrate=19200, parity="N", trace_pdu=self._note)
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            await self._server.shutdown()
            self._server = None

    async def set_registers(self, address: int, values: list[int], unit: int = 1) -> None:
        assert self._server is not None
        assert not await self._server.context.async_setValues(unit, 16, address, values)

    async def get_coils(self, address: int, count: int, unit: int = 1) -> list[bool]:
        assert self._server is not None
        return list(await self._server.context.async_getValues(unit, 1, address, count))  # type: ignore[arg-type]

    async def get_registers(self, address: int, count: int, unit: int = 1) -> list[int]:
        assert self._server is not None
        values = await self._server.context.async_getValues(unit, 3, address, count)
        return list(values)  # type: ignore[arg-type]


class SerialCable:
    """Two pseudo-terminals joined end to end: what is written to one comes out of the other, unless it is cut. The first asks.

    `fate` is what happens to the next answer, as on a `drivers.wire.Wire`.
    """

    def __init__(self) -> None:
        self.cut = False
        self.fate = ""
        self._answers = Answers(self)
        self._pairs = [os.openpty(), os.openpty()]
        for near, far in self._pairs:
            tty.setraw(far)
            os.set_blocking(near, False)
        self.ends = [os.ttyname(far) for _, far in self._pairs]

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        (a, _), (b, _) = self._pairs
        loop.add_reader(a, self._carry, a, b)
        loop.add_reader(b, self._carry, b, a)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for near, far in self._pairs:
            loop.remove_reader(near)
            os.close(near)
            os.close(far)

    def take_fate(self) -> str:
        fate, self.fate = self.fate, ""
        return fate

    def _carry(self, source: int, target: int) -> None:
        data = os.read(source, 4096)
        if not self.cut:
            os.write(target, self._answers.asked(data) if source == self._pairs[0][0] else self._answers.came(data))
