"""Pushed values over a connection that breaks: nothing lost while the server keeps it, and said where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from drivers.driver import DriverError
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.stream import next_number
from drivers.reading import TagGroup
from tests.integration.drivers.test_opcua_driver import group_of, plant_wire_driver, run
from tests.rigs.opcua import OpcUaPlant
from tests.rigs.wire import Wire

pytestmark = pytest.mark.integration

options: dict[str, object] = {"subscription_interval_ms": 50, "queue_size": 200, "request_timeout_s": 0.5}
"""A tag's queue holds what is counted in two seconds."""


@asynccontextmanager
async def counting(plant: OpcUaPlant, count: int) -> AsyncIterator[asyncio.Task[None]]:
    """Give t0 the values 1 to `count`, one every 10 ms."""

    async def work() -> None:
        for n in range(1, count + 1):
            await plant.set(0, n)
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        yield tasks.create_task(work())


async def collect(driver: OpcUaDriver, group: TagGroup, last: int, seen: list[int], first: asyncio.Event) -> None:
    async with aclosing(driver.subscribe(group)) as scans:  # type: ignore[type-var]
        async for scan in scans:
            seen += [int(reading.value or 0) for reading in scan.readings()]
            first.set()
            if seen and seen[-1] == last:
                return


async def while_counting(disturb: object, count: int) -> list[int]:
    """Return what arrives while `disturb(plant, wire)` is done in the middle of counting."""
    seen: list[int] = []
    async with plant_wire_driver(0, **options) as (plant, wire, driver):
        first = asyncio.Event()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(collect(driver, group_of("int"), count, seen, first))
            await first.wait()
            async with counting(plant, count):
                await asyncio.sleep(0.3)
                await disturb(plant, wire)  # type: ignore[operator]
    return seen


def test_a_connection_that_breaks_costs_no_value() -> None:
    async def cut_twice(_: OpcUaPlant, wire: Wire) -> None:
        for pause_s in (0.0, 0.4):
            await wire.cut()
            await asyncio.sleep(pause_s)
            await wire.mend()
            await asyncio.sleep(0.5)

    async def test() -> None:
        assert await while_counting(cut_twice, 200) == list(range(201))

    run(test)


def test_notifications_that_vanish_on_the_way_are_asked_for_again() -> None:
    async def lose(_: OpcUaPlant, wire: Wire) -> None:
        for count in (1, 2):
            wire.lose = count
            while wire.lose:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
        assert wire.lost == 3

    async def test() -> None:
        assert await while_counting(lose, 500) == list(range(501))

    run(test)


async def broken_by(disturb: object, **more: object) -> tuple[list[int], DriverError]:
    seen: list[int] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with plant_wire_driver(0, **{**options, **more}) as (plant, wire, driver):
            first = asyncio.Event()
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                tasks.create_task(collect(driver, group_of("int"), -1, seen, first))
                await first.wait()
                await disturb(plant, wire)  # type: ignore[operator]
    (error,) = caught.value.exceptions
    assert isinstance(error, DriverError)
    return seen, error


def test_a_number_that_is_missing_and_not_kept_is_a_loss_that_is_told() -> None:
    async def skip(plant: OpcUaPlant, _: Wire) -> None:
        (subscription,) = plant.server.iserver.subscription_service.subscriptions.values()
        await plant.set(0, 1)
        await asyncio.sleep(0.2)
        subscription._notification_seq += 2  # the server counts two that nobody gets
        await plant.set(0, 2)

    async def test() -> None:
        seen, error = await broken_by(skip)
        assert (error.cause, error.params["count"]) == ("notifications_lost", 2)
        assert seen == [0, 1]

    run(test)


def test_a_sign_of_life_shows_that_something_before_it_was_lost() -> None:
    async def skip(plant: OpcUaPlant, _: Wire) -> None:
        (subscription,) = plant.server.iserver.subscription_service.subscriptions.values()
        subscription._notification_seq += 1  # nothing changes any more

    async def test() -> None:
        _, error = await broken_by(skip)
        assert (error.cause, error.params["count"]) == ("notifications_lost", 1)

    run(test)


def test_a_session_that_the_server_does_not_know_any_more_ends_the_stream() -> None:
    async def restart(plant: OpcUaPlant, wire: Wire) -> None:
        await wire.cut()
        await plant.stop()
        await plant.start()
        await wire.mend()

    async def test() -> None:
        _, error = await broken_by(restart, request_timeout_s=5.0)  # a server that has just started may be slow; it is not away
        assert error.cause == "connection_lost"

    run(test)


def test_an_outage_longer_than_the_servers_queues_ends_the_stream() -> None:
    async def stay_away(_: OpcUaPlant, wire: Wire) -> None:
        await wire.cut()

    async def test() -> None:
        _, error = await broken_by(stay_away, queue_size=20)
        assert error.cause in {"connection_lost", "no_answer"}, "whichever of its signs is met first"

    run(test)


def test_an_overflow_of_the_servers_queue_is_told_after_the_values_that_are_left() -> None:
    async def overflow(plant: OpcUaPlant, _: Wire) -> None:
        await plant.set(0, 5, 0x480)

    async def test() -> None:
        seen, error = await broken_by(overflow)
        assert (error.cause, seen[-1]) == ("overflow", 5)

    run(test)


def test_a_queue_that_comes_back_full_counts_as_run_over() -> None:
    """This server drops the oldest samples without setting the bit."""

    async def many(plant: OpcUaPlant, _: Wire) -> None:
        for n in range(1, 8):
            await plant.set(0, n)

    async def test() -> None:
        seen, error = await broken_by(many, queue_size=4)
        assert (error.cause, seen) == ("overflow", [0, 4, 5, 6, 7])

    run(test)


def test_numbers_roll_over_to_one() -> None:
    assert (next_number(1), next_number(0xFFFFFFFF)) == (2, 1)
