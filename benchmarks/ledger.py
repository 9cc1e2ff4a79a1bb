"""The ledger's figures: bytes, CPU, stalls, flushes and verification, against signed JSON lines and a bare flush in the same run.

    python benchmarks/ledger.py [DATA] [--pairs 5] [--folder DIR] [--json]

DATA is a folder (or the file itself) with SKAB's anomaly-free.csv; without it a generated set stands in. `--folder` is where the
durable part writes: put it on the disk that you ask about (default: a temporary folder). Everything but the disk's part is CPU time.

JSON keys:
  bytes_per_reading     {set: {"64", "600", "6000"}}: what batches of so many readings take in a segment, all in: signed entry with
                        root, salt secret, clock and receipt hash, body, record framing and padding.
                        Must at 600: <= 2.7 decimal, <= 3.4 float32, <= 4 tags1000
  entries_per_fsync     durable entries/s that the production chain with its signer process keeps up, one durable write each and 32
                        asked for at any time, as a share of bare pwrite + fdatasync of as many bytes into a pre-zeroed file beside
                        it; bursts of either in turn, as many writes each, median of the pairs' shares, on the gateway's own event
                        loop (uvloop where it has a wheel). Must >= 0.5
  entries_per_fsync_alone  the same with one asked for at a time: signature and flush then take turns
  bare_flush_us         what one of those bare writes with its flush took, median over the bursts: says on what disk, and how busy
                        a one, the share was measured. Where it is far above what the disk does when left alone, so is the share
  durable_entry_us      the same of one entry of the chain
  seal_us_per_reading   CPU microseconds to add, hash, pack and seal one reading, one leaf each: the worst of all sets at 600 and at 6,000
                        readings (of tags1000, 600 are one scan of six PLCs, a reading a column). Must <= 4, stretch 1.5
  seal_us               {set: {"64", "600", "6000"}}: the same for every set; at 64 what a batch costs by itself weighs most
  seal_us_16            {set: {"600", "6000"}}: with 16 readings a leaf
  seal_us_by_change     {"6", "60"}: so many scans of tags1000 in which one reading in ten is reported, by chance: per reported reading, and
                        so with the nine beside each that are looked at and passed over
  stall_ms_max          longest time that a real event loop was kept from turning while 20,000 readings were added and sealed on it, in
                        CPU time of its thread (other programs on the machine do not count); median over runs. Must < 5
  stall                 {"cpu_ms": the same, "wall_ms": on the wall, "bare_wall_ms": on the wall with nothing to do}, medians over runs
  verify_entries_per_s  entries of 600 readings judged per second by the whole-ledger verifier: signature, chain, tree, body and every leaf
  baseline              signed JSON lines, one hash-chained Ed25519-signed line per reading: {"bytes_per_reading", "us_per_reading",
                        "verify_readings_per_s"}, and ours as ratios: {"bytes_ratio", "cpu_ratio", "verify_ratio"}
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.ledger_sets import KEY, T0_MS, ReadingSet, Scan, bytes_per_reading, schema_of, seal, sets
from ledger_client.body import BatchBuilder, CodecHints, SealedBatch
from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.keys import create_private, from_cose
from ledger_client.kinds import Kind
from ledger_client.leaf import Value
from ledger_client.note import device_note_key
from ledger_client.policy import parse_policy
from ledger_client.reader import LedgerReader
from ledger_client.records import record_size
from ledger_client.schema import SchemaState
from ledger_client.signer_client import SignerProcess
from ledger_client.verify_ledger import verify_ledger
from runtime.cli.until_stopped import loop_factory
from runtime.clock import SystemClock

ORIGIN = "witnessmark.example/benchmark/1"
SIZES = (64, 600, 6000)
BURST, IN_FLIGHT = 160, 32
"""Entries, or bare flushes, timed in one go: short, so that what else the machine does spoils few of them; how many are asked for
at a time, half of what the chain lets wait."""
BURSTS_PER_PAIR = 10
"""Bursts of either kind for each of `--pairs`."""
ENTRY_BYTES = 300
"""A batch entry, for sizing the bare writes."""
SEALED_AT = (600, 6000)
"""Readings of the batches whose sealing has a bar."""
BARS = {"decimal": 2.7, "float32": 3.4, "tags1000": 4.0}


def cpu_us(call: Callable[[], object], readings: int, repeats: int) -> float:
    """Return CPU microseconds per reading of a call, the median of repeats."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append((time.process_time() - began) / readings * 1e6)
    return statistics.median(taken)


