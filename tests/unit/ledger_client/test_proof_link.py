"""Proofs as links: what goes in comes out, what is left out says nothing, and hostile digits are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.claims import Report
from ledger_client.deflate import deflate
from ledger_client.errors import FormatError
from ledger_client.policy import parse_policy
from ledger_client.policy_text import policy_fingerprint, short_policy
from ledger_client.proof_link import MARK, _bytes, _digits, parse_link, proof_link
from ledger_client.verify import verify_proof
from tests.rigs.evidence import EvidenceLog, policy_text

PAGE = "https://verify.example/verify.html"


@pytest.fixture(scope="module")
def proof() -> bytes:
    return EvidenceLog().typical(6).proof(8).encode()


def said(report: Report) -> object:
    return report.verdict, {name: claim.status for name, claim in report.claims.items()}, report.facts["reading"], report.facts["time"]


def test_a_link_holds_the_proof(proof: bytes) -> None:
    link = proof_link(proof, PAGE)
    assert link.startswith(f"{PAGE}#{MARK}")
    assert link.removeprefix(f"{PAGE}#{MARK}").isdigit()
    assert parse_link(link) == (proof, None)


def test_with_a_policy_only_what_says_nothing_is_left_out(proof: bytes) -> None:
    policy = policy_text()
    data, text = parse_link(proof_link(proof, PAGE, policy))
    assert text is not None
    assert len(data) < len(proof), "the third cosignature came after the quorum of two"
    before, after = verify_proof(proof, parse_policy(policy)), verify_proof(data, parse_policy(text.encode()))
    assert said(before) == said(after)
    assert before.witnesses_independent == after.witnesses_independent


def test_the_one_independent_witness_is_not_left_out() -> None:
    policy = policy_text(operators="operator self w1 w2\noperator acme w3\n")
    proof = EvidenceLog().typical(6).proof(8).encode()
    data, _ = parse_link(proof_link(proof, PAGE, policy))
    assert verify_proof(data, parse_policy(policy)).witnesses_independent == "yes"


def test_the_file_and_the_link_have_one_fingerprint_and_another_key_has_another(proof: bytes) -> None:
    policy = policy_text()
    _, text = parse_link(proof_link(proof, PAGE, policy))
    assert text is not None
    assert (
        policy_fingerprint(text.encode()) == policy_fingerprint(policy) == policy_fingerprint(b"# mine\n\n" + policy.replace(b" ", b"\t"))
    )
    assert re.fullmatch(r"[0-9a-f]{4}( [0-9a-f]{4}){3}", policy_fingerprint(policy))
    assert policy_fingerprint(policy_text(operators="operator acme w1 w2 w3\n")) != policy_fingerprint(policy)


def test_a_short_policy_says_the_same() -> None:
    policy = policy_text()
    long, short = parse_policy(policy), parse_policy(short_policy(policy).encode())
    assert "https://" not in short_policy(policy)
    assert "#" not in short_policy(policy)
    assert (long.logs, long.witnesses, long.groups, long.quorum) == (short.logs, short.witnesses, short.groups, short.quorum)
    assert (long.operators, long.max_anchor_gap_s) == (short.operators, short.max_anchor_gap_s)


@given(st.binary(min_size=1, max_size=200))
def test_bytes_and_digits_are_the_same(data: bytes) -> None:
    digits = _digits(data)
    assert _bytes(digits) == data
    assert len(digits) <= len(data) * 29 / 12 + 3


@given(st.text("0123456789", max_size=120))
def test_digits_are_read_in_one_way_only(digits: str) -> None:
    try:
        data = _bytes(digits)
    except FormatError:
        return
    assert _digits(data) == digits


def test_hostile_links_are_refused(proof: bytes) -> None:
    def link(row: object) -> str:
        return f"{PAGE}#{MARK}{_digits(deflate(cbor.encode(row)))}"

    good = proof_link(proof, PAGE)
    bent = (
        good[:-1],
        good + "1",
        good[:-4] + "99999",
        good.replace("#wm1.", "#wm1.-"),
        good.replace("#wm1.", "#wm1.\N{ARABIC-INDIC DIGIT ONE}"),
    )
    shapes = ([1, b"x"], [2, b"x", None], [True, b"x", None], [1, "x", None], [1, b"x", b"x"], [1, b"x" * (1 << 20), None])
    for bad in (PAGE, f"{PAGE}#", f"{PAGE}#{MARK}", good.replace(MARK, "wm2."), *bent, *map(link, shapes)):
        with pytest.raises(FormatError):
            parse_link(bad)
    for address in ("", "verify.html", "javascript:alert(1)", "https://a b/", PAGE + "#x", "https://verify.example/\n"):
        with pytest.raises(FormatError):
            proof_link(proof, address)
    with pytest.raises(FormatError):
        proof_link(b"WMPROOF1", PAGE)
