"""What `poll.py` and its parts measure with: devices in C, the bare loops beside the gateway, and a gateway's own figures.

Not a benchmark by itself. The devices and the libmodbus loop are built from `native/` with the machine's C compiler on first use.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from ledger_client.body import read_body
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed_client import FeedClient
from tests.rigs.gateway import ALONE, Gateway, children, rss_kb, until
from tests.rigs.load_device import device_config

NATIVE = Path(__file__).parent / "native"
HEAD = '[gateway]\nname = "bench"\n' + ALONE
SETTLE_S = 3.0

BARE = """
import asyncio, resource, sys
from pymodbus.client import AsyncModbusTcpClient
async def poll(port, tags, phase, end):
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    loop = asyncio.get_running_loop()
    due = loop.time() + phase
    while due < end:
        await asyncio.sleep(max(0.0, due - loop.time()))
        for start in range(0, tags, 125):
            await client.read_holding_registers(start, count=min(125, tags - start), device_id=1)
        due += 1
async def main():
    settle, seconds, tags = float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    ports = [int(p) for p in sys.argv[5:]]
    loop = asyncio.get_running_loop()
    end = loop.time() + settle + seconds
    async with asyncio.TaskGroup() as group:
        for n, port in enumerate(ports): group.create_task(poll(port, tags, n / len(ports), end))
        await asyncio.sleep(settle)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(seconds - 0.01)
        after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(spent * 1e6 / (len(ports) * tags * seconds))
if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many devices with so many tags each, all read every `period_ms`."""

    devices: int
    tags: int
    period_ms: int = 1000

    @property
    def tags_per_s(self) -> float:
        """Readings due per second."""
        return self.devices * self.tags * 1000 / self.period_ms


@dataclass(frozen=True, slots=True)
class Figures:
    """What a gateway spent in a window. Times in CPU microseconds per reading due."""

    us_per_tag: float
    core_us_per_tag: float
    delivered: float
    """Readings of the window that the ledger holds, per reading due."""
    core_share: float
    """CPU of core and signer as a share of one core of the machine."""
    rss_mb: float
    """Core alone, the process that polls."""
    rss_signer_mb: float


def built(name: str) -> Path | None:
    """Compile `native/<name>.c` when its binary is missing or older, and return the binary; None without a compiler or its library."""
    source = NATIVE / f"{name}.c"
    binary = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "witnessmark-bench" / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        flags: list[str] = []
        try:
            if name == "libmodbus_loop":
                found = subprocess.run(["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=True)
                flags = found.stdout.split()
            subprocess.run(["cc", "-O2", "-Wall", "-o", str(binary), str(source), *flags], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: not built ({error})", file=sys.stderr)
            return None
    return binary


@contextlib.asynccontextmanager
async def devices(count: int, changes_hz: int = 10) -> AsyncIterator[list[int]]:
    """Serve `count` devices, whose registers all change `changes_hz` times a second, in a process of their own; yield their ports."""
    binary = built("device")
    if binary is None:
        raise SystemExit("benchmarks/native/device.c needs a C compiler (Debian: gcc)")
    process = await asyncio.create_subprocess_exec(str(binary), str(count), str(changes_hz), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield [int(port) for port in (await process.stdout.readline()).split()]
    finally:
        process.kill()
        await process.wait()


async def bare_pymodbus(ports: list[int], tags: int, seconds: float, loop: str) -> float:
    """Return CPU microseconds per tag of a pymodbus loop that only reads, at 1 Hz, on loop `uvloop` or `asyncio`."""
    return float(await told(sys.executable, "-c", BARE, loop, str(SETTLE_S), str(seconds), str(tags), *map(str, ports)))


async def bare_libmodbus(ports: list[int], tags: int, seconds: float) -> float | None:
    """The same of a C loop with libmodbus; None where it cannot be built (Debian: libmodbus-dev, pkg-config)."""
    binary = built("libmodbus_loop")
    return float(await told(str(binary), str(seconds), str(tags), *map(str, ports))) if binary else None


async def told(*command: str) -> str:
    """Run a command and return what it printed; ends this run when it fails."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return out.decode()