def sealing(batches: list[list[Scan]], schema: SchemaState, span: int, pairs: int) -> float:
    """Return CPU microseconds per reading to add and seal these batches."""
    hints = CodecHints()
    readings = sum(len(values) if present is None else sum(present) for batch in batches for _, _, values, present in batch)

    def work() -> None:
        for batch in batches:
            seal(batch, schema, span, hints, os.urandom(32))

    work()  # descriptors are hashed once in a gateway's life, hints settle
    return round(cpu_us(work, readings, 3 * pairs), 3)


def sealing_all(chosen: list[ReadingSet], pairs: int) -> dict[str, Any]:
    """Return the figures of sealing."""
    result: dict[str, Any] = {}
    for key, span, sizes in (("seal_us", 1, SIZES), ("seal_us_16", 16, SEALED_AT)):
        result[key] = {s.name: {str(n): sealing(list(s.batches(n, 6)), s.schema, span, pairs) for n in sizes} for s in chosen}
    result["seal_us_per_reading"] = max(by[str(n)] for by in result["seal_us"].values() for n in SEALED_AT)
    wide, rng = chosen[-1], random.Random(5)
    result["seal_us_by_change"] = {}
    for scans in (6, 60):
        rounds = [[scan for round_of in wide.scans[at : at + scans] for scan in round_of] for at in range(0, 3 * scans, scans)]
        batches = [[(g, t, values, [rng.random() < 0.1 for _ in values]) for g, t, values, _ in batch] for batch in rounds]
        result["seal_us_by_change"][str(scans)] = sealing(batches, wide.schema, 1, pairs)
    return result


def json_lines(readings: ReadingSet, count: int) -> list[bytes]:
    """Return `count` readings as the plain alternative: one signed line each, chained by hash."""
    lines, prev = [], ""
    for round_of in readings.scans:
        for group, time_ms, values, _ in round_of:
            for place, value in enumerate(values):
                row = {"seq": len(lines), "tag": f"plc{group}/t{place}", "t": time_ms, "v": value, "q": 0, "prev": prev}
                raw = json.dumps(row, separators=(",", ":")).encode()
                signature = base64.b64encode(KEY.sign(raw))
                line = raw[:-1] + b',"sig":"' + signature + b'"}\n'
                prev = sha256(line).hexdigest()
                lines.append(line)
                if len(lines) == count:
                    return lines
    return lines


def verify_json_lines(lines: list[bytes]) -> None:
    """Check every line's signature and link."""
    prev = ""
    for line in lines:
        raw, _, tail = line.rpartition(b',"sig":"')
        if json.loads(line)["prev"] != prev or not KEY.public.verify(base64.b64decode(tail[:-3]), raw + b"}"):
            raise SystemExit("the baseline does not verify")
        prev = sha256(line).hexdigest()


def baseline(readings: ReadingSet, pairs: int) -> dict[str, float]:
    """Return the figures of signed JSON lines over the same readings."""
    lines = json_lines(readings, 600)
    check_us = cpu_us(lambda: verify_json_lines(lines), 600, pairs)
    return {
        "bytes_per_reading": round(sum(map(len, lines)) / len(lines), 2),
        "us_per_reading": round(cpu_us(lambda: json_lines(readings, 600), 600, pairs), 2),
        "verify_readings_per_s": round(1e6 / check_us),
    }


async def held_ms(work: Callable[[], Any]) -> tuple[float, float]:
    """Return how long the loop was kept from turning while `work()` ran on it, at most: in CPU time of its thread, and on the wall."""
    cpu, wall, done = 0.0, 0.0, False

    async def sample() -> None:
        nonlocal cpu, wall
        while not done:
            began, began_cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            cpu, wall = max(cpu, time.thread_time() - began_cpu), max(wall, time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sample())
        await asyncio.sleep(0)
        await work()
        done = True
    return cpu * 1000, wall * 1000


