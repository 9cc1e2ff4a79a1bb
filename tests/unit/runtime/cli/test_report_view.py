"""A verdict in words: independence is a note and never a failed claim, and what follows from a damaged file is one line."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from ledger_client.verify import Report, parse_policy, verify_file
from runtime.cli.report_view import report_json, show_report
from runtime.messages.catalogue import word
from tests.rigs.evidence import EvidenceLog, policy_text

OWN = "operator self w1 w2 w3\n"


def judged(data: bytes, operators: str = OWN) -> Report:
    return verify_file(data, parse_policy(policy_text(operators=operators)))


def shown(report: Report) -> str:
    out = StringIO()
    show_report(Console(file=out, width=80, highlight=False), report)
    assert max(map(len, out.getvalue().splitlines())) <= 80
    return out.getvalue()


def test_own_witnesses_are_a_note_beside_a_verdict_that_holds() -> None:
    report = judged(EvidenceLog().typical(3).proof(3).encode())
    text = shown(report)
    assert word("verdict.holds.own") in text
    assert "✗" not in text
    assert "Whose witnesses" in text
    assert (report.verdict, report_json(report)["witnesses_independent"]) == ("holds", "no")


def test_a_damaged_file_is_one_fault_and_blames_no_policy() -> None:
    raw = bytearray(EvidenceLog().typical(3).range(3, 7).encode())
    raw[200] ^= 1
    text = shown(judged(bytes(raw)))
    assert text.count("?") == 1
    assert "The other 7" in text
    assert "Whose witnesses" not in text


def test_an_unnamed_operator_is_said_and_others_are_praised() -> None:
    proof = EvidenceLog().typical(3).proof(3).encode()
    assert word("independent.unknown") in shown(judged(proof, operators=""))
    assert word("independent.yes") in shown(judged(proof, operators="operator acme w1\n"))


def test_a_quorum_that_nobody_asked_for_was_not_complete() -> None:
    proof = EvidenceLog().typical(3).proof(3).encode()
    assert "the quorum was complete" in shown(judged(proof))
    assert "the quorum was complete" not in shown(verify_file(proof, parse_policy(policy_text(quorum="none"))))


def test_a_proof_of_a_superseded_reading_says_by_which_value() -> None:
    files = Path(__file__).parents[3] / "vectors" / "verdicts" / "files"
    first, last = (shown(judged((files / f"proof-good-{which}-of-one-time.wmproof").read_bytes())) for which in ("first", "last"))
    assert "In the same millisecond 3 bar was recorded after it." in " ".join(first.replace("│", " ").split())
    assert "same millisecond" not in last
