"""What a scan tells of a unit that answers: a unit that is busy is asked again, and one that stays so is not said to have nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.modbus.identification import identified
from drivers.modbus.request import RefusalError, Request
from drivers.reading import Status
from runtime.commissioning.line_places import Place
from runtime.commissioning.scan_bounds import Pace
from runtime.commissioning.scan_run import BUSY_TRIES, Scanned, scan

INVERTER = dict(enumerate([0x5375, 0x6E53, 1, 2, 0, 0, 103, 2, 0, 0, 0xFFFF, 0], 40000))


class Line:
    """A unit with an inverter's SunSpec map, which refuses looks at its beginning with the codes in turn, then answers.

    `own`: the same of function 43.
    """

    def __init__(self, codes: Sequence[int] = (), own: Sequence[int] = ()) -> None:
        self._codes, self._own = list(codes), list(own)
        self.asked: list[int] = []
        self.identified = 0

    async def probe(self, unit: int, table: str, start: int, count: int) -> dict[int, int]:
        self.asked.append(start)
        if start == 0:
            return {0: 0}
        if start == 40000 and self._codes:
            raise DriverError("device_exception", Status.BAD_DEVICE_FAILURE, code=self._codes.pop(0))
        return {at: INVERTER[at] for at in range(start, start + count) if at in INVERTER}

    async def identify(self, unit: int | None) -> dict[str, str]:
        self.identified += 1
        return await identified(self._function_43, 1)

    async def _function_43(self, request: Request) -> bytes:
        if self._own:
            raise RefusalError(self._own.pop(0))
        return bytes((request.pdu[2], 1, 0, 0, 1, 0, 4)) + b"Acme"


def scanned(line: Line) -> dict[str, Any]:
    @asynccontextmanager
    async def units_at(place: Place, first: int | None) -> AsyncIterator[Line]:
        yield line

    (row,) = asyncio.run(scan([Place("here")], [1], Pace(0.0, 60.0), units_at, lambda _: None)).found
    return row


@pytest.mark.parametrize("code", [5, 6])
def test_a_unit_that_is_busy_once_is_asked_again(code: int) -> None:
    row = scanned(Line([code]))
    assert [each["model"] for each in row["sunspec"]] == [1, 103]
    assert row["templates"] == [{"name": "sunspec-inverter", "base": 40006}]
    assert "broke_off" not in row


@pytest.mark.parametrize(("code", "times"), [(5, BUSY_TRIES), (6, BUSY_TRIES), (7, 1), (10, 1), (11, 1)])
def test_what_says_nothing_of_registers_ends_the_looks_and_is_told(code: int, times: int) -> None:
    line = Line([code] * 9)
    row = scanned(line)
    assert row["broke_off"] == {"cause": "device_exception", "params": {"code": code}}
    assert line.asked[1:] == [40000] * times


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_what_may_mean_that_there_is_none_does_not_end_them(code: int) -> None:
    line = Line([code])
    row = scanned(line)
    assert (row["sunspec"], row.get("broke_off")) == ([], None)
    assert {50000, 0} <= set(line.asked)


@pytest.mark.parametrize("code", [5, 6])
def test_a_unit_that_is_busy_once_says_later_what_it_is(code: int) -> None:
    row = scanned(Line(own=[code]))
    assert (row["identification"], row.get("broke_off")) == ({"vendor": "Acme"}, None)


@pytest.mark.parametrize(("code", "times"), [(5, BUSY_TRIES), (6, BUSY_TRIES), (1, 1), (7, 1)])
def test_one_that_never_says_it_is_looked_at_all_the_same(code: int, times: int) -> None:
    line = Line(own=[code] * 9)
    row = scanned(line)
    assert (row["identification"], row.get("broke_off"), line.identified) == ({}, None, times)
    assert [each["model"] for each in row["sunspec"]] == [1, 103]


def test_nobody_is_reached_where_each_place_is_lost_with_its_first_look() -> None:
    lost = {"10.0.0.1:502": "connect_failed", "10.0.0.2:502": "connect_failed"}
    assert Scanned(lost=lost, asked=2).has_reached_nobody(2)
    assert not Scanned(lost=lost, asked=3).has_reached_nobody(2), "one was silent before"
    assert not Scanned(lost=lost, asked=3).has_reached_nobody(3)
    assert not Scanned(asked=5).has_reached_nobody(1)