@functools.cache
def compiled() -> None:
    """Have the packages' bytecode, as an installed gateway has: one that compiles itself at its first start keeps 2 MB of that."""
    for package in ("runtime", "drivers", "ledger_client", "models", "boards"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=2)


def config_text(ports: list[int], load: Load) -> str:
    """Return the configuration of a gateway that polls these devices and nothing else."""
    return HEAD + "".join(device_config(f"d{n}", port, tags=load.tags, period_ms=load.period_ms) for n, port in enumerate(ports))


@contextlib.asynccontextmanager
async def gateway(
    ports: list[int], load: Load, folder: Path, loop: str, *, face: Literal["none", "health", "values"] = "health"
) -> AsyncIterator[tuple[Gateway, FeedClient]]:
    """Run a whole gateway (core and signer) on these devices; yield it once every device has been read.

    `face` is what stays connected to its feed: nobody, one that takes its health once a second, or one that takes every value too, as an
    open page does.
    """
    compiled()
    number = len(list(folder.iterdir()))
    config = folder / f"bench{number}.toml"
    config.write_text(config_text(ports, load))
    made = Gateway(folder / f"state{number}", config, before=("env", f"WITNESSMARK_EVENT_LOOP={loop}"))
    await made.start()
    try:
        async with made.watching(values=face == "values") as feed:
            await until(lambda: sum(row["last_good_ms"] is not None for row in feed.health.get("devices", ())) == len(ports), 60)
            if face != "none":
                yield made, feed
        if face == "none":
            yield made, feed
    finally:
        await made.stop(60)


async def spent(made: Gateway, load: Load, seconds: float) -> Figures:
    """Measure CPU over about `seconds`, from just after one batch to just after another, and what was recorded of `seconds` in it."""
    assert made.process is not None
    pids = [made.process.pid, *children(made.process.pid)]
    await _next_batch(made)
    before, from_ms = [cpu_s(pid) for pid in pids], time.time_ns() // 1_000_000
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    await _next_batch(made)
    cpu = [cpu_s(pid) - b for pid, b in zip(pids, before, strict=True)]
    took = asyncio.get_running_loop().time() - began
    due, rss = load.tags_per_s * took, [rss_mb(pid) for pid in pids]
    done = recorded(made, from_ms, from_ms + round(seconds * 1000)) / (load.tags_per_s * seconds)
    return Figures(sum(cpu) * 1e6 / due, cpu[0] * 1e6 / due, done, sum(cpu) / took, rss[0], sum(rss[1:]))


def recorded(made: Gateway, from_ms: int, to_ms: int) -> int:
    """Return how many good readings the ledger holds that were read in [from_ms, to_ms), wall time. The gateway may go on."""
    reader, count = LedgerReader(RealDisk(), made.state, 1), 0
    for seq in range(reader.size()):
        payload = parse(reader.entry(seq)).payload
        if payload.kind == Kind.BATCH and payload.detail[1] >= from_ms and payload.detail[0] < to_ms:
            body = read_body(reader.body(seq) or b"", payload.detail, reader.schema_at(seq))
            count += sum(from_ms <= reading.time_ms < to_ms and reading.status == 0 for reading in body.readings())
    return count


async def _next_batch(made: Gateway) -> None:
    """Wait until a batch has just been written, so that windows begin and end at batches. Looks at the files: the gateway is not asked."""
    reader = LedgerReader(RealDisk(), made.state, 1)
    seen = reader.size()
    await until(lambda: any(parse(raw).payload.kind == Kind.BATCH for raw in reader.entries(seen, reader.size())), 60)


def cpu_s(pid: int) -> float:
    """Return user and system time of all threads of a process so far, to the nanosecond: its CPU clock (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_mb(pid: int) -> float:
    """Return a process' resident memory in MiB."""
    return rss_kb(pid) / 1024


def median(values: list[float]) -> float:
    """Return the median, rounded for people."""
    return round(statistics.median(values), 4)


def last_line(result: dict[str, object]) -> None:
    """Print the figures as the last line."""
    print(json.dumps(result))
