"""A Modbus TCP server of one device, with faults: the framing and the waiting around `pdu.py`.

Room: ground, sim board. `servers.py` gives `serve` to a `Port`. docs/decisions says why this is not pymodbus' server.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from boards.sim.faults import Faults
from boards.sim.pdu import Memory, answer

IDLE_S: Final = 600.0
SEND_S: Final = 10.0
UNITS: Final = frozenset({0, 1, 255})
NO_SUCH_UNIT: Final = 0x0B


class ModbusServer:
    """Answers requests one after the other, as simple devices do."""

    def __init__(self, memory: Memory, faults: Faults) -> None:
        """Serve this memory under these faults."""
        self._memory = memory
        self._faults = faults

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends, is idle for long, or sends what is no Modbus TCP."""
        while True:
            async with asyncio.timeout(IDLE_S):
                transaction, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                if protocol != 0 or not 2 <= length <= 254:
                    return
                request = await reader.readexactly(length - 1)
            if not await self._awake():
                continue
            response = answer(self._memory, request) if unit in UNITS else bytes((request[0] | 0x80, NO_SUCH_UNIT))
            writer.write(struct.pack(">HHHB", transaction, 0, len(response) + 1, unit) + response)
            async with asyncio.timeout(SEND_S):
                await writer.drain()

    async def _awake(self) -> bool:
        """Wait as long as a slow device does; False when this request gets no answer."""
        if self._faults.link().dead or self._faults.loses():
            return False
        delay_s = self._faults.link().delay_s
        if delay_s:
            await asyncio.sleep(delay_s)
        return not self._faults.link().dead
