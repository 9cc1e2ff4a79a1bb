"""Registers as they are: what could be read of a range is kept, whatever the code with which the rest of it is refused."""

from __future__ import annotations

import asyncio
import struct

import pytest

from drivers.driver import DriverError
from drivers.modbus.look import look_at
from drivers.modbus.request import RefusalError


class Holes:
    """A unit with some registers. `part` is its refusal of a range that it has not whole, `one` of a register that it has not."""

    def __init__(self, has: set[int], part: int, one: int) -> None:
        self._has, self._part, self._one = has, part, one
        self.asked: list[tuple[int, int]] = []

    async def ask(self, table: str, start: int, count: int) -> bytes:
        self.asked.append((start, count))
        if not self._has >= set(range(start, start + count)):
            raise RefusalError(self._one if count == 1 else self._part)
        return struct.pack(f">{count}H", *range(start, start + count))


def looked(unit: Holes, start: int, count: int) -> dict[int, int]:
    return asyncio.run(look_at(unit.ask, "holding", start, count))


@pytest.mark.parametrize("one", [1, 2, 3, 4])
@pytest.mark.parametrize("has", [{0, 1, 2, 3}, {4, 5, 6, 7}, {3}])
def test_what_is_there_is_found_whatever_the_code_of_what_is_not(has: set[int], one: int) -> None:
    assert looked(Holes(has, 2, one), 0, 8) == {at: at for at in has}


def test_a_unit_without_the_function_is_asked_once() -> None:
    unit = Holes(set(), 1, 1)
    assert looked(unit, 0, 8) == {}
    assert unit.asked == [(0, 8)]


@pytest.mark.parametrize("code", [1, 2, 6])
def test_of_one_register_alone_the_code_is_told(code: int) -> None:
    with pytest.raises(DriverError) as raised:
        looked(Holes(set(), code, code), 0, 1)
    assert raised.value.params == {"code": code}
