"""Bodies of judgement's events: what is written is read, to the bit; anything else is refused; a verifier holds them for known content."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.errors import FormatError
from ledger_client.event_bodies import (
    ALARMING,
    FINDING,
    LABEL,
    MODEL,
    NOT_FINITE,
    SCORED,
    SCORES,
    FindingBody,
    LabelBody,
    ModelBody,
    ScoreReceipt,
    read_event,
)
from ledger_client.keys import FileKey
from ledger_client.vendor_signature import check_vendor, sign_as_vendor
from tests.rigs.small_log import key_of

HASH = bytes(range(32))
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers(-(1 << 63), (1 << 64) - 1)
names = st.text(min_size=1, max_size=20)
plain = st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), finite, st.text(max_size=20), st.binary(max_size=64))


@st.composite
def receipts(draw: st.DrawFn) -> ScoreReceipt:
    counts = draw(st.lists(st.integers(1, 20), max_size=4))
    runs, at = [], draw(st.integers(0, 1 << 40))
    for count in counts:
        runs.append((at, count))
        at += count + draw(st.integers(0, 5))
    scores = [draw(st.none() | finite) for _ in range(sum(counts))]
    cells = bytes((draw(st.integers(1, NOT_FINITE)) if s is None else SCORED) | (ALARMING if draw(st.booleans()) else 0) for s in scores)
    skipped = [] if runs and draw(st.booleans()) else [(at, draw(st.integers(1, 100)), "judge_behind")]
    first = draw(st.integers(0, 1 << 40))
    return ScoreReceipt(
        draw(names), HASH, sha256(b"m").digest(), first, first + draw(st.integers(-1, 50)) if first else 0, 1000, tuple(runs),
        tuple(scores), cells, sha256(b"w").digest(), tuple(draw(st.lists(numbers, max_size=6))), tuple(skipped),
    )  # fmt: skip


@settings(max_examples=60)
@given(receipts())
def test_a_receipt_comes_back_to_the_bit(receipt: ScoreReceipt) -> None:
    read = read_event(SCORES, 1, receipt.encode())
    assert isinstance(read, ScoreReceipt)
    assert read.encode() == receipt.encode()

    assert read == receipt


def finding() -> FindingBody:
    tags = (("filler/head_pressure", 0.75, 1.5, None, 2.0), ("filler/speed", 0.25, None, None, None))
    return FindingBody("line", HASH, "model", "filler/head_pressure", 1_700_000_000_000, 0, True, 9.5, 3.0, tags, {"held_back": 2})


OTHERS = [
    (FINDING, finding()),
    (MODEL, ModelBody("line", "checking", "learned", HASH, sha256(b"m").digest(), {"covered": True, "rows": 3600}, bytes(16))),
    (MODEL, ModelBody("line", "refused", "model_changed")),
    (LABEL, LabelBody("line", HASH, 7, 1, 2, "not_normal", "anna")),
    (LABEL, LabelBody("line", None, None, 1, 2, "unsure", "")),
]


@pytest.mark.parametrize(("type_uri", "body"), OTHERS)
def test_the_others_come_back(type_uri: str, body: FindingBody | ModelBody | LabelBody) -> None:
    read = read_event(type_uri, 1, body.encode())
    assert read is not None
    assert type(read) is type(body)
    assert read.encode() == body.encode()


@settings(max_examples=60)
@given(st.sampled_from([body.encode() for _, body in OTHERS]), st.sampled_from([SCORES, FINDING, MODEL, LABEL]), st.data())
def test_another_value_in_any_place_is_read_as_itself_or_refused(raw: bytes, type_uri: str, data: st.DataObject) -> None:
    row = cbor.decode(raw, size_max=1 << 16, what="test")
    row[data.draw(st.integers(0, len(row) - 1))] = data.draw(plain | st.lists(plain, max_size=3))
    changed = cbor.encode(row)
    try:
        read = read_event(type_uri, 1, changed)
    except FormatError:
        return
    assert read is not None
    assert read.encode() == changed


@pytest.mark.parametrize("what", ["nan", "none_scored", "score_missing", "short", "overlap", "too_many"])
def test_a_receipt_that_contradicts_itself_is_refused(what: str) -> None:
    row = [1, "line", HASH, HASH, 1, 2, 1000, [[10, 2]], [1.0, None], bytes((SCORED, NOT_FINITE)), HASH, [], []]
    assert read_event(SCORES, 1, cbor.encode(row)) is not None
    match what:
        case "nan":
            row[8] = [float("nan"), None]
        case "none_scored":
            row[9] = bytes((SCORED, SCORED))
        case "score_missing":
            row[8] = [None, None]
        case "short":
            row[9] = bytes((SCORED,))
        case "overlap":
            row[7] = [[10, 1], [10, 1]]
        case "too_many":
            row[7], row[8], row[9] = [[10, 5000]], [1.0] * 5000, bytes(5000)
    with pytest.raises(FormatError):
        read_event(SCORES, 1, cbor.encode(row))


def test_unknown_types_and_versions_are_not_read() -> None:
    assert read_event("https://example.org/other", 1, b"\xff") is None
    assert read_event(SCORES, 2, b"\xff") is None


@pytest.mark.parametrize("alter", ["manifest", "model", "key", "bytes", "none"])
def test_a_vendors_signature_holds_for_its_hashes_and_trusted_keys_only(alter: str) -> None:
    key, other = key_of(50), key_of(51)
    model = sha256(b"model").digest()
    signature = sign_as_vendor(key, HASH, model)
    trusted = [other.public] if alter == "key" else [other.public, key.public]
    if alter == "none":
        assert check_vendor(signature, HASH, model, trusted) == key.public
        return
    if alter == "bytes":
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    with pytest.raises(FormatError) as refused:
        check_vendor(signature, sha256(HASH).digest() if alter == "manifest" else HASH, HASH if alter == "model" else model, trusted)
    assert refused.value.code == ("model_key_untrusted" if alter == "key" else "model_signature_invalid")


def test_every_bit_of_a_vendors_signature_counts() -> None:
    key: FileKey = key_of(50)
    signature = sign_as_vendor(key, HASH, HASH)
    for at in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(FormatError):
            check_vendor(bytes(changed), HASH, HASH, [key.public])
