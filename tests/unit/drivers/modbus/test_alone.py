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


def test_whoever_waited_for_a_pair_is_asked_before_the_next_pair() -> None:
    """A unit of many holes is held again and again, for half a period: a write or a quicker device of it waits for one pair."""

    async def program(clock: VirtualClock) -> list[str]:
        alone, seen = Alone(), []

        async def ask(name: str) -> None:
            await alone.enter(1e6)
            seen.append(name)
            await after(clock, 1)
            alone.leave()

        async def prove() -> None:
            for pair in range(4):
                async with alone.hold(1e6):
                    await ask(f"crossing {pair}")
                    await ask(f"control {pair}")

        async with asyncio.TaskGroup() as group:
            group.create_task(prove())
            group.create_task(prove())
            await after(clock, 0.5)
            for name in ("write", "read"):
                group.create_task(ask(name))
        return seen

    seen = run(program, seed=1)
    assert len(seen) == 18
    assert {"write", "read"} <= set(seen[4:6]), "two provers: it waits for one pair of each"
    pairs = [name for name in seen if " " in name]
    assert all(crossing[-1] == control[-1] for crossing, control in zip(pairs[::2], pairs[1::2], strict=True))


def test_one_who_gives_up_waiting_holds_up_nobody() -> None:
    async def program(clock: VirtualClock) -> None:
        alone, loop = Alone(), asyncio.get_running_loop()

        async def hold(seconds: float) -> None:
            async with alone.hold(1e6):
                await after(clock, seconds)

        async with asyncio.TaskGroup() as group:
            group.create_task(hold(10))
            await after(clock, 1)
            waiting = group.create_task(alone.enter(1e6))
            await after(clock, 1)
            group.create_task(hold(1))
            await after(clock, 1)
            waiting.cancel()
            with pytest.raises(TimeoutError):
                await alone.enter(loop.time() + 1)
        assert alone.is_open

    run(program, seed=1)
