"""Named sets of readings for benchmarks/ledger.py, and what a batch of them takes on disk, all in.

A set yields scans as the runtime would: read times with jitter, values as drivers give them. Every generated set comes from a fixed
seed, so that sizes repeat to the byte. `decimal_pump` is the SKAB pump file when the folder of it is given; it is never copied.
"""

from __future__ import annotations

import csv
import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_client.body import BatchBuilder, CodecHints, SealedBatch
from ledger_client.entry import Payload, assemble, to_be_signed
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.leaf import Value
from ledger_client.records import record_size
from ledger_client.schema import Descriptor, GroupRow, SchemaState

T0_MS = 1_790_000_000_000
JITTER_MS = (4, 3)
"""Mean and deviation of how late a poll comes (research: measured on pollers of this kind)."""
KEY = FileKey(Ed25519PrivateKey.from_private_bytes(sha256(b"benchmark key").digest()))

Scan = tuple[int, int, list[Value], list[bool] | None]
"""(group uid, read time ms, values, present)"""


@dataclass(frozen=True)
class ReadingSet:
    """A named source of scans: a schema and, for a batch of so many readings, its scans. `about` says what the data are."""

    name: str
    about: str
    schema: SchemaState
    scans: list[list[Scan]]
    """Rounds: one scan of each group."""

    def batches(self, readings: int, most: int) -> Iterator[list[Scan]]:
        """Yield up to `most` batches of `readings` each, one after the other through the data; at least one."""
        at = 0
        for _ in range(most):
            batch: list[Scan] = []
            left = readings
            while left > 0:
                for group, time_ms, values, present in self.scans[at % len(self.scans)]:
                    if left >= len(values):
                        batch.append((group, time_ms, values, present))
                    elif left > 0:  # only so many tags changed in this scan
                        chosen = set(random.Random(at).sample(range(len(values)), left))
                        batch.append((group, time_ms, values, [i in chosen for i in range(len(values))]))
                    left -= len(values)
                at += 1
            yield batch
            if at >= len(self.scans):
                return


def sets(data: Path | None) -> list[ReadingSet]:
    """Return the three sets; the decimal one is real when the file is found under `data`."""
    found = sorted(data.rglob("anomaly-free.csv")) if data and data.is_dir() else [data] if data else []
    return [_pump(found[0]) if found else _decimal_generated(), _float32(), _tags1000()]


def seal(batch: list[Scan], schema: SchemaState, span: int, hints: CodecHints, secret: bytes) -> SealedBatch:
    """Add and seal."""
    builder = BatchBuilder(secret, T0_MS, span, schema, hints)
    for group, time_ms, values, present in batch:
        builder.add(group, time_ms, None, values, None, present)
    return builder.seal()


def bytes_all_in(sealed: SealedBatch, seq: int) -> int:
    """Return what a batch takes in a segment: signed entry with a receipt hash, body, framing and padding."""
    payload = Payload(Kind.BATCH, seq, bytes(32), 12, seq * 5_000, T0_MS + seq * 5_000, 2, bytes(32), sealed.detail).encode()
    entry = assemble(KEY.public, payload, KEY.sign(to_be_signed(KEY.public, payload)))
    return record_size(len(entry), len(sealed.body))


def bytes_per_reading(readings: ReadingSet, count: int, span: int = 1) -> float:
    """Return the mean over batches through the set, one of them at least."""
    hints, sizes, rng = CodecHints(), [], random.Random(7)
    for number, batch in enumerate(readings.batches(count, 12)):
        sealed = seal(batch, readings.schema, span, hints, rng.randbytes(32))
        sizes.append(bytes_all_in(sealed, 1_000_000 + number) / (sealed.detail[2] + sealed.detail[3]))
    return sum(sizes) / len(sizes)


def schema_of(groups: int, tags: int, kind: str) -> SchemaState:
    """Return `groups` groups of `tags` tags each."""
    rows, descriptors = {}, {}
    for number in range(groups):
        uids = tuple(range(number * tags + 1, (number + 1) * tags + 1))
        rows[number + 1] = GroupRow(number + 1, f"plc{number}", "normal", 1000, "poll", uids)
        descriptors |= {u: Descriptor(u, "plant/line-4", f"plc{number}/t{u}", "", kind, None, f"holding:{u}", "") for u in uids}
    return SchemaState(rows, descriptors)


