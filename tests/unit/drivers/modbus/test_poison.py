"""A unit whose next answer is poisoned by a read over a hole never yields a wrong value, and the hole is not read over again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.learned import ODD
from drivers.modbus.planner import Block
from drivers.modbus.proof import Sample, repeats, tells
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered, serial, tcp

poisons = ("shift", "zeros", "repeat", "refusal", "silence", "odd")


class Moving:
    """Registers that stand still, count up with every look at them, or are zero."""

    def __init__(self, kinds: Callable[[int], str]) -> None:
        self.kinds, self.ticks = kinds, 0

    def __call__(self, table: str, address: int) -> int:
        kind = self.kinds(address)
        return 0 if kind == "zero" else (address * 7919 + (self.ticks * 31 if kind == "moving" else 0)) % 65_521 + 1


@pytest.mark.parametrize("poison", poisons)
@pytest.mark.parametrize("options", [tcp, serial], ids=["tcp", "9600 baud"])
def test_no_value_is_wrong_and_the_hole_is_left_alone(poison: str, options: DeviceOptions) -> None:
    async def test() -> None:
        unit = Unit(Moving(lambda _: "still"), poison=poison, poisonous={23, 24, 71})
        group = registers([*range(20), *range(26, 40), *range(44, 70), *range(73, 90)])
        session = Session(unit, options)
        for _ in range(20 if poison in ("silence", "odd") else 3):
            try:
                scan = await session.read(group)
            except DriverError:
                continue
            assert scan.statuses is None or poison in ("silence", "odd")
        assert good(await session.read(group)) == set(range(len(group.tags)))
        odd = {interval for interval, code in session.reader.learned.barriers["holding"].items() if code == ODD}
        assert odd == {(19, 27), (69, 74)}
        assert session.count == 3
        unit.asked.clear()
        for _ in range(20):
            assert len(good(await session.read(group))) == len(group.tags)
        assert not [a for a in unit.asked if {23, 71} & set(range(a[1], a[1] + a[2]))]

    asyncio.run(test())


@pytest.mark.parametrize("fault", [DriverError("line_busy"), asyncio.CancelledError()], ids=["no turn came", "cut off"])
def test_a_control_read_that_never_went_out_leaves_no_poison_for_the_next_read(fault: BaseException) -> None:
    async def test() -> None:
        unit = Unit(Moving(lambda _: "still"), poison="shift", poisonous={23, 24})
        session = Session(unit)
        group = registers([*range(20), *range(26, 40)])
        ask, cut = session.reader._ask._ask, []

        async def cut_after_the_crossing(block: Block, until: float) -> bytes:
            if unit._is_poisoned:
                cut.append(block)
                raise fault  # before it is sent
            return await ask(block, until)

        session.reader._ask._ask = cut_after_the_crossing
        while not cut:
            try:
                await session.read(group)
            except asyncio.CancelledError:
                break
            assert len(unit.asked) < 100
        session.reader._ask._ask = ask
        for _ in range(5):
            assert len(good(await session.read(group))) == len(group.tags)  # each value is compared with what the unit holds

    asyncio.run(test())


@st.composite
def poisoned_units(draw: st.DrawFn) -> tuple[Unit, list[int], Moving]:
    seed, share = draw(st.integers(0, 2**32)), draw(st.sampled_from([0.3, 0.6, 0.9]))
    kinds = draw(st.lists(st.sampled_from(["still", "still", "moving", "zero"]), min_size=64, max_size=64))
    random = Random(seed)
    wanted = [n for n in range(60) if random.random() < share] or [0]
    values = Moving(lambda address: kinds[address % 64])
    unit = Unit(values, poison=draw(st.sampled_from(poisons)), missing=draw(st.sets(st.integers(0, 60), max_size=3)))
    unit.poisonous = {n for n in range(64) if n not in wanted and random.random() < draw(st.sampled_from([0.1, 0.5, 1.0]))}
    return unit, wanted, values


@settings(max_examples=100, deadline=None)
@given(poisoned_units())
def test_whatever_moves_or_is_zero_no_value_is_wrong(case: tuple[Unit, list[int], Moving]) -> None:
    async def test() -> None:
        unit, wanted, values = case
        session = Session(unit)
        group = registers(wanted)
        for n in range(12):
            values.ticks = n
            try:
                await session.read(group)  # Session compares every value with the unit's own
            except DriverError:
                assert unit.poison in ("silence", "odd")

    asyncio.run(test())


def test_values_that_move_between_two_looks_do_not_convict_a_hole() -> None:
    async def test() -> None:
        values = Moving(lambda address: "moving" if address >= 30 else "still")
        unit = Unit(values)
        session = Session(unit)
        group = registers([*range(10), *range(30, 40)])

        async def ask(block: Block, until: float) -> bytes:
            data = await unit.ask(block, until)
            values.ticks += 1
            return data

        session.reader._ask._ask = ask  # type: ignore[assignment]
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await session.reader.read(group, loop.time() + 30)
        assert not any(session.reader.learned.barriers.values())
        unit.asked.clear()
        await session.reader.read(group, loop.time() + 30)
        assert unit.asked == [("holding", 0, 40)]

    asyncio.run(test())


def test_a_hole_that_cannot_be_proven_is_not_read_over_and_tried_again_later() -> None:
    async def test() -> None:
        unit = Unit(lambda _table, _address: 0)
        session = Session(unit)
        group = registers([0, 10])
        for _ in range(5):
            assert (await session.read(group)).values == [0, 0]
        assert session.count == 2
        assert ("holding", 0, 11) not in unit.asked
        unit.value = Moving(lambda _: "still")
        session.clock.advance(700_000)
        for _ in range(2):
            await session.read(group)
        await session.read(group)
        assert session.count == 1

    asyncio.run(test())


def test_a_hole_turns_bad_while_the_plant_runs() -> None:
    async def test() -> None:
        unit = Unit(Moving(lambda _: "still"))
        session = Session(unit)
        group = registers([*range(10), *range(20, 30), *range(300, 310)])
        await session.learns(group)
        assert session.count == 2
        unit.poison, unit.poisonous = "odd", {15}
        for _ in range(12):
            try:
                await session.read(group)
            except DriverError:
                continue
        last = await session.read(group)
        assert len(good(last)) == 30
        unit.asked.clear()
        for _ in range(5):
            await session.read(group)
        assert not [a for a in unit.asked if a[1] <= 15 < a[1] + a[2]]

    asyncio.run(test())


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=2, max_size=16).filter(lambda data: len(data) % 2 == 0), st.binary(min_size=2, max_size=40))
def test_a_control_read_differs_from_each_known_way_of_being_wrong(data: bytes, crossing: bytes) -> None:
    sample = Sample(Block("holding", 5, len(data) // 2, ()), data)
    if tells(sample):
        assert data not in (bytes(len(data)), b"\xff" * len(data))
        if len(data) > 2:
            for shift in (1, 2):
                assert data[shift:] != data[:-shift]
    if not repeats(sample, crossing):
        assert crossing[: len(data)] != data


@pytest.mark.parametrize(
    ("bits", "length", "does"), [(1, 1, False), (0b11, 2, False), (0b01, 2, True), (0b0010, 4, True), (0b1111_1111, 8, False)]
)
def test_a_control_read_of_coils_tells_a_shift_by_one_whatever_comes_next(bits: int, length: int, *, does: bool) -> None:
    assert tells(Sample(Block("coil", 7, length, ()), bytes([bits]))) is does


def test_a_hole_is_not_proven_by_a_control_read_over_another_connection() -> None:
    """Another unit of the line may have it made anew between the two, and only the first connection gives the spoiled answer."""

    async def test() -> None:
        unit = Unit(scattered)
        session, ways = Session(unit), count()
        session.reader._ask.connection = lambda: next(ways)
        group = registers([*range(10), *range(12, 20)])
        for _ in range(5):
            assert len(good(await session.read(group))) == 18
        assert not session.reader.learned.crossable["holding"].rows()
        assert unit.resyncs, "what the hole may have spoiled reaches nobody"
        session.reader._ask.connection = lambda: 1
        session.clock.advance(3_600_000)
        for _ in range(3):
            await session.read(group)
        assert session.reader.learned.crossable["holding"].rows() == [(10, 12)]

    asyncio.run(test())
