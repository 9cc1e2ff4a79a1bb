"""CPU per tag from wire to durable entry, of the whole core with its signer, against a bare pymodbus read loop in the same run.

    python benchmarks/poll.py [--seconds 10] [--pairs 3] [--json]

Devices answer on loopback from a process of their own, which is not counted. Both sides read the same registers at 1 Hz, in turn, `pairs`
times; medians are printed. The core decodes, applies report rules (every value changes), hashes salted leaves, seals, signs and syncs.

JSON keys: `us_per_tag` {load: CPU microseconds of core and signer per tag read}; `core_us_per_tag` the core alone;
`baseline_us_per_tag` {load: the same for the bare loop, which only reads}; `ratio` {load: the first by the last}; `rss_mb` {load: resident
memory of the core}; `delivered` {load: readings recorded per reading due; a batch takes
5 s and health is seen once a second, so a short window may show some per cent more or less}. A load is "devices x tags at 1 Hz each".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runtime.faces.feed_client import FeedClient
from tests.rigs.gateway import Gateway, children, until
from tests.rigs.load_device import LoadDevice, device_config

LOADS = {"10x100": (10, 100), "100x100": (100, 100)}
HEAD = '[gateway]\nname = "bench"\n[web]\nenabled = false\n[history]\nenabled = false\n'
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

BARE = """
import asyncio, sys
from pymodbus.client import AsyncModbusTcpClient
async def poll(port, tags):
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    loop = asyncio.get_running_loop()
    due = loop.time() + port % 97 / 97
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        for start in range(0, tags, 125):
            await client.read_holding_registers(start, count=min(125, tags - start), device_id=1)
        due += 1
async def main():
    tags, ports = int(sys.argv[1]), [int(p) for p in sys.argv[2:]]
    async with asyncio.TaskGroup() as group:
        for port in ports: group.create_task(poll(port, tags))
asyncio.run(main())
"""


def cpu_s(pid: int) -> float:
    """Return user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


async def bare_side(ports: list[int], tags: int, seconds: float) -> float:
    """Return CPU microseconds per tag of a loop that only reads."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(tags), *map(str, ports))
    try:
        await asyncio.sleep(3)
        before = cpu_s(process.pid)
        await asyncio.sleep(seconds)
        return (cpu_s(process.pid) - before) * 1e6 / (len(ports) * tags * seconds)
    finally:
        process.kill()
        await process.wait()


async def core_side(ports: list[int], tags: int, seconds: float, folder: Path) -> tuple[float, float, float, float]:
    """Return (us per tag of core and signer, of the core alone, readings recorded per due, core RSS in MB)."""
    config = folder / "bench.toml"
    config.write_text(HEAD + "".join(device_config(f"d{n}", port, tags=tags, period_ms=1000) for n, port in enumerate(ports)))
    gateway = Gateway(folder / f"state{len(list(folder.iterdir()))}", config)
    await gateway.start()
    try:
        async with gateway.watching() as face:
            await until(lambda: sum(row[2] == 0 for row in face.values.values()) == len(ports) * tags, 60)
            await asyncio.sleep(3)
            return await _measure(gateway, face, len(ports) * tags, seconds)
    finally:
        await gateway.stop()


async def _measure(gateway: Gateway, face: FeedClient, tags: int, seconds: float) -> tuple[float, float, float, float]:
    assert gateway.process is not None
    pids = [gateway.process.pid, *children(gateway.process.pid)]
    await _next_batch(face)
    before, readings = [cpu_s(pid) for pid in pids], face.health["evidence"]["readings"]
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    await _next_batch(face)
    spent = [cpu_s(pid) - b for pid, b in zip(pids, before, strict=True)]
    took = asyncio.get_running_loop().time() - began
    done = face.health["evidence"]["readings"] - readings
    due = tags * took
    return sum(spent) * 1e6 / due, spent[0] * 1e6 / due, done / due, gateway.rss_kb() / 1024


async def _next_batch(face: FeedClient) -> None:
    """Wait until a batch has just become durable, so that windows begin and end at batches."""
    seen = face.health["evidence"]["readings"]
    await until(lambda: face.health["evidence"]["readings"] > seen, 60)


async def devices_process(count: int) -> tuple[asyncio.subprocess.Process, list[int]]:
    """Start `count` devices in a process of their own and return it with their ports."""
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--devices", str(count), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(await process.stdout.readline())


async def serve_devices(count: int) -> None:
    """Be the devices, until killed."""
    devices = [await LoadDevice().__aenter__() for _ in range(count)]
    print(json.dumps([device.port for device in devices]), flush=True)
    await asyncio.Event().wait()


async def measure(seconds: float, pairs: int, loads: list[str]) -> dict[str, dict[str, float]]:
    """Run both sides in turn for each load."""
    names = ("us_per_tag", "core_us_per_tag", "delivered", "rss_mb", "baseline_us_per_tag", "ratio")
    result: dict[str, dict[str, float]] = {name: {} for name in names}
    for load in loads:
        count, tags = LOADS[load]
        process, ports = await devices_process(count)
        core, bare = [], []
        try:
            with tempfile.TemporaryDirectory() as folder:
                for _ in range(pairs):
                    core.append(await core_side(ports, tags, seconds, Path(folder)))
                    bare.append(await bare_side(ports, tags, seconds))
        finally:
            process.kill()
            await process.wait()
        columns = [statistics.median(column) for column in zip(*core, strict=True)]
        values = [*columns, statistics.median(bare), columns[0] / statistics.median(bare)]
        for name, value in zip(names, values, strict=True):
            result[name][load] = round(value, 3)
    return result


def main() -> None:
    """Measure, print a table, and with --json the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--loads", nargs="*", default=list(LOADS), choices=list(LOADS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.devices:
        asyncio.run(serve_devices(options.devices))
        return
    result = asyncio.run(measure(options.seconds, options.pairs, options.loads))
    for load in options.loads:
        print(
            f"{load}: {result['us_per_tag'][load]:.2f} us per tag (core alone {result['core_us_per_tag'][load]:.2f}), bare pymodbus loop "
            f"{result['baseline_us_per_tag'][load]:.2f}, ratio {result['ratio'][load]:.2f}; delivered {result['delivered'][load]:.4f}, "
            f"{result['rss_mb'][load]:.0f} MB"
        )
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
