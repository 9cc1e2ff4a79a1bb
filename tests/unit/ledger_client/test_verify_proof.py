"""Proofs of one reading: what holds, what a bit more or less does to it, and what liars may try."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.body import BatchBuilder
from ledger_client.checkpoint import Checkpoint
from ledger_client.claims import Report
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.leaves import ShownReading
from ledger_client.note import Note, device_note_key, parse_note, sign_note
from ledger_client.policy import Policy
from ledger_client.proof import Proof, parse_proof
from ledger_client.verify import verify_proof
from tests.rigs.evidence import ORIGIN, START_MS, EvidenceLog, policy_of
from tests.rigs.small_log import key_of

SEQ = 8
P256 = FileKey(ec.derive_private_key(12345, ec.SECP256R1()))


@pytest.fixture(scope="module")
def log() -> EvidenceLog:
    return EvidenceLog().typical()


@pytest.fixture(scope="module")
def proof(log: EvidenceLog) -> Proof:
    return log.proof(SEQ)


def judged(proof: Proof, policy: Policy | None = None) -> Report:
    return verify_proof(proof.encode(), policy or policy_of())


def statuses(report: Report) -> dict[str, str]:
    return {name: claim.status for name, claim in report.claims.items() if claim.status != "holds"}


def test_a_proof_names_what_when_and_who(proof: Proof) -> None:
    report = judged(proof)
    assert report.verdict == "holds"
    assert report.exit_code == 0
    facts = report.facts
    assert (facts["tag"]["name"], facts["tag"]["unit"], facts["reading"]["value"]) == ("filler/tag2", "bar", 801.25)
    assert [w["name"] for w in facts["witnesses"]] == ["w1", "w2", "w3"]
    assert facts["time"]["not_before_s"] * 1000 <= facts["reading"]["time_ms"] <= facts["time"]["not_after_s"] * 1000
    assert report.witnesses_independent == "yes"
    assert parse_proof(proof.encode()) == proof


def test_rotation_is_followed_and_cannot_be_left_out() -> None:
    log = EvidenceLog().begin()
    log.batch()
    log.rotate(key_of(2))
    seq = log.batch()
    log.rotate(key_of(3), effective_after=2)
    log.batch()
    last = log.batch()
    for at in (3, seq, last):
        assert judged(log.proof(at)).verdict == "holds", at
    whole = log.proof(last)
    assert statuses(judged(replace(whole, key_chain=whole.key_chain[:1])))["altered"] != "holds"
    assert statuses(judged(replace(whole, key_chain=whole.key_chain[::-1])))["altered"] != "holds"
    assert statuses(judged(replace(whole, key_chain=(whole.key_chain[0],) * 2)))["altered"] == "fails"
    # an auditor who enrolled the later key needs no chain for later entries
    later = policy_of(logs=[device_note_key(ORIGIN, key_of(3).public).vkey])
    assert judged(whole, later).verdict == "holds"
    assert judged(log.proof(3), later).verdict == "cannot tell"


# ------------------------------------------------------------------------------------------------------------ bits
def policies_and_proofs(log: EvidenceLog) -> dict[str, tuple[Policy, Proof]]:
    lying = EvidenceLog().begin()
    lying.batch()
    lying.receipts()
    lying.offset_ms -= 86_400_000
    late = lying.batch()
    lying_note = lying.note(lying.size(), {"w1": START_MS // 1000 + 60, "w2": START_MS // 1000 + 61})
    short = log.note(log.size(), {"w1": log.wall_ms // 1000 + 1, "w2": log.wall_ms // 1000 + 2})
    one_reading = EvidenceLog(span=1).typical(3)
    return {
        "holds": (policy_of(), log.proof(SEQ)),
        "span 1": (policy_of(), one_reading.proof(SEQ - 4)),
        "a witness is missing": (policy_of(quorum="w3"), log.proof(SEQ, note=short)),
        "back-dated": (
            policy_of(),
            lying.proof(late, note=lying_note),
        ),
        "P-256": (policy_of(logs=[device_note_key(ORIGIN, P256.public).vkey]), EvidenceLog(key=P256).typical(3).proof(SEQ - 4)),
        "own witnesses": (policy_of(operators="operator self w1 w2 w3\n"), log.proof(SEQ)),
    }


@pytest.mark.parametrize("name", ["holds", "span 1", "P-256", "a witness is missing", "back-dated", "own witnesses"])
def test_no_bit_strengthens_a_claim_or_changes_what_is_shown(name: str, log: EvidenceLog, count: Any, seed: int) -> None:
    policy, proof = policies_and_proofs(log)[name]
    data = proof.encode()
    before = verify_proof(data, policy)
    assert before.verdict == ("fails" if name in {"a witness is missing", "back-dated"} else "holds")
    stride = count(41, 1 if name in {"holds", "span 1"} else 7, 1)
    opened = 0
    for bit in range(seed % stride, len(data) * 8, stride):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            verify_proof(bytes(flipped), policy)
        sealed = bytes(flipped[:-32])
        try:
            after = verify_proof(sealed + sha256(sealed).digest(), policy)
        except FormatError:
            continue
        if bit < (len(data) - 32) * 8:
            opened += 1
            assert_not_stronger(before, after, bit)
    print(f"{name}: {len(data)} bytes, stride {stride}, {opened} flips still parse")


def assert_not_stronger(before: Report, after: Report, bit: int) -> None:
    rank = {"fails": 0, "cannot tell": 1, "holds": 2}
    assert rank[after.verdict] <= rank[before.verdict], bit
    for claim, was in before.claims.items():
        assert after.claims[claim].status != "holds" or was.status == "holds", (bit, claim)
    for key in ("origin", "checkpoint", "seq", "entry", "tag", "reading", "shown_beside"):
        assert after.facts.get(key) in (None, before.facts.get(key)), (bit, key)
    assert all(w in before.facts["witnesses"] for w in after.facts.get("witnesses", [])), bit
    assert {"no": 0, "unknown": 1, "yes": 2}[after.witnesses_independent] <= {"no": 0, "unknown": 1, "yes": 2}[before.witnesses_independent]
    was_time, now_time = before.facts.get("time"), after.facts.get("time")
    if now_time is not None and was_time is not None:
        assert now_time["not_before_s"] in (None, was_time["not_before_s"]), bit
        assert now_time["not_after_s"] is None or now_time["not_after_s"] >= was_time["not_after_s"], bit


# ------------------------------------------------------------------------------------------------------------ liars
def test_parts_of_another_proof_do_not_fit(log: EvidenceLog, proof: Proof) -> None:
    other = log.proof(SEQ + 3)
    sibling = log.proof(SEQ, tag_uid=3)
    elsewhere = EvidenceLog(origin="witnessmark.example/line-5/1").typical().proof(SEQ)
    for changed in (
        replace(proof, entry=other.entry),
        replace(proof, entry=other.entry, path=other.path),
        replace(proof, disclosure=other.disclosure, time_ms=other.time_ms),
        replace(proof, path=other.path),
        replace(proof, path=proof.path[:-1]),
        replace(proof, path=proof.path[::-1]),
        replace(proof, path=(*proof.path, proof.path[-1])),
        replace(proof, path=()),
        replace(proof, disclosure=replace(proof.disclosure, descriptor=sibling.disclosure.descriptor)),
        replace(proof, disclosure=replace(proof.disclosure, leaf_index=sibling.disclosure.leaf_index)),
        replace(proof, disclosure=replace(proof.disclosure, readings=proof.disclosure.readings[:-1])),
        replace(proof, disclosure=replace(proof.disclosure, readings=proof.disclosure.readings[::-1])),
        replace(proof, disclosure=replace(proof.disclosure, chosen=0)),
        replace(proof, time_ms=proof.disclosure.readings[0].time_ms),
        replace(proof, note=log.note_now(SEQ + 1)),
        replace(proof, seen=log.seen_of(len(log.entries) - 1)),
    ):
        report = judged(changed)
        assert report.claims["altered"].status == "fails"
        assert "reading" not in report.facts
    for changed in (replace(proof, note=elsewhere.note), elsewhere):
        assert judged(changed).verdict != "holds"


def test_a_number_is_not_a_look_alike(proof: Proof) -> None:
    shown = proof.disclosure
    reading = shown.readings[1]
    for value in (801, "801.25", True, None, -801.25, 801.2500000000001):
        lie = ShownReading(reading.time_ms, reading.source_ms, reading.status, value)
        readings = (shown.readings[0], lie, *shown.readings[2:])
        assert judged(replace(proof, disclosure=replace(shown, readings=readings))).claims["altered"].code == "reading_differs"


def test_an_omitted_receipt_cannot_hide_back_dating() -> None:
    log = EvidenceLog().begin()
    log.batch()
    log.receipts()
    log.offset_ms -= 3_600_000
    seq = log.batch()
    note = log.note(log.size(), {"w1": START_MS // 1000 + 100, "w2": START_MS // 1000 + 101})
    proof = log.proof(seq, note=note)
    assert judged(proof).claims["back_dated"].code == "dated_before_it_was_possible"
    assert judged(replace(proof, seen=None)).claims["back_dated"].status == "unknown"


def test_times_outside_the_bounds(log: EvidenceLog) -> None:
    now_s = log.wall_ms // 1000
    early = judged(log.proof(SEQ, note=log.note(log.size(), {"w1": now_s - 86_400, "w2": now_s - 86_400})))
    assert early.claims["back_dated"].code == "dated_after_it_was_confirmed"
    late = judged(log.proof(SEQ, note=log.note(log.size(), {"w1": now_s + 86_400, "w2": now_s + 86_400})))
    assert (late.claims["back_dated"].status, late.claims["back_dated"].code) == ("unknown", "confirmed_late")
    assert late.verdict == "cannot tell"


def test_an_unset_clock_is_told_not_judged() -> None:
    log = EvidenceLog(offset_ms=1_000).begin()
    log.clock = 0
    seq = log.batch()
    note = log.note(log.size(), {"w1": START_MS // 1000, "w2": START_MS // 1000})
    report = judged(log.proof(seq, note=note))
    assert report.claims["back_dated"].status == "unknown"
    assert report.facts["time"]["not_after_s"] == START_MS // 1000


def test_the_note_must_be_the_devices_and_the_quorums(log: EvidenceLog, proof: Proof) -> None:
    note = parse_note(proof.note)
    nobody = replace(proof, note=Note(note.text, note.signatures[1:]).encode())
    assert judged(nobody).claims["altered"].code == "note_not_signed_by_log"
    alone = judged(replace(proof, note=Note(note.text, note.signatures[:2]).encode()))
    assert (alone.claims["unanchored"].code, alone.verdict) == ("quorum_not_met", "fails")
    twice = replace(proof, note=Note(note.text, (*note.signatures, note.signatures[1])).encode())
    with pytest.raises(FormatError):
        judged(twice)
    moved = replace(note.signatures[1], signature=note.signatures[2].signature)
    with pytest.raises(FormatError):
        judged(replace(proof, note=Note(note.text, (note.signatures[0], moved, note.signatures[3])).encode()))
    assert judged(proof, policy_of(quorum="none")).claims["unanchored"].code == "no_quorum_asked"


def test_another_device_and_an_unknown_log(log: EvidenceLog, proof: Proof) -> None:
    other = policy_of(logs=[device_note_key(ORIGIN, key_of(9).public).vkey])
    assert judged(proof, other).verdict != "holds"
    stranger = judged(proof, policy_of(logs=[device_note_key("other.example", key_of(1).public).vkey]))
    assert (stranger.verdict, stranger.claims["altered"].code) == ("cannot tell", "log_not_in_policy")
    assert "reading" not in stranger.facts
    assert "origin" not in stranger.facts


def test_two_roots_of_one_size_are_equivocation(log: EvidenceLog, proof: Proof) -> None:
    """A receipt over one tree and a note of the same size over another, both signed by the device."""
    fork = EvidenceLog().typical(3)
    size = fork.size() - 1
    other = EvidenceLog(step_ms=5_001).typical(3)
    text = Checkpoint(ORIGIN, size, other.root(size)).text
    assert text != Checkpoint(ORIGIN, size, fork.root(size)).text
    seq = fork.batch()
    mixed = other.note(size, {"w1": fork.wall_ms // 1000 + 9, "w2": fork.wall_ms // 1000 + 9})
    report = judged(replace(fork.proof(seq), note=mixed))
    assert report.claims["equivocated"].status == "fails"
    assert sign_note(text, device_note_key(ORIGIN, fork.key.public), fork.key.sign).signature in [
        s.signature for s in parse_note(mixed).signatures
    ]


def test_size_of_a_proof_at_a_million_entries() -> None:
    """24 tags at 10 Hz, 5 s a batch, a million entries, three witnesses: at most 2.5 kB."""
    log = EvidenceLog()
    log.begin(tags=24)
    log.batch()
    log.receipts(names=("w1",))
    seq = log.batch(scans=42)
    proof = log.proof(seq, tag_uid=11, place=20)
    deep = replace(proof, path=tuple(sha256(bytes([i])).digest() for i in range(20)))
    assert len(proof.disclosure.readings) == 1 or log.span == 16
    size = len(deep.encode())
    print(f"proof of one reading, path 20, three witnesses, {len(proof.disclosure.readings)} readings a leaf: {size} bytes")
    assert size <= 2_500


@pytest.mark.parametrize(
    ("ago_ms", "found"),
    [
        (10_000, ("holds", "proof_time_bounded")),
        (119_000, ("holds", "proof_time_bounded")),
        (130_000, ("unknown", "reading_far_from_entry")),
        (-60_000, ("holds", "proof_time_bounded")),
        (-130_000, ("unknown", "reading_far_from_entry")),
    ],
)
def test_witnesses_bound_the_entry_and_the_readings_own_time_need_only_lie_near_it(ago_ms: int, found: tuple[str, str]) -> None:
    """10 s before its entry it lies before the bound already; the bounds are those of the entry, and 120 s either way are allowed."""
    log = EvidenceLog().begin()
    log.batch()
    log.receipts()
    time_ms = log.wall_ms + log.step_ms - ago_ms
    builder = BatchBuilder(bytes(32), log.offset_ms, log.span, log.schema)
    builder.add(7, time_ms, None, [1.0, 2.0, 3.0], None, None)
    sealed = builder.seal()
    seq = log.append(Kind.BATCH, sealed.detail, sealed.body)
    proof = log.proof(seq, place=0)
    report = judged(proof)
    claim = report.claims["back_dated"]
    assert (claim.status, claim.code) == found
    bounds = report.facts["time"]
    assert (report.facts["reading"]["time_ms"] < 1000 * bounds["not_before_s"]) is (ago_ms > 0)
    assert (report.facts["reading"]["time_ms"] > 1000 * bounds["not_after_s"]) is (ago_ms < -5_000)


@given(st.binary(max_size=400))
def test_random_bytes_are_no_proof(data: bytes) -> None:
    for head in (b"", b"WMPROOF1"):
        body = head + data
        with pytest.raises(FormatError):
            verify_proof(body + sha256(body).digest(), policy_of())


@given(st.data())
def test_mutated_proofs_never_crash_and_never_show_another_value(data: st.DataObject) -> None:
    log = _shared_log()
    raw = bytearray(log.proof(SEQ).encode()[:-32])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    try:
        report = verify_proof(bytes(raw) + sha256(raw).digest(), policy_of())
    except FormatError:
        return
    if report.verdict == "holds":
        assert report.facts["reading"]["value"] == 801.25
        assert parse(log.entries[SEQ]).payload.wall_ms == report.facts["entry"]["wall_ms"]


_LOGS: dict[str, EvidenceLog] = {}


def _shared_log() -> EvidenceLog:
    return _LOGS.setdefault("typical", EvidenceLog().typical())


def test_of_readings_of_one_time_the_last_is_meant_and_an_older_proof_is_told() -> None:
    """Nothing but the time binds the choice within a leaf: the last, the first as in proofs from before, and no other."""
    log = EvidenceLog().begin()
    time_ms = log.wall_ms + log.step_ms - 900
    seq = log.batch_of([(time_ms - 1, 0.0), (time_ms, 1.0), (time_ms, 2.0), (time_ms, 3.0), (time_ms + 1, 4.0)])
    log.batch()
    proof = log.proof(seq, place=1)
    facts = verify_proof(proof.encode(), policy_of()).facts
    assert (facts["reading"]["value"], "superseded_by" in facts) == (3.0, False)
    older = verify_proof(_choosing(proof, 1).encode(), policy_of())
    assert (older.verdict, older.facts["reading"]["value"], older.facts["superseded_by"]["value"]) == ("holds", 1.0, 3.0)
    for place in (0, 2, 4):
        report = verify_proof(_choosing(proof, place).encode(), policy_of())
        assert (report.claims["altered"].code, "reading" in report.facts) == ("chosen_differs", False)


def _choosing(proof: Proof, place: int) -> Proof:
    return replace(proof, disclosure=replace(proof.disclosure, chosen=place))
