"""Turns on a connection: writes first, patient ones last, nobody starved, nothing lost by giving up."""

from __future__ import annotations

import asyncio
import random

import pytest

from drivers.modbus.turns import Row, Turns, passes_max, waiting_max


def order_of(arrivals: list[Row], places: int = 1) -> list[Row]:
    """Let these arrive while the line is taken; return the order in which they go."""

    async def test() -> list[Row]:
        turns, went = Turns(places), []

        async def one(row: Row) -> None:
            await turns.take(row)
            went.append(row)
            await asyncio.sleep(0)
            turns.give()

        for _ in range(places):
            await turns.take()
        async with asyncio.TaskGroup() as tasks:
            for row in arrivals:
                tasks.create_task(one(row))
            await asyncio.sleep(0)
            for _ in range(places):
                turns.give()
        assert turns.is_free
        assert not turns.waiting
        return went

    return asyncio.run(test())


def test_a_write_goes_before_reads_and_patient_ones_go_last() -> None:
    assert order_of([Row.PATIENT, Row.PLAIN, Row.PLAIN, Row.URGENT]) == [Row.URGENT, Row.PLAIN, Row.PLAIN, Row.PATIENT]


def test_no_row_is_starved() -> None:
    went = order_of([Row.PATIENT] * 2 + [Row.PLAIN] * 40 + [Row.URGENT] * 20)
    assert went.index(Row.PLAIN) == passes_max[0]
    assert went.index(Row.PATIENT) <= passes_max[1]
    assert len(went) == 62


def test_giving_up_loses_no_turn() -> None:
    async def test() -> None:
        rng = random.Random(7)
        turns = Turns(2)
        running = 0

        async def one() -> None:
            nonlocal running
            await turns.take(rng.choice(list(Row)))
            running += 1
            assert running <= 2
            try:
                await asyncio.sleep(0)
            finally:
                running -= 1
                turns.give()

        async def impatient() -> None:
            try:
                async with asyncio.timeout(0 if rng.random() < 0.5 else None):
                    await one()
            except TimeoutError:
                pass

        for _ in range(50):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(20):
                    task = tasks.create_task(impatient())
                    if rng.random() < 0.2:
                        asyncio.get_running_loop().call_soon(task.cancel)
        assert turns._free == 2
        assert not turns.waiting

    asyncio.run(test())


def test_the_queue_has_an_end() -> None:
    async def test() -> None:
        turns = Turns()
        await turns.take()
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(turns.take()) for _ in range(waiting_max)]
            await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                await turns.take()
            for task in waiting:
                task.cancel()

    asyncio.run(test())
