"""Parts that fail rest and run again; children end when they are told to; the clock notices steps and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog

from runtime.child_lines import LINE_BYTES_MAX, said_lines
from runtime.clock import STEP_MS, StepWatch, SystemClock
from runtime.loop_stall import percentile
from runtime.supervisor import REST_S_MAX, Child, ChildError, Supervisor
from tests.simulation.loop import VirtualClock, run


@pytest.fixture(autouse=True)
def _no_log() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def test_a_failing_part_is_run_again_with_growing_rests_and_a_steady_one_starts_afresh() -> None:
    async def program(clock: VirtualClock) -> list[float]:
        supervisor, starts = Supervisor(), []
        loop = asyncio.get_running_loop()

        async def part() -> None:
            starts.append(loop.time())
            if len(starts) == 10:
                await clock.sleep_until_mono(clock.mono_ms() + 100_000)
            if len(starts) == 12:
                return
            raise ValueError("no")

        await supervisor.keep("part", part)
        assert supervisor.parts["part"].starts == 12
        assert supervisor.parts["part"].fault == "ValueError: no"
        return starts

    starts = run(program, seed=1)
    rests = [round(b - a, 3) for a, b in itertools.pairwise(starts)]
    assert rests == [0.5, 1, 2, 4, 8, 16, REST_S_MAX, REST_S_MAX, REST_S_MAX, 100.5, 1]


def test_a_part_that_fails_again_and_again_is_down_until_it_has_run_for_a_while() -> None:
    async def program(clock: VirtualClock) -> list[dict[str, str]]:
        supervisor, starts = Supervisor(), 0

        async def part() -> None:
            nonlocal starts
            starts += 1
            if starts == 4:
                await asyncio.Event().wait()
            raise ChildError("web", 1, "Cannot listen") if starts > 1 else ValueError("no")

        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(supervisor.keep("web", part))
            found = []
            for wait_ms in (100, 500, 2_000, 5_000, 10_000):  # tries at 0, 0.5, 1.5 and 3.5 s
                await clock.sleep_until_mono(clock.mono_ms() + wait_ms)
                found.append(supervisor.down())
            keeping.cancel()
        return found

    down = {"web": "Cannot listen"}
    assert run(program, seed=1) == [{}, down, down, down, {}]


def test_a_part_that_is_taken_away_while_it_fails_is_missed_by_nobody() -> None:
    async def program(clock: VirtualClock) -> list[dict[str, str]]:
        supervisor = Supervisor()

        async def part() -> None:
            raise OSError("no")

        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(supervisor.keep("device pump", part))
            await clock.sleep_until_mono(clock.mono_ms() + 2_000)
            before = supervisor.down()
            keeping.cancel()
        return [before, supervisor.down()]

    assert run(program, seed=1) == [{"device pump": "OSError: no"}, {}]


def test_a_part_that_waited_for_what_was_cancelled_has_failed_and_one_that_was_cancelled_itself_ends() -> None:
    async def program(clock: VirtualClock) -> None:
        supervisor, starts = Supervisor(), 0
        loop = asyncio.get_running_loop()

        async def part() -> None:
            nonlocal starts
            starts += 1
            other = loop.create_future()
            if starts < 3:
                loop.call_soon(other.cancel)
            await other

        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(supervisor.keep("part", part))
            await clock.sleep_until_mono(clock.mono_ms() + 10_000)
            assert not keeping.done()
            assert (starts, supervisor.parts["part"].starts) == (3, 3)
            assert (supervisor.parts["part"].fault or "").startswith("CancelledError")
            keeping.cancel()
        assert keeping.cancelled()

    run(program, seed=1)


def test_a_part_whose_own_group_failed_before_is_run_again_when_what_it_waits_for_is_cancelled() -> None:
    """A failing TaskGroup leaves a request to cancel in the task that it ran in: the next failure must not pass for an end."""

    async def program(clock: VirtualClock) -> None:
        supervisor, starts = Supervisor(), 0
        loop = asyncio.get_running_loop()

        async def failing() -> None:
            raise ValueError("no")

        async def part() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                async with asyncio.TaskGroup() as group:
                    group.create_task(failing())
            other = loop.create_future()
            if starts == 2:
                loop.call_soon(other.cancel)
            await other

        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(supervisor.keep("part", part))
            await clock.sleep_until_mono(clock.mono_ms() + 10_000)
            assert (starts, keeping.done()) == (3, False)
            keeping.cancel()
        assert keeping.cancelled()

    run(program, seed=1)


def test_a_part_that_fails_while_it_is_cancelled_has_ended() -> None:
    async def program(clock: VirtualClock) -> None:
        supervisor, starts, is_over = Supervisor(), 0, False

        async def one() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("no")

        async def part() -> None:
            nonlocal starts, is_over
            starts += 1
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(one())
            finally:
                await clock.sleep_until_mono(clock.mono_ms() + 100)
                is_over = True

        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(supervisor.keep("part", part))
            await clock.sleep_until_mono(clock.mono_ms() + 1_000)
            keeping.cancel()
        assert keeping.cancelled()
        assert (starts, is_over) == (1, True), "it is waited for, and not run again"
        assert supervisor.parts["part"].fault == "ExceptionGroup: no", "what failed at the end is said"

    run(program, seed=1)


def test_a_child_that_ends_is_a_failure_and_a_cancelled_one_is_gone() -> None:
    async def program() -> None:
        with pytest.raises(ChildError):
            await Child("short", ("runtime.version",)).run()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Child("long", ("http.server", "0", "--bind", "127.0.0.1"), niceness=1).run())
            pid = 0
            while not pid:
                await asyncio.sleep(0.02)
                pid = next((int(p.parent.name) for p in Path("/proc").glob("[0-9]*/stat") if parent_of(p) == os.getpid()), 0)
            task.cancel()
        assert not Path(f"/proc/{pid}").exists()

    asyncio.run(program())


def test_what_a_child_says_is_taken_line_by_line_to_its_last_word(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[tuple[str, str]] = []

    async def program() -> None:
        with pytest.raises(ChildError) as caught:
            await Child("talker", ("http.server", "no port"), said=lambda name, line: said.append((name, line))).run()
        assert "no port" in caught.value.said

    asyncio.run(program())
    assert {name for name, _ in said} == {"talker"}
    assert said[0][1].startswith("usage:")
    assert "no port" in said[-1][1]
    assert capfd.readouterr().err == "", "what the child says goes through us"


FLOOD = """
import os, sys
for n in range(400):
    os.write(2, b"x" * 199 + b"\\n")
