"""Receipts: exact bytes, strict reading, and no claim without a signature of a known witness."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.details import check_detail
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.note import SIG_COSIGNATURE, Note, cosign, note_key, parse_note
from ledger_client.receipt import AKIND_TLOG, Receipt, parse_receipt, parse_receipts, receipts_entry
from tests.rigs.mutations import mutated
from tests.rigs.small_log import SmallLog, key_of

LOG = SmallLog().grow(5)
WITNESSES = [note_key(f"witness.example/w{n}", SIG_COSIGNATURE, key_of(100 + n).public) for n in range(3)]


def receipt(*times: int) -> Receipt:
    note = parse_note(LOG.note())
    lines = [cosign(note.text, WITNESSES[n], time_s, key_of(100 + n).sign) for n, time_s in enumerate(times)]
    evidence = Note(note.text, (*note.signatures, *lines)).encode().encode()
    return Receipt(AKIND_TLOG, "w", 5, LOG.checkpoint().root, evidence, 1_700_000_000_000)


def test_a_receipt_reads_back_and_gives_the_times_of_known_witnesses():
    made = receipt(100, 300, 200)
    assert parse_receipt(made.encode()) == made
    assert [time_s for _, time_s in made.cosigned(WITNESSES)] == [100, 300, 200]
    assert made.cosigned(WITNESSES[2:]) == [(WITNESSES[2], 200)]
    assert made.cosigned([LOG.note_key]) == [], "the device's own signature is no witness"


def test_evidence_of_another_tree_is_refused():
    made = receipt(100)
    for wrong in (
        Receipt(AKIND_TLOG, "w", 6, made.root, made.evidence, 0),
        Receipt(AKIND_TLOG, "w", 5, bytes(32), made.evidence, 0),
        Receipt(2, "w", 5, made.root, made.evidence, 0),
        Receipt(AKIND_TLOG, "w", 5, made.root, b"\xff", 0),
    ):
        with pytest.raises(FormatError):
            wrong.cosigned(WITNESSES)


@given(st.data())
def test_no_flip_of_a_receipt_leaves_its_time_standing_and_changed(data):
    raw = bytearray(receipt(100).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = parse_receipt(bytes(raw)).cosigned(WITNESSES)
    except FormatError:
        return
    assert found in ([], [(WITNESSES[0], 100)])


def test_no_mutation_of_receipts_or_of_their_body_makes_a_time(count, seed):
    """The time of a witness is in what it signed: nothing else may come out, whatever becomes of the bytes around it."""
    rng, made = random.Random(seed), [receipt(100), receipt(100, 200)]
    detail, body = receipts_entry(made)
    true, read = {(WITNESSES[0], 100), (WITNESSES[1], 200)}, 0
    for number in range(count(1_000, 20_000, 100_000)):
        whole = made[number % 2]
        # Of the bytes themselves, or of the note within bytes that are well formed.
        raw = mutated(rng, whole.encode()) if number % 4 < 2 else replace(whole, evidence=mutated(rng, whole.evidence)).encode()
        with suppress(FormatError):
            assert set(parse_receipt(raw).cosigned(WITNESSES)) <= true, (seed, number, raw.hex())
            read += 1
        with suppress(FormatError):
            other = mutated(rng, body)
            assert parse_receipts(other, detail) == made, (seed, number, other.hex())
    assert read, "some are still receipts"


def test_the_entry_and_its_body_agree():
    receipts = [receipt(100), receipt(100, 200)]
    detail, body = receipts_entry(receipts)
    assert check_detail(Kind.RECEIPTS, detail) == detail
    assert parse_receipts(body, detail) == receipts
    with pytest.raises(FormatError):
        parse_receipts(receipts_entry(receipts[:1])[1], detail)
    with pytest.raises(FormatError):
        parse_receipts(body, (*detail[:2], detail[2][::-1]))
    with pytest.raises(FormatError):
        receipts_entry([])


@pytest.mark.parametrize(
    "row",
    [
        [],
        [2, 1, "w", 1, bytes(32), b"", 0],
        [1, 1, "", 1, bytes(32), b"", 0],
        [1, True, "w", 1, bytes(32), b"", 0],
        [1, 1, "w", -1, bytes(32), b"", 0],
        [1, 1, "w", 1, bytes(31), b"", 0],
        [1, 1, "w", 1, bytes(32), "", 0],
        "text",
    ],
)
def test_other_shapes_are_refused(row):
    with pytest.raises(FormatError):
        parse_receipt(cbor.encode(row))