async def seal_on_loop(schema: SchemaState, rows: list[list[Value]], hints: CodecHints) -> None:
    """Add scans and seal them as the runtime does: the loop turns between two scans and between two steps."""
    builder = BatchBuilder(os.urandom(32), T0_MS, 16, schema, hints)
    for i, row in enumerate(rows):
        builder.add(1, T0_MS + 100 * i, None, row)
        await asyncio.sleep(0)
    for _ in builder.seal_steps():
        await asyncio.sleep(0)


async def turn_for_a_while() -> None:
    """Do nothing but let the loop turn."""
    for _ in range(2000):
        await asyncio.sleep(0)


def stalls(runs: int) -> dict[str, float]:
    """Return the medians over runs of the longest time that the loop did not turn."""
    schema, hints = schema_of(1, 400, "float64"), CodecHints()
    rows: list[list[Value]] = [[round(20 + (i * c) % 97 / 10, 1) for c in range(400)] for i in range(50)]
    ours, bare = [], []
    for _ in range(runs):
        bare.append(asyncio.run(held_ms(turn_for_a_while))[1])
        ours.append(asyncio.run(held_ms(lambda: seal_on_loop(schema, rows, hints))))
    medians = (statistics.median(o[0] for o in ours), statistics.median(o[1] for o in ours), statistics.median(bare))
    return dict(zip(("cpu_ms", "wall_ms", "bare_wall_ms"), (round(m, 2) for m in medians), strict=True))


def bare_s(disk: RealDisk, handle: int, data: bytes, start: int) -> float:
    """Overwrite and flush BURST pre-zeroed places, one after the other; return how long it took in seconds."""
    began = time.perf_counter()
    for number in range(start, start + BURST):
        disk.pwrite(handle, data, number * len(data))
        disk.fdatasync(handle)
    return time.perf_counter() - began


async def chain_s(chain: Chain, sealed: list[SealedBatch], entries: int, in_flight: int) -> float:
    """Append so many entries, each durable by itself, some asked for at any time; return how long it took in seconds."""

    async def one_after_the_other(batches: list[SealedBatch]) -> None:
        for batch in batches:
            await chain.append(Kind.BATCH, batch.detail, batch.body)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for first in range(in_flight):
            tasks.create_task(one_after_the_other([sealed[n % len(sealed)] for n in range(first, entries, in_flight)]))
    return time.perf_counter() - began


