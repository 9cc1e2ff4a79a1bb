"""Policies: the C2SP text, our two lines, and how a quorum and its time come about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.errors import FormatError
from ledger_client.keys import public_key
from ledger_client.note import SIG_COSIGNATURE, SIG_ED25519, note_key
from ledger_client.policy import ANCHOR_GAP_DEFAULT_S, parse_policy
from tests.rigs.evidence import WITNESS_KEYS, policy_of, policy_text
from tests.rigs.small_log import key_of

W = [note_key(f"w{i}.example", SIG_COSIGNATURE, key_of(200 + i).public).vkey for i in range(6)]
LOG = note_key("log.example/1", SIG_ED25519, key_of(300).public).vkey


def test_the_two_level_quorum_of_the_specification() -> None:
    lines = [f"witness X{i} {W[i]}" for i in range(3)] + ["group X-witnesses 2 X0 X1 X2"]
    lines += [f"\twitness  Y{i}\t{W[3 + i]} https://y.example " for i in range(3)] + ["group Y-witnesses any Y0 Y1 Y2"]
    lines += ["group X-and-Y all X-witnesses Y-witnesses", "quorum X-and-Y"]
    policy = parse_policy(f"log {LOG}\n\n  # a comment\n".encode() + "\n".join(lines).encode() + b"\n")
    assert policy.quorum_time_s({"X0": 10, "X2": 30, "Y1": 20}) == 30
    assert policy.quorum_time_s({"X0": 10, "X1": 12, "X2": 30, "Y1": 20, "Y0": 90}) == 20
    assert policy.quorum_time_s({"X0": 10, "X1": 12, "X2": 13}) is None
    assert policy.quorum_time_s({"Y0": 10, "Y1": 12, "Y2": 13, "X0": 1}) is None
    assert policy.max_anchor_gap_s == ANCHOR_GAP_DEFAULT_S
    assert [key.name for key in policy.log_keys("log.example/1")] == ["log.example/1"]
    assert policy.log_keys("log.example/2") == []


def test_none_asks_for_nothing_and_a_single_witness_is_a_quorum() -> None:
    assert parse_policy(b"quorum none").quorum_time_s({}) is None
    assert parse_policy(f"witness a {W[0]}\nquorum a\n".encode()).quorum_time_s({"a": 5}) == 5


def test_independence_needs_somebody_else() -> None:
    policy = policy_of(operators="operator acme w1\noperator self w2\n")
    assert policy.independence(["w1", "w2"]) == "yes"
    assert policy.independence(["w2"]) == "no"
    assert policy.independence(["w2", "w3"]) == "unknown"
    assert policy.independence([]) == "no"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "exactly one quorum"),
        ("quorum none\nquorum none\n", "exactly one quorum"),
        ("quorum a\n", "before this line"),
        (f"quorum a\nwitness a {W[0]}\n", "before this line"),
        (f"witness none {W[0]}\nquorum none\n", "taken"),
        (f"witness a {W[0]}\nwitness a {W[1]}\nquorum a\n", "taken"),
        (f"witness a {W[0]}\nwitness b {W[0]}\nquorum a\n", "stands twice"),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", "stands twice"),
        (f"witness a {LOG}\nquorum a\n", "wrong type"),
        (f"log {W[0]}\nquorum none\n", "wrong type"),
        (f"witness a {W[0]}\ngroup g any\nquorum g\n", "too few"),
        (f"witness a {W[0]}\ngroup g 2 a\nquorum g\n", "threshold"),
        (f"witness a {W[0]}\ngroup g 0 a\nquorum g\n", "number"),
        (f"witness a {W[0]}\ngroup g 01 a\nquorum g\n", "number"),
        (f"witness a {W[0]}\ngroup g any none\nquorum g\n", "before this line"),
        (f"witness a {W[0]}\ngroup g any a a\nquorum g\n", "twice"),
        (f"witness a {W[0]}\ngroup g any a\ngroup h any a g\nquorum h\n", "twice"),
        (f"witness a {W[0]}\noperator x a\noperator y a\nquorum a\n", "two operators"),
        ("operator x a\nquorum none\n", "no witness"),
        ("max-anchor-gap 1\nmax-anchor-gap 1\nquorum none\n", "twice"),
        ("max-anchor-gap -1\nquorum none\n", "number"),
        ("quorum none extra\n", "too few or too many"),
        ("witnesses none\nquorum none\n", "unknown line"),
        ("quorum none\r\n", "control"),
        (f"witness a {W[0][:-3]}AA=\nquorum a\n", "not a verifier key"),
        (f"log {W[0][:-9]}\nquorum none\n", "not a verifier key"),
    ],
)
def test_a_faulty_policy_names_its_line(text: str, reason: str) -> None:
    with pytest.raises(FormatError) as error:
        parse_policy(text.encode())
    named = error.value.code == "policy_invalid"
    assert named == ("line" in error.value.params) == (reason not in {"exactly one quorum", "control"})
    assert error.value.params.get("line") != 0
    assert reason in str(error.value.params["reason"])


def test_names_are_octets() -> None:
    text = b"witness K\xe2\x84\xaa " + W[0].encode() + b"\nwitness \xff\xfe " + W[1].encode() + b"\ngroup g any \xff\xfe\nquorum g\n"
    assert parse_policy(text).quorum_time_s({b"\xff\xfe".decode("utf-8", "surrogateescape"): 3}) == 3
    with pytest.raises(FormatError):
        parse_policy(b"witness a \xff" + W[0].encode() + b"\nquorum a\n")


def test_a_low_order_witness_key_is_refused() -> None:
    with pytest.raises(FormatError):
        public_key(-19, bytes(32))


@given(st.integers(0, 1 << 40), st.data())
def test_mutated_policies_never_crash(position: int, data: st.DataObject) -> None:
    text = bytearray(policy_text())
    for _ in range(data.draw(st.integers(1, 3))):
        at = position % len(text)
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        position //= 7
    try:
        policy = parse_policy(bytes(text))
    except FormatError:
        return
    known = {key.key for key in WITNESS_KEYS.values()}
    assert all(key.key in known for key in policy.witnesses.values())


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data: bytes) -> None:
    try:
        parse_policy(data)
    except FormatError:
        pass
