"""Keeps parts and child processes running: what fails is shown, rests a little, and starts again.

Room: hall. `app` and `field` run parts under `keep`, `app` runs children. Nobody waits for what is supervised here. This and the outbox
are the only places that catch everything: a fault of ours in one part must not stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from runtime.child_lines import Said, said_lines

REST_S_MIN: Final = 0.5
REST_S_MAX: Final = 30.0
STEADY_S: Final = 60.0
"""A part that ran this long has recovered: its next rest is the shortest again."""
UP_S: Final = 10.0
"""A part that ran this long does run, for now."""
IN_A_ROW: Final = 2
"""Failures after which a part is said not to run: one that is killed once is back before anybody asks."""
SAID_MAX: Final = 300
STOP_S: Final = 5.0
LOOK_S: Final = 0.5
LAUNCH: Final = """
import ctypes, os, runpy, signal, sys
root, parent, niceness = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: end when the parent ends (Linux)
except (OSError, AttributeError):
    pass
if os.getppid() != parent:
    sys.exit(1)
if niceness:
    os.nice(niceness)
sys.path.insert(0, root)
del sys.argv[:4]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""What a child does first, by itself: with nothing to do between fork and exec, starting it does not copy the core's page tables."""


@dataclass(slots=True)
class PartCounts:
    """What health shows of a part: how often it was started again, and why."""

    starts: int = 0
    fault: str | None = None
    failed: int = 0
    """Times in a row that it ended before UP_S was over."""
    said: str = ""
    """What a child that failed said last."""

    def runs(self) -> None:
        """Note that it does."""
        self.failed = 0


@dataclass(slots=True)
class Supervisor:
    """Remembers the parts that it keeps."""

    parts: dict[str, PartCounts] = field(default_factory=dict)

    def down(self) -> dict[str, str]:
        """Return the parts that fail as soon as they are started, each with why."""
        return {name: each.said or each.fault or "" for name, each in self.parts.items() if each.failed >= IN_A_ROW}

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part until it returns or is cancelled; when it fails, rest (doubling up to REST_S_MAX) and run it again.

        Something that it waited for was cancelled, and it was not: that is a failure like any other. Each attempt is a task of its own:
        a TaskGroup of the part that fails leaves a request to cancel behind in its task (CPython 3.11), and a part that fails while it is
        being cancelled would pass for one that only failed.
        """
        counts = self.parts.setdefault(name, PartCounts())
        try:
            await self._run_again_and_again(name, run, counts)
        finally:
            counts.runs()  # it is over or was taken away: nobody misses it

    async def _run_again_and_again(self, name: str, run: Callable[[], Awaitable[None]], counts: PartCounts) -> None:
        loop = asyncio.get_running_loop()
        rest_s = REST_S_MIN
        while True:
            began = loop.time()
            counts.starts += 1
            steady = loop.call_later(UP_S, counts.runs)
            try:
                async with asyncio.TaskGroup() as group:  # when this is cancelled, it cancels the attempt, waits for its end and says so
                    attempt = group.create_task(self._attempted(name, run), name=f"{name} {counts.starts}")
            finally:
                steady.cancel()
            if attempt.result():
                return
            counts.failed += 1
            if loop.time() - began >= STEADY_S:
                rest_s = REST_S_MIN
            await asyncio.sleep(rest_s)
            rest_s = min(rest_s * 2, REST_S_MAX)

    async def _attempted(self, name: str, run: Callable[[], Awaitable[None]]) -> bool:
        """Run a part once and return whether it returned. What it raises is said, also when it was being cancelled; nothing comes out."""
        log, counts = structlog.get_logger("supervisor"), self.parts[name]
        try:
            await run()
        except ChildError as error:  # it has said why itself; where we waited for it tells nothing
            counts.fault, counts.said = f"{type(error).__name__}: {error}", error.said
            log.warning("part_failed", part=name, fault=counts.fault)
        except asyncio.CancelledError as error:
            if not is_asked_to_end():
                counts.fault, counts.said = f"{type(error).__name__}: {error}", ""
                log.exception("part_failed", part=name, fault=counts.fault)
        except Exception as error:
            counts.fault, counts.said = f"{type(error).__name__}: {_innermost(error)}", ""
            log.exception("part_failed", part=name, fault=counts.fault)
        else:
            return True
        return False


def is_asked_to_end() -> bool:
    """Return whether whoever runs this was itself cancelled; a CancelledError without that comes from what it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def absorbed(name: str, part: Awaitable[None]) -> None:
    """Run a part once; what it raises is logged and ends with it. For one of many alike, such as the connection of one face."""
    try:
        await part
    except Exception:
        structlog.get_logger("supervisor").exception("part_failed", part=name)


