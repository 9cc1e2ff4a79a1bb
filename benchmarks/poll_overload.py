"""A gateway that is asked for three times what it can do, and then for what it can do again.

    python benchmarks/poll_overload.py [--seconds 60] [--json]

164 devices with 125 tags each, which all change between two reads. What it can do is measured first: gateways are asked for more and more
until asking for more records no more; the most that one recorded is the capacity. Then another gateway is asked for three times that for
`--seconds`, and then, by an edit through the door, for 1 Hz of a fifth of the devices.

JSON keys:
  capacity_tags_per_s   the most readings per second that a gateway recorded, whatever it was asked for
  load_factor           what was wanted over that: 3 or more, or this ends and says that so much cannot be asked for
  delivered             reads served per read due during the overload
  recorded              readings recorded per second during it, as a share of capacity_tags_per_s. Overload must not end recording
  unaccounted_share     dues that are neither a read nor counted as missed, as a share of all dues: "every missing sample counted" is a
                        share of about 0 (what is in flight when looked at is open)
  unsaid                misses that health counted, of each device, and that no gap entry of the ledger speaks of after the end; a
                        reading that evidence let go is a gap too and makes up for none, nor does one device for another. Must be 0
  rss_before_mb, rss_max_mb   of the core, at the start and at most during the overload
  edit_s                how long the edit took to be in force while overloaded
  recovery_s            from the edit in force to the last due that was missed. Must < 2
  readings_dropped      readings that were read and let go because evidence was over its cap of memory; counted as gaps too
  stall_p99_ms          event loop stall during the overload
  verdict               of a full verification of the ledger afterwards; "cannot tell" at best, since no witness is configured
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.poll_sides import Load, config_text, devices, gateway, last_line, rss_mb
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.acquisition.evidence import BEHIND, FAILED, UNUSABLE
from runtime.faces.feed_client import FeedClient
from tests.rigs.gateway import Gateway, cli, until

DEVICES, TAGS = 164, 125
PERIOD_MS_MIN = 20
FIRST_PERIOD_MS = 160
HARDER = 1.4
MORE = 1.05
LOOKED_S = 10.0
CHANGES_HZ = 200
FACTOR = 3
RELIEF = 5
LOOK_S = 0.5
of_evidence = frozenset({BEHIND, FAILED, UNUSABLE})
"""Causes of gaps that no poller counts: the reading came and was not recorded."""
AFTER_S = 12.0


def _served(face: FeedClient) -> tuple[int, int, int]:
    """Return (good reads, misses and failed reads, wall ms) of all devices as health last said."""
    rows = face.health["devices"]
    failed = sum(row["failed"] for row in rows)
    return sum(row["polls"] for row in rows) - failed, sum(row["missed"] for row in rows) + failed, face.health["now_ms"]


def _lost(face: FeedClient) -> dict[str, int]:
    """Return misses and failed reads of each device as health last said: an edit takes devices away, and their counts."""
    return {row["name"]: row["missed"] + row["failed"] for row in face.health["devices"]}


async def _newer(face: FeedClient) -> tuple[int, int, int]:
    """Wait for the next health, and return it as `_served`."""
    seen = face.health["now_ms"]
    await until(lambda: face.health["now_ms"] != seen, 60)
    return _served(face)


async def capacity(ports: list[int], folder: Path) -> float:
    """Return the most readings per second that a gateway records: asked for more and more, until that records no more."""
    period_ms, most = FIRST_PERIOD_MS, 0.0
    while True:
        load = Load(DEVICES, TAGS, period_ms)
        async with gateway(ports, load, folder, "uvloop") as (_, face):
            await asyncio.sleep(3)
            (served, _, began_ms), before = await _newer(face), face.health["evidence"]
            await asyncio.sleep(LOOKED_S)
            (served_then, _, ended_ms), after = await _newer(face), face.health["evidence"]
        read = (served_then - served) * period_ms / ((ended_ms - began_ms) * DEVICES)
        recorded = (after["readings"] - before["readings"]) * 1000 / (ended_ms - began_ms)
        dropped = after["dropped"] - before["dropped"]
        print(f"  {load.tags_per_s:.0f} tags/s wanted: {read:.1%} read, {recorded:.0f} recorded a second, {dropped} dropped", flush=True)
        if recorded < MORE * most or period_ms == PERIOD_MS_MIN:  # at the last, faster than this benchmark can ask
            return max(most, recorded)
        period_ms, most = max(PERIOD_MS_MIN, round(period_ms / HARDER)), recorded


async def overload(ports: list[int], folder: Path, seconds: float, period_ms: int, most: float) -> dict[str, Any]:
    """Overload one gateway, let it off, stop it, and look at what it wrote."""
    load = Load(DEVICES, TAGS, period_ms)
    async with gateway(ports, load, folder, "uvloop") as (made, face):
        assert made.process is not None
        pid = made.process.pid
        await asyncio.sleep(3)
        before_mb = most_mb = rss_mb(pid)
        (polls, missed, began_ms), recorded = await _newer(face), face.health["evidence"]["readings"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(LOOK_S)
            most_mb = max(most_mb, rss_mb(pid))
        polls_then, missed_then, ended_ms = await _newer(face)
        counted = _lost(face)
        recorded = face.health["evidence"]["readings"] - recorded
        dropped = face.health["evidence"]["dropped"]
        stall_ms = face.health["loop"]["stall_p99_ms"]
        asked = time.time()
        config = folder / "relief.toml"
        config.write_text(config_text(ports[: DEVICES // RELIEF], Load(DEVICES // RELIEF, TAGS)))
        code, said = await cli("act", "config.edit", "--state", str(made.state), "--file", str(config), "--reason", "relief", timeout_s=180)
        if code:
            raise SystemExit(f"the edit was refused: {said}")
        answered = time.time()
        await asyncio.sleep(AFTER_S)
        await _newer(face)
        counted |= _lost(face)
    said_misses, last_ms, in_force_ms = _gaps(made)
    verified, report = await cli("ledger", "verify", "--state", str(made.state), timeout_s=600)
    due = (ended_ms - began_ms) * DEVICES / period_ms
    served, lost = polls_then - polls, missed_then - missed
    return {
        "delivered": round(served / due, 3), "recorded": round(recorded * 1000 / (ended_ms - began_ms) / most, 3),
        "unaccounted_share": round(abs(due - served - lost) / due, 4),
        "unsaid": sum((Counter(counted) - said_misses).values()), "rss_before_mb": round(before_mb, 1), "rss_max_mb": round(most_mb, 1),
        "edit_s": round(answered - asked, 2), "recovery_s": round(max(0.0, (last_ms - in_force_ms) / 1000), 2),
        "readings_dropped": dropped, "stall_p99_ms": stall_ms, "verdict": report.get("verdict", verified),
    }  # fmt: skip


def _gaps(made: Gateway) -> tuple[Counter[str], int, int]:
    """Return (misses of each device that gap entries speak of, wall ms of the last gap, wall ms when the newest config was recorded)."""
    reader = LedgerReader(RealDisk(), made.state, 1)
    count, last_ms, in_force_ms = Counter[str](), 0, 0
    device_of: dict[int, str] = {}
    size = reader.size()
    for seq, raw in enumerate(reader.entries(0, size)):
        payload = parse(raw).payload
        if payload.kind == Kind.SCHEMA and seq + 1 < size:  # of those that an edit takes away gaps may follow later
            device_of |= {group.uid: group.device for group in reader.schema_at(seq + 1).groups.values()}
        elif payload.kind == Kind.GAP:
            for uid, _, to_ms, cause, missed in payload.detail:
                count[device_of[uid]] += missed if cause not in of_evidence else 0
                if cause != "poll_stopping":  # the end of polling is no miss
                    last_ms = max(last_ms, to_ms)
        elif payload.kind == Kind.CONFIG:
            in_force_ms = payload.wall_ms
    return count, last_ms, in_force_ms


async def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Find what it can do, ask for three times that, look."""
    async with devices(DEVICES, CHANGES_HZ) as ports:
        most = await capacity(ports, folder)
        period_ms = int(DEVICES * TAGS * 1000 / (FACTOR * most))  # rounded down: no less than FACTOR times
        if period_ms < PERIOD_MS_MIN:
            raise SystemExit(f"{FACTOR} times {most:.0f} tags/s is more than {DEVICES} devices with {TAGS} tags can be asked for")
        result = await overload(ports, folder, seconds, period_ms, most)
    factor = DEVICES * TAGS * 1000 / period_ms / most
    result = {"capacity_tags_per_s": round(most), "load_factor": round(factor, 2), **result}
    print(
        f"overload {result['load_factor']} x {most:.0f} tags/s for {seconds:.0f} s: {result['delivered']:.1%} read, recorded "
        f"{result['recorded']:.0%} of what it can, "
        f"{result['unaccounted_share']:.2%} not accounted for, {result['unsaid']} misses unsaid; memory {result['rss_before_mb']} -> "
        f"{result['rss_max_mb']} MB at most; edit {result['edit_s']} s, recovery {result['recovery_s']} s; verdict {result['verdict']}"
    )
    return result


def main() -> None:
    """Measure, and with --json print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measure(Path(folder), options.seconds))
    if options.json:
        last_line(result)


if __name__ == "__main__":
    main()
