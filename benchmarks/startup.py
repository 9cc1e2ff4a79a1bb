"""Start-up time with a long ledger against an empty one, alternated in the same run.

    python benchmarks/startup.py [--entries 1000000] [--pairs 5] [--keep DIR] [--json]

A state folder is made by a real start; a copy of it is then grown to `entries` by the production chain with the device's own key (flushes
left out while generating, so that it takes minutes, not hours). A start is timed from the process's begin to its first durable entry as a
face learns of it. `--keep DIR` keeps the long ledger there and uses it again.

JSON keys: `start_s_empty`, `start_s_long` medians in seconds; `ratio` the median of the pairs' ratios (must <= 1.3); `entries`;
`bytes` of the long ledger; `generate_s`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.keys import load_private
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.signing import SignerCore
from runtime.clock import SystemClock
from tests.rigs.gateway import ALONE, Gateway, until
from tests.rigs.load_device import LoadDevice, device_config

HEAD = '[gateway]\nname = "start"\n' + ALONE


class UnsyncedDisk(RealDisk):
    """Writes without flushing: for generating only."""

    def fdatasync(self, handle: int) -> None:
        """Skip."""

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        """Write only."""
        self.pwrite(handle, data, offset)

    def sync_folder(self, path: Path) -> None:
        """Skip."""


async def grow(state: Path, entries: int) -> None:
    """Append gap entries until the ledger holds `entries`."""
    disk = UnsyncedDisk()
    signer = SignerCore(load_private(state / "private" / "device.key"), disk, state)
    async with Chain.open(disk, state, signer, SystemClock(), version="bench", board="sim") as chain:
        began = time.monotonic()
        while chain.size < entries:
            await chain.append(Kind.GAP, ((None, chain.size, chain.size + 1, "generated", 1),))
            if chain.size % 100_000 == 0:
                print(f"  {chain.size:,} entries, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        await chain.append(Kind.CLOSE, ("stopped",))


async def start_s(gateway: Gateway) -> float:
    """Start, wait for a new durable entry, stop; return how long the start took in seconds."""
    before = LedgerReader(RealDisk(), gateway.state, 1).size() if (gateway.state / "ledger").exists() else 0
    began = time.monotonic()
    await gateway.start()
    async with gateway.watching() as face:
        await until(lambda: face.health.get("ledger", {}).get("size", 0) > before, 120)
        took = time.monotonic() - began
        await until(lambda: any(row[2] == 0 for row in face.values.values()), 60)
    await gateway.stop()
    return took


async def measure(entries: int, pairs: int, folder: Path) -> dict[str, float]:
    """Make both ledgers and time their starts in turn."""
    async with LoadDevice() as device:
        config = folder / "start.toml"
        config.write_text(HEAD + device_config("d", device.port, tags=50, period_ms=1000))
        empty, long = Gateway(folder / "empty", config), Gateway(folder / "long", config)
        generate_s = 0.0
        await start_s(empty)
        if not long.state.exists():
            shutil.copytree(empty.state, long.state, ignore=shutil.ignore_patterns("*.sock"))
            began = time.monotonic()
            await grow(long.state, entries)
            generate_s = time.monotonic() - began
            await start_s(long)
        rows = [(await start_s(empty), await start_s(long)) for _ in range(pairs)]
        size = LedgerReader(RealDisk(), long.state, 1).size()
    return {
        "start_s_empty": round(statistics.median(row[0] for row in rows), 3),
        "start_s_long": round(statistics.median(row[1] for row in rows), 3),
        "ratio": round(statistics.median(row[1] / row[0] for row in rows), 3),
        "entries": size,
        "bytes": sum(path.stat().st_size for path in (long.state / "ledger").rglob("*") if path.is_file()),
        "generate_s": round(generate_s, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(measure(options.entries, options.pairs, folder))
    print(
        f"start with {result['entries']:,} entries {result['start_s_long']:.2f} s, with an empty ledger {result['start_s_empty']:.2f} s, "
        f"ratio {result['ratio']:.2f} (must <= 1.3)"
    )
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
