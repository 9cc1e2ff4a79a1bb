"""A later epoch names the head of the older one: held against the older one where that is at hand."""

from __future__ import annotations

from pathlib import Path

from ledger_client.claims import Report
from ledger_client.disk import RealDisk
from ledger_client.epoch_seam import Entries
from ledger_client.reader import older_epochs
from ledger_client.verify import verify_ledger
from tests.rigs.evidence import ORIGIN, EvidenceLog, policy_of

OLD = EvidenceLog().typical(6)
NAMED = (ORIGIN, OLD.size(), OLD.root(OLD.size()))


def judged(previous: tuple[str, int, bytes] | None, older: dict[int, Entries]) -> Report:
    log = EvidenceLog().begin(epoch=2, previous=previous)
    for _ in range(4):
        log.batch()
    log.receipts()
    return verify_ledger(log, policy_of(), older=older)


def told(report: Report) -> tuple[str, str]:
    claim = report.claims["equivocated"]
    return claim.status, claim.code


def other(batches: int) -> EvidenceLog:
    """Another history of the same gateway."""
    return EvidenceLog(step_ms=900).typical(batches)


def test_a_genesis_that_names_the_head_there_is_holds_and_says_what_it_follows() -> None:
    report = judged(NAMED, {1: OLD})
    assert report.verdict == "holds"
    assert report.facts["previous"] == {"origin": ORIGIN, "size": NAMED[1], "root": NAMED[2].hex()}
    assert EvidenceLog().typical(6).size() == OLD.size()
    assert verify_ledger(OLD, policy_of()).facts["previous"] is None


def test_a_genesis_that_contradicts_the_old_epoch_fails() -> None:
    assert told(judged((ORIGIN, OLD.size(), bytes(32)), {1: OLD})) == ("fails", "previous_differs")
    assert told(judged(NAMED, {1: other(8)})) == ("fails", "previous_differs"), "an old epoch that was written anew"
    assert told(judged((ORIGIN, OLD.size() - 2, OLD.root(OLD.size() - 2)), {1: OLD})) == ("fails", "previous_goes_on")
    assert judged((ORIGIN, 1, bytes(32)), {1: OLD}).verdict == "fails"


def test_what_is_not_at_hand_cannot_be_told(tmp_path: Path) -> None:
    assert told(judged(NAMED, {})) == ("unknown", "previous_not_at_hand")
    assert judged(NAMED, {}).verdict == "cannot tell"
    assert told(judged(("another.example/1", *NAMED[1:]), {1: OLD})) == ("unknown", "previous_not_at_hand")
    assert told(judged(NAMED, {3: OLD})) == ("unknown", "previous_not_at_hand"), "a later epoch is no older one"
    assert told(judged((ORIGIN, OLD.size() + 1, bytes(32)), {1: OLD})) == ("unknown", "previous_short")
    assert told(judged(None, {1: OLD})) == ("unknown", "previous_not_named")
    (tmp_path / "ledger" / "1").mkdir(parents=True)
    assert told(judged(NAMED, dict(older_epochs(RealDisk(), tmp_path, 2)))) == ("unknown", "previous_not_at_hand"), "an empty folder"


def test_an_old_epoch_in_files_whose_first_segment_is_gone_or_damaged(tmp_path: Path) -> None:
    OLD.write(tmp_path, cut=5)
    assert told(judged(NAMED, dict(older_epochs(RealDisk(), tmp_path, 2)))) == ("holds", "ledger_one_history")
    first, second = sorted((tmp_path / "ledger" / "1").iterdir())
    whole, bad = first.read_bytes(), OLD.entries[2]
    first.write_bytes(whole.replace(bad, bad[:40] + bytes(40) + bad[80:]))
    assert told(judged(NAMED, dict(older_epochs(RealDisk(), tmp_path, 2))))[0] == "unknown"
    first.unlink()
    assert told(judged(NAMED, dict(older_epochs(RealDisk(), tmp_path, 2)))) == ("unknown", "previous_not_at_hand")
    assert second.exists()
