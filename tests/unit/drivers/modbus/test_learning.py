"""Learning a unit's map: holes and missing values are found, nothing missing is asked twice, the plan becomes the best there is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.learned import LearnedMap
from drivers.modbus.planner import Block, Span
from drivers.modbus.request import RefusalError
from drivers.modbus.tag_options import parse_address
from drivers.reading import Quality, Status, TagGroup, quality_of
from tests.rigs.field import after
from tests.rigs.modbus_unit import Session, Unit, best, good, registers, scattered, serial, tcp
from tests.simulation.loop import VirtualClock, run


@pytest.mark.parametrize("options", [tcp, serial], ids=["tcp", "9600 baud"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_forty_scattered_holes_are_settled_within_three_cycles(seed: int, options: DeviceOptions, share: float) -> None:
    async def test() -> None:
        random = Random(f"{seed} {share}")
        missing = set(random.sample(range(1000), 40))
        unit = Unit(scattered, missing, code=random.choice([2, 3]))
        group = registers([n for n in range(1000) if random.random() < share])
        readable = {n for n, tag in enumerate(group.tags) if tag.address.start not in missing}  # type: ignore[attr-defined]
        session = Session(unit, options)
        for _ in range(3):
            assert good(await session.read(group)) == readable
        assert len(set(unit.refused)) == len(unit.refused)
        refused = len(unit.refused)
        for _ in range(3):
            assert good(await session.read(group)) == readable
            assert session.count <= best(unit, group, options) + 1
        assert len(unit.refused) == refused

    asyncio.run(test())


@st.composite
def small_units(draw: st.DrawFn) -> tuple[Unit, TagGroup]:
    starts = draw(st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True))
    unit = Unit(scattered, draw(st.sets(st.integers(0, 63), max_size=8)), longest=draw(st.sampled_from([2000, 2000, 20])))
    return unit, registers(starts)


@settings(max_examples=100, deadline=None)
@given(small_units())
def test_on_every_small_map_the_plan_becomes_the_best_one(case: tuple[Unit, TagGroup]) -> None:
    async def test() -> None:
        unit, group = case
        session = Session(unit)
        readable = {n for n, tag in enumerate(group.tags) if tag.address.start not in unit.missing}  # type: ignore[attr-defined]
        for _ in range(3):
            assert good(await session.read(group)) == readable
            session.clock.advance(11_000)
        for _ in range(5):  # a unit that answers nothing at all is not believed at once
            await session.read(group)
            session.clock.advance(700_000)
        assert good(await session.read(group)) == readable
        assert len(set(unit.refused)) == len(unit.refused) or not readable
        assert session.count <= best(unit, group, tcp) + 1

    asyncio.run(test())


def test_a_unit_without_a_function_is_not_asked_for_its_table_again() -> None:
    async def test() -> None:
        unit = Unit(scattered, set(range(100)), code=1)
        session = Session(unit)
        await session.read(registers([500], uid=2))
        scan = await session.read(registers(range(0, 100, 2)))
        assert set(scan.statuses or []) == {Status.BAD_NOT_SUPPORTED} or not session.reader.learned.closed
        inputs = registers(range(0, 40, 2), table="input")
        unit.missing = set(range(100))
        scan = await session.read(inputs)
        assert session.reader.learned.closed == {"input": 1}
        assert set(scan.statuses or []) == {Status.BAD_NOT_SUPPORTED}
        assert session.count < 30
        await session.read(inputs)
        assert session.count == 0

    asyncio.run(test())


def test_the_longest_request_is_learned_from_refusals() -> None:
    async def test() -> None:
        unit = Unit(scattered, longest=60)
        session = Session(unit)
        group = registers(range(300))
        for _ in range(2):
            assert len(good(await session.read(group))) == 300
        assert session.reader.learned.longest == {"registers": 60}
        await session.read(group)
        assert session.count == 5

    asyncio.run(test())


def test_the_longest_request_is_learned_from_silence() -> None:
    async def test() -> None:
        unit = Unit(scattered, silent_over=70)
        session = Session(unit)
        group = registers(range(250))
        for _ in range(2):
            with pytest.raises(DriverError, match="no_answer"):
                await session.read(group)
        for _ in range(12):
            last = await session.read(group)
        assert len(good(last)) == 250
        assert unit.silent_over // 2 < session.reader.learned.longest["registers"] <= unit.silent_over

    asyncio.run(test())


def test_a_silent_value_takes_fewer_and_fewer_others_with_it() -> None:
    async def test() -> None:
        unit = Unit(scattered, silent={17})
        session = Session(unit)
        group = registers([*range(40), *range(200, 210)])
        for _ in range(14):
            last = await session.read(group)
        assert good(last) == set(range(50)) - {17}
        assert session.count <= 6
        assert unit.asked[-1] == ("holding", 17, 1)  # last, so that it starves no other
        assert not any(session.reader.learned.barriers.values())

    asyncio.run(test())


def test_a_busy_unit_is_asked_again_a_bounded_number_of_times() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        group = registers(range(10))
        unit.busy_for = 2
        assert len(good(await session.read(group))) == 10
        unit.busy_for = 1000
        scan = await session.read(group)
        assert not good(scan)
        assert session.count == 3
        assert not any(session.reader.learned.barriers.values())

    asyncio.run(test())


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_finds_no_path_says_nothing_of_the_map(code: int) -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        group = registers(range(10))
        await session.read(group)
        unit.refuse_all = code
        for _ in range(5):
            with pytest.raises(DriverError, match="unit_unreachable"):
                await session.read(group)
            assert session.count <= 2, "one value alone besides, now and then"
        unit.refuse_all = 0
        assert len(good(await session.read(group))) == 10

    asyncio.run(test())


def test_a_unit_that_refuses_everything_for_a_while_loses_nothing_for_good() -> None:
    async def test() -> None:
        unit = Unit(scattered, missing={40})
        session = Session(unit)
        group = registers([*range(20), 40, *range(60, 80)])
        await session.read(group)
        before = session.reader.learned.plain()
        unit.refuse_all = 2
        for _ in range(3):
            scan = await session.read(group)
            assert {quality_of(status) for status in scan.statuses or []} == {Quality.BAD}
            assert session.count <= 2
        unit.refuse_all = 0
        assert len(good(await session.read(group))) == 40
        assert session.reader.learned.plain()["tables"]["holding"]["refused"] == before["tables"]["holding"]["refused"]

    asyncio.run(test())


def test_a_new_unit_that_is_still_starting_is_not_believed() -> None:
    async def test() -> None:
        unit = Unit(scattered, refuse_all=2)
        session = Session(unit)
        group = registers(range(0, 200, 4))
        for _ in range(20):
            assert not good(await session.read(group))
        assert len(unit.asked) < 120
        unit.refuse_all = 0
        session.clock.advance(700_000)
        await session.read(group)
        assert len(good(await session.read(group))) == 50
        assert not any(session.reader.learned.barriers.values())

    asyncio.run(test())


def test_a_value_that_goes_is_found_and_asked_for_again_with_pauses() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        group = registers([*range(30), *range(50, 60)])
        await session.learns(group)
        assert session.count == 1
        unit.missing = {7}
        for _ in range(5):  # one block is all there is, so the first refusals may be the unit's state
            last = await session.read(group)
        assert good(last) == set(range(40)) - {7}
        unit.refused.clear()
        for _ in range(100):
            await session.read(group)
            session.clock.advance(1000)
        assert 1 <= len(unit.refused) <= 5  # after 10, 20, 40 ... seconds
        unit.missing = set()
        session.clock.advance(200_000)
        await session.read(group)
        assert len(good(await session.read(group))) == 40

    asyncio.run(test())


def test_values_that_went_together_come_back_together() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        holding, inputs = registers(range(60)), registers([5], table="input")
        group = replace(holding, tags=holding.tags + inputs.tags)
        await session.learns(group)
        for _ in range(5):  # each time as the first time: programs are loaded for years
            unit.missing = {*range(5), *range(6, 60)}  # while a program is loaded, the other table answers
            for _ in range(5):
                last = await session.read(group)
            assert good(last) == {5, 60}
            for _ in range(4):
                session.clock.advance(11_000)
                await session.read(group)
            unit.missing = set()
            session.clock.advance(90_000)
            await session.read(group)
            assert len(good(await session.read(group))) == 61
        session.clock.advance(90_000)
        await session.read(group)
        assert session.count == 2

    asyncio.run(test())


@pytest.mark.parametrize("ending", [None, RefusalError(2)], ids=["both come", "one is refused"])
def test_a_read_back_that_asks_for_the_same_lost_value_as_the_poll_breaks_neither(ending: RefusalError | None) -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        group = registers(range(20))
        back = registers([7], uid=-1)  # read by another task, as after a write
        back = replace(back, tags=(*back.tags, group.tags[3]))
        await session.learns(group)
        unit.missing = {7}
        for _ in range(6):
            await session.read(group)
        await session.read(back)
        unit.missing = set()
        session.clock.advance(11_000)
        ask, asked, is_over = session.reader._ask._ask, [], asyncio.Event()

        async def both_at_once(block: Block, until: float) -> bytes:
            if (block.start, block.count) == (7, 1):
                asked.append(asyncio.Event())
                if len(asked) == 1:
                    await asked[0].wait()
                else:
                    asked[0].set()
                    if ending is not None:
                        await is_over.wait()
                        raise ending
            return await ask(block, until)

        async def first() -> None:
            assert len(good(await session.read(group))) == 20
            is_over.set()

        session.reader._ask._ask = both_at_once
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first())
            tasks.create_task(session.read(back))
        assert len(asked) >= 2

    asyncio.run(test())


def test_what_was_lost_is_asked_for_again_in_a_longer_value_and_by_nobody_else() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        group = registers(range(20))
        await session.learns(group)
        unit.missing = {7}
        for _ in range(6):
            await session.read(group)
        unit.missing = set()
        assert session.reader._plan(registers(range(6), uid=3)).is_settled, "nothing of this group is lost"
        text = {"data": "string", "length": 6, "encoding": "latin-1"}
        places = [parse_address({"address": f"holding:{start}", **text}) for start in (0, 6, 12)]
        long = replace(group, tags=tuple(replace(tag, address=place) for tag, place in zip(group.tags, places, strict=False)))
        for _ in range(3):
            session.clock.advance(11_000)
            scan = await session.reader.read(long, asyncio.get_running_loop().time() + 30)
        assert not scan.statuses or not any(scan.statuses)
        assert not session.reader.learned.lost["holding"]

    asyncio.run(test())


def test_what_is_lost_is_seen_in_every_value_that_holds_it() -> None:
    learned = LearnedMap()
    learned.lost["holding"] = {(5, 20), (6, 7)}
    for start, count, expected in ((5, 15, True), (5, 5, True), (6, 1, True), (7, 20, False), (0, 6, False), (0, 7, True)):
        assert learned.has_lost([Span("holding", start, count, 0)]) is expected, (start, count)
    assert not learned.has_lost([Span("input", 5, 15, 0)])


def test_a_failure_that_nothing_followed_is_forgotten() -> None:
    async def test() -> None:
        unit = Unit(scattered)
        session = Session(unit)
        inputs = registers([3], table="input")
        group, other = (replace(each, tags=each.tags + inputs.tags) for each in (registers(range(20)), registers(range(30))))
        await session.learns(group)
        unit.silent = {5}
        await session.read(group)
        unit.silent = set()
        await session.read(other)  # configured anew: the block that failed is never asked for again
        assert session.reader._suspicions
        session.clock.advance(700_000)
        await session.read(other)
        assert not session.reader._suspicions

    asyncio.run(test())


def test_a_text_longer_than_any_request_of_the_unit_does_not_take_its_group_along() -> None:
    async def test() -> None:
        unit = Unit(scattered, longest=16)
        text = parse_address({"address": "holding:100", "data": "string", "length": 20})
        long = registers([0, 100], uid=1)
        long = replace(long, tags=(long.tags[0], replace(long.tags[1], address=text)))
        many = registers(range(40), uid=2)
        session = Session(unit)
        for _ in range(3):  # the text is refused first, then the limit is learned, of which that refusal is a part
            scan = await session.read(long)
            assert good(scan) == {0}
            assert scan.statuses == [0, Status.BAD_CONFIGURATION_ERROR]
            assert len(good(await session.read(many))) == 40
        assert session.reader.learned.longest == {"registers": 16}
        assert unit.refused.count(("holding", 100, 20)) == 1
        kept = Session(unit, memory=session.memory)
        assert good(await kept.read(long)) == {0}
        assert unit.refused.count(("holding", 100, 20)) == 1

    asyncio.run(test())


def test_a_slow_line_learns_a_little_in_each_read() -> None:
    async def program(clock: VirtualClock) -> None:
        unit = Unit(scattered, set(range(5, 200, 10)))
        session = Session(unit)
        group = registers(range(200), period_ms=1000)

        async def ask(block: Block, until: float) -> bytes:
            try:
                async with asyncio.timeout_at(until):
                    await after(clock, 0.04)
            except TimeoutError as error:
                raise DriverError("line_busy", Status.BAD_TIMEOUT) from error
            return await unit.ask(block, until)

        session.reader._ask._ask = ask
        for _ in range(40):
            last = await session.read(group, within_s=1.0)
            session.clock.advance(1000)
        assert len(good(last)) == 180
        assert session.count == best(unit, group, tcp)  # 21 requests of 40 ms: the read fits into its second again

    run(program, seed=1)
