"""Batch bodies: what goes in comes out bit for bit, in bounded sections and bounded steps; caller's faults change nothing."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given

from ledger_client import cbor
from ledger_client.body import BatchBuilder, read_body, span_for
from ledger_client.body_reader import BODY_CELLS_MAX, cells_counted
from ledger_client.deflate import deflate
from ledger_client.details import check_detail
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from tests.rigs.batches import SECRET, T0_MS, BatchOf, ScanOf, batches, exactly, schema_of


def readings_of(batch: BatchOf, body: bytes, detail: tuple[object, ...]) -> list[tuple[object, ...]]:
    read = read_body(body, detail, batch.schema, check_root=True)
    rows = [(r.descriptor.uid, r.time_ms, r.source_ms, r.status, exactly(r.value)) for r in read.readings()]
    return sorted(rows, key=repr)


@given(batches())
def test_every_reading_comes_back_bit_for_bit(batch: BatchOf) -> None:
    sealed = batch.seal(dropped=3)
    expected = batch.expected()
    assert check_detail(Kind.BATCH, sealed.detail) == sealed.detail
    assert readings_of(batch, sealed.body, sealed.detail) == expected
    assert sealed.detail[2] + sealed.detail[3] == len(expected)
    assert sealed.detail[3] == sum(1 for row in expected if row[3] >> 31)
    assert sealed.detail[4:7] == (3, len(sealed.body), sha256(sealed.body).digest())


def test_an_empty_batch_has_the_root_of_nothing() -> None:
    batch = BatchOf(schema_of(2), [ScanOf(1, T0_MS, None, [1, 2], None, [False, False])])
    sealed = batch.seal()
    assert sealed.detail[:4] == (0, 0, 0, 0)
    assert sealed.detail[7] == sha256(b"").digest()
    assert readings_of(batch, sealed.body, sealed.detail) == []


def test_the_secret_is_not_printed() -> None:
    batch = BatchOf(schema_of(1), [ScanOf(1, T0_MS, None, [1])])
    sealed = batch.seal()
    read = read_body(sealed.body, sealed.detail, batch.schema)
    assert read.secret == SECRET
    assert repr(SECRET) not in repr(read)


@pytest.mark.parametrize(
    ("width", "scans", "span", "sections"), [(8, 75, 1, 1), (8, 750, 1, 6), (300, 50, 16, 2), (1024, 20, 16, 2), (1, 3000, 16, 3)]
)
def test_large_groups_get_further_sections(width: int, scans: int, span: int, sections: int) -> None:
    rng = random.Random(1)
    rows = [ScanOf(1, T0_MS + 100 * i, None, [round(rng.gauss(20, 1), 2) for _ in range(width)]) for i in range(scans)]
    batch = BatchOf(schema_of(width), rows, span)
    sealed = batch.seal()
    read = read_body(sealed.body, sealed.detail, batch.schema, check_root=True)
    assert len(read.sections) == sections
    assert sum(1 for _ in read.readings()) == width * scans
    values = {(r.descriptor.uid, r.time_ms): r.value for r in read.readings()}
    assert all(values[i + 1, s.time_ms] == v for s in rows for i, v in enumerate(s.values))


@pytest.mark.parametrize(("groups", "width", "scans"), [(530, 1000, 1), (160, 1000, 60)])
def test_few_readings_in_very_many_cells_fill_a_batch(groups: int, width: int, scans: int) -> None:
    """What a verifier has to walk is bounded, not only what it has to keep; the builder stops where the reader does."""
    one = schema_of(width)  # the builder does not mind that all groups share its tags
    schema = SchemaState({uid: replace(one.groups[1], uid=uid) for uid in range(1, groups + 1)}, one.descriptors)
    builder = BatchBuilder(SECRET, 0, 16, schema)
    present = [True] + [False] * (width - 1)
    values: list[object] = [1] * width
    taken, was_full = 0, False
    with pytest.raises(ValueError, match="limits"):
        for scan in range(scans):
            for group in range(1, groups + 1):
                builder.add(group, T0_MS + scan, None, values, None, present)
                taken += 1
                was_full = was_full or builder.full
    assert was_full
    cells = sum(cells_counted(len(s.scans), width) for s in builder._sections)
    assert BODY_CELLS_MAX - 16 * width < cells <= BODY_CELLS_MAX
    assert builder._cells == cells


def test_a_body_of_too_many_cells_is_refused() -> None:
    width, scans = 1024, 64
    section = [
        1,
        scans,
        bytes(scans),
        b"",
        bytes([0x81]) + bytes([0x80]) * (width - 1),
        bytes([0, 0, 1, 2, 0, 63, 0, 2]) + bytes([2, 0, 64]) * (width - 1),
    ]
    for sections in (1, 65):
        body = SECRET + deflate(cbor.encode([1, 0, [section] * sections]))
        detail = (0, 0, sections, 0, 0, len(body), sha256(body).digest(), bytes(32), 1)
        if sections == 1:
            assert sum(1 for _ in read_body(body, detail, schema_of(width)).readings()) == sections
        else:
            with pytest.raises(FormatError, match="cells in all"):
                read_body(body, detail, schema_of(width))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_a_wide_group_of_which_little_is_reported_comes_back(share: float) -> None:
    rng, scans = random.Random(3), []
    for i in range(30):
        values: list[object] = [None if c % 9 == 0 else rng.choice((c, round(rng.random(), 2), True)) for c in range(60)]
        statuses = [0x80050000 if c % 11 == 0 else 0 for c in range(60)] if i % 4 == 0 and share > 0.1 else None
        scans.append(ScanOf(1, T0_MS + i, None, values, statuses, [c == 1 or rng.random() < share for c in range(60)]))
    batch = BatchOf(schema_of(60), scans)
    sealed = batch.seal()
    assert readings_of(batch, sealed.body, sealed.detail) == batch.expected()


def test_sealing_goes_in_many_short_steps() -> None:
    builder = BatchBuilder(SECRET, 0, 1, schema_of(100))
    for i in range(60):
        builder.add(1, T0_MS + i, None, [float(i * c) for c in range(100)])
    steps = sum(1 for _ in builder.seal_steps())
    assert steps >= 6000 // 300


def test_the_span_keeps_a_groups_batch_in_one_section() -> None:
    assert span_for([(8, 75), (100, 10)]) == 1
    assert span_for([(8, 75), (300, 50)]) == 16


@pytest.mark.parametrize(
    "arguments",
    [
        (9, T0_MS, None, [1, 2]),
        (1, T0_MS, None, [1]),
        (1, 1 << 63, None, [1, 2]),
        (1, T0_MS, -(1 << 63), [1, 2]),
        (1, T0_MS, None, [1 << 64, 2]),
        (1, T0_MS, None, [-(1 << 63) - 1, 2]),
        (1, T0_MS, None, ["x" * 65_536, 2]),
        (1, T0_MS, None, ["\ud800", 2]),
        (1, T0_MS, None, [b"x", 2]),
        (1, T0_MS, None, [1, 2], [0]),
        (1, T0_MS, None, [1, 2], [0, 1 << 32]),
        (1, T0_MS, None, [1, 2], [0, -1]),
        (1, T0_MS, None, [1, 2], None, [True]),
    ],
)
def test_a_wrong_scan_is_refused_and_leaves_no_trace(arguments: tuple[object, ...]) -> None:
    builder = BatchBuilder(SECRET, 5_000, 1, schema_of(2))
    builder.add(1, T0_MS, None, [1, 2])
    with pytest.raises(ValueError):
        builder.add(*arguments)
    assert builder.readings == 2
    assert builder.seal() == BatchOf(schema_of(2), [ScanOf(1, T0_MS, None, [1, 2])]).seal()


def test_an_entry_that_says_something_else_is_refused() -> None:
    batch = BatchOf(schema_of(2), [ScanOf(1, T0_MS + i, None, [i / 10, math.inf], [0, 0x80000000]) for i in range(5)])
    sealed = batch.seal()
    wrong = {0: T0_MS + 1, 1: T0_MS, 2: 6, 3: 4, 5: len(sealed.body) + 1, 6: bytes(32), 7: bytes(32), 8: 16}
    for place, value in wrong.items():
        detail = list(sealed.detail)
        detail[place] = value
        with pytest.raises(FormatError):
            read_body(sealed.body, tuple(detail), batch.schema, check_root=True)
    with pytest.raises(FormatError):
        read_body(sealed.body, sealed.detail, schema_of(3))
    with pytest.raises(FormatError):
        read_body(sealed.body, sealed.detail, schema_of(), check_root=True)
