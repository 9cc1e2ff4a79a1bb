"""A part that is made when somebody asks: once, whoever asks at the same time, and run from then on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from runtime.late import Late
from tests.simulation.loop import VirtualClock, run


class Part:
    def __init__(self) -> None:
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1


def test_two_who_ask_at_once_get_the_same_and_modules_are_read_once() -> None:
    read, made = list[str](), list[Part]()

    def make(kind: type[Part]) -> Part:
        made.append(kind())
        return made[-1]

    def kind() -> type[Part]:
        read.append("modules")
        return Part

    async def program(clock: VirtualClock) -> None:
        late = Late(kind, make, ThreadPoolExecutor(1))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(late.run())
            await clock.sleep_until_mono(clock.mono_ms() + 1_000)
            assert (read, made, running.done()) == ([], [], False)
            found = await asyncio.gather(late.found(), late.found())
        assert found == [await late.found()] * 2
        assert (read, made, made[0].runs) == (["modules"], [found[0]], 1)

    run(program, seed=1)