async def durable(readings: ReadingSet, sealed: list[SealedBatch], state: Path, pairs: int) -> dict[str, float]:
    """Return the figures of the disk, medians over alternated bursts; leaves the ledger for the verifier."""
    (state / "private").mkdir(parents=True, mode=0o700)
    create_private(state / "private" / "device.key")
    disk, clock = RealDisk(), SystemClock()
    bare, ours, alone = [], [], []
    data = os.urandom(record_size(ENTRY_BYTES, len(sealed[0].body)))
    handle = disk.open(state / "bare", create=True)
    disk.pwrite(handle, bytes(len(data) * BURST * pairs), 0)
    disk.fdatasync(handle)
    async with SignerProcess(state) as signer:
        await Chain.create(disk, state, signer, clock, origin=ORIGIN)
        async with Chain.open(disk, state, signer, clock, version="bench", board="sim") as chain:
            await chain.append_schema(readings.schema)
            for pair in range(pairs):
                # A disk that slows down or recovers must not favour whoever comes second.
                if pair % 2:
                    ours.append(await chain_s(chain, sealed, BURST, IN_FLIGHT))
                bare.append(await asyncio.to_thread(bare_s, disk, handle, data, pair * BURST))
                if not pair % 2:
                    ours.append(await chain_s(chain, sealed, BURST, IN_FLIGHT))
                alone.append(await chain_s(chain, sealed, BURST // 8, 1) * 8)
    disk.close(handle)
    shares, shares_alone = ([b / o for b, o in zip(bare, those, strict=True)] for those in (ours, alone))
    return {
        "entries_per_fsync": round(statistics.median(shares), 3),
        "entries_per_fsync_alone": round(statistics.median(shares_alone), 3),
        "bare_flush_us": round(statistics.median(bare) / BURST * 1e6, 1),
        "durable_entry_us": round(statistics.median(ours) / BURST * 1e6, 1),
    }


def verifying(state: Path) -> tuple[float, float]:
    """Return entries and readings per second of CPU time that the whole-ledger verifier judges."""
    reader = LedgerReader(RealDisk(), state, 1)
    vkey = device_note_key(ORIGIN, from_cose(parse(reader.entry(0)).payload.detail[2])).vkey
    policy = parse_policy(f"log {vkey}\nquorum none\n".encode())
    began = time.process_time()
    report = verify_ledger(reader, policy)
    took = time.process_time() - began
    if report.claims["altered"].status != "holds":
        raise SystemExit(f"the ledger does not verify: {report.claims['altered']}")
    return reader.size() / took, reader.size() * 600 / took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = sets(options.data)
    result: dict[str, Any] = {"bytes_per_reading": {s.name: {str(n): round(bytes_per_reading(s, n), 3) for n in SIZES} for s in chosen}}
    result |= sealing_all(chosen, options.pairs)
    result["stall"] = stalls(2 * options.pairs)
    result["stall_ms_max"] = result["stall"]["cpu_ms"]
    plain = baseline(chosen[0], options.pairs)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        state, hints = Path(scratch), CodecHints()
        sealed = [seal(b, chosen[0].schema, 1, hints, os.urandom(32)) for b in chosen[0].batches(600, 10)]
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # the event loop that the gateway itself runs on
            result |= runner.run(durable(chosen[0], sealed, state, BURSTS_PER_PAIR * options.pairs))
        entries, readings = verifying(state)
    result["verify_entries_per_s"] = round(entries)
    ours = result["bytes_per_reading"][chosen[0].name]["600"]
    ratios = {
        "bytes_ratio": round(ours / plain["bytes_per_reading"], 4),
        "cpu_ratio": round(result["seal_us"][chosen[0].name]["600"] / plain["us_per_reading"], 4),
        "verify_ratio": round(readings / plain["verify_readings_per_s"], 1),
    }
    result["baseline"] = {"name": "signed JSON lines", **plain, **ratios}
    show(chosen, result)
    if options.json:
        print(json.dumps(result))


def show(chosen: list[ReadingSet], result: dict[str, Any]) -> None:
    """Print the figures beside what they must be."""
    for one in chosen:
        sizes, seal_us, seal_16 = (result[key][one.name] for key in ("bytes_per_reading", "seal_us", "seal_us_16"))
        bar = BARS.get(one.name, BARS["decimal"])
        print(
            f"{one.name:18} {sizes['64']:6.2f} {sizes['600']:6.2f} {sizes['6000']:6.2f} B/reading at 64 / 600 / 6000 (at 600 <= {bar})   "
            f"seal {seal_us['64']:.2f} {seal_us['600']:.2f} {seal_us['6000']:.2f} us, {seal_16['600']:.2f} with 16 a leaf  {one.about}"
        )
    plain, stall = result["baseline"], result["stall"]
    by_change = result["seal_us_by_change"]
    seldom = f"one in ten reported: {by_change['6']:.2f} in 6 scans, {by_change['60']:.2f} in 60"
    print(f"sealing {result['seal_us_per_reading']:.2f} us of CPU per reading at 600 or 6000, the worst (<= 4); {seldom}")
    on_the_wall = f"{stall['wall_ms']:.2f} ms on the wall, {stall['bare_wall_ms']:.2f} with nothing to do"
    print(f"longest that the loop did not turn: {stall['cpu_ms']:.2f} ms (< 5); {on_the_wall}")
    beside = f"{result['durable_entry_us']:.0f} us an entry, {result['bare_flush_us']:.0f} us a bare flush on this disk as busy as it was"
    shares = f"{result['entries_per_fsync']:.2f} (>= 0.5), {result['entries_per_fsync_alone']:.2f} one at a time"
    print(f"durable entries/s over bare flushes/s: {shares}; {beside}")
    print(f"verified: {result['verify_entries_per_s']} entries/s of 600 readings, every leaf hashed")
    line = f"{plain['bytes_per_reading']:.0f} B, {plain['us_per_reading']:.0f} us, {plain['verify_readings_per_s']} verified/s"
    ratios = f"bytes x {plain['bytes_ratio']:.3f}, CPU x {plain['cpu_ratio']:.3f}, verified x {plain['verify_ratio']:.0f}"
    print(f"against signed JSON lines ({line}): {ratios}")


if __name__ == "__main__":
    main()
