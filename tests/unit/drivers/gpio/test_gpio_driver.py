"""The driver on a chip that keeps its protocol: lines in use, a flutter, lost edges, safe levels, pulses, counts that go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest

from drivers.driver import DriverError
from drivers.gpio import factory
from drivers.gpio.driver import GpioDriver
from drivers.memory import ShortMemory
from drivers.reading import Scan, Status, Tag, TagGroup
from drivers.shared import Shared
from tests.rigs.clock import RunningClock, StillClock
from tests.rigs.conforming_gpio import gpio_tag, options
from tests.rigs.gpio import FakeBoard

MS = 1_000_000


def group(*tags: Tag, period_ms: int = 1000) -> TagGroup:
    return TagGroup(1, "dev", "g", period_ms, tags)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(limited())


def make(board: FakeBoard, lines: dict[str, Any], memory: ShortMemory | None = None, **more: Any) -> GpioDriver:
    return GpioDriver("dev", options(lines, **more), board.open_chip, RunningClock(), memory or ShortMemory())


async def until_seen(board: FakeBoard, offset: int) -> None:
    """Let the event loop take what a line has."""
    line = board.pins[offset].line
    while line is not None and line.waiting:
        await asyncio.sleep(0)


def pushed(driver: GpioDriver, tags: TagGroup) -> AsyncGenerator[Scan, None]:
    return cast(AsyncGenerator[Scan, None], driver.subscribe(tags))


def test_a_line_in_use_spoils_only_its_own_tags_and_says_who_has_it() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[1].user = "hog"
        a, b = gpio_tag(0, "a"), gpio_tag(1, "b")
        async with make(board, {"a": {"line": 0}, "b": {"line": 1}}) as driver:
            scan = await driver.read(group(a, b), 1.0)
            assert scan.values == [False, None]
            assert scan.statuses == [0, Status.BAD_NOT_CONNECTED]
            with pytest.raises(DriverError) as caught:
                await driver.read(group(b), 1.0)
            assert (caught.value.cause, caught.value.params["user"]) == ("gpio_line_taken", "hog")
            board.pins[1].user = ""
            while scan.statuses is not None:
                await asyncio.sleep(0.01)
                scan = await driver.read(group(a, b), 1.0)
            assert scan.values == [False, False]

    run(test)


def test_an_unknown_chip_or_line_is_named_with_what_there_is() -> None:
    async def test() -> None:
        board = FakeBoard(2)
        async with make(board, {"a": {"line": "P7"}}) as driver:
            with pytest.raises(DriverError) as caught:
                await driver.read(group(gpio_tag(0, "a")), 1.0)
            assert (caught.value.cause, caught.value.params["known"]) == ("gpio_line_unknown", "P0, P1")
        async with make(board, {"a": {"line": 0}}, chip="nosuch") as driver:
            with pytest.raises(DriverError) as caught:
                await driver.read(group(gpio_tag(0, "a")), 1.0)
            assert (caught.value.cause, caught.value.params["known"]) == ("gpio_chip_unknown", "bench (gpiochip0)")
        assert (board.opened, board.lines_taken()) == (0, 0)

    run(test)


@pytest.mark.parametrize(("at_exit", "left"), [("safe", False), ("keep", True)])
def test_an_output_is_safe_from_the_start_and_at_the_end(at_exit: str, left: bool) -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[0].level = True
        lines = {"valve": {"line": 0, "use": "output", "safe": False, "at_exit": at_exit}}
        valve = gpio_tag(0, "valve", writable=True)
        async with make(board, lines) as driver:
            assert board.pins[0].history == [False]
            await driver.write(valve, True, 1.0)
            assert (await driver.read(group(valve), 1.0)).values == [True]
        assert board.pins[0].level is left

    run(test)


def test_an_output_that_keeps_what_it_has_is_not_touched_at_the_start() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[0].level = True
        lines = {"valve": {"line": 0, "use": "output", "safe": False, "at_start": "keep"}}
        async with make(board, lines) as driver:
            assert (await driver.read(group(gpio_tag(0, "valve")), 1.0)).values == [True]
            assert board.pins[0].history == []

    run(test)


def test_whoever_only_looks_sets_nothing_at_either_end() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[0].level = True
        lines = {"valve": {"line": 0, "use": "output", "safe": False}, "a": {"line": 1}}
        made = factory.make("dev", options(lines, chip="bench"), RunningClock(), Shared(only_looks=True))
        assert isinstance(made, GpioDriver)
        made._open_chip = board.open_chip
        valve = gpio_tag(0, "valve", writable=True)
        async with made as driver:
            assert (await driver.read(group(valve, gpio_tag(1, "a")), 1.0)).values == [True, False]
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(valve, False, 1.0)
        assert (board.pins[0].level, board.pins[0].history, board.lines_taken()) == (True, [], 0)

    run(test)


def test_active_low_is_turned_round_for_outputs_too() -> None:
    async def test() -> None:
        board = FakeBoard()
        async with make(board, {"lamp": {"line": 0, "use": "output", "safe": False, "active_low": True}}):
            assert board.pins[0].level is True

    run(test)


def test_an_output_that_is_held_by_something_else_is_not_called_set() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[0].held = False
        tag = gpio_tag(0, "valve", writable=True)
        async with make(board, {"valve": {"line": 0, "use": "output", "safe": False}, "a": {"line": 1}}) as driver:
            with pytest.raises(DriverError) as caught:
                await driver.write(tag, True, 1.0)
            assert caught.value.cause == "gpio_level_differs"
            for wrong, cause in ((1, "write_out_of_range"), ("true", "write_out_of_range")):
                with pytest.raises(DriverError, match=cause):
                    await driver.write(tag, wrong, 1.0)
            with pytest.raises(DriverError, match="write_not_supported"):
                await driver.write(gpio_tag(1, "a", writable=True), True, 1.0)

    run(test)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_pulse_ends_also_when_nobody_waits_for_it(cancelled: bool) -> None:
    async def test() -> None:
        board = FakeBoard()
        tag = gpio_tag(0, "reject", writable=True)
        async with make(board, {"reject": {"line": 0, "use": "output", "safe": False, "pulse_ms": 50}}) as driver:
            if cancelled:
                async with asyncio.TaskGroup() as tasks:
                    writing = tasks.create_task(driver.write(tag, True, 1.0))
                    while board.pins[0].history != [False, True]:
                        await asyncio.sleep(0.001)
                    writing.cancel()
            else:
                await driver.write(tag, True, 1.0)
            assert (await driver.read(group(tag), 1.0)).values == [False]
            assert board.pins[0].history == [False, True, False]

    run(test)


def test_a_pulse_ends_when_the_driver_does() -> None:
    async def test() -> None:
        board = FakeBoard()
        lines = {"reject": {"line": 0, "use": "output", "safe": False, "pulse_ms": 2000}}
        async with asyncio.TaskGroup() as tasks:
            async with make(board, lines) as driver:
                writing = tasks.create_task(driver.write(gpio_tag(0, "reject", writable=True), True, 5.0))
                while board.pins[0].history != [False, True]:
                    await asyncio.sleep(0.001)
            assert board.pins[0].level is False
            writing.cancel()

    run(test)


def test_counts_and_rates_see_every_edge_before_the_read() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.now = 0
        tags = (gpio_tag(0, "m", "int", value="count"), gpio_tag(1, "m", "float64", value="rate", window_s=2.0),
                gpio_tag(2, "m", "float64", value="count", scale=0.1))  # fmt: skip
        async with make(board, {"m": {"line": 0}}) as driver:
            scan = await driver.read(group(*tags), 1.0)
            assert (scan.values, scan.statuses) == ([0, None, 0.0], [0, Status.BAD_WAITING_FOR_INITIAL_DATA, 0])
            for n in range(300):
                board.now = n * 10 * MS
                board.pulse(0)
            assert (await driver.read(group(*tags), 1.0)).values == [300, 100.0, 30.0]

    run(test)


def test_a_flutter_beyond_the_kernels_buffer_is_counted_and_does_not_hold_the_loop() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.edges_kept = 1000
        tag = gpio_tag(0, "m", "int", value="count")
        async with make(board, {"m": {"line": 0}}) as driver:
            assert (await driver.read(group(tag), 1.0)).values == [0]
            for _ in range(5):
                board.pulse(0, 4000)
                scan = await driver.read(group(tag), 1.0)
            await until_seen(board, 0)
            scan = await driver.read(group(tag), 1.0)
            assert (scan.values, scan.statuses) == ([20_000], None)

    run(test)


def test_counts_go_on_after_a_restart_and_begin_anew_when_forgotten() -> None:
    async def test() -> None:
        board, memory = FakeBoard(), ShortMemory()
        tag = gpio_tag(0, "m", "int", value="count")
        for wanted in (5, 10):
            async with make(board, {"m": {"line": 0}}, memory) as driver:
                await driver.read(group(tag), 1.0)
                board.pulse(0, 5)
                assert (await driver.read(group(tag), 1.0)).values == [wanted]
            board.pulse(0, 3)  # nobody watches
        async with make(board, {"m": {"line": 0}}, memory) as driver:
            await driver.read(group(tag), 1.0)
            memory.forgotten += 1
            await driver.read(group(tag), 1.0)
            assert (await driver.read(group(tag), 1.0)).values == [0]

    run(test)


def test_a_count_that_is_a_guess_stays_one_until_it_is_forgotten() -> None:
    async def test() -> None:
        board, memory = FakeBoard(), ShortMemory()
        tag = gpio_tag(0, "m", "int", value="count")
        async with make(board, {"m": {"line": 0}}, memory) as driver:
            async with aclosing(pushed(driver, TagGroup(2, "dev", "p", 1000, (gpio_tag(1, "m"), tag)))) as scans:
                await anext(scans)
                line = board.pins[0].line
                assert line is not None
                for _ in range(2):  # two of a kind: what was between was over too soon
                    line.seen(True, board.now_ns())
                assert (await driver.read(group(tag), 1.0)).statuses == [Status.UNCERTAIN]
            board.unplug()
            with pytest.raises(DriverError):
                await driver.read(group(tag), 1.0)
            board.present = True
            assert (await driver.read(group(tag), 1.0)).statuses == [Status.UNCERTAIN], "taken again"
        async with make(board, {"m": {"line": 0}}, memory) as driver:
            assert (await driver.read(group(tag), 1.0)).statuses == [Status.UNCERTAIN], "after a restart"
            memory.forgotten += 1
            await driver.read(group(tag), 1.0)
            assert (await driver.read(group(tag), 1.0)).statuses is None
        assert memory.recall() == {"counts": {"m": 0}}

    run(test)


@pytest.mark.parametrize("kept", [{"counts": {"m": -1}}, {"counts": {"m": 7}, "doubtful": 3}])
def test_what_was_kept_and_makes_no_sense_is_set_aside(kept: dict[str, Any]) -> None:
    async def test() -> None:
        memory = ShortMemory()
        memory.keep(kept)
        async with make(FakeBoard(), {"m": {"line": 0}}, memory) as driver:
            assert (await driver.read(group(gpio_tag(0, "m", "int", value="count")), 1.0)).values == [0]
        assert memory.recall() == {"counts": {"m": 0}}

    run(test)


def test_pushed_changes_have_the_time_at_which_they_happened() -> None:
    async def test() -> None:
        board, clock = FakeBoard(), StillClock()
        board.now = 50_000 * MS
        driver = GpioDriver("dev", options({"a": {"line": 0}, "b": {"line": 1}}), board.open_chip, clock, ShortMemory())
        tags = group(gpio_tag(0, "a"), gpio_tag(1, "b"), period_ms=60_000)
        async with driver, aclosing(pushed(driver, tags)) as scans:
            first = await anext(scans)
            assert (first.values, first.present, first.source_ms) == ([False, False], None, None)
            board.drive(0, level=True, at_ns=49_000 * MS)
            board.drive(0, level=False, at_ns=49_500 * MS)
            board.drive(1, level=True, at_ns=49_900 * MS)
            seen = [reading for _ in range(2) for reading in (await anext(scans)).readings()]
            told = sorted((reading.tag.name, clock.wall_ms() - (reading.source_ms or 0), reading.value) for reading in seen)
            assert told == [("t0", 500, False), ("t0", 1000, True), ("t1", 100, True)]

    run(test)


@pytest.mark.parametrize(("kept", "queue_size", "cause"), [(10, 1000, "notifications_lost"), (1000, 20, "overflow")])
def test_pushed_changes_that_were_lost_break_the_stream(kept: int, queue_size: int, cause: str) -> None:
    async def test() -> None:
        board = FakeBoard()
        board.edges_kept = kept
        tags = group(gpio_tag(0, "a"), period_ms=60_000)
        async with make(board, {"a": {"line": 0}}, queue_size=queue_size) as driver:
            with pytest.raises(DriverError) as caught:
                async with aclosing(pushed(driver, tags)) as scans:
                    await anext(scans)
                    board.pulse(0)  # the numbers begin
                    await anext(scans)
                    board.pulse(0, 100)
                    async for _ in scans:
                        pass
            assert caught.value.cause == cause
            async with aclosing(pushed(driver, tags)) as scans:
                assert (await anext(scans)).values == [False]

    run(test)


def test_without_the_chips_help_contacts_are_debounced_here() -> None:
    async def test() -> None:
        board = FakeBoard(debounces=False)
        board.now = 0
        tags = group(gpio_tag(0, "a"), gpio_tag(1, "a", "int", value="count"))
        async with make(board, {"a": {"line": 0, "debounce_ms": 5}}) as driver:
            assert (await driver.read(tags, 1.0)).values == [False, 0]
            for at_ms in range(1, 10, 2):
                board.drive(0, level=True, at_ns=at_ms * MS)
                board.drive(0, level=False, at_ns=(at_ms + 1) * MS)
            board.drive(0, level=True, at_ns=12 * MS)
            board.now = 14 * MS
            assert (await driver.read(tags, 1.0)).values == [False, 0]
            board.now = 17 * MS
            assert (await driver.read(tags, 1.0)).values == [True, 1]

    run(test)


def test_a_line_that_reports_no_edges_can_be_polled_and_says_why_not_counted() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.pins[0].has_edges = False
        async with make(board, {"a": {"line": 0}}) as driver:
            assert (await driver.read(group(gpio_tag(0, "a")), 1.0)).values == [False]
            with pytest.raises(DriverError, match="gpio_no_edges"):
                await driver.read(group(gpio_tag(0, "a", "int", value="count")), 1.0)

    run(test)


def test_a_chip_that_hangs_while_it_is_opened_leaves_no_line_taken() -> None:
    async def test() -> None:
        board = FakeBoard()
        board.running.clear()
        tag = gpio_tag(0, "a")
        async with make(board, {"a": {"line": 0}}) as driver:
            for _ in range(3):
                with pytest.raises(DriverError, match="no_answer"):
                    await driver.read(group(tag), 0.05)
            board.running.set()
            assert (await driver.read(group(tag), 1.0)).values == [False]
            assert (board.lines_taken(), board.opened) == (1, 1)
        assert (board.lines_taken(), board.opened) == (0, 0)

    run(test)


def test_a_count_beside_which_a_state_is_pushed_later_is_not_doubted_for_that() -> None:
    async def test() -> None:
        board = FakeBoard()
        count, state = gpio_tag(0, "a", "int", value="count"), gpio_tag(1, "a")
        async with make(board, {"a": {"line": 0}}) as driver:
            await driver.read(group(count), 1.0)
            board.pulse(0, 3)  # of these, the one kind alone is seen
            async with aclosing(pushed(driver, TagGroup(2, "dev", "pushed", 1000, (state,)))) as scans:
                await anext(scans)
                board.pulse(0, 2)
                scan = await driver.read(group(count), 1.0)
                assert (scan.values, scan.statuses) == ([5], None)

    run(test)
