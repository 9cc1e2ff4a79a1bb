"""What polling costs and delivers: the whole gateway, storing, signing and salting, against bare read loops in the same run.

    python benchmarks/poll.py [--seconds 10] [--pairs 3] [--only cost delivered decode lateness overload] [--overload-s 60] [--json]

Devices answer on loopback from a process of their own in C, which is not counted; every register changes ten times a second and every
reading is recorded. CPU is user and system time of the core and its signer. Sides run in turn, `pairs` times; medians are printed.

JSON keys ("DxT" is D devices with T tags each at 1 Hz, one connection each):
  us_per_tag             {"10x100", "100x100"}: CPU microseconds per reading due, on uvloop, which a gateway uses where it has a wheel; no
                         face is open. Must <= 10, stretch 6
  us_per_tag_stock       the same on asyncio's own loop. Must <= 12, stretch 8
  core_us_per_tag        the core's part of us_per_tag; the rest is the signer's
  face_us_per_tag        us_per_tag while a face takes every value, as an open page does
  baseline_us_per_tag    a bare pymodbus loop on asyncio's own loop that reads the same registers and does nothing with them
  baseline_us_per_tag_uvloop   the same on uvloop
  libmodbus_us_per_tag   the same in C with libmodbus; null where that is not installed
  ratio                  us_per_tag over baseline_us_per_tag_uvloop
  delivered              {"10000", "25000"}: readings per reading due of 20 s that the ledger holds, at so many tags/s. Must >= 0.999
  core_share             {"10000", "25000"}: CPU of that, as a share of one core. Must <= 0.25
  decode_ratio           decoding a block over pymodbus' convert_from_registers, the worst named map (poll_decode.py). Must <= 0.10
  lateness_p99_ms        how late reads start at 50 devices x 10 Hz (poll_lateness.py); `lateness_bare_p99_ms` a bare timer loop's
  rss_mb                 resident memory of the core with 1,000 tags (10x100), no faces. Must <= 65; `rss_signer_mb` its signer
  overload               three times what it can do, for --overload-s: see poll_overload.py
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import poll_decode, poll_lateness, poll_overload
from benchmarks.poll_sides import Figures, Load, bare_libmodbus, bare_pymodbus, devices, gateway, last_line, median, spent

LOADS = {"10x100": Load(10, 100), "100x100": Load(100, 100)}
RATES = {"10000": Load(100, 100, 1000), "25000": Load(100, 100, 400)}
PARTS = ("cost", "delivered", "decode", "lateness", "overload")


async def one_gateway(
    ports: list[int], load: Load, folder: Path, seconds: float, loop: str = "uvloop", face: Literal["none", "values"] = "none"
) -> Figures:
    """Start a gateway on these devices and measure it."""
    async with gateway(ports, load, folder, loop, face=face) as (made, _):
        await asyncio.sleep(3)
        return await spent(made, load, seconds)


async def cost(seconds: float, pairs: int, folder: Path) -> dict[str, Any]:
    """CPU per tag of all sides, in turn."""
    names = ("us_per_tag", "us_per_tag_stock", "core_us_per_tag", "face_us_per_tag", "baseline_us_per_tag", "baseline_us_per_tag_uvloop")
    result: dict[str, Any] = {name: {} for name in (*names, "libmodbus_us_per_tag", "ratio")}
    for name, load in LOADS.items():
        rows: list[tuple[float, ...]] = []
        floor: list[float] = []
        async with devices(load.devices) as ports:
            for _ in range(pairs):
                ours = await one_gateway(ports, load, folder, seconds)
                stock = await one_gateway(ports, load, folder, seconds, "asyncio")
                shown = await one_gateway(ports, load, folder, seconds, face="values")
                bare = [await bare_pymodbus(ports, load.tags, seconds, loop) for loop in ("asyncio", "uvloop")]
                rows.append((ours.us_per_tag, stock.us_per_tag, ours.core_us_per_tag, shown.us_per_tag, *bare))
                if (native := await bare_libmodbus(ports, load.tags, seconds)) is not None:
                    floor.append(native)
                if name == "10x100":
                    result |= {"rss_mb": round(ours.rss_mb, 1), "rss_signer_mb": round(ours.rss_signer_mb, 1)}
        columns = [median(list(column)) for column in zip(*rows, strict=True)]
        for key, value in zip(names, columns, strict=True):
            result[key][name] = value
        result["libmodbus_us_per_tag"][name] = median(floor) if floor else None
        result["ratio"][name] = round(columns[0] / columns[5], 2)
        print(
            f"{name}: {columns[0]:.1f} us per tag (core {columns[2]:.1f}), stock loop {columns[1]:.1f}, with a face of all values "
            f"{columns[3]:.1f}; bare pymodbus {columns[4]:.1f}, on uvloop {columns[5]:.1f}; libmodbus "
            f"{result['libmodbus_us_per_tag'][name]}"
        )
    return result


async def delivered(seconds: float, folder: Path) -> dict[str, Any]:
    """Readings recorded per reading due, and the share of a core, at given rates."""
    result: dict[str, Any] = {"delivered": {}, "core_share": {}}
    for name, load in RATES.items():
        async with devices(load.devices) as ports:
            figures = await one_gateway(ports, load, folder, max(20.0, seconds))
        result["delivered"][name], result["core_share"][name] = round(figures.delivered, 5), round(figures.core_share, 3)
        print(f"{name} tags/s: {figures.delivered:.2%} delivered with {figures.core_share:.1%} of a core")
    return result


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the parts that were asked for."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "cost" in options.only:
            result |= await cost(options.seconds, options.pairs, folder)
        if "delivered" in options.only:
            result |= await delivered(options.seconds, folder)
        if "decode" in options.only:
            result |= poll_decode.measure()
        if "lateness" in options.only:
            result |= await poll_lateness.measure(folder)
        if "overload" in options.only:
            result["overload"] = await poll_overload.measure(folder, options.overload_s)
    return result


def main() -> None:
    """Measure, print each part, and with --json the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--overload-s", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure(options))
    if options.json:
        last_line(result)


if __name__ == "__main__":
    main()
