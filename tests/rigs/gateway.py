"""A whole gateway as its own processes, as a service manager would run it: started, asked, killed, started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.faces.feed_client import FeedClient, Listener

ROOT = Path(__file__).parents[2]
ALONE = "[web]\nenabled = false\n[history]\nenabled = false\n"
"""Of the configuration of a gateway that is asked over its feed: it has no page and no history."""


@dataclass
class Gateway:
    """One state folder and the command that runs it."""

    state: Path
    config: Path
    process: asyncio.subprocess.Process | None = None
    before: tuple[str, ...] = ()
    """A command that runs the gateway's command, such as one that takes something away from it first."""
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.state.parent / f"{self.state.name}.log"

    async def start(self) -> None:
        """Start the core in a process group of its own; its children belong to it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.before, sys.executable, "-m", "runtime", "run", "--state", str(self.state), "--config", str(self.config),
                cwd=ROOT, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def kill_core(self) -> None:
        """Kill the core alone, without warning."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def kill_child(self, module: str) -> bool:
        """Kill the child that runs `module` (for instance ledger_client.signer), without warning; False when there is none."""
        assert self.process is not None
        for pid in children(self.process.pid):
            if module.encode() in _command(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return True
        return False

    async def stop(self, timeout_s: float = 30) -> int:
        """Ask it to end, as systemd would, and return its exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def gone(self, timeout_s: float = 20) -> None:
        """Wait until a killed core and all of its session are gone."""
        assert self.process is not None
        async with asyncio.timeout(timeout_s):
            await self.process.wait()
            while _session(self.process.pid):
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def watching(self, listener: Listener | None = None, *, values: bool = True) -> AsyncIterator[FeedClient]:
        """A face that stays connected while the gateway lives, dies and comes back."""
        feed = FeedClient(self.state / "run" / "feed.sock", "test", listener, values=values)
        async with feed as client, asyncio.TaskGroup() as group:
            task = group.create_task(client.run())
            try:
                yield client
            finally:
                task.cancel()

    def rss_kb(self) -> int:
        """Resident memory of the core."""
        assert self.process is not None
        return rss_kb(self.process.pid)


def rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


async def until(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Wait until a condition is true and return what it gave. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not (found := condition()):
            await asyncio.sleep(0.02)
        return found


async def cli(*arguments: str, timeout_s: float = 120) -> tuple[int, Any]:
    """Run `witnessmark ARGUMENTS --json` and return its exit code and its last line as JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime", *arguments, "--json", cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(timeout_s):
        out, told = await process.communicate()
    assert process.returncode is not None
    lines = out.decode().strip().splitlines()
    assert lines, told.decode()
    return process.returncode, json.loads(lines[-1])


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if int((path / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(path.name))
    return found


def _session(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(path.name))
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