os.write(2, b"y" * 50_000 + b"the end without one")
"""


def test_a_child_that_says_much_loses_nothing_but_time() -> None:
    lines: list[str] = []

    async def program() -> None:
        process = subprocess.Popen([sys.executable, "-c", FLOOD], stderr=subprocess.PIPE)  # noqa: ASYNC220  there is no other
        with said_lines(process.stderr, lines.append):
            while process.poll() is None:
                await asyncio.sleep(0.01)

    asyncio.run(program())
    assert lines[:400] == ["x" * 199] * 400
    assert "".join(lines[400:]).startswith("y" * 16_384)
    assert lines[-1].endswith("the end without one")
    assert max(map(len, lines)) <= 2 * LINE_BYTES_MAX


ORPHANED = """
import asyncio, os
from runtime.supervisor import Child
async def program():
    child = asyncio.create_task(Child("long", ("http.server", "0", "--bind", "127.0.0.1"), niceness=3).run())
    while not (known := open(f"/proc/self/task/{os.getpid()}/children").read().split()):
        await asyncio.sleep(0.02)
    while os.getpriority(os.PRIO_PROCESS, int(known[0])) != 3:  # its own start-up has come so far
        await asyncio.sleep(0.02)
    print(known[0], os.getsid(int(known[0])), flush=True)
    os._exit(0)
asyncio.run(program())
"""


def test_a_child_is_nice_leaves_the_terminal_to_us_and_does_not_outlive_us() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    program = ORPHANED.replace("!= 3", f"!= {own + 3}")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    pid, session = done.stdout.split()
    assert pid == session
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        os.sched_yield()


def parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def test_a_step_is_noticed_once_and_a_drift_never() -> None:
    async def program(clock: VirtualClock) -> None:
        watch = StepWatch(clock)
        for _ in range(20):
            clock.step(STEP_MS // 2)
            assert watch.look() is None
            watch.renew()
        clock.step(-STEP_MS - 1)
        step = watch.look()
        assert step is not None
        assert step.wall_after_ms - step.wall_before_ms == -STEP_MS - 1
        assert watch.look() is None
        assert watch.steps == 1

    run(program, seed=1)


def test_the_system_clock_is_sane() -> None:
    clock = SystemClock()
    assert clock.state() in range(5)

    async def program() -> None:
        until = clock.mono_ms() + 30
        await clock.sleep_until_mono(until)
        assert clock.mono_ms() >= until

    asyncio.run(program())


def test_a_percentile_of_few_samples() -> None:
    from collections import deque

    assert percentile(deque[float](), 0.99) is None
    assert percentile(deque([1.0, 3.0, 2.0]), 0.99) == 3.0
    assert percentile(deque(float(n) for n in range(1000)), 0.5) == 500
