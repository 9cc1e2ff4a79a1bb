"""The virtual loop itself: it jumps, it is deterministic, it tells a deadlock."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.simulation.loop import DeadlockError, VirtualClock, run


async def busy_day(clock: VirtualClock) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []

    async def device(number: int) -> None:
        while clock.mono_ms() < 86_400_000:
            try:
                async with asyncio.timeout(1):
                    await asyncio.sleep(random.random() * 1.2)
            except TimeoutError:
                pass
            seen.append((number, clock.mono_ms()))
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(device(number))
    return seen


def test_a_day_passes_in_seconds_and_repeats_by_its_seed(seed: int) -> None:
    began = time.monotonic()
    first = run(busy_day, seed=seed)
    assert time.monotonic() - began < 60
    assert len(first) > 3 * 1_400
    assert run(busy_day, seed=seed) == first
    assert run(busy_day, seed=seed + 1) != first


def test_a_deadlock_is_an_error() -> None:
    async def stuck(clock: VirtualClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run(lambda clock: _no_timeout(stuck(clock)), seed=1, for_s=float("inf"))


async def _no_timeout(program: object) -> object:
    return await program  # type: ignore[misc]


def test_the_clock_steps_and_reboots() -> None:
    async def program(clock: VirtualClock) -> tuple[int, int, int]:
        wall, mono = clock.wall_ms(), clock.mono_ms()
        await asyncio.sleep(10)
        clock.step(-3_600_000, state=4)
        after = clock.wall_ms() - wall
        clock.reboot()
        return after, clock.mono_ms() - mono, clock.state()

    assert run(program, seed=1) == (10_000 - 3_600_000, 2_000 - 5_000, 4)
