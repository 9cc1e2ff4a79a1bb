"""The verifier's front door: one name for each thing that can be judged. Pure; the judging is in the files named.

Room: ground. The command line, the web page, the history process and the tests import from here.
"""

from __future__ import annotations

from typing import Literal

from ledger_client import proof, segment_file
from ledger_client.claims import CLAIMS, Claim, Finding, Judge, Report
from ledger_client.errors import FormatError
from ledger_client.policy import Policy, parse_policy
from ledger_client.verify_ledger import Progress, Source, verify_ledger
from ledger_client.verify_proof import verify_proof
from ledger_client.verify_range import verify_range
from ledger_client.witnessing import depend_on_altered


def verify_file(data: bytes, policy: Policy, *, quick: bool = False) -> Report:
    """Judge the bytes of a `.wmproof` or a `.wmseg`, told apart by their first eight; what cannot be read is reported as altered.

    Raises FormatError `file_not_ours` for other files.
    """
    try:
        if data.startswith(proof.MAGIC):
            return verify_proof(data, policy)
        if data.startswith(segment_file.MAGIC):
            return verify_range(data, policy, quick=quick)
    except FormatError as error:
        return _unreadable("proof" if data.startswith(proof.MAGIC) else "range", error)
    raise FormatError("file_not_ours", what="file")


def _unreadable(subject: Literal["proof", "range"], error: FormatError) -> Report:
    judge = Judge()
    judge.breaks("altered", error)
    depend_on_altered(judge, CLAIMS[1:])
    return Report(subject, judge.claims(dict.fromkeys(CLAIMS, ("", {}))), "unknown", {})


__all__ = [
    "Claim", "Finding", "Policy", "Progress", "Report", "Source", "parse_policy", "verify_file", "verify_ledger", "verify_proof",
    "verify_range",
]  # fmt: skip