def _pump(path: Path) -> ReadingSet:
    rng, rounds = random.Random(1), []
    with path.open() as file:
        rows = csv.reader(file, delimiter=";")
        next(rows)
        for stamp, *values in rows:
            at = int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp() * 1000)
            rounds.append([(1, at + _late(rng), [float(v) for v in values], None)])
    return ReadingSet("decimal_pump", "SKAB pump, 8 tags at 1 Hz, up to 6 digits", schema_of(1, len(rounds[0][0][2]), "float64"), rounds)  # type: ignore[arg-type]


def _decimal_generated() -> ReadingSet:
    """Eight tags with the digits and the noise of a pump's: most analogue, two that move in coarse steps."""
    rng, rounds = random.Random(2), []
    shapes = [(0.2, 0.002, 6), (0.27, 0.003, 6), (2.3, 0.3, 5), (90.0, 0.3, 4), (27.0, 0.003, 4), (230.0, 6.0, 3)]
    for i in range(4000):
        row: list[Value] = [round(mean * (1 + 0.02 * math.sin(i / 300)) + rng.gauss(0, spread), k) for mean, spread, k in shapes]
        row += [round(rng.choice((-1, 0, 0, 0, 1)) * 0.327927 + 0.054711, 6), 120.0 + rng.choice((0.0, 0.0, 0.0, 0.338, -0.662))]
        rounds.append([(1, T0_MS + 1000 * i + _late(rng), row, None)])
    return ReadingSet("decimal_generated", "8 generated tags at 1 Hz, 3 to 6 digits", schema_of(1, 8, "float64"), rounds)


def _float32() -> ReadingSet:
    """Analogue values as a meter's binary32 registers hold them: a slow wave with 0.05 to 5 % of noise, full mantissa."""
    rng, rounds = random.Random(3), []
    noises = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05)
    for i in range(4000):
        row: list[Value] = [
            _narrow((10.0 + 7 * c) * (1 + 0.1 * math.sin(i / (200 + 40 * c)) + rng.gauss(0, n))) for c, n in enumerate(noises)
        ]
        rounds.append([(1, T0_MS + 1000 * i + _late(rng), row, None)])
    return ReadingSet("float32", "8 generated tags at 1 Hz, raw binary32", schema_of(1, 8, "float32"), rounds)


def _tags1000() -> ReadingSet:
    """Ten PLCs of 100 tags at 1 Hz: 40 scaled int16, 20 binary32, 15 counters, 15 bits, 10 setpoints that hold for minutes."""
    rng, rounds = random.Random(4), []
    counters = [rng.randrange(1 << 24) for _ in range(150)]
    bits = [rng.random() < 0.5 for _ in range(150)]
    setpoints = [round(rng.uniform(0, 200), 1) for _ in range(100)]
    for i in range(300):
        round_of: list[Scan] = []
        for g in range(10):
            row: list[Value] = [round(20 + 3 * c + math.sin(i / 60 + c) + rng.gauss(0, 0.3), 1) for c in range(40)]
            row += [_narrow((50.0 + c) * (1 + 0.05 * math.sin(i / 90 + c) + rng.gauss(0, 0.01))) for c in range(20)]
            for c in range(g * 15, g * 15 + 15):
                counters[c] += rng.choice((0, 1, 1, 2, 5))
                bits[c] ^= rng.random() < 0.02
            for c in range(g * 10, g * 10 + 10):
                setpoints[c] = round(rng.uniform(0, 200), 1) if rng.random() < 0.003 else setpoints[c]
            row += [*counters[g * 15 : g * 15 + 15], *bits[g * 15 : g * 15 + 15], *setpoints[g * 10 : g * 10 + 10]]
            round_of.append((g + 1, T0_MS + 1000 * i + 90 * g + _late(rng), row, None))
        rounds.append(round_of)
    return ReadingSet("tags1000", "1,000 generated tags of 10 PLCs at 1 Hz, mixed kinds", schema_of(10, 100, "float64"), rounds)


def _late(rng: random.Random) -> int:
    return max(0, round(rng.gauss(*JITTER_MS)))


def _narrow(value: float) -> float:
    narrow: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return narrow
