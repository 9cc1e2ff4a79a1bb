"""Making proofs and ranges out of a ledger's files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.errors import FormatError
from ledger_client.kinds import KINDS_KEPT
from ledger_client.proof import parse_proof
from ledger_client.prove import SEAL_DELAY_MS, export_range, prove_reading, tag_uid_at
from ledger_client.reader import LedgerReader
from ledger_client.segment_file import parse_range
from ledger_client.verify import parse_policy, verify_file, verify_ledger, verify_range
from tests.rigs.evidence import EvidenceLog, policy_text
from tests.rigs.small_log import key_of


def reader_of(log: EvidenceLog, tmp_path: Path) -> LedgerReader:
    return LedgerReader(RealDisk(), log.write(tmp_path), 1)


def proved(reader: LedgerReader, at_ms: int, uid: int = 2) -> dict:
    report = verify_file(prove_reading(reader, policy_text(), uid, at_ms), parse_policy(policy_text()))
    assert report.verdict == "holds", report.as_json()
    return dict(report.facts)


def test_the_newest_reading_at_or_before_a_time(tmp_path: Path) -> None:
    log = EvidenceLog().typical(6)
    reader = reader_of(log, tmp_path)
    first, last = parse(log.entries[3]).payload.detail, parse(log.entries[9]).payload.detail
    assert proved(reader, first[0])["reading"]["time_ms"] == first[0]
    assert proved(reader, first[0] + 899)["reading"]["time_ms"] == first[0]
    assert proved(reader, first[0] + 900)["reading"]["time_ms"] == first[0] + 900
    assert proved(reader, last[1] + 10**9)["reading"]["time_ms"] == last[1]
    with pytest.raises(FormatError, match="reading_not_found"):
        prove_reading(reader, policy_text(), 2, first[0] - 1)
    with pytest.raises(FormatError, match="reading_not_found"):
        prove_reading(reader, policy_text(), 99, last[1])


@pytest.mark.parametrize("span", [1, 16])
@given(batches=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40), min_size=1, max_size=4))
def test_of_readings_of_one_millisecond_the_last_recorded_is_proved(batches: list[list[int]], span: int) -> None:
    """Within a leaf, over leaves of a batch, and over batches; with a later time of which nothing is known too."""
    log = EvidenceLog(span=span).begin()
    newest, time_ms, value = dict[int, float](), log.wall_ms, 0.0
    for steps in batches:  # how many ms each reading lies after the one before: often none
        rows = list[tuple[int, float]]()
        for step_ms in steps:
            time_ms, value = time_ms + step_ms, value + 1
            rows.append((time_ms, value))
            newest[time_ms] = value
        log.batch_of(rows)
    log.receipts()
    with TemporaryDirectory() as folder:
        reader = reader_of(log, Path(folder))
        for at_ms in {min(newest), max(newest)}:
            assert proved(reader, at_ms)["reading"]["value"] == newest[at_ms]
        assert proved(reader, time_ms + 60_000)["reading"]["value"] == value
        assert "superseded_by" not in proved(reader, time_ms)


def test_of_one_millisecond_the_last_of_many_sections_is_proved(tmp_path: Path) -> None:
    """A group that brings more than 1,024 leaves in a batch has further sections."""
    log = EvidenceLog(span=1).begin(tags=1)
    time_ms = log.wall_ms + log.step_ms - 10
    log.batch_of([(time_ms, float(value)) for value in range(2_500)])
    log.receipts()
    assert proved(reader_of(log, tmp_path), time_ms, 1)["reading"]["value"] == 2_499


def test_the_first_confirmation_bounds_the_time_best(tmp_path: Path) -> None:
    log = EvidenceLog().typical(6)
    facts = proved(reader_of(log, tmp_path), parse(log.entries[3]).payload.detail[0])
    assert facts["checkpoint"]["size"] == 6
    assert [w["name"] for w in facts["witnesses"]] == ["w1", "w2", "w3"]


def test_what_is_not_confirmed_yet_is_not_proved(tmp_path: Path) -> None:
    log = EvidenceLog().begin()
    log.batch()
    with pytest.raises(FormatError, match="proof_not_ready"):
        prove_reading(reader_of(log, tmp_path / "a"), policy_text(), 2, log.wall_ms)
    with pytest.raises(FormatError, match="proof_no_witness"):
        prove_reading(reader_of(log, tmp_path / "none"), policy_text(quorum="none"), 2, log.wall_ms)
    log.receipts(names=("w3",))
    with pytest.raises(FormatError, match="proof_not_ready"):
        prove_reading(reader_of(log, tmp_path / "b"), policy_text(), 2, log.wall_ms)
    log.receipts(size=4, names=("w1",))
    newer = log.batch()
    reader = reader_of(log, tmp_path / "c")
    assert proved(reader, log.wall_ms)["seq"] == 3
    assert parse(log.entries[newer]).payload.detail[1] > proved(reader, log.wall_ms)["reading"]["time_ms"]
    with pytest.raises(FormatError, match="range_not_ready"):
        export_range(reader, policy_text(), 3, newer + 1, bodies=True)


def test_over_rotations_and_a_reader_of_files(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    log.rotate(key_of(2))
    log.batch()
    log.receipts()
    log.rotate(key_of(3), effective_after=2)
    log.batch()
    seq = log.batch()
    log.receipts()
    reader = reader_of(log, tmp_path)
    data = prove_reading(reader, policy_text(), 1, log.wall_ms)
    assert len(parse_proof(data).key_chain) == 2
    assert proved(reader, log.wall_ms)["seq"] == seq
    assert verify_ledger(reader, parse_policy(policy_text())).verdict == "holds"
    for bodies in (True, False):
        raw = export_range(reader, policy_text(), 4, seq + 1, bodies=bodies)
        assert verify_file(raw, parse_policy(policy_text())).verdict == ("holds" if bodies else "cannot tell")
    assert verify_file(export_range(reader, policy_text(), 0, 1, bodies=True), parse_policy(policy_text())).verdict == "holds"
    for start, end in ((-1, 2), (3, 3), (0, 10_000)):
        with pytest.raises(FormatError, match="range_invalid"):
            export_range(reader, policy_text(), start, end, bodies=True)


def test_an_export_without_bodies_keeps_what_times_hang_on(tmp_path: Path) -> None:
    log = EvidenceLog().typical(9)
    shown = parse_range(export_range(reader_of(log, tmp_path), policy_text(), 2, 13, bodies=False))
    kinds = [parse(raw).payload.kind for raw in shown.entries]
    assert [kind for kind, body in zip(kinds, shown.bodies, strict=True) if body] == [kind for kind in kinds if kind in KINDS_KEPT]
    claims = verify_range(shown.encode(), parse_policy(policy_text())).claims
    assert {name for name, claim in claims.items() if claim.status != "holds"} == {"withheld"}


def test_tags_by_the_name_they_had_at_the_time_else_by_the_one_they_have(tmp_path: Path) -> None:
    log = EvidenceLog().typical(3)
    early_ms, renamed_ms = parse(log.entries[3]).payload.detail[0], log.wall_ms
    log.rename({1: "filler/tag2", 2: "filler/was2"})
    for _ in range(40):  # past the time that a batch may come late
        log.batch()
    log.receipts()
    reader = reader_of(log, tmp_path)
    late_ms = parse(log.entries[-2]).payload.wall_ms
    assert late_ms - renamed_ms > SEAL_DELAY_MS
    assert [tag_uid_at(reader, "filler/tag2", at_ms) for at_ms in (early_ms, renamed_ms, late_ms)] == [2, 2, 1]
    assert tag_uid_at(reader, "filler/was2", early_ms) == tag_uid_at(reader, "filler/was2", late_ms) == 2, "its new name finds its past"
    assert tag_uid_at(reader, "filler/tag1", early_ms) == 1
    assert proved(reader, early_ms, tag_uid_at(reader, "filler/tag1", early_ms))["tag"]["name"] == "filler/tag1"
    for name, at_ms in (("filler/tag1", late_ms), ("filler/tag9", early_ms)):
        with pytest.raises(FormatError, match="tag_not_found"):
            tag_uid_at(reader, name, at_ms)
