"""A unit that refuses all that it gave before, as while a program is loaded, or is silent: it is asked again, and what it does is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.driver import DriverError
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.reading import Status
from tests.rigs.field import after
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered
from tests.simulation.loop import VirtualClock, run

GROUP = registers([*range(10), *range(40, 60), 80], period_ms=1000)
ALL = len(GROUP.tags)


async def gone_dark(unit: Unit) -> Session:
    """A session that knows the unit, which refuses everything since some reads."""
    session = Session(unit)
    for _ in range(3):
        await session.read(GROUP)
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
        session = Session(unit)
        for _ in range(3):
            await session.read(GROUP)
            await session.read(other)
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


def test_each_read_of_a_silent_unit_says_that_it_did_not_answer() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered)
        session, time = Session(unit), asyncio.get_running_loop().time
        group = registers([*range(20), *range(300, 320)], period_ms=1000)
        for _ in range(3):
            await session.read(group)

        async def nothing(block: Block, until: float) -> bytes:
            if time() >= until:
                raise DriverError("line_busy", Status.BAD_TIMEOUT)
            await after(clock, until - time())
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)

        ask, session.reader._ask._ask = session.reader._ask._ask, nothing
        for _ in range(9):
            with pytest.raises(DriverError) as caught:
                await session.read(group, within_s=1.0)
            assert caught.value.cause == "no_answer"
        session.reader._ask._ask = ask
        assert len(good(await session.read(group))) == 40

    run(program, seed=1)


def test_blocks_of_a_slow_unit_take_turns_where_a_read_has_no_time_for_all() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered)
        session, time = Session(unit), asyncio.get_running_loop().time
        group = registers([0, 300, 600, 900], period_ms=1000)
        for _ in range(3):
            await session.read(group)
        ask = session.reader._ask._ask

        async def slowly(block: Block, until: float) -> bytes:
            await after(clock, min(0.9, until - time()))
            if time() >= until:
                raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)
            return await ask(block, until)

        session.reader._ask._ask = slowly
        came = [good(await session.read(group, within_s=1.0)) for _ in range(8)]
        assert all(len(each) == 1 for each in came)
        assert set[int]().union(*came[:4]) == set[int]().union(*came[4:]) == set(range(4))

    run(program, seed=1)


def test_a_block_that_never_answers_costs_the_others_one_read_where_it_takes_the_time_of_all() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered)
        session, time = Session(unit), asyncio.get_running_loop().time
        group = registers([0, 300, 600, 900], period_ms=1000)
        for _ in range(3):
            await session.read(group)
        ask = session.reader._ask._ask

        async def one_is_silent(block: Block, until: float) -> bytes:
            await after(clock, min(0.2 if block.start != 300 else 1.0, until - time()))
            if block.start == 300 or time() >= until:
                raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)
            return await ask(block, until)

        session.reader._ask._ask = one_is_silent
        came: list[set[int]] = []
        for _ in range(12):
            try:
                came.append(good(await session.read(group, within_s=1.0)))
            except DriverError:
                came.append(set())
        assert came[4:] == [{0, 2, 3}] * 8
        session.reader._ask._ask = ask
        assert len(good(await session.read(group, within_s=1.0))) == 4

    run(program, seed=1)
