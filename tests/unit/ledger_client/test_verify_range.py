"""Ranges: exports that hold, and every way to take something out of them, put it elsewhere or change it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.claims import Report
from ledger_client.entry import assemble, parse
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.note import device_note_key
from ledger_client.segment_file import Range, parse_range
from ledger_client.verify import verify_ledger, verify_range
from tests.rigs.evidence import ORIGIN, EvidenceLog, policy_of, schema_of
from tests.rigs.small_log import key_of

FIRST, END = 7, 57


@pytest.fixture(scope="module")
def log() -> EvidenceLog:
    log = EvidenceLog().typical(9)
    log.append(Kind.GAP, ((7, log.wall_ms - 60_000, log.wall_ms, "device_down", 60),))
    for number in range(40):
        log.batch()
        if number == 20:
            log.rotate(key_of(2))
        if number % 5 == 4:
            log.receipts()
    return log


@pytest.fixture(scope="module")
def shown(log: EvidenceLog) -> Range:
    return log.range(FIRST, END)


def judged(shown: Range, **options: Any) -> Report:
    return verify_range(shown.encode(), policy_of(gap_s=3600), **options)


def not_holding(report: Report) -> dict[str, str]:
    return {name: claim.status for name, claim in report.claims.items() if claim.status != "holds"}


def mutated(shown: Range, seq: int, rows: Any) -> Range:
    pairs = list(zip(shown.entries, shown.bodies, strict=True))
    rows(pairs, seq)
    return replace(shown, entries=tuple(e for e, _ in pairs), bodies=tuple(b for _, b in pairs))


def test_a_range_of_fifty_holds(log: EvidenceLog, shown: Range) -> None:
    assert len(shown.entries) == 50
    report = judged(shown)
    assert not_holding(report) == {}
    assert (report.facts["from_seq"], report.facts["to_seq"]) == (FIRST, END - 1)
    assert parse_range(shown.encode()) == shown
    assert judged(log.range(0, log.size())).verdict == "holds"
    assert judged(log.range(0, 1)).verdict == "holds"
    assert judged(log.range(log.size() - 1, log.size())).verdict == "holds"


def test_without_bodies_the_chain_holds_and_the_content_is_withheld(log: EvidenceLog) -> None:
    report = judged(log.range(FIRST, END, bodies=False))
    assert not_holding(report) == {"withheld": "unknown"}, "receipts and schema stay, so that times can be judged"
    assert report.verdict == "cannot tell"
    nothing = judged(replace(log.range(FIRST, END), bodies=(None,) * (END - FIRST)))
    assert not_holding(nothing) == {"withheld": "unknown", "back_dated": "unknown"}, "the receipts that entries name are withheld too"


def test_single_entry_mutations_are_never_passed(shown: Range, count: Any) -> None:
    last = len(shown.entries) - 1
    for seq in sorted({*range(0, last, count(3, 1, 1)), last}):
        dropped = judged(mutated(shown, seq, lambda pairs, at: pairs.pop(at)))
        assert dropped.verdict == "fails", seq
        twice = judged(mutated(shown, seq, lambda pairs, at: pairs.insert(at, pairs[at])))
        assert twice.claims["reordered"].status == "fails", seq
        if 0 < seq < len(shown.entries) - 1:
            assert dropped.claims["dropped"].status == "fails", seq
        if seq + 1 < len(shown.entries):
            swapped = judged(mutated(shown, seq, lambda pairs, at: pairs.insert(at, pairs.pop(at + 1))))
            assert swapped.claims["reordered"].status == "fails", seq


def test_flipped_bits_are_alteration(shown: Range, count: Any, seed: int) -> None:
    random = Random(seed)
    small = replace(shown)
    for _ in range(count(60, 600, 5000)):
        seq = random.randrange(len(small.entries))
        raw = bytearray(small.entries[seq])
        bit = random.randrange(len(raw) * 8)
        raw[bit // 8] ^= 1 << bit % 8
        report = judged(replace(small, entries=(*small.entries[:seq], bytes(raw), *small.entries[seq + 1 :])), quick=True)
        assert report.claims["altered"].status == "fails", (seq, bit)


def test_a_number_from_before_a_rotation_is_an_alteration_and_no_question(shown: Range) -> None:
    """Under the number of another key's time, the right key is no stranger."""
    rotation = next(place for place, raw in enumerate(shown.entries) if parse(raw).payload.kind == Kind.ROTATE)
    for place in (rotation + 2, len(shown.entries) - 1):
        entry = parse(shown.entries[place])
        altered = assemble(key_of(2).public, replace(entry.payload, seq=FIRST).encode(), entry.signature)
        report = judged(mutated(shown, place, lambda pairs, at, raw=altered: pairs.__setitem__(at, (raw, pairs[at][1]))), quick=True)
        assert report.claims["altered"].status == "fails", place


