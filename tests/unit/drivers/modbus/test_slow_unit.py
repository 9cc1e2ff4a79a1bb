"""A unit that is silent, or too slow for all blocks of a group in one read: each read says why, and the blocks take turns."""

from __future__ import annotations

import asyncio

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.reading import Status
from tests.rigs.field import after
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered
from tests.simulation.loop import VirtualClock, run

FOUR = registers([0, 300, 600, 900], period_ms=1000)


async def slow(clock: VirtualClock, *late_s: float, limit_s: float = 1.0) -> Session:
    """A session that knows FOUR; each answer of its unit takes 0.9 s from now on, the first ones `late_s`."""
    options = DeviceOptions(host="plc", request_timeout_s=limit_s)
    session, time, takes = Session(Unit(scattered), options), asyncio.get_running_loop().time, list(late_s)
    await session.learns(FOUR)
    ask = session.reader._ask._ask

    async def slowly(block: Block, until: float) -> bytes:
        await after(clock, min(takes.pop(0) if takes else 0.9, until - time()))
        if time() >= until:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)
        return await ask(block, until)

    session.reader._ask._ask = slowly
    return session


async def came(session: Session, reads: int) -> list[set[int]]:
    """What each of some reads brought, within a second."""
    found: list[set[int]] = []
    for _ in range(reads):
        try:
            found.append(good(await session.read(FOUR, within_s=1.0)))
        except DriverError:
            found.append(set())
    return found


def test_each_read_of_a_silent_unit_says_that_it_did_not_answer() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered)
        session, time = Session(unit), asyncio.get_running_loop().time
        group = registers([*range(20), *range(300, 320)], period_ms=1000)
        await session.learns(group)

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
        found = await came(await slow(clock), 8)
        assert all(len(each) == 1 for each in found)
        assert set[int]().union(*found[:4]) == set[int]().union(*found[4:]) == set(range(4))

    run(program, seed=1)


def test_a_block_that_was_late_once_is_read_again() -> None:
    async def program(clock: VirtualClock) -> None:
        found = await came(await slow(clock, 1.1), 60)
        assert not found[0]
        assert all(sum(block in each for each in found[1:]) >= 8 for block in range(4))

    run(program, seed=1)


def test_an_outage_says_nothing_of_the_blocks_that_could_not_be_asked() -> None:
    async def program(clock: VirtualClock) -> None:
        session = await slow(clock)
        slowly = session.reader._ask._ask

        async def gone(block: Block, until: float) -> bytes:
            raise DriverError("connect_failed", Status.BAD_NOT_CONNECTED, host="h", port=1)

        session.reader._ask._ask = gone
        assert await came(session, 4) == [set()] * 4
        session.reader._ask._ask = slowly
        found = await came(session, 8)
        assert set[int]().union(*found[:4]) == set[int]().union(*found[4:]) == set(range(4))

    run(program, seed=1)


@pytest.mark.parametrize("limit_s", [0.5, 1.0, 1.2, 2.0])
def test_a_block_that_never_answers_costs_the_others_a_read_now_and_then_where_it_takes_the_time_of_all(limit_s: float) -> None:
    async def program(clock: VirtualClock) -> None:
        session, time = await slow(clock, limit_s=limit_s), asyncio.get_running_loop().time
        unit = session.unit

        async def one_is_silent(block: Block, until: float) -> bytes:
            await after(clock, min(0.25 if block.start != 300 else limit_s, until - time()))
            if block.start == 300 or time() >= until:
                raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)
            return await unit.ask(block, until)

        session.reader._ask._ask = one_is_silent
        found = await came(session, 200)
        assert found.count({0, 2, 3}) >= 190, "it is tried first again, more and more seldom"
        session.reader._ask._ask = unit.ask
        assert (await came(session, 256))[-1] == set(range(4))

    run(program, seed=1)


@pytest.mark.parametrize("fault", [RefusalError(2), RefusalError(4), "no_answer", "bad_answer"], ids=str)
def test_one_value_at_fault_takes_its_group_along_for_a_moment_only_also_beside_another_group(fault: Exception | str) -> None:
    async def program(clock: VirtualClock) -> None:
        session = Session(Unit(scattered))
        ten, other = registers(range(10), period_ms=1000), registers(range(200, 210), uid=2, period_ms=1000)
        await session.learns(ten)
        await session.learns(other)
        ask = session.reader._ask._ask

        async def but_one(block: Block, until: float) -> bytes:
            if block.start <= 5 < block.end:
                raise fault if isinstance(fault, Exception) else DriverError(fault, Status.BAD_TIMEOUT)
            return await ask(block, until)

        session.reader._ask._ask = but_one
        came = 0
        for _ in range(200):
            try:
                came += good(await session.read(ten)) == set(range(10)) - {5}
            except DriverError:
                pass
            assert len(good(await session.read(other))) == 10
            session.clock.advance(1000)
        assert came >= 180

    run(program, seed=1)


@pytest.mark.parametrize("limit_s", [0.5, 1.0, 2.0])
def test_several_blocks_that_never_answer_leave_most_reads_to_the_sound_one(limit_s: float) -> None:
    async def program(clock: VirtualClock) -> None:
        session, time = await slow(clock, limit_s=limit_s), asyncio.get_running_loop().time
        unit = session.unit

        async def three_are_silent(block: Block, until: float) -> bytes:
            await after(clock, min(0.05 if block.start == 600 else limit_s, until - time()))
            if block.start != 600 or time() >= until:
                raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=1000)
            return await unit.ask(block, until)

        session.reader._ask._ask = three_are_silent
        assert (await came(session, 600)).count({2}) >= 560

    run(program, seed=1)


def test_a_module_that_refuses_all_keeps_no_value_of_another_away() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered)
        session, group = Session(unit), registers([*range(10), *range(900, 910)], period_ms=1000)
        await session.learns(group)

        async def broken(block: Block, until: float) -> bytes:
            if block.start < 10 or block.start <= 905 < block.end:
                raise RefusalError(4)
            return await unit.ask(block, until)

        session.reader._ask._ask = broken
        for _ in range(200):
            scan = await session.read(group)
            session.clock.advance(1000)
        assert good(scan) == set(range(10, 20)) - {15}

    run(program, seed=1)
