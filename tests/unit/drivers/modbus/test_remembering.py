"""What was learned of a unit: kept over restarts, dropped for another unit or firmware, never taken from nonsense."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.memory import ShortMemory
from drivers.modbus.config import DeviceOptions
from drivers.modbus.learned import ODD, LearnedMap, from_plain
from drivers.modbus.planner import Block
from drivers.modbus.turn import Ask
from drivers.reading import TagGroup
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered

HOLED = registers([0, 1, 2, 10, 11, 12, 20, 300, 301, 302])


class Upgradable(Session):
    """Of a unit that says its firmware in register 900. A read over register 5 spoils the next answer from the second firmware on."""

    def __init__(self) -> None:
        self.firmware = 7
        unit = Unit(lambda table, address: self.firmware if address == 900 else scattered(table, address))
        super().__init__(unit, DeviceOptions(host="plc", firmware="holding:900+1"))

    @property
    def crosses(self) -> bool:
        """Whether it is known that the hole around register 5 may be read over."""
        return self.reader.learned.crossable["holding"].covers(3, 10)

    async def learn(self, group: TagGroup) -> None:
        """Read until the holes are proven."""
        for _ in range(3):
            await self.read(group)
        assert self.crosses

    def upgrade(self, poison: str = "shift") -> None:
        """Another firmware comes, over a new connection."""
        self.firmware, self.unit.poison, self.unit.poisonous = 8, poison, {5}
        self.reader.reconnected()

    def ask_through(self, ask: Ask) -> Ask:
        """Let each request go through `ask`; return what it went through before."""
        before, self.reader._ask._ask = self.reader._ask._ask, ask
        return before


def test_what_was_learned_survives_a_restart() -> None:
    async def test() -> None:
        random = Random(5)
        unit = Unit(scattered, set(random.sample(range(400), 20)))
        group = registers([n for n in range(400) if n % 3])
        first = Session(unit)
        for _ in range(3):
            scan = await first.read(group)
        count, kept = first.count, first.reader.learned.plain()
        assert first.memory.recall() == kept
        unit.refused.clear()
        second = Session(unit, memory=first.memory)
        assert (await second.read(group)).values == scan.values
        assert second.count == count
        assert unit.refused == []
        assert second.memory.recall() == kept

    asyncio.run(test())


def test_what_was_learned_is_dropped_for_another_unit_for_nonsense_and_when_a_person_says_so() -> None:
    async def test() -> None:
        unit = Unit(scattered, {3})
        group = registers(range(10))
        first = Session(unit)
        await first.read(group)
        unit.missing = set()
        for place, facts in (("elsewhere", first.memory.recall()), ("here", {"version": 1, "tables": 5})):
            memory = ShortMemory()
            memory.keep(facts or {})
            assert len(good(await Session(unit, memory=memory, place=place).read(group))) == 10
        assert len(good(await first.read(group))) == 9
        first.memory.forgotten += 1
        assert len(good(await first.read(group))) == 10

    asyncio.run(test())


def test_a_change_of_firmware_lets_the_map_be_learned_anew() -> None:
    async def test() -> None:
        version = 7
        unit = Unit(lambda table, address: version if address == 900 else scattered(table, address), {3, 4})
        options = DeviceOptions(host="plc", firmware="holding:900+1")
        group = registers(range(10))
        first = Session(unit, options)
        for _ in range(3):
            assert len(good(await first.read(group))) == 8
        asked = unit.asked.count(("holding", 900, 1))
        unit.missing = {6}  # one value goes, two come: only another firmware does that
        version = 8
        for _ in range(4):
            last = await first.read(group)
        assert good(last) == set(range(10)) - {6}
        assert unit.asked.count(("holding", 900, 1)) - asked <= 2
        again = Session(unit, options, memory=first.memory)
        unit.refused.clear()
        assert good(await again.read(group)) == set(range(10)) - {6}
        assert unit.refused == []
        version, unit.missing = 9, set()
        third = Session(unit, options, memory=first.memory)
        assert len(good(await third.read(group))) == 10
        for _ in range(5):
            await third.read(group)
            assert third.count == 1

    asyncio.run(test())


def test_a_firmware_that_came_with_a_new_connection_has_no_say_in_values_over_old_holes() -> None:
    async def test() -> None:
        session = Upgradable()
        await session.learn(HOLED)

        async def over_a_new_connection(block: Block, until: float) -> bytes:
            session.ask_through(ask)
            session.upgrade()
            return await ask(block, until)

        ask = session.ask_through(over_a_new_connection)
        for _ in range(4):
            assert len(good(await session.read(HOLED))) == 10  # `Session.read` compares each with what the unit holds
        assert not session.crosses

    asyncio.run(test())


def test_a_firmware_that_came_while_a_busy_unit_was_asked_again_has_no_say_either() -> None:
    async def test() -> None:
        session = Upgradable()
        holding, inputs = registers([0, 1, 2, 10, 11, 12]), registers([40, 41], table="input")
        group = replace(holding, tags=holding.tags + inputs.tags)
        await session.learn(group)
        session.unit.busy_for, session.unit.missing = 1, {41}  # it gave 41 before: that alone asks for the firmware, but in the next read

        async def over_a_new_connection(block: Block, until: float) -> bytes:
            if session.firmware == 7 and session.unit.refused and block.table == "holding":
                session.upgrade()
            return await ask(block, until)

        ask = session.ask_through(over_a_new_connection)
        for _ in range(4):
            assert len(good(await session.read(group))) == 7  # `Session.read` compares each with what the unit holds
        assert session.firmware == 8
        assert not session.crosses

    asyncio.run(test())


def test_a_firmware_that_a_read_back_found_has_no_say_in_the_poll_under_way() -> None:
    async def test() -> None:
        session, back = Upgradable(), []
        await session.learn(HOLED)

        async def over_a_new_connection(block: Block, until: float) -> bytes:
            data = await ask(block, until)
            if not back:  # after the first block a read-back comes, whose task asks the firmware before this one does
                session.upgrade()
                async with asyncio.TaskGroup() as tasks:
                    back.append(tasks.create_task(session.read(registers([302], uid=-1))))
                session.unit._is_poisoned = True  # by a second read over the old hole, of which this test has none
            return data

        ask = session.ask_through(over_a_new_connection)
        for _ in range(3):
            assert len(good(await session.read(HOLED))) == 10  # `Session.read` compares each with what the unit holds
        assert session.reader.learned.firmware != ""

    asyncio.run(test())


@pytest.mark.parametrize("cause", ["line_busy", "breaker_open", "no_answer"])
def test_a_firmware_that_could_not_even_be_asked_for_is_asked_before_anything_is_believed(cause: str) -> None:
    """Where it was asked and nothing came, the registers of the option are at fault, and the values go on."""

    async def test() -> None:
        session, turns = Upgradable(), iter([True, False])
        await session.learn(HOLED)

        async def over_a_new_connection(block: Block, until: float) -> bytes:
            if block.start == 900:
                raise DriverError(cause)
            data = await ask(block, until)
            if next(turns, False):
                session.upgrade("" if cause == "no_answer" else "shift")
                session.unit._is_poisoned = True  # by what was just read over an old hole
            return data

        ask = session.ask_through(over_a_new_connection)
        if cause == "no_answer":
            assert len(good(await session.read(HOLED))) == 10
            return
        for _ in range(2):
            with pytest.raises(DriverError, match=cause):
                await session.read(HOLED)
        session.ask_through(ask)
        for _ in range(3):
            assert len(good(await session.read(HOLED))) == 10
        assert not session.crosses

    asyncio.run(test())


def test_a_unit_that_is_another_with_every_connection_is_a_fault_and_no_endless_read() -> None:
    async def test() -> None:
        session = Upgradable()

        async def over_a_new_connection(block: Block, until: float) -> bytes:
            data = await ask(block, until)
            session.firmware += 1
            session.reader.reconnected()
            return data

        ask = session.ask_through(over_a_new_connection)
        with pytest.raises(DriverError, match="bad_answer"):
            await session.read(registers(range(10)))
        assert len(session.unit.asked) < 20

    asyncio.run(test())


@pytest.mark.parametrize("firmware", ["coil:3+1", "holding:3", "holding:3+0", "holding:3+126", "holding:65535+2", "holding:-3+1"])
def test_registers_of_a_firmware_that_cannot_be_asked_are_refused(firmware: str) -> None:
    with pytest.raises(ValueError, match="firmware"):
        DeviceOptions(host="plc", firmware=firmware)


noises = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@settings(max_examples=200, deadline=None)
@given(noises, st.data())
def test_facts_that_nobody_said_are_refused_and_those_that_were_are_understood(noise: object, data: st.DataObject) -> None:
    learned = LearnedMap("here", "v1")
    learned.note_answer("holding", 0, 40)
    learned.note_crossable("holding", [(5, 9)])
    learned.note_refusal("holding", (20, 21), 2, lasting=True, is_value=True)
    learned.note_refusal("coil", (2, 9), ODD, lasting=True)
    learned.note_longest("holding", 60)
    learned.close("input", 1)
    plain = learned.plain()
    assert from_plain(json.loads(json.dumps(plain))).plain() == plain
    broken: Any = json.loads(json.dumps(plain))
    at, place = broken, broken
    step: Any = None
    while isinstance(place, (dict, list)) and place and (step is None or data.draw(st.booleans())):
        at, step = place, data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        place = place[step]
    at[step] = noise
    try:
        understood = from_plain(broken).plain()
    except ValueError:
        return
    said = {name: facts for name, facts in broken["tables"].items() if any(facts.values())}  # a table of which nothing is said is none
    assert understood == {**broken, "tables": said}


def test_what_a_new_firmware_gave_late_is_as_sure_as_any_other_value() -> None:
    """It was refused while the firmware started, came, and is refused for long by a program that is loaded: it comes back."""

    async def test() -> None:
        session = Upgradable()
        await session.learn(HOLED)
        session.upgrade()
        for missing, reads in (({11}, 30), (set[int](), 60), ({11}, 400), (set[int](), 600)):
            session.unit.missing = missing
            for _ in range(reads):
                scan = await session.read(HOLED)
                session.clock.advance(1000)
        assert len(good(scan)) == len(HOLED.tags)

    asyncio.run(test())


def test_a_table_that_a_starting_firmware_has_no_function_for_comes_back() -> None:
    async def test() -> None:
        session, inputs = Upgradable(), registers([40, 42, 44, 46], table="input")
        group = replace(inputs, tags=registers([10, 11, 12]).tags + inputs.tags)
        for _ in range(4):
            await session.read(group)
        session.upgrade("")
        session.unit.code, session.unit.missing = 1, {40, 42, 44, 46}
        for missing, reads in ((set(session.unit.missing), 20), (set[int](), 120)):
            session.unit.missing = missing
            for _ in range(reads):
                scan = await session.read(group)
                session.clock.advance(1000)
        assert len(good(scan)) == 7

    asyncio.run(test())