def test_parts_of_elsewhere_do_not_fit(log: EvidenceLog, shown: Range) -> None:
    other = EvidenceLog(step_ms=5_001).typical(20)
    for changed in (
        replace(shown, first_path=shown.last_path),
        replace(shown, last_path=shown.first_path),
        replace(shown, last_path=()),
        replace(shown, first_seq=FIRST + 1),
        replace(shown, first_seq=FIRST - 1),
        replace(shown, note=log.note_now(END - 1)),
        replace(shown, entries=other.entries[FIRST:END] or shown.entries[::-1]),
        replace(shown, bodies=(*shown.bodies[1:], shown.bodies[0])),
        replace(shown, key_chain=()),
        replace(shown, seen=log.seen_of(log.size() - 1)),
    ):
        if len(changed.entries) == len(changed.bodies):
            assert judged(changed).verdict != "holds"
    assert judged(replace(shown, seen=None)).claims["back_dated"].status == "unknown"
    lie = schema_of(3).full_body()
    swapped = replace(schema_of(3).descriptors[1], unit="psi")
    state = schema_of(3)
    state.descriptors[1] = swapped  # type: ignore[index]
    assert state.full_body() != lie
    assert judged(replace(shown, schema_body=state.full_body())).claims["content"].status == "fails"


def test_policies_of_others(shown: Range) -> None:
    stranger = verify_range(shown.encode(), policy_of(logs=[]))
    assert (stranger.verdict, stranger.claims["altered"].code) == ("cannot tell", "log_not_in_policy")
    later = policy_of(logs=[device_note_key(ORIGIN, key_of(2).public).vkey], gap_s=3600)
    assert verify_range(shown.encode(), later).verdict == "cannot tell"
    assert verify_range(shown.encode(), policy_of(quorum="none", gap_s=3600)).claims["unanchored"].code == "no_quorum_asked"


@given(st.data())
def test_mutated_ranges_never_crash(data: st.DataObject) -> None:
    raw = bytearray(_small()[:-32])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(8, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    changed = bytes(raw) + sha256(raw).digest()
    try:
        report = verify_range(changed, policy_of())
    except FormatError:
        return
    assert report.verdict != "holds" or report.facts["to_seq"] == 5


@given(st.binary(max_size=400))
def test_random_bytes_are_no_range(data: bytes) -> None:
    for head in (b"", b"WMRANGE1"):
        body = head + data
        with pytest.raises(FormatError):
            verify_range(body + sha256(body).digest(), policy_of())


_SMALL: list[bytes] = []


def _small() -> bytes:
    if not _SMALL:
        _SMALL.append(EvidenceLog().typical(3).range(3, 6).encode())
    return _SMALL[0]


def test_a_receipt_named_in_the_middle_bounds_what_follows() -> None:
    """After a reboot with the clock set back, the entries still name a cosignature of the true time."""
    forged = EvidenceLog().typical(3)
    forged.offset_ms -= 600_000
    forged.reboot()
    for _ in range(3):
        forged.batch()
    forged.offset_ms += 600_000
    start = next(seq for seq in range(forged.size()) if parse(forged.entries[seq]).payload.kind == Kind.BATCH)
    shown = forged.range(start, forged.size())
    assert parse(shown.entries[0]).payload.seen is None
    assert judged(shown).claims["back_dated"].code == "dated_before_it_was_possible"
    hidden = judged(replace(shown, bodies=(None,) * len(shown.bodies)))
    assert (hidden.claims["back_dated"].status, hidden.claims["back_dated"].code) == ("unknown", "seen_not_found")


def test_withheld_receipts_bound_nothing_and_excuse_nothing() -> None:
    """A device that names no receipt cannot back-date behind one: it is judged by those it follows, and unknown where they are hidden."""
    forged = EvidenceLog().typical(3)
    forged.seen = None
    forged.offset_ms -= 600_000
    forged.reboot()
    forged.batch()
    forged.offset_ms += 600_000
    shown = forged.range(3, forged.size())
    assert judged(shown).claims["back_dated"].code == "dated_before_it_was_possible"
    hidden = judged(replace(shown, bodies=(None,) * len(shown.bodies))).claims["back_dated"]
    assert (hidden.status, hidden.code) == ("unknown", "receipts_withheld")
    whole = verify_ledger(forged, policy_of(gap_s=3600)).claims["back_dated"]
    forged.bodies[6] = None
    hidden = verify_ledger(forged, policy_of(gap_s=3600)).claims["back_dated"]
    assert (whole.status, hidden.status) == ("fails", "unknown")
    assert "receipts_withheld" in {finding.code for finding in hidden.findings}


def test_an_end_that_stands_elsewhere_leaves_the_range_unbound(shown: Range) -> None:
    twice = replace(shown, entries=(*shown.entries, shown.entries[5]), bodies=(*shown.bodies, shown.bodies[5]))
    report = judged(twice)
    assert (report.claims["altered"].status, report.claims["altered"].code) == ("unknown", "range_end_not_judged")
