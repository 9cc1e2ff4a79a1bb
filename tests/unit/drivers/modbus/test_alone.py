"""One task that asks a unit alone: others wait, none for longer than it says, and none is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from drivers.modbus.alone import Alone
from tests.rigs.field import after
from tests.simulation.loop import VirtualClock, run


def test_others_wait_until_the_pair_is_over_and_the_pair_until_they_are() -> None:
    async def program(clock: VirtualClock) -> list[str]:
        alone, seen = Alone(), []

        async def ask(name: str, takes_s: float) -> None:
            await alone.enter(1e6)
            seen.append(name)
            await after(clock, takes_s)
            alone.leave()

        async def pair() -> None:
            async with alone.hold(1e6):
                for name in ("crossing", "control"):
                    await ask(name, 1)

        async with asyncio.TaskGroup() as group:
            group.create_task(ask("early", 2))
            await after(clock, 1)
            group.create_task(pair())
            await after(clock, 1.5)
            group.create_task(ask("late", 1))
        return seen

    assert run(program, seed=1) == ["early", "crossing", "control", "late"]


@pytest.mark.parametrize("cancelled", [True, False])
def test_nobody_waits_longer_than_he_says_and_nothing_is_left_when_the_holder_is_cut_off(cancelled: bool) -> None:
    async def program(clock: VirtualClock) -> None:
        alone, loop = Alone(), asyncio.get_running_loop()

        async def hold() -> None:
            async with alone.hold(loop.time() + 1):
                await after(clock, 10)

        async with asyncio.TaskGroup() as group:
            holder = group.create_task(hold())
            await after(clock, 1)
            with pytest.raises(TimeoutError):
                await alone.enter(loop.time() + 2)
            with pytest.raises(TimeoutError):
                async with alone.hold(loop.time() + 2):
                    pass
            assert not alone.is_open
            if cancelled:
                holder.cancel()
            await alone.enter(loop.time() + 20)
            alone.leave()
        assert alone.is_open

    run(program, seed=1)
