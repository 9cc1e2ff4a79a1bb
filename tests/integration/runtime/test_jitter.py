"""Nobody delays the field: not a dead device, not a slow one, not fifty faces, not a stalled one, not who asks for trends.

House rule for timing claims: alternated pairs in one run; the median of the p99 lateness may grow by at most max(5 ms, what a bare
asyncio loop shows at the same time). Lateness is what the core itself stamps: how far a scan's read time lies behind its grid.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import statistics
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.faces.feed_client import FeedClient
from tests.rigs.gateway import ROOT, Gateway, until
from tests.rigs.lateness import late_ms
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.ports import free_port

pytestmark = pytest.mark.alone

PERIOD_MS = 200
GROUPS = 4
"""Of each device: with five scans a second of each, a window has enough of them for a p99 that is not just its worst one."""
WINDOW_S = 4.0
HEAD = """
[gateway]
name = "jitter"
[evidence]
seal_every_s = 1
[web]
port = {web_port}
open_view = true
[history]
enabled = {history}
"""


class Lateness:
    """Collects read times of the groups of healthy devices as a face sees them."""

    def __init__(self, face: FeedClient, devices: list[str]) -> None:
        self._face = face
        self._uids = {(row[2], row[6]): uid for uid, row in face.tags.items() if row[2] in devices}
        """One tag of each group: all of a group are read at once and change at every scan."""
        self.times: dict[tuple[str, str], set[int]] = {}

    def begin(self) -> None:
        self.times = {group: set() for group in self._uids}

    def note(self) -> None:
        for group, uid in self._uids.items():
            row = self._face.values.get(uid)
            if row is not None and row[2] == 0:
                self.times[group].add(row[3])

    def p99_ms(self) -> float:
        """Return the p99 of how late scans were, each group's against the earliest phase that it showed in the window."""
        late = sorted(each for times in self.times.values() for each in late_ms(times, PERIOD_MS))
        return float(late[int(len(late) * 0.99)])


async def window(lateness: Lateness) -> tuple[float, float]:
    """Watch for WINDOW_S; return the p99 of the healthy devices and what a bare loop, this one, shows at the same time."""
    lateness.begin()
    bare: list[float] = []
    ends = time.monotonic() + WINDOW_S
    while (began := time.monotonic()) < ends:
        await asyncio.sleep(0.01)
        bare.append((time.monotonic() - began - 0.01) * 1000)
        lateness.note()
    wanted = WINDOW_S * 1000 / PERIOD_MS * 0.8
    assert all(len(times) > wanted for times in lateness.times.values()), "a healthy device missed scans"
    return lateness.p99_ms(), sorted(bare)[int(len(bare) * 0.99)]


@contextlib.asynccontextmanager
async def running(tmp_path: Path, history: str = "false") -> AsyncIterator[tuple[Gateway, FeedClient, list[LoadDevice]]]:
    """Three devices and a gateway that polls them."""
    async with LoadDevice() as one, LoadDevice() as two, LoadDevice() as three:
        devices = [one, two, three]
        config = tmp_path / "gateway.toml"
        parts = [device_config(f"d{n}", d.port, tags=40, period_ms=PERIOD_MS, groups=GROUPS, timeout_s=0.5) for n, d in enumerate(devices)]
        config.write_text(HEAD.format(web_port=free_port(), history=history) + "".join(parts))
        gateway = Gateway(tmp_path / "state", config)
        await gateway.start()
        try:
            async with gateway.watching() as face:
                await until(lambda: len(face.values) == 120 and all(row[2] == 0 for row in face.values.values()))
                yield gateway, face, devices
        finally:
            await gateway.stop()


def state_of(face: FeedClient, device: str) -> dict[str, Any]:
    return next(d for d in face.health["devices"] if d["name"] == device)


@dataclass(frozen=True)
class Disturbance:
    """What is done to the gateway for a window, and how it is undone."""

    name: str
    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]


async def compare(face: FeedClient, healthy: list[str], pairs: int, *disturbances: Disturbance) -> None:
    """Alternate windows without a disturbance and with each, and hold the bar for each. What the bare loop shows beside it is only told."""
    lateness = Lateness(face, healthy)
    plain: list[float] = []
    bare: list[float] = []
    disturbed: dict[str, list[float]] = {each.name: [] for each in disturbances}
    bare_disturbed: dict[str, list[float]] = {each.name: [] for each in disturbances}
    turns = (None, *disturbances)
    for pair in range(pairs):
        for each in turns if pair % 2 else turns[::-1]:  # noise that grows or fades favours none
            if each is None:
                late, noise = await window(lateness)
                plain.append(late)
                bare.append(noise)
                continue
            await each.begin()
            late, noise = await window(lateness)
            disturbed[each.name].append(late)
            bare_disturbed[each.name].append(noise)
            await each.end()
    print(f"p99 ms: plain {plain}; bare loop at the same time {rounded(bare)}; core loop stall {face.health['loop']}")
    for each in disturbances:
        growth = statistics.median(disturbed[each.name]) - statistics.median(plain)
        bar = max(5.0, statistics.median(bare))
        print(f"{each.name}: {disturbed[each.name]}, growth {growth:.1f} of {bar:.1f}; bare loop {rounded(bare_disturbed[each.name])}")
        assert growth <= bar, each.name


