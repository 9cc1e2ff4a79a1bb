"""Whatever some values of a unit do, as long as they do it, its sound values go on coming; and the trouble over, a read is as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import cycle
from random import Random

import pytest

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.reading import Status
from tests.rigs.field import after
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered
from tests.simulation.loop import VirtualClock, run

VICES = (2, 4, 5, 6, "no_answer", "no_answer", "bad_answer", "connection_lost", "slow")
READS = 800
AWAY_READS = 40
"""So many reads in a row a sound value may be missing at most, once the unit is known."""


class Vicious:
    """Stands before a unit: each answer takes its time, and blocks that hold certain addresses do not get theirs."""

    def __init__(self, session: Session, clock: VirtualClock, limit_s: float, takes_s: float, late_s: float) -> None:
        self._ask, session.reader._ask._ask = session.reader._ask._ask, self
        self._clock, self._limit_s, self._takes_s, self._late_s = clock, limit_s, takes_s, late_s
        self.vices: dict[tuple[str, int], int | str] = {}

    async def __call__(self, block: Block, until: float) -> bytes:
        time = asyncio.get_running_loop().time
        vices = [vice for (table, at), vice in self.vices.items() if table == block.table and block.start <= at < block.end]
        limit = min(time() + self._limit_s, until)
        takes_s = self._late_s if "slow" in vices else self._takes_s
        if "no_answer" in vices or time() + takes_s > limit:
            await after(self._clock, max(0.0, limit - time()))
            raise DriverError("no_answer", Status.BAD_TIMEOUT)
        await after(self._clock, takes_s)
        for vice in vices:
            if isinstance(vice, int):
                raise RefusalError(vice)
            if vice != "slow":
                raise DriverError(vice, Status.BAD_TIMEOUT)
        return await self._ask(block, until)


class Watched:
    """A group, and how long each of its sound values is missing."""

    def __init__(self, random: Random, uid: int, table: str, every: int, room: int) -> None:
        self.addresses = sorted(random.sample(range(room), random.randint(3, 20)))
        self.group, self.every = registers(self.addresses, uid=uid, table=table, period_ms=1000 * every), every
        self._away, self.longest = [0] * len(self.addresses), 0

    async def read(self, session: Session, within_s: float, vices: dict[tuple[str, int], int | str], *, counts: bool) -> None:
        try:
            came = good(await session.read(self.group, within_s))
        except DriverError:
            came = set()
        for at, tag in enumerate(self.group.tags):
            is_sound = (tag.address.table, tag.address.start) not in vices  # type: ignore[attr-defined]
            self._away[at] = 0 if at in came or not is_sound else self._away[at] + 1
        self.longest = max(self.longest, *self._away) if counts else 0


async def longest_away(clock: VirtualClock, random: Random) -> tuple[int, str]:
    """Return for how many reads in a row a sound value was missing in the second half of READS, and the trouble.

    A second group is read less often, and may be of another table that is slower.
    """
    limit_s, within_s = random.choice((0.2, 0.5, 1.0, 2.0)), random.choice((0.5, 1.0, 2.0))
    takes_s = random.choice((0.005, 0.02, 0.1, 0.3 * min(limit_s, within_s), 0.6 * min(limit_s, within_s)))
    session = Session(Unit(scattered), DeviceOptions(host="plc", request_timeout_s=limit_s, max_registers=random.choice((125, 125, 10, 4))))
    unit = Vicious(session, clock, limit_s, takes_s, min(limit_s, within_s) * random.choice((0.5, 0.8, 1.1)))
    groups = [Watched(random, 1, "holding", 1, random.choice((60, 2000)))]
    if random.random() < 0.5:
        groups.append(Watched(random, 2, random.choice(("holding", "input")), random.choice((1, 5, 10)), 2000))
    first, count = random.choice((0, 5)), random.choice((0, 1, 1, 2, 3))
    vices: dict[tuple[str, int], int | str] = {
        ("holding", at): random.choice(VICES) for at in random.sample(groups[0].addresses[1:], min(count, 2))
    }
    if len(groups) > 1 and random.random() < 0.5:
        vices |= {(groups[1].group.tags[0].address.table, at): "slow" for at in groups[1].addresses}  # type: ignore[attr-defined]
    for number in range(READS):
        if number == first:
            unit.vices = vices
        for each in groups:
            if number % each.every == 0:
                await each.read(session, within_s, vices, counts=number > READS // 2)
        session.clock.advance(1000)
    return max(each.longest for each in groups), f"{vices} of {[each.addresses for each in groups]}, {limit_s=} {within_s=} {takes_s=}"


def test_sound_values_go_on_coming_whatever_others_do(seed: int, count: Callable[[int, int, int], int]) -> None:
    found = []
    for number in range(count(4, 60, 600)):
        away, trouble = run(partial(longest_away, random=Random(f"{seed}/{number}")), seed=1)
        assert away <= AWAY_READS, f"seed {seed}/{number}: a sound value was missing in {away} reads in a row; {trouble}"
        found.append(away)
    print(f"a sound value was missing in {max(found)} reads in a row at most")


@pytest.mark.parametrize("vice", ["no_answer", "connection_lost", 4, 11])
@pytest.mark.parametrize("addresses", [range(10), [*range(10), 300]], ids=["one block", "two blocks"])
def test_one_value_takes_nobody_along_and_once_it_is_well_all_are_read_as_before(vice: int | str, addresses: range | list[int]) -> None:
    async def program(clock: VirtualClock) -> None:
        session, group = Session(Unit(scattered)), registers(addresses, period_ms=1000)
        unit = Vicious(session, clock, 1.0, 0.01, 0.01)
        await session.learns(group)
        before, came = session.count, []
        unit.vices = {("holding", 5): vice}
        for _ in range(120):
            try:
                came.append(good(await session.read(group, 1.0)))
            except DriverError:
                came.append(set())
            session.clock.advance(1000)
        assert came.count(set(range(len(group.tags))) - {5}) >= 90
        unit.vices = {}
        for _ in range(300):
            came.append(good(await session.read(group, 1.0)))
            session.clock.advance(1000)
        assert (len(came[-1]), session.count) == (len(group.tags), before)

    run(program, seed=1)


def test_a_value_that_is_answered_alone_only_is_tried_among_others_more_and_more_seldom() -> None:
    async def program(clock: VirtualClock) -> None:
        session, group = Session(Unit(scattered)), registers([*range(10), 300], period_ms=1000)
        await session.learns(group)
        ask = session.reader._ask._ask

        async def choosy(block: Block, until: float) -> bytes:
            if block.start <= 5 < block.end and block.count > 1:
                raise DriverError("no_answer", Status.BAD_TIMEOUT)
            return await ask(block, until)

        session.reader._ask._ask = choosy
        whole = 0
        for _ in range(5000):
            whole += len(good(await session.read(group, 1.0))) == len(group.tags)
            session.clock.advance(1000)
        assert whole >= 4900

    run(program, seed=1)


def test_a_unit_that_does_not_answer_every_second_question_after_a_silence_gives_what_is_sound() -> None:
    """As a serial one does that ignores function 8: the echo that is asked for after a silence is not answered either."""

    async def program(clock: VirtualClock) -> None:
        session, group = Session(Unit(scattered)), registers(range(10), period_ms=1000)
        await session.learns(group)
        ask, echo, is_in_doubt = session.reader._ask._ask, cycle((True, False)), False

        async def mute(block: Block, until: float) -> bytes:
            nonlocal is_in_doubt
            is_echo_asked = is_in_doubt and next(echo)
            is_in_doubt = is_echo_asked or block.start <= 5 < block.end
            if is_in_doubt:
                await after(clock, max(0.0, until - asyncio.get_running_loop().time()))
                raise DriverError("no_answer", Status.BAD_TIMEOUT)
            return await ask(block, until)

        session.reader._ask._ask = mute
        came: set[int] = set()
        for _ in range(200):
            try:
                came |= good(await session.read(group, 1.0))
            except DriverError:
                pass
            session.clock.advance(1000)
        assert came == set(range(10)) - {5}

    run(program, seed=1)
