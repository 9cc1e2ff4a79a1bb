"""A state folder for benchmarks/history.py: the trends' store of a week of 1,000 tags, and the real, signed ledger of its last hour.

The hour is written by the production chain with a device's own key (flushes left out) from the set `tags1000` of benchmarks/ledger_sets.py:
ten PLCs of 100 tags at 1 Hz, every reading reported, a batch every 5 s. The six days and 23 hours before it are rollups of 10 s of 40
generated signals (25 tags share one), put into pages and widened by the index itself; a ledger of that time is not made: 6e8 readings.
"""

from __future__ import annotations

import math
import os
import random
import struct
from pathlib import Path

from benchmarks.ledger_sets import T0_MS, ReadingSet, sets
from ledger_client.body import BatchBuilder, CodecHints, SealedBatch
from ledger_client.chain import Chain
from ledger_client.disk import RealDisk
from ledger_client.keys import create_private, load_private
from ledger_client.kinds import ClockState, Kind
from ledger_client.signing import SignerCore
from runtime.history.index import PAGE_MS, Index
from runtime.history.page import Block
from runtime.history.rollups import SPANS_MS, Strip

ORIGIN = "witnessmark.example/benchmark/1"
HOUR_MS, WEEK_MS = 3_600_000, 7 * 86_400_000
END_MS = T0_MS - T0_MS % HOUR_MS
"""The end of the week; the ledger holds the hour before it."""
TAGS, SIGNALS = 1_000, 40
BATCH_SCANS = 5
POLICY = b"quorum none\n"


class UnsyncedDisk(RealDisk):
    """Writes without flushing: for generating only."""

    def fdatasync(self, handle: int) -> None:
        """Skip."""

    def write_through(self, handle: int, data: bytes, offset: int) -> None:
        """Write only."""
        self.pwrite(handle, data, offset)

    def sync_folder(self, path: Path) -> None:
        """Skip."""


class GivenClock:
    """Stands where it is put."""

    def __init__(self, wall_ms: int) -> None:
        self.now_ms = wall_ms
        self._begin_ms = wall_ms

    def wall_ms(self) -> int:
        """See runtime.clock.Clock."""
        return self.now_ms

    def mono_ms(self) -> int:
        """See runtime.clock.Clock."""
        return self.now_ms - self._begin_ms + 10_000

    def state(self) -> int:
        """See runtime.clock.Clock."""
        return ClockState.NTP

    async def sleep_until_mono(self, mono_ms: int) -> None:
        """See runtime.clock.Clock."""


async def make_ledger(state: Path) -> int:
    """Write the ledger of the last hour; return its readings."""
    disk, clock = UnsyncedDisk(), GivenClock(END_MS - WEEK_MS)
    (state / "private").mkdir(parents=True, mode=0o700)
    create_private(state / "private" / "device.key")
    (state / "policy.txt").write_bytes(POLICY)
    signer = SignerCore(load_private(state / "private" / "device.key"), disk, state)
    tags = sets(None)[2]
    readings, hints = 0, CodecHints()
    await Chain.create(disk, state, signer, clock, origin=ORIGIN)
    async with Chain.open(disk, state, signer, clock, version="bench", board="sim") as chain:
        await chain.append_schema(tags.schema)
        for first in range(0, HOUR_MS // 1000, BATCH_SCANS):
            clock.now_ms = END_MS - HOUR_MS + (first + BATCH_SCANS) * 1000
            sealed = _batch(tags, first, hints)
            readings += sealed.detail[2]
            await chain.append(Kind.BATCH, sealed.detail, sealed.body)
    return readings


def _batch(tags: ReadingSet, first: int, hints: CodecHints) -> SealedBatch:
    """Scans `first` and the four behind it, of data that repeat after five minutes, at times that do not."""
    builder = BatchBuilder(os.urandom(32), END_MS - HOUR_MS, 1, tags.schema, hints)
    for second in range(first, first + BATCH_SCANS):
        at = second % len(tags.scans)
        for group, time_ms, values, _ in tags.scans[at]:
            builder.add(group, time_ms - T0_MS - 1000 * at + END_MS - HOUR_MS + 1000 * second, None, values, None, None)
    return builder.seal()


class _SharingIndex(Index):
    """Encodes a strip that several tags share once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ORIGIN, None, UnsyncedDisk())
        self._blocks: dict[int, Block] = {}

    def _block_of(self, uid: int, strip: Strip, span_ms: int) -> Block:
        if span_ms != SPANS_MS[0]:
            return super()._block_of(uid, strip, span_ms)
        known = self._blocks.get(id(strip))
        if known is None:
            known = self._blocks[id(strip)] = super()._block_of(uid, strip, span_ms)
        return uid, known[1], known[2], known[3]

    def page_of(self, strips: list[Strip], wall_ms: int, seq: int) -> None:
        """Write one page in which tag n has strip n modulo their number."""
        self._blocks.clear()
        self._gathered.strips = {uid: strips[uid % len(strips)] for uid in range(1, TAGS + 1)}
        self.seen(seq, wall_ms)
        for _ in self.write():
            pass


def make_store(path: Path) -> None:
    """Write the pages of the week but for its last hour; what comes next is entry 0."""
    pages = (WEEK_MS - HOUR_MS) // PAGE_MS
    rngs = [random.Random(n) for n in range(SIGNALS)]
    with _SharingIndex(path) as index:
        index.catalogue.next_seq = -pages
        for number in range(pages):
            start = END_MS - WEEK_MS + number * PAGE_MS
            index.page_of([_strip(n, rngs[n], start) for n in range(SIGNALS)], start + PAGE_MS, number - pages + 1)
            for _ in index.widen():
                pass


def _strip(number: int, rng: random.Random, begin_ms: int) -> Strip:
    """Half an hour of 10 s: four tags in ten one decimal, two in ten binary32, two in ten counters, two in ten that hold for minutes."""
    strip, kind = Strip(), number % 10
    for start in range(begin_ms, begin_ms + PAGE_MS, SPANS_MS[0]):
        phase = (start // 1000 % 86_400) / 600 + number
        if kind < 4:
            values = sorted(round(20 + number + math.sin(phase) + rng.gauss(0, 0.3), 1) for _ in range(4))
        elif kind < 6:
            values = sorted(_narrow((50 + number) * (1 + 0.05 * math.sin(phase) + rng.gauss(0, 0.01))) for _ in range(4))
        elif kind < 8:
            at = (start - END_MS + WEEK_MS) // 1000 * 2
            values = [float(at), float(at + 1), float(at + 17), float(at + 18)]
        else:
            values = [float((start // 240_000 * 7919 + number) % 1000) / 10] * 4
        strip.add(start, values[0], values[3], values[1], values[2], 10, 0)
    return strip


def _narrow(value: float) -> float:
    narrow: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return narrow
