"""Make the frozen proofs and ranges of format 1: `python -m tests.vectors.make_proofs_v1 FOLDER` (from the repository's root).

Run once per format version, into `tests/vectors/proofs_v1`; from a release on those files never change. `expected.json` says
what a verifier must find in each under `policy.txt`: what another implementation tests itself on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger_client.claims import Report
from ledger_client.kinds import Kind
from ledger_client.policy import parse_policy
from ledger_client.proof import Proof
from ledger_client.verify import verify_file
from tests.rigs.evidence import START_MS, EvidenceLog, policy_text
from tests.rigs.small_log import key_of


def make(folder: Path) -> None:
    """Write every file and what is to be found in it."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = policy_text()
    (folder / "policy.txt").write_bytes(policy)
    expected = {}
    for name, data in files().items():
        (folder / name).write_bytes(data)
        expected[name] = found(verify_file(data, parse_policy(policy)))
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def found(report: Report) -> dict[str, Any]:
    """Return what of a report another implementation must agree with."""
    claims = {name: [claim.status, claim.code] for name, claim in report.claims.items()}
    return {"verdict": report.verdict, "claims": claims, "independent": report.witnesses_independent, "facts": report.facts}


def files() -> dict[str, bytes]:
    """Return every vector by its name."""
    log = EvidenceLog().typical(6)
    proof = log.proof(8)
    later = EvidenceLog().typical(3)
    later.rotate(key_of(2))
    rotated = later.batch()
    lying = EvidenceLog().begin()
    lying.batch()
    lying.receipts()
    lying.offset_ms -= 86_400_000
    back_dated = lying.batch()
    late_note = lying.note(lying.size(), {"w1": START_MS // 1000 + 60, "w2": START_MS // 1000 + 61})
    foreign = EvidenceLog().typical(3)
    foreign.append(200, ("a later kind", [1, [2, None]]))
    foreign.append(Kind.CLOSE, ("stopped",))
    two = log.note(log.size(), {"w2": log.wall_ms // 1000 + 1})
    return {
        "reading.wmproof": proof.encode(),
        "reading-span-1.wmproof": EvidenceLog(span=1).typical(3).proof(4).encode(),
        "reading-after-rotation.wmproof": later.proof(rotated).encode(),
        "another-value.wmproof": _with_value(proof, 801.5),
        "no-quorum.wmproof": replace(proof, note=two).encode(),
        "receipt-left-out.wmproof": replace(proof, seen=None).encode(),
        "back-dated.wmproof": lying.proof(back_dated, note=late_note).encode(),
        "entries.wmseg": log.range(4, 10).encode(),
        "entries-withheld.wmseg": replace(log.range(0, 10), bodies=(None,) * 10).encode(),
        "entries-readings-withheld.wmseg": log.range(0, 10, bodies=False).encode(),
        "entries-one-missing.wmseg": _without(log, 6),
        "entries-of-a-later-version.wmseg": foreign.range(5, foreign.size()).encode(),
    }


def _with_value(proof: Proof, value: float) -> bytes:
    shown = proof.disclosure
    readings = list(shown.readings)
    readings[shown.chosen] = replace(shown.reading, value=value)
    return replace(proof, disclosure=replace(shown, readings=tuple(readings))).encode()


def _without(log: EvidenceLog, seq: int) -> bytes:
    whole = log.range(4, 10)
    entries, bodies = list(whole.entries), list(whole.bodies)
    del entries[seq - 4], bodies[seq - 4]
    return replace(whole, entries=tuple(entries), bodies=tuple(bodies)).encode()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
