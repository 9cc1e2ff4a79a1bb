"""How late reads start at 50 devices x 10 Hz, against a bare loop of timers that reads the same devices in the same run.

    python benchmarks/poll_lateness.py [--json]

Late is the time from a due on the group's grid to the moment its read begins, in whole ms as the gateway counts it, over the last 512
reads of each device (51 s, so that the start has left the window).

JSON keys:
  lateness_p99_ms        the median over devices of each one's 99th percentile
  lateness_worst_p99_ms  the worst device's
  lateness_missed        the share of dues that no read began for, or whose read failed: a due that was passed over is late by no number
  lateness_bare_p99_ms   the bare loop's: one task per device sleeps to its due and asks pymodbus, on uvloop too
  lateness_ratio         lateness_p99_ms over lateness_bare_p99_ms
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.poll_sides import Load, devices, gateway, last_line, median, told

LOAD = Load(50, 100, 100)
WINDOW_S = 55.0

BARE = """
import asyncio, sys, time
from pymodbus.client import AsyncModbusTcpClient
late = []
async def poll(port, phase, end):
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    due = time.monotonic() + 1 + phase
    while due < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late.append(time.monotonic() - due)
        await client.read_holding_registers(0, count=100, device_id=1)
        due += 0.1
async def main():
    ports = [int(p) for p in sys.argv[2:]]
    end = time.monotonic() + float(sys.argv[1])
    async with asyncio.TaskGroup() as group:
        for n, port in enumerate(ports): group.create_task(poll(port, n / len(ports) / 10, end))
    late.sort()
    print(late[int(len(late) * 0.99)] * 1000)
import uvloop
uvloop.run(main())
"""


async def measure(folder: Path) -> dict[str, Any]:
    """Run the gateway, then the bare loop."""
    async with devices(LOAD.devices) as ports:
        async with gateway(ports, LOAD, folder, "uvloop") as (_, face):
            await asyncio.sleep(WINDOW_S)
            rows = face.health["devices"]
            p99 = sorted(float(row["late_p99_ms"]) for row in rows)
            lost, served = sum(row["missed"] + row["failed"] for row in rows), sum(row["polls"] - row["failed"] for row in rows)
        bare = float(await told(sys.executable, "-c", BARE, "15", *map(str, ports)))
    result = {"lateness_p99_ms": median(p99), "lateness_worst_p99_ms": p99[-1], "lateness_bare_p99_ms": round(bare, 2)}
    result["lateness_missed"] = round(lost / (lost + served), 5)
    result["lateness_ratio"] = round(result["lateness_p99_ms"] / max(bare, 0.01), 2)
    print(
        f"50 devices x 10 Hz: reads start {result['lateness_p99_ms']:.1f} ms late (p99), worst {p99[-1]:.1f}; bare loop {bare:.1f}; "
        f"{result['lateness_missed']:.3%} of dues missed"
    )
    return result


def main() -> None:
    """Measure, and with --json print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(Path(folder)))
    if options.json:
        last_line(result)


if __name__ == "__main__":
    main()
