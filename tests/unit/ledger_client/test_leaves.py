"""Disclosures: the leaf shown leads to the entry's root, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256, sha512
from struct import pack

import pytest
from hypothesis import given

from ledger_client import cbor
from ledger_client.body import BatchBuilder
from ledger_client.body_reader import read_body
from ledger_client.errors import FormatError
from ledger_client.leaf import head_of, leaf_of, salts, tail_of
from ledger_client.leaves import Disclosure, disclose, parse_disclosure, root_of_disclosure
from tests.rigs.batches import SECRET, T0_MS, BatchOf, ScanOf, batches, exactly, schema_of


@given(batches())
def test_every_reading_can_be_shown(batch: BatchOf) -> None:
    sealed = batch.seal()
    for uid, time_ms, *_ in batch.expected()[:6]:
        shown = disclose(sealed.body, sealed.detail, batch.schema, uid, time_ms)
        again = parse_disclosure(cbor.decode(cbor.encode(shown.row()), size_max=1 << 20, what="disclosure"))
        assert again.row() == shown.row() or any(type(r.value) is float for r in shown.readings)
        assert root_of_disclosure(again) == sealed.detail[7]
        reading = again.reading
        same = [e for e in batch.expected() if e[:2] == (uid, time_ms)]
        assert (uid, reading.time_ms, reading.source_ms, reading.status, exactly(reading.value)) in same


def test_the_root_is_the_published_construction() -> None:
    schema = schema_of(2)
    batch = BatchOf(schema, [ScanOf(1, T0_MS, None, [1.5, True]), ScanOf(1, T0_MS + 9, T0_MS, ["on", None], [0, 0x80000000])])
    rows = [
        (0, 0, pack(">qqIBd", T0_MS, -(1 << 63), 0, 2, 1.5)),
        (0, 1, pack(">qqIB", T0_MS + 9, T0_MS, 0, 4) + sha256(b"on").digest()),
        (1, 0, pack(">qqIBQ", T0_MS, -(1 << 63), 0, 3, 1)),
        (1, 1, pack(">qqIBQ", T0_MS + 9, T0_MS, 0x80000000, 0, 0)),
    ]
    leaves = []
    for column, chunk, reading in rows:
        salt = sha512(SECRET + pack(">III", 0, column, chunk // 4)).digest()[16 * (chunk % 4) :][:16]
        leaves.append(sha256(b"\0" + schema.descriptors[column + 1].hash + salt + reading).digest())
    left, right = (sha256(b"\1" + leaves[i] + leaves[i + 1]).digest() for i in (0, 2))
    section = sha256(b"\1" + left + right).digest()
    assert batch.seal().detail[7] == sha256(b"\0" + section).digest()


def example() -> tuple[Disclosure, bytes]:
    scans = [ScanOf(g, T0_MS + 100 * i, None, [i / 10, i, f"s{i}"]) for i in range(40) for g in (1, 2)]
    batch = BatchOf(schema_of(3, 3), scans, 16)
    sealed = batch.seal()
    return disclose(sealed.body, sealed.detail, batch.schema, 5, T0_MS + 1700), sealed.detail[7]


def test_any_change_leads_elsewhere() -> None:
    shown, root = example()
    assert root_of_disclosure(shown) == root
    assert shown.reading.value == 17
    first = shown.readings[0]
    changed = [
        replace(shown, descriptor=replace(shown.descriptor, unit="K")),
        replace(shown, salt=bytes(16)),
        replace(shown, readings=shown.readings[1:]),
        replace(shown, readings=shown.readings[::-1]),
        replace(shown, readings=(replace(first, value=float(first.value or 0)), *shown.readings[1:])),
        replace(shown, readings=(replace(first, status=1), *shown.readings[1:])),
        replace(shown, readings=(replace(first, source_ms=0), *shown.readings[1:])),
        replace(shown, leaf_index=shown.leaf_index + 1),
        replace(shown, section_index=1 - shown.section_index),
        replace(shown, path=shown.path[:-1]),
        replace(shown, path=(*shown.path, bytes(32))),
        replace(shown, section_path=()),
        replace(shown, leaf_count=1000),
    ]
    for other in changed:
        try:
            assert root_of_disclosure(other) != root
        except FormatError:
            continue


def test_a_reading_that_is_not_there_is_not_found() -> None:
    batch = BatchOf(schema_of(1), [ScanOf(1, T0_MS, None, [1])])
    sealed = batch.seal()
    with pytest.raises(FormatError, match="reading_not_found"):
        disclose(sealed.body, sealed.detail, batch.schema, 1, T0_MS + 1)


def test_wrong_shapes_are_refused() -> None:
    row = example()[0].row()
    wrong = {0: [], 1: bytes(15), 2: [], 3: 16, 4: 2000, 5: 2000, 6: [b"x"], 7: -1, 8: 0, 9: None}
    for place, value in wrong.items():
        with pytest.raises(FormatError):
            parse_disclosure([*row[:place], value, *row[place + 1 :]])
    for reading in (
        [1, None, 0],
        [1, None, 1 << 32, 1],
        [1, -(1 << 63), 0, 1],
        [1, None, 0, b"12345678"],
        [1, None, 0, 1 << 64],
        [1, None, 0, []],
    ):
        with pytest.raises(FormatError):
            parse_disclosure([*row[:2], [reading], 0, *row[4:]])


@pytest.mark.parametrize("span", [1, 16])
def test_what_is_not_shown_cannot_be_tried_out(span: int) -> None:
    """Who holds an entry or a proof knows every possible value and still cannot tell which one a hash stands for."""
    schema = schema_of(2, 1)

    def sealed(secret: bytes) -> tuple[bytes, tuple[object, ...]]:
        builder = BatchBuilder(secret, 5_000, span, schema)
        for n in range(20):  # a switch: two values are possible, so without salts a guess would be right every second time
            builder.add(1, T0_MS + n, None, [n % 2 == 0, n % 2 == 0], None, None)
            builder.add(2, T0_MS + n, None, [n % 2 == 0], None, None)
        done = builder.seal()
        return done.body, done.detail

    (body, detail), (_, of_another_batch) = sealed(SECRET), sealed(bytes(32))
    assert detail[7] != of_another_batch[7], "the same readings do not look the same twice"
    assert SECRET not in cbor.encode(list(detail)), "the entry"
    read = read_body(body, detail, schema)
    shown = disclose(body, detail, schema, 1, T0_MS + 3)
    raw = cbor.encode(shown.row())
    assert SECRET not in raw
    assert len(shown.readings) == min(span, 16), "beside the one that was asked for, its leaf's"
    all_salts = [salts(SECRET, section, column, 20) for section, columns in ((0, 2), (1, 1)) for column in range(columns)]
    others = {salt for column in all_salts for salt in column} - {shown.salt}
    assert len(others) == 59, "no two leaves share a salt"
    assert not [salt for salt in others if salt in raw]
    hashes = {h for i, section in enumerate(read.sections) for h in section.leaves(SECRET, i, span)}
    guesses = {
        leaf_of(salt, schema.descriptors[uid].hash, head_of(T0_MS + n, None, 0) + tail_of(value))
        for salt in (shown.salt, bytes(16))
        for uid in (1, 2, 3)
        for n in range(20)
        for value in (True, False)
    }
    assert len(guesses & hashes) == (1 if span == 1 else 0), "only the leaf that is shown"
