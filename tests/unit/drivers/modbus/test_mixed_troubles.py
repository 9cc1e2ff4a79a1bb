"""Whatever mix of troubles a unit had, once it is well all that it ever gave comes back, in every group, without a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.reading import Status, TagGroup
from tests.rigs.field import after
from tests.rigs.modbus_unit import Session, Unit, good, registers, scattered
from tests.simulation.loop import VirtualClock, run

OF_ONE = (1, 2, 3, 4, 5, 6, 10, 11, "no_answer", "bad_answer", "connection_lost")
OF_ALL = (None, None, None, None, 1, 2, 4, 6, 11, "no_answer", "connect_failed", "breaker_open", "line_busy")
BACK_READS = 600


class Troubled:
    """Stands before a unit: some addresses, or all, are refused or silent, and its answers take their time."""

    def __init__(self, session: Session, random: Random, clock: VirtualClock) -> None:
        self._ask, session.reader._ask._ask = session.reader._ask._ask, self
        self._random, self._clock = random, clock
        self.be_well()

    def be_well(self) -> None:
        self.bad: dict[int, int | str] = {}
        self.all: int | str | None = None
        self.takes_s = 0.01

    def change(self) -> None:
        random = self._random
        self.bad = {random.randrange(300): random.choice(OF_ONE) for _ in range(random.choice((0, 1, 3, 40)))}
        self.all, self.takes_s = random.choice(OF_ALL), random.choice((0.01, 0.01, 0.3, 0.6, 0.95))

    async def __call__(self, block: Block, until: float) -> bytes:
        time, random = asyncio.get_running_loop().time, self._random
        await after(self._clock, max(0.0, min(self.takes_s, until - time())))
        if time() >= until:
            raise DriverError(random.choice(("no_answer", "line_busy")), Status.BAD_TIMEOUT)
        vice = self.all or next((vice for at, vice in self.bad.items() if block.start <= at < block.end), None)
        if isinstance(vice, int):
            raise RefusalError(vice)
        if vice is not None:
            if vice == "no_answer" and random.random() < 0.5:
                await after(self._clock, max(0.0, until - time()))
            raise DriverError(vice, Status.BAD_TIMEOUT)
        return await self._ask(block, until)


def some_groups(random: Random) -> list[TagGroup]:
    return [
        registers(sorted(random.sample(range(120), random.randint(3, 30))), uid=1, period_ms=1000),
        registers(sorted(random.sample(range(200, 300), random.randint(1, 10))), uid=2, period_ms=1000),
        registers(sorted(random.sample(range(200), random.randint(1, 10))), uid=3, period_ms=1000, table="input"),
    ][: random.randint(1, 3)]


async def are_whole(session: Session, groups: list[TagGroup]) -> bool:
    """Read all groups once, within a second each; return whether each tag of them is good."""
    whole = True
    for group in groups:
        try:
            whole &= len(good(await session.read(group, within_s=1.0))) == len(group.tags)
        except DriverError:
            whole = False
    session.clock.advance(1000)
    return whole


async def reads_until_back(clock: VirtualClock, random: Random) -> int | None:
    """Return after how many reads all is good again that a unit gave before it had its troubles; None: not within BACK_READS."""
    options = DeviceOptions(host="plc", request_timeout_s=random.choice((0.5, 1.0, 2.0)))
    session, groups = Session(Unit(scattered, longest=random.choice((2000, 40))), options), some_groups(random)
    for _ in range(4):
        await are_whole(session, groups)
    trouble = Troubled(session, random, clock)
    for turn in range(300):
        if turn % 25 == 0:
            trouble.change()
        await are_whole(session, groups)
    trouble.be_well()
    for turn in range(BACK_READS):
        if await are_whole(session, groups):
            return turn
    return None


def test_all_comes_back_once_the_unit_is_well(seed: int, count: Callable[[int, int, int], int]) -> None:
    needed = []
    for number in range(count(10, 60, 600)):
        needed.append(run(partial(reads_until_back, random=Random(f"{seed}/{number}")), seed=1))
        assert needed[-1] is not None, f"not back after {BACK_READS} reads: seed {seed}/{number}"
    print(f"back after {max(each or 0 for each in needed)} reads at most")
