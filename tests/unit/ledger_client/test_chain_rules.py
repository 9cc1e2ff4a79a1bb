"""What must hold from one entry to the next, even when the device itself signed it otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger_client.body import BatchBuilder
from ledger_client.claims import Report
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.verify import verify_ledger
from tests.rigs.evidence import ORIGIN, EvidenceLog, policy_of
from tests.rigs.small_log import key_of


def case(change: Callable[[EvidenceLog], object]) -> Report:
    log = EvidenceLog().typical(3)
    change(log)
    return verify_ledger(log, policy_of(gap_s=5_000))


def failing(report: Report) -> set[str]:
    return {name for name, claim in report.claims.items() if claim.status == "fails"}


def test_boots_and_genesis_have_their_places() -> None:
    assert "reordered" in failing(case(lambda log: log.append(Kind.BOOT, ("1", "sim", 0, 0))))

    def skip(log: EvidenceLog) -> None:
        log.boot += 1
        log.batch()

    assert failing(case(skip)) == {"reordered"}

    def jump(log: EvidenceLog) -> None:
        log.boot += 1
        log.reboot()

    assert failing(case(jump)) == {"reordered"}
    again = case(lambda log: log.append(Kind.GENESIS, (ORIGIN, 1, key_of(1).public.cose, (), None, bytes(32))))
    assert failing(again) == {"reordered"}


def test_clocks_may_step_when_they_say_so() -> None:
    def back(log: EvidenceLog) -> None:
        log.mono_ms -= 2 * log.step_ms
        log.batch()

    assert "back_dated" in failing(case(back))

    def one_lie(log: EvidenceLog) -> None:
        log.append(Kind.CLOSE, ("x",), wall_ms=log.wall_ms - 31_536_000_000)
        log.batch()

    assert case(one_lie).claims["back_dated"].status == "fails"

    def unexplained(log: EvidenceLog) -> None:
        log.offset_ms += 90_000
        for _ in range(30):
            log.batch()

    report = case(unexplained)
    assert report.claims["back_dated"].code == "clock_step_unexplained"

    def explained_late(log: EvidenceLog) -> None:
        before = log.wall_ms
        log.offset_ms += 90_000
        log.batch()
        log.append(Kind.CLOCK, (before, before + 90_000, 1, 2))
        for _ in range(30):
            log.batch()

    assert case(explained_late).verdict == "holds"


def test_a_step_right_after_the_start_may_be_explained_a_little_later() -> None:
    def story(log: EvidenceLog) -> None:
        for step_ms in (90_000, 3_600_000):
            log.reboot()
            log.offset_ms += step_ms
            log.batch()
            log.append(Kind.CLOCK, (log.wall_ms - step_ms, log.wall_ms, 1, 2))
            log.batch()
        log.receipts()

    assert case(story).verdict == "holds"


def test_many_small_steps_are_summed() -> None:
    def slow_drift(log: EvidenceLog) -> None:
        for _ in range(30):
            log.offset_ms += 100
            log.batch()

    assert case(slow_drift).verdict == "holds"

    def stolen_in_small_steps(log: EvidenceLog) -> None:
        for _ in range(60):
            log.offset_ms -= 100
            log.batch()

    report = case(stolen_in_small_steps)
    assert (report.claims["back_dated"].status, report.claims["back_dated"].code) == ("unknown", "clock_drift_unexplained")

    def slow_for_long(log: EvidenceLog) -> None:
        log.step_ms = 60_000
        for number in range(180):
            log.offset_ms += 60
            log.batch(1)
            if number % 60 == 59:
                log.receipts()

    assert case(slow_for_long).verdict == "holds", "1,000 ppm: a bad crystal, 3.6 s in an hour"

    def said_but_not_done(log: EvidenceLog) -> None:
        log.append(Kind.CLOCK, (log.wall_ms, log.wall_ms + 60_000, 2, 2))
        log.batch()

    assert case(said_but_not_done).claims["back_dated"].code == "clock_drift_unexplained"


def test_silence_needs_a_gap_entry() -> None:
    def silent(log: EvidenceLog) -> None:
        log.mono_ms += 900_000
        log.batch()
        log.receipts()

    report = case(silent)
    assert (report.claims["dropped"].status, report.claims["dropped"].code) == ("unknown", "silence_unexplained")

    def admitted(log: EvidenceLog) -> None:
        start = log.wall_ms
        log.mono_ms += 900_000
        log.append(Kind.GAP, ((None, start, log.wall_ms, "disk_full", 900),))
        log.batch()
        log.receipts()

    assert case(admitted).verdict == "holds"

    def admitted_after(log: EvidenceLog) -> None:
        start = log.wall_ms
        log.mono_ms += 900_000
        log.batch()
        log.append(Kind.GAP, ((7, start, log.wall_ms, "device_down", 900),))
        log.receipts()

    assert case(admitted_after).verdict == "holds"

    def stopped(log: EvidenceLog) -> None:
        log.offset_ms += 86_400_000
        log.reboot()
        log.batch()
        log.receipts()

    assert case(stopped).verdict == "holds"


def test_a_silence_may_not_hide_at_the_end() -> None:
    def silent_end(log: EvidenceLog) -> None:
        for _ in range(8):
            log.mono_ms += 150_000
            log.receipts()

    assert case(silent_end).claims["dropped"].code == "silence_unexplained"

    def silent_end_of_a_boot(log: EvidenceLog) -> None:
        silent_end(log)
        log.reboot()
        log.batch()
        log.receipts()

    assert case(silent_end_of_a_boot).claims["dropped"].code == "silence_unexplained"

    def outage_said(log: EvidenceLog) -> None:
        for number in range(8):
            start = log.wall_ms
            log.mono_ms += 150_000
            if number % 4 == 3:
                log.append(Kind.GAP, ((7, start - 450_000, log.wall_ms, "device_down", 600),))
            log.receipts()
        log.reboot()
        log.batch()
        log.receipts()

    assert case(outage_said).verdict == "holds"


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "covers"),
    [(0, 0, True), (-100_000, 0, True), (-(2**50), 2**50, False), (-(2**50), 0, False), (0, 2**50, False), (-900_000, -900_000, False)],
)
def test_a_gap_row_covers_its_own_time_only(from_ms: int, to_ms: int, covers: bool) -> None:
    def silent(log: EvidenceLog, *, after: bool) -> None:
        for _ in range(200):
            log.batch(1)
        log.receipts()
        start = log.wall_ms
        log.mono_ms += 900_000
        row = (None, start + from_ms, log.wall_ms + to_ms, "disk_full", 900)
        if after:
            log.batch()
        log.append(Kind.GAP, (row,))
        if not after:
            log.batch()
        log.receipts()

    for after in (False, True):
        report = case(lambda log, after=after: silent(log, after=after))
        assert report.verdict == ("holds" if covers else "cannot tell")
        assert report.claims["dropped"].status == ("holds" if covers else "unknown")


def test_a_gap_row_from_before_a_step_of_the_clock_still_covers() -> None:
    def stepped(log: EvidenceLog) -> None:
        start = log.wall_ms
        log.mono_ms += 900_000
        end = log.wall_ms
        log.offset_ms += 86_400_000
        log.append(Kind.CLOCK, (end, end + 86_400_000, 1, 2))
        log.append(Kind.GAP, ((7, start, end, "device_down", 900),))
        log.batch()
        log.receipts()

    assert case(stepped).verdict == "holds"


@pytest.mark.parametrize("said", [False, True])
def test_a_batch_far_from_its_entry_is_asked_about_unless_the_clock_was_set_between(said: bool) -> None:
    behind_ms = 1_800_000

    def far(log: EvidenceLog) -> None:
        log.clock = 1
        if said:  # the boot shows that the clock was behind; it is set while the batch waits
            log.offset_ms -= behind_ms
            log.reboot()
            builder = BatchBuilder(bytes(32), log.offset_ms, log.span, log.schema)
            builder.add(7, log.wall_ms, None, [1.0, 2.0, 3.0], None, None)
            log.append(Kind.CLOCK, (log.wall_ms, log.wall_ms + behind_ms, 1, 2), wall_ms=log.wall_ms + log.step_ms + behind_ms)
            log.offset_ms += behind_ms
        else:
            builder = BatchBuilder(bytes(32), log.offset_ms - behind_ms, log.span, log.schema)
            builder.add(7, log.wall_ms - behind_ms, None, [1.0, 2.0, 3.0], None, None)
        sealed = builder.seal()
        log.append(Kind.BATCH, sealed.detail, sealed.body)
        log.receipts()

    found = {finding.code for finding in case(far).claims["back_dated"].findings}
    assert ("reading_far_from_entry" in found) is not said


def test_a_batch_cannot_be_ahead_of_itself() -> None:
    def ahead(log: EvidenceLog) -> None:
        log.batch()
        detail = parse(log.entries[-1]).payload.detail
        body = log.bodies[-1]
        log.mono_ms -= 60_000
        log.offset_ms += 60_000
        log.append(Kind.CLOCK, (log.wall_ms - 60_000, log.wall_ms, 2, 2))
        log.append(Kind.BATCH, detail, body or b"")

    assert "back_dated" in failing(case(ahead))


def test_steps_that_follow_one_another_are_explained_one_after_another() -> None:
    def steps(*sizes: int, said: tuple[int, ...]) -> Callable[[EvidenceLog], None]:
        def change(log: EvidenceLog) -> None:
            log.step_ms = 100
            for size in sizes:  # each is seen in a batch before the first clock entry is written
                log.offset_ms += size
                log.batch()
            for size in said:
                log.append(Kind.CLOCK, (log.wall_ms, log.wall_ms + size, 2, 2))
                log.batch()
            log.step_ms = 50_000
            for _ in range(4):
                log.batch()

        return change

    assert case(steps(-900, -1_950, said=(-900, -1_950))).claims["back_dated"].status == "holds"
    assert case(steps(-2_500, 2_105, said=(-2_500, 2_105))).claims["back_dated"].status == "holds"
    assert case(steps(-900, -1_950, said=(-900,))).claims["back_dated"].code == "clock_step_unexplained"
    assert case(steps(-2_500, 2_500, said=())).claims["back_dated"].code == "clock_step_unexplained"
