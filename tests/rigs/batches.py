"""Batches for tests: a schema of some groups, scans of any values, and what must come back.

Room: tests. Used by the unit tests of bodies and leaves and by the maker of the frozen vectors.
"""

from __future__ import annotations

import math
import random
import struct
from dataclasses import dataclass, field

from hypothesis import strategies as st

from ledger_client.body import BatchBuilder, SealedBatch
from ledger_client.leaf import Value
from ledger_client.schema import Descriptor, GroupRow, SchemaState

SECRET = bytes(range(32))
T0_MS = 1_700_000_000_000


@dataclass(frozen=True)
class ScanOf:
    """One scan as `BatchBuilder.add` takes it."""

    group_uid: int
    time_ms: int
    source_ms: int | None
    values: list[Value]
    statuses: list[int] | None = None
    present: list[bool] | None = None


@dataclass(frozen=True)
class BatchOf:
    """Scans to seal, over which schema and span."""

    schema: SchemaState
    scans: list[ScanOf] = field(default_factory=list)
    span: int = 1
    offset_ms: int = 5_000

    def seal(self, dropped: int = 0) -> SealedBatch:
        builder = BatchBuilder(SECRET, self.offset_ms, self.span, self.schema)
        for s in self.scans:
            builder.add(s.group_uid, s.time_ms, s.source_ms, s.values, s.statuses, s.present)
        return builder.seal(dropped)

    def expected(self) -> list[tuple[int, int, int | None, int, object]]:
        """Return (tag uid, time, source, status, value with its kind and bits) of every reading, sorted."""
        rows = []
        for s in self.scans:
            for i, uid in enumerate(self.schema.groups[s.group_uid].tag_uids):
                if s.present is None or s.present[i]:
                    rows.append((uid, s.time_ms, s.source_ms, s.statuses[i] if s.statuses else 0, exactly(s.values[i])))
        return sorted(rows, key=repr)


def exactly(value: Value) -> tuple[str, object]:
    """Return something that is equal only for the same kind and the same bits."""
    return (type(value).__name__, struct.pack(">d", value) if isinstance(value, float) else value)


def schema_of(*widths: int) -> SchemaState:
    """Return groups 1, 2, ... of so many tags each; tag uids count from 1."""
    groups, tags, uid = {}, {}, 1
    for number, width in enumerate(widths, 1):
        uids = tuple(range(uid, uid + width))
        uid += width
        groups[number] = GroupRow(number, f"device{number}", "fast", 1000, "poll", uids)
        tags |= {u: Descriptor(u, "plant/line", f"device{number}/t{u}", "Cel", "float64", None, f"holding:{u}", "") for u in uids}
    return SchemaState(groups, tags)


def every_codec(span: int) -> BatchOf:
    """Return a small batch in which each codec, packing and state of a cell occurs."""
    rng, scans = random.Random(5), []
    for i in range(24):
        row: list[Value] = [
            i * 10,
            round(20 + rng.gauss(0, 1), 2),
            rng.random(),
            rng.randrange(1 << 20) / 1024,
            i % 3 == 0,
            f"state {i // 9}",
            7.25,
        ]
        row += [i if i % 2 else i / 3, (0.1, 22.75, -4000.5)[i * i % 3], None if i % 5 == 0 else rng.randrange(1000)]
        row.append((math.nan, -0.0)[i % 2] if i in {5, 8} else i / 8 - 1)
        statuses = [0] * 11 if i % 7 else [0x80050000] * 11
        present = None if i % 4 else [c != 3 for c in range(11)]
        scans.append(ScanOf(1, T0_MS + 100 * i + rng.randrange(4), T0_MS + 100 * i if i % 2 else None, row, statuses, present))
    scans += [ScanOf(2, T0_MS + 500 * i, None, [(1 << 63) + i]) for i in range(3)]
    return BatchOf(schema_of(11, 1), scans, span)


floats = st.one_of(
    st.floats(width=64), st.floats(width=32), st.builds(lambda m, k: m / 10**k, st.integers(-(10**7), 10**7), st.integers(0, 6))
)
ints = st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(-300, 300)
columns = st.sampled_from(
    [
        floats,
        ints,
        st.booleans(),
        st.text(max_size=5),
        st.just(21.5),
        st.just(-0.0),
        st.sampled_from([0.0, -0.0]),
        st.none(),
        ints | floats | st.none(),
    ]
)
statuses = st.sampled_from([0, 0, 0, 0x40900000, 0x80050000, 0xFFFFFFFF])
times = st.integers(T0_MS, T0_MS + 10_000) | st.integers(-(1 << 63), (1 << 63) - 1)


@st.composite
def batches(draw: st.DrawFn) -> BatchOf:
    """Any batch that a gateway may make, ragged and hostile values included."""
    widths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    schema = schema_of(*widths)
    kinds = {group: [draw(columns) for _ in range(width)] for group, width in enumerate(widths, 1)}
    scans = []
    for _ in range(draw(st.integers(0, 25))):
        group = draw(st.integers(1, len(widths)))
        width = widths[group - 1]
        scans.append(
            ScanOf(
                group,
                draw(times),
                draw(st.none() | st.integers(T0_MS - 50, T0_MS + 50)),
                [draw(kind) for kind in kinds[group]],
                draw(st.none() | st.lists(statuses, min_size=width, max_size=width)),
                draw(st.none() | st.lists(st.booleans(), min_size=width, max_size=width)),
            )
        )
    return BatchOf(schema, scans, draw(st.sampled_from([1, 16])))