class UnforeseenError(Exception):
    """Something raised what nobody foresaw; its text says what."""


async def foreseen(call: Awaitable[None], known: tuple[type[Exception], ...], name: str) -> None:
    """Await a call whose faults must not end whoever makes it. Raises what is `known`, UnforeseenError for all else, which is logged."""
    try:
        await call
    except known:
        raise
    except Exception as error:
        fault = f"{type(error).__name__}: {_innermost(error)}"
        structlog.get_logger("supervisor").exception("call_failed", call=name, fault=fault)
        raise UnforeseenError(fault) from error


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours: `python -I -m <arguments>` (the module first). `niceness` above 0 gives way to the core."""

    name: str
    arguments: Sequence[str]
    niceness: int = 0
    said: Said | None = None
    """Takes (name, line) of what it writes to standard error; None: that is ours."""

    async def run(self) -> None:
        """Start it, wait for its end, and call that a failure. On cancellation: SIGTERM, then SIGKILL after STOP_S.

        Raises ChildError when it ends by itself, OSError when it cannot be started.
        """
        # Not through the loop: uvloop forks, and copying the page tables of the core keeps the field waiting for tens of ms. This is a
        # vfork, done in a ms; on this thread, since the child ends with the thread that started it.
        process = subprocess.Popen(  # noqa: ASYNC220
            module_command(*self.arguments, niceness=self.niceness),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            stderr=None if self.said is None else subprocess.PIPE,
        )  # fmt: skip
        last = ""

        def said(line: str) -> None:
            nonlocal last
            if line.strip() and not line.startswith("{"):  # an event of its log is no reason
                last = line.strip()[:SAID_MAX]
            if self.said is not None:
                self.said(self.name, line)

        with said_lines(process.stderr, said):
            try:
                code = await _end_of(process)
            except asyncio.CancelledError:
                await _end(process)
                raise
        raise ChildError(self.name, code, last)


class ChildError(Exception):
    """A child ended by itself. `said` is the last line that it wrote, events apart."""

    def __init__(self, name: str, code: int, said: str = "") -> None:
        self.name, self.code, self.said = name, code, said
        super().__init__(f"{name} ended with {code}")


def module_command(module: str, *arguments: str, niceness: int = 0) -> list[str]:
    """Return the command `python -I -m module`, with the very packages that run here, installed or not; it ends with this process.

    Start it with `start_new_session=True`, which leaves the terminal's Ctrl-C to us.
    """
    root = str(Path(__file__).resolve().parents[1])
    return [sys.executable, "-I", "-c", LAUNCH, root, str(os.getpid()), str(niceness), module, *arguments]


async def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Return how it ended, once it has."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # an old kernel, or a sandbox that does not know the call
        while process.poll() is None:  # noqa: ASYNC110  nothing tells us
            await asyncio.sleep(LOOK_S)
        return process.wait()
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return process.wait()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait up to STOP_S, insist. Signals to one that has ended and was reaped go nowhere."""
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await _end_of(process)
    except TimeoutError:
        process.kill()
        await _end_of(process)


async def stop_process(process: asyncio.subprocess.Process) -> None:
    """End one process that we started: ask, wait up to STOP_S, insist."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
