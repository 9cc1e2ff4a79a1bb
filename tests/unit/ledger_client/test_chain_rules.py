"""What must hold from one entry to the next, even when the device itself signed it otherwise."""

from __future__ import annotations

from collections.abc import Callable

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

    def slow_drift(log: EvidenceLog) -> None:
        for _ in range(30):
            log.offset_ms += 100
            log.batch()

    assert case(slow_drift).verdict == "holds"


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
