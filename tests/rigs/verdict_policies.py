"""Verdict vectors about policies: texts that no verifier may take, and odd ones that it must."""

from __future__ import annotations

from ledger_client.keys import ALG_ED25519, PublicKey
from ledger_client.note import SIG_ED25519, note_key
from tests.rigs.evidence import ORIGIN, WITNESS_KEYS, EvidenceLog, policy_text
from tests.rigs.small_log import key_of
from tests.rigs.verdict_logs import Cases


def policy_cases() -> Cases:
    cases = Cases(policy_text())
    proof = EvidenceLog().typical(3).proof(4).encode()
    good = policy_text().decode()
    w1 = WITNESS_KEYS["w1"].vkey
    low = note_key(ORIGIN, SIG_ED25519, PublicKey(ALG_ED25519, bytes([1]) + bytes(31)))
    device = note_key("w9.example", SIG_ED25519, key_of(5).public)
    for name, text in (
        ("empty", ""),
        ("quorum-missing", good.replace("quorum 2of3\n", "")),
        ("quorum-twice", good + "quorum w1\n"),
        ("quorum-unknown", good.replace("quorum 2of3", "quorum 9of9")),
        ("quorum-before-group", "quorum 2of3\n" + good.replace("quorum 2of3\n", "")),
        ("threshold-0", good.replace("group 2of3 2", "group 2of3 0")),
        ("threshold-4", good.replace("group 2of3 2", "group 2of3 4")),
        ("threshold-with-zero", good.replace("group 2of3 2", "group 2of3 02")),
        ("member-unknown", good.replace("w1 w2 w3\nquorum", "w1 w2 w9\nquorum")),
        ("member-twice", good.replace("w1 w2 w3\nquorum", "w1 w2 w2\nquorum")),
        ("witness-twice", good.replace("group", f"witness w1 {w1}\ngroup", 1)),
        ("witness-key-twice", good.replace("group", f"witness w9 {w1}\ngroup", 1)),
        ("witness-named-none", good.replace("group", f"witness none {w1}\ngroup", 1)),
        ("witness-with-log-key", good.replace("group", f"witness w9 {device.vkey}\ngroup", 1)),
        ("log-with-witness-key", good.replace("witness", f"log {w1}\nwitness", 1)),
        ("log-twice", good + good.split("\n")[1] + "\n"),
        ("log-key-of-low-order", good.replace("witness", f"log {low.vkey}\nwitness", 1)),
        ("vkey-with-another-id", good.replace(w1.split("+")[1], "00000000")),
        ("vkey-cut", good.replace(w1, w1[:-4])),
        ("word-unknown", good + "trust everybody\n"),
        ("operator-of-nobody", good + "operator acme w9\n"),
        ("operator-twice", good + "operator other w1\n"),
        ("gap-twice", good + "max-anchor-gap 5\n"),
        ("gap-0", good.replace("max-anchor-gap 600", "max-anchor-gap 0")),
        ("control-character", good + "# \x07\n"),
        ("carriage-returns", good.replace("\n", "\r\n")),
        ("words-missing", good + "group g\n"),
        ("proto", good.replace("quorum 2of3", "constructor x\nquorum 2of3")),
    ):
        cases.put(f"policy-{name}", proof, "policy", policy=text.encode())
    for name, text in (
        ("tabs-and-blanks", good.replace(" ", "\t ").replace("# ", "#")),
        ("no-newline-at-the-end", good[:-1]),
        ("comments", "\n\n  # a comment\n" + good + "#"),
        ("chinese-operator", good.replace("operator acme w1", "operator 验证公司 w1")),
        ("gap-default", good.replace("max-anchor-gap 600\n", "")),
    ):
        cases.put(f"policy-good-{name}", proof, "good", policy=text.encode())
    return cases
