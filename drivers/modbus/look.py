"""Registers as they are, for commissioning: what could be read of a range, and nothing for what could not.

Room: ground, driver `modbus`. The driver's `registers` calls it. It asks for the whole range first and halves what a device refuses, so
that a range with holes costs a few requests more; it remembers nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.address import bit_tables
from drivers.modbus.exception_codes import lacking_codes
from drivers.modbus.request import RefusalError
from drivers.reading import Status

count_max: Final = 125
"""Registers of one look."""
_no_function: Final = 1

Ask = Callable[[str, int, int], Awaitable[bytes]]
"""Table, first address, registers -> the bytes of the answer. Raises RefusalError, DriverError."""


async def look_at(ask: Ask, table: str, start: int, count: int, *, halve: bool = True) -> dict[int, int]:
    """Return address -> register of what could be read of `count` registers from `start`; empty where the unit lacks the table.

    Without `halve` a range that is refused as a whole costs one request and brings nothing.

    Raises DriverError, `device_exception` for a refusal that says nothing of addresses, and for any refusal of one register asked alone:
    so a caller learns with which code.
    """
    found: dict[int, int] = {}
    if table in bit_tables or not 1 <= count <= count_max or not 0 <= start <= 0x10000 - count:
        raise DriverError("registers_range", Status.BAD_CONFIGURATION_ERROR, table=table, start=start, count=count, most=count_max)
    waiting = [(start, count)]
    while waiting:
        first, size = waiting.pop()
        try:
            answer = await ask(table, first, size)
        except RefusalError as refusal:
            if size == count > 1 and refusal.code == _no_function:
                return {}
            if count == 1 or refusal.code not in lacking_codes:
                raise DriverError("device_exception", Status.BAD_DEVICE_FAILURE, code=refusal.code) from refusal
            if size > 1 and halve:
                half = size // 2
                waiting += [(first + half, size - half), (first, half)]
            continue
        found |= {first + at: word for at, word in enumerate(struct.unpack(f">{size}H", answer))}
    return found
