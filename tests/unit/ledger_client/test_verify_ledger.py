"""A whole ledger, judged: every single-entry mutation under the right claim, and what only a lying device could write."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from ledger_client.claims import Report
from ledger_client.entry import parse
from ledger_client.errors import CorruptError, FormatError
from ledger_client.event_bodies import LABEL, LabelBody
from ledger_client.key_chain import rotation_message
from ledger_client.kinds import Kind
from ledger_client.note import device_note_key
from ledger_client.policy import Policy
from ledger_client.receipt import AKIND_TLOG, Receipt, receipts_entry
from ledger_client.verify import verify_ledger
from tests.rigs.evidence import ORIGIN, EvidenceLog, policy_of
from tests.rigs.small_log import key_of

Change = Callable[[EvidenceLog], None]


@pytest.fixture(scope="module")
def fifty() -> EvidenceLog:
    """50 entries: batches, receipts, two boots, a gap, a clock step, a rotation, a config and a close."""
    log = EvidenceLog().typical(9)
    log.append(Kind.GAP, ((7, log.wall_ms - 60_000, log.wall_ms, "device_down", 60),))
    for _ in range(4):
        log.batch()
    before = log.wall_ms
    log.offset_ms += 7_000
    log.append(Kind.CLOCK, (before, log.wall_ms, 2, 2))
    log.batch()
    log.receipts(after_s=3)
    log.append(Kind.CONFIG, (2, 1, bytes(32), "anna", "a new limit"))
    log.append(Kind.CLOSE, ("stopped",))
    log.reboot()
    for number in range(24):
        log.batch()
        if number == 10:
            log.rotate(key_of(2))
        if number % 5 == 4:
            log.receipts()
    while log.size() < 49:
        log.batch()
    log.receipts()
    return log


def judged(log: EvidenceLog, policy: Policy | None = None, **options: Any) -> Report:
    return verify_ledger(log, policy or policy_of(), **options)


def failing(report: Report) -> set[str]:
    return {name for name, claim in report.claims.items() if claim.status == "fails"}


def unknown(report: Report) -> set[str]:
    return {name for name, claim in report.claims.items() if claim.status == "unknown"}


def copied(log: EvidenceLog) -> EvidenceLog:
    """Another log over the same bytes, whose lists can be changed."""
    other = copy(log)
    other.entries, other.bodies, other.damaged = list(log.entries), list(log.bodies), set(log.damaged)
    return other


def without(log: EvidenceLog, seq: int) -> Report:
    other = copied(log)
    del other.entries[seq], other.bodies[seq]
    return judged(other)


def with_twice(log: EvidenceLog, seq: int) -> Report:
    other = copied(log)
    other.entries.insert(seq, log.entries[seq])
    other.bodies.insert(seq, log.bodies[seq])
    return judged(other)


def with_swapped(log: EvidenceLog, seq: int) -> Report:
    other = copied(log)
    for rows in (other.entries, other.bodies):
        rows[seq], rows[seq + 1] = rows[seq + 1], rows[seq]
    return judged(other)


def with_bytes(log: EvidenceLog, rows: str, seq: int, raw: bytes | None) -> Report:
    other = copied(log)
    getattr(other, rows)[seq] = raw
    return judged(other)


def test_a_good_ledger_holds(fifty: EvidenceLog) -> None:
    seen: list[tuple[int, int]] = []
    report = judged(fifty, progress=lambda done, total: seen.append((done, total)))
    assert fifty.size() >= 50
    assert {name: (c.code, c.params) for name, c in report.claims.items() if c.status != "holds"} == {}
    assert seen[-1] == (fifty.size(), fifty.size())
    assert report.facts["kinds"]["batch"] > 30
    assert report.facts["gaps"] == {"device_down": 60}
    assert report.facts["root"] == fifty.root(fifty.size()).hex()
    assert judged(fifty, quick=True).verdict == "holds"


def test_any_dropped_entry_is_missed(fifty: EvidenceLog) -> None:
    for seq in range(fifty.size() - 1):
        report = without(fifty, seq)
        if seq in fifty.links:  # without its rotation no later signature is by a known key
            assert failing(report) == {"altered"}
            continue
        assert failing(report) == {"dropped"}, seq
        assert report.claims["dropped"].params == {"seq": seq, "count": 1}


def test_any_repeated_or_moved_entry_is_noticed(fifty: EvidenceLog, count: Any) -> None:
    for seq in range(0, fifty.size() - 1, count(3, 1, 1)):
        twice = with_twice(fifty, seq)
        assert failing(twice) == {"reordered"}, seq
        assert twice.claims["reordered"].code == "entry_repeated"
        swapped = with_swapped(fifty, seq)
        assert "reordered" in failing(swapped), seq
        assert "dropped" not in failing(swapped), seq


def test_any_flipped_bit_is_alteration(fifty: EvidenceLog, count: Any, seed: int) -> None:
    """Bits of entries and of bodies; the walk is short, so that only the neighbourhood is judged each time."""
    log = EvidenceLog().typical(4)
    random = Random(seed)
    bits = [
        (rows, seq, bit)
        for rows in ("entries", "bodies")
        for seq in range(log.size())
        for bit in range(8 * len(getattr(log, rows)[seq] or b""))
    ]
    for rows, seq, bit in random.sample(bits, min(len(bits), count(150, 1500, len(bits)))):
        raw = bytearray(getattr(log, rows)[seq])
        raw[bit // 8] ^= 1 << bit % 8
        report = with_bytes(log, rows, seq, bytes(raw))
        assert "altered" in failing(report), (rows, seq, bit)
        assert failing(report) <= {"altered"}, (rows, seq, bit)


def test_a_missing_body_is_withheld_not_wrong(fifty: EvidenceLog) -> None:
    for seq in range(fifty.size()):
        if fifty.bodies[seq]:
            report = with_bytes(fifty, "bodies", seq, None)
            assert failing(report) == set(), seq
            assert "withheld" in unknown(report)
            assert report.verdict == "cannot tell"


def test_a_damaged_record_costs_its_segment_only(fifty: EvidenceLog) -> None:
    damaged = copied(fifty)
    damaged.damaged.add(20)
    report = judged(damaged)
    assert report.claims["altered"].code == "record_invalid"
    assert report.facts["entries"] == fifty.size() - 12
    at_the_end = judged(fifty, fault=CorruptError("record_invalid", offset=9, reason="checksum"))
    assert failing(at_the_end) == {"altered"}


# --------------------------------------------------------------------------------------------- only a device could
def case(change: Change, gap_s: int = 600) -> Report:
    log = EvidenceLog().typical(3)
    change(log)
    return judged(log, policy_of(gap_s=gap_s))


# --------------------------------------------------------------------------------------------------- confirmations
def test_what_was_never_confirmed_and_what_waits_too_long() -> None:
    alone = EvidenceLog().begin()
    alone.batch()
    assert judged(alone).claims["unanchored"].code == "never_confirmed"
    assert judged(alone, policy_of(quorum="none")).verdict == "cannot tell"
    report = case(lambda log: [log.batch() for _ in range(140)])
    assert report.claims["unanchored"].code == "tail_not_confirmed"
    one_of_three = EvidenceLog().begin()
    one_of_three.batch()
    one_of_three.receipts(names=("w1",))
    assert judged(one_of_three).claims["unanchored"].code == "never_confirmed"
    one_of_three.receipts(size=4, names=("w3",))
    assert judged(one_of_three).claims["unanchored"].status == "holds"


def test_a_late_confirmation_leaves_room_for_invention() -> None:
    report = case(lambda log: (log.batch(), log.receipts(after_s=5_000)))
    assert (report.claims["back_dated"].status, report.claims["back_dated"].code) == ("unknown", "confirmed_late")


def test_times_between_witnesses() -> None:
    def back_dated(log: EvidenceLog) -> None:
        before = log.wall_ms
        log.offset_ms -= 3_600_000
        log.append(Kind.CLOCK, (before, log.wall_ms, 2, 2))
        log.batch()

    assert case(back_dated).claims["back_dated"].code == "dated_before_it_was_possible"

    def unset(log: EvidenceLog) -> None:
        before = log.wall_ms
        log.offset_ms, log.clock = 0, 0
        log.reboot()
        log.append(Kind.CLOCK, (before, log.wall_ms, 2, 0))
        log.batch()

    assert case(unset).claims["back_dated"].code == "clock_not_synchronised"

    def ahead(log: EvidenceLog) -> None:
        before = log.wall_ms
        log.offset_ms += 3_600_000
        log.append(Kind.CLOCK, (before, log.wall_ms, 2, 2))
        log.batch()
        log.receipts(after_s=-3_600)

    assert case(ahead).claims["back_dated"].code == "dated_after_it_was_confirmed"


def test_a_receipt_bounds_what_follows_even_when_nobody_names_it() -> None:
    def quiet(log: EvidenceLog) -> None:
        log.seen = None
        before = log.wall_ms
        log.offset_ms -= 3_600_000
        log.append(Kind.CLOCK, (before, log.wall_ms, 2, 2))
        log.batch()

    assert case(quiet).claims["back_dated"].code == "dated_before_it_was_possible"


def test_a_battery_clock_drifts_but_not_by_days() -> None:
    def behind(log: EvidenceLog, by_s: int) -> None:
        before = log.wall_ms
        log.offset_ms, log.clock = log.offset_ms - 1000 * by_s, 1
        log.append(Kind.CLOCK, (before, log.wall_ms, 2, 1))
        log.batch()

    assert case(lambda log: behind(log, 60)).claims["back_dated"].code == "clock_not_synchronised"
    assert case(lambda log: behind(log, 86_400)).claims["back_dated"].code == "dated_before_it_was_possible"


def receipts_of(log: EvidenceLog, other: EvidenceLog, size: int) -> None:
    """Keep, in `log`, confirmations of another ledger's tree."""
    note = other.note(size, {"w1": log.wall_ms // 1000})
    detail, body = receipts_entry([Receipt(AKIND_TLOG, "w1", size, other.root(size), note.encode(), log.wall_ms)])
    log.append(Kind.RECEIPTS, detail, body)


def test_a_second_history_and_a_larger_past_show() -> None:
    other = EvidenceLog(step_ms=5_001).typical(6)
    assert "equivocated" in failing(case(lambda log: receipts_of(log, other, 5)))
    assert case(lambda log: receipts_of(log, other, other.size())).claims["dropped"].code == "confirmed_tree_was_larger"
    stranger = EvidenceLog(origin="elsewhere.example/1").typical(3)
    assert case(lambda log: receipts_of(log, stranger, 3)).claims["unanchored"].code == "receipt_of_another_log"


def test_a_receipt_that_is_not_at_hand() -> None:
    def named(log: EvidenceLog) -> None:
        other = EvidenceLog(step_ms=5_001).typical(3)
        log.seen = other.seen
        log.batch()

    assert case(named).claims["back_dated"].code == "seen_not_found"


# ------------------------------------------------------------------------------------------------------------ keys
def test_the_policy_says_whose_ledger_it_is(fifty: EvidenceLog) -> None:
    assert judged(fifty, policy_of(logs=[])).claims["altered"].code == "log_not_in_policy"
    assert judged(fifty, policy_of(logs=[device_note_key(ORIGIN, key_of(9).public).vkey])).claims["altered"].code == "log_key_differs"
    assert judged(fifty, policy_of(logs=[device_note_key(ORIGIN, key_of(2).public).vkey])).verdict == "holds"


def test_rotations_that_do_not_hold() -> None:
    def promised(log: EvidenceLog, key: int) -> EvidenceLog:
        log.begin(next_hashes=(sha256(key_of(2).public.cose).digest(),))
        log.rotate(key_of(key))
        log.batch()
        log.receipts()
        return log

    assert judged(promised(EvidenceLog(), 2)).verdict == "holds"
    assert "altered" in failing(judged(promised(EvidenceLog(), 3)))

    def not_agreed(log: EvidenceLog) -> None:
        new = key_of(2)
        wrong = log.key.sign(rotation_message(log.key.public, new.public.cose, log.size() + 1))
        log.append(Kind.ROTATE, (new.public.cose, log.size() + 1, "x", wrong))

    assert case(not_agreed).claims["altered"].code == "rotation_invalid"

    def at_once(log: EvidenceLog) -> None:
        new = key_of(2)
        agreed = new.sign(rotation_message(log.key.public, new.public.cose, log.size()))
        log.append(Kind.ROTATE, (new.public.cose, log.size(), "x", agreed))

    assert case(at_once).claims["altered"].code == "rotation_invalid"

    def old_key_goes_on(log: EvidenceLog) -> None:
        log.rotate(key_of(2))
        log.coming = None
        log.batch()

    assert case(old_key_goes_on).claims["altered"].code == "entry_signature_invalid"


# --------------------------------------------------------------------------------------------------------- content
def test_what_a_later_version_writes_does_not_break_the_chain() -> None:
    for change in (
        lambda log: log.append(200, ("anything", 3)),
        lambda log: log.append(Kind.EVENT, ("urn:example:later", 2, sha256(b"x").digest(), 1), b"x"),
    ):
        report = case(change)
        assert (report.verdict, report.claims["content"].status) == ("holds", "unknown")


def test_events_of_known_types_are_known_content_and_must_be_what_their_type_says() -> None:
    whole = LabelBody("line", None, None, 1, 2, "normal", "anna").encode()

    def event(body: bytes, version: int = 1) -> Change:
        return lambda log: log.append(Kind.EVENT, (LABEL, version, sha256(body).digest(), len(body)), body)

    report = case(event(whole))
    assert (report.verdict, report.claims["content"].status) == ("holds", "holds")
    assert case(event(whole, 2)).claims["content"].status == "unknown"
    for body in (b"", whole[:-1], whole + b"\0", b"\x80", b"x"):
        report = case(event(body))
        assert (report.verdict, report.claims["content"].code == "event_type_unknown") == ("fails", False), body


def test_contents_that_do_not_fit_their_entry() -> None:
    def other_state(log: EvidenceLog) -> None:
        body = log.schema.full_body()
        log.append(Kind.SCHEMA, (len(body), sha256(body).digest(), bytes(32), 1), body)

    assert case(other_state).claims["content"].code == "schema_state_differs"

    def wrong_counts(log: EvidenceLog) -> None:
        log.batch()
        detail = list(parse(log.entries[-1]).payload.detail)
        detail[2] += 1
        log.append(Kind.BATCH, tuple(detail), log.bodies[-1] or b"")

    assert "content" in failing(case(wrong_counts))


def test_an_empty_ledger_is_no_evidence() -> None:
    with pytest.raises(FormatError):
        judged(EvidenceLog())
