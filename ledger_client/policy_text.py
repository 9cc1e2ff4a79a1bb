"""A policy as text: what of it changes verdicts, and the fingerprint of that for two people who compare. Pure.

Room: ground. `proof_link` sends the short text along; the command line and the pages show the fingerprint, and the verifier page computes
the same of whatever policy it is given. It judges nothing. Source: docs/ledger-format.md section 11.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from ledger_client.errors import FormatError

FINGERPRINT_DIGITS: Final = 16


def short_policy(policy: bytes) -> str:
    """Return a policy's text with what changes no verdict left out: comments, blank lines, addresses. Raises FormatError: not UTF-8."""
    lines = []
    for line in policy.decode("utf-8", "surrogateescape").split("\n"):
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        if words and not words[0].startswith("#"):
            lines.append(" ".join(words[:3] if words[0] == "witness" else words[:2] if words[0] == "log" else words))
    try:
        "\n".join(lines).encode()
    except UnicodeEncodeError as error:
        raise FormatError("policy_faulty", reason="not UTF-8") from error
    return "\n".join(lines) + "\n"


def policy_fingerprint(policy: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of the short text, in fours: `e688 74db b370 ed93`.

    It is the same for the file, for the link and for a copy with other comments. Raises FormatError: not UTF-8.
    """
    digits = sha256(short_policy(policy).encode()).hexdigest()[:FINGERPRINT_DIGITS]
    return " ".join(digits[at : at + 4] for at in range(0, FINGERPRINT_DIGITS, 4))