def rounded(values: list[float]) -> list[float]:
    return [round(value, 1) for value in values]


def test_a_dead_or_slow_device_delays_nobody_and_is_said(tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    async def run() -> None:
        async with running(tmp_path) as (_, face, devices):

            def unsound(*, dead: bool, delay_s: float) -> Callable[[], Awaitable[None]]:
                async def begin() -> None:
                    devices[0].dead, devices[0].delay_s = dead, delay_s
                    await until(lambda: state_of(face, "d0")["state"] == "down")

                return begin

            async def end() -> None:
                devices[0].dead, devices[0].delay_s = False, 0.0
                await until(lambda: state_of(face, "d0")["state"] == "ok", 60)

            slow, dead = unsound(dead=False, delay_s=3.0), unsound(dead=True, delay_s=0.0)
            await compare(face, ["d1", "d2"], count(3, 5, 11), Disturbance("dead", dead, end), Disturbance("slow", slow, end))
            gaps = await until(lambda: face.health["gaps"])
            assert gaps["no_answer"] > 0
            said = {"no_answer", "device_busy", "line_busy", "unit_busy", "breaker_open", "poll_late"}
            said |= {"connect_failed", "connect_waiting", "connection_lost"}
            assert set(gaps) <= said, gaps

    asyncio.run(run())


def test_fifty_faces_a_stalled_one_and_trends_without_a_pause_delay_nobody(tmp_path: Path, count: Callable[[int, int, int], int]) -> None:
    async def run() -> None:
        async with running(tmp_path, history="true") as (gateway, face, _):
            port = web_port(gateway.config)
            crowds: list[asyncio.subprocess.Process] = []

            async def disturb() -> None:
                command = [sys.executable, "-m", "tests.rigs.crowd", str(gateway.state / "run" / "feed.sock"), str(port)]
                crowds.append(await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE))
                assert crowds[0].stdout is not None
                assert await crowds[0].stdout.readline() == b"ready\n"
                await until(lambda: face.health["faces"] > 50)

            async def calm() -> None:
                crowds[0].kill()
                await crowds.pop().wait()
                await until(lambda: face.health["faces"] < 10)

            async def look_back() -> None:
                command = [sys.executable, "-m", "tests.rigs.look_back", str(gateway.state / "run" / "history.sock")]
                crowds.append(await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE))
                assert crowds[0].stdout is not None
                async with asyncio.timeout(30):
                    assert await crowds[0].stdout.readline() == b"ready\n"

            async with httpx.AsyncClient() as client:
                await until(lambda: face.health["faces"] >= 3)  # this one, the history and the web face
                await disturb()
                await asyncio.sleep(2)
                before = gateway.rss_kb()
                await calm()
                await compare(
                    face, ["d0", "d1", "d2"], count(3, 5, 11), Disturbance("faces", disturb, calm), Disturbance("trends", look_back, calm)
                )
                assert gateway.rss_kb() < before * 1.1 + 4_096, "the core's memory grew with its faces"
                assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200

    asyncio.run(run())


def test_hostile_models_delay_nobody(tmp_path: Path, count: Callable[[int, int, int], int], seed: int) -> None:
    """A judge whose worker crashes, hangs and is replaced all the time; what it is fed passes no allow-list."""

    async def run() -> None:
        async with running(tmp_path) as (_, face, _devices):
            judges: list[asyncio.subprocess.Process] = []
            said: list[bytes] = []

            async def disturb() -> None:
                command = [sys.executable, "-m", "tests.rigs.hostile_judge", str(seed + len(said))]
                judges.append(await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE))
                assert judges[0].stdout is not None
                async with asyncio.timeout(20):
                    assert await judges[0].stdout.readline() == b"ready\n", "the judge fell by itself"
                said.append(b"")

            async def calm() -> None:
                judge = judges.pop()
                with contextlib.suppress(ProcessLookupError):
                    judge.kill()
                assert judge.stdout is not None
                wrote = await judge.stdout.read()
                said[-1] = wrote[: wrote.rfind(b"\n") + 1]  # a line in whose midst it was ended is none
                assert await judge.wait() == -signal.SIGKILL, "the judge fell by itself"

            await compare(face, ["d0", "d1", "d2"], count(3, 5, 11), Disturbance("hostile models", disturb, calm))
            lines = [line.split() for text in said for line in text.splitlines() if line != b"ready"]
            faults, longest_s = max(int(faults) for faults, _ in lines), max(float(each) for _, each in lines)
            print(f"{len(lines)} hostile models, up to {faults} workers lost in a row, a good model answered within {longest_s} s")
            assert faults > 0
            assert longest_s < 6.0

    asyncio.run(run())


def web_port(config: Path) -> int:
    """Return the port of the page that the configuration names."""
    return int(tomllib.loads(config.read_text())["web"]["port"])
