"""A unit that refuses all that it gave before, as while a program is loaded, or is silent: it is asked again, and what it does is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.driver import DriverError
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.reading import Status
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered

GROUP = registers([*range(10), *range(40, 60), 80], period_ms=1000)
ALL = len(GROUP.tags)


async def gone_dark(unit: Unit) -> Session:
    """A session that knows the unit, which refuses everything since some reads."""
    session = await Session(unit).learns(GROUP)
    unit.refuse_all = 2
    for _ in range(12):
        assert not good(await session.read(GROUP))
        session.clock.advance(1000)
    assert session.count <= 1, "what is lost is asked for one by one, and not all of it in each read"
    return session


@pytest.mark.parametrize("away_s", [0, 30, 4000])
def test_it_gives_all_again_within_seconds_of_its_return(away_s: int) -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await gone_dark(unit)
        for _ in range(away_s):
            await session.read(GROUP)
            assert session.count <= 1
            session.clock.advance(1000)
        unit.refuse_all = 0
        for _ in range(11):
            scan = await session.read(GROUP)
            session.clock.advance(1000)
        assert len(good(scan)) == ALL
        await session.read(GROUP)
        assert session.count <= 3, "and is read in blocks, as before"

    asyncio.run(test())


def test_a_restart_of_the_gateway_asks_at_once() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        memory = (await gone_dark(unit)).memory
        session = Session(unit, memory=memory)
        assert not good(await session.read(GROUP))
        assert session.count == 1
        unit.refuse_all = 0
        session = Session(unit, memory=memory)
        for _ in range(2):
            scan = await session.read(GROUP)
        assert len(good(scan)) == ALL

    asyncio.run(test())


def test_values_that_are_gone_for_good_keep_none_of_the_others_away() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await gone_dark(unit)
        unit.refuse_all, unit.missing = 0, set(range(10))
        for _ in range(30):
            scan = await session.read(GROUP)
            session.clock.advance(1000)
        assert good(scan) == set(range(10, ALL))
        asked = len(unit.refused)
        for _ in range(600):
            await session.read(GROUP)
            session.clock.advance(1000)
        assert len(unit.refused) - asked <= 10 * 6, "in service again: what is still missing is asked for more and more seldom"

    asyncio.run(test())


def test_a_group_that_is_lost_beside_one_that_is_read_is_asked_for_again_too() -> None:
    async def test() -> None:
        unit, other = Unit(scattered), registers(range(200, 210), uid=2, period_ms=1000)
        session = await Session(unit).learns(GROUP)
        await session.learns(other)
        unit.missing = set(range(100))
        for _ in range(12):
            assert not good(await session.read(GROUP))
            assert len(good(await session.read(other))) == 10
            session.clock.advance(1000)
        unit.missing = set()
        for _ in range(21):
            scan = await session.read(GROUP)
            await session.read(other)
            session.clock.advance(1000)
        assert len(good(scan)) == ALL

    asyncio.run(test())


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (DriverError("connect_failed", Status.BAD_NOT_CONNECTED, host="h", port=1), "connect_failed"),
        (RefusalError(11), "unit_unreachable"),
    ],
)
def test_a_unit_that_is_not_there_any_more_is_no_unit_that_refuses(fault: Exception, cause: str) -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await gone_dark(unit)
        session.clock.advance(10_000)
        ask = session.reader._ask._ask

        async def away(block: Block, until: float) -> bytes:
            raise fault

        session.reader._ask._ask = away
        with pytest.raises(DriverError) as caught:
            await session.read(GROUP)
        assert caught.value.cause == cause
        session.reader._ask._ask, unit.refuse_all = ask, 0
        for _ in range(11):
            scan = await session.read(GROUP)
            session.clock.advance(1000)
        assert len(good(scan)) == ALL

    asyncio.run(test())


def test_a_group_configured_anew_asks_for_what_it_has_of_the_lost() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await gone_dark(unit)
        unit.refuse_all = 0
        few = replace(GROUP, tags=GROUP.tags[25:27])
        for _ in range(12):
            scan = await session.read(few)
            session.clock.advance(1000)
        assert len(good(scan)) == 2

    asyncio.run(test())


def test_a_lost_value_that_is_silent_keeps_none_of_the_others_away() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await gone_dark(unit)
        session.clock.advance(10_000)
        unit.refuse_all, unit.silent = 0, {0}
        with pytest.raises(DriverError, match="no_answer"):
            await session.read(GROUP)
        session.clock.advance(1000)
        assert good(await session.read(GROUP)) == set(range(1, ALL))

    asyncio.run(test())


def test_a_value_that_is_refused_for_another_reason_keeps_none_of_the_lost_away() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await Session(unit).learns(GROUP)
        ask = session.reader._ask._ask

        async def broken_sensor(block: Block, until: float) -> bytes:
            if block.start <= 80 < block.end:
                raise RefusalError(4)
            return await ask(block, until)

        session.reader._ask._ask, unit.refuse_all = broken_sensor, 2
        for _ in range(12):
            await session.read(GROUP)
            session.clock.advance(1000)
        unit.refuse_all = 0
        for _ in range(30):
            scan = await session.read(GROUP)
            session.clock.advance(1000)
        assert good(scan) == set(range(ALL - 1))

    asyncio.run(test())


def test_a_lost_unit_behind_a_converter_that_does_not_reach_it_is_unreachable_in_every_read() -> None:
    async def test() -> None:
        unit, few = Unit(scattered), registers([5], period_ms=1000)
        session = await Session(unit).learns(few)
        unit.refuse_all = 2
        for _ in range(30):
            assert not good(await session.read(few))
            session.clock.advance(1000)

        async def unreached(block: Block, until: float) -> bytes:
            raise RefusalError(11)

        session.reader._ask._ask = unreached
        session.clock.advance(20_000)
        for _ in range(25):
            with pytest.raises(DriverError, match="unit_unreachable"):
                await session.read(few)
            session.clock.advance(1000)

    asyncio.run(test())


@pytest.mark.parametrize("fault", [RefusalError(6), RefusalError(11), DriverError("no_answer", Status.BAD_TIMEOUT)], ids=str)
def test_a_lost_value_that_gives_no_answer_costs_a_unit_that_is_read_little(fault: Exception) -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session, ten = Session(unit), registers(range(10), period_ms=1000)
        await session.learns(ten)
        unit.missing = {5}
        for _ in range(20):
            await session.read(ten)
            session.clock.advance(1000)
        ask, asked = session.reader._ask._ask, 0

        async def strange(block: Block, until: float) -> bytes:
            nonlocal asked
            if block.start <= 5 < block.end:
                asked += 1
                raise fault
            return await ask(block, until)

        session.reader._ask._ask = strange
        for _ in range(3600):
            assert good(await session.read(ten)) == set(range(10)) - {5}
            session.clock.advance(1000)
        assert asked <= 12

    asyncio.run(test())


def test_a_unit_that_was_silent_then_refused_all_and_is_away_at_last_is_away() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await Session(unit).learns(GROUP)
        ask = session.reader._ask._ask

        async def silent(block: Block, until: float) -> bytes:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=10)

        for fruitless in range(3, 9):
            session.reader._plan(GROUP).troubles.fruitless = fruitless
            session.reader._ask._ask, unit.refuse_all = ask, 2
            for _ in range(12):
                await session.read(GROUP)
                session.clock.advance(1000)
            session.clock.advance(20_000)
            session.reader._plan(GROUP).troubles.fruitless = fruitless
            session.reader._ask._ask = silent
            for _ in range(20):
                with pytest.raises(DriverError, match="no_answer"):
                    await session.read(GROUP)
                session.clock.advance(1000)

    asyncio.run(test())


def test_a_lost_value_waits_no_longer_for_others_that_come_back_one_by_one() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = await Session(unit).learns(GROUP)
        for first in range(10):  # each time that one is back, all others are asked for as well
            unit.missing = set(range(first, 10))
            for _ in range(40):
                await session.read(GROUP)
                session.clock.advance(1000)
        unit.missing = set()
        for _ in range(45):
            scan = await session.read(GROUP)
            session.clock.advance(1000)
        assert len(good(scan)) == ALL

    asyncio.run(test())
