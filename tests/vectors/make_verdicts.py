"""Make the verdict vectors: `python -m tests.vectors.make_verdicts` (from the repository's root).

Run when cases are added; files that are there stay as they are, since another zlib or a fresh ECDSA signature gives other bytes of the
same meaning. `expected.json` says, case by case, what each verifier must find: `python` the one in this repository, `page` the HTML page
where that differs. The page's column is not taken from the page: it is Python's, with *unknown* in place of *fails* where a case is of a
later version.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger_client.errors import FormatError
from ledger_client.verify import parse_policy, verify_file
from tests.rigs.verdict_logs import Case
from tests.rigs.verdict_policies import policy_cases
from tests.rigs.verdict_proofs import proof_cases
from tests.rigs.verdict_ranges import range_cases

FOLDER: Final = Path(__file__).parent / "verdicts"


def cases() -> list[Case]:
    """Return every case."""
    return [*proof_cases(), *range_cases(), *policy_cases()]


def found(data: bytes, policy: bytes) -> dict[str, Any]:
    """Return what Python finds: the verdict, and each claim's status and code; or what it refuses."""
    try:
        report = verify_file(data, parse_policy(policy))
    except FormatError as error:
        return {"verdict": "refused", "code": error.code}
    claims = {name: [claim.status, claim.code] for name, claim in report.claims.items()}
    return {"verdict": report.verdict, "claims": claims, "independent": report.witnesses_independent}


def for_the_page(case: Case, python: dict[str, Any]) -> dict[str, Any]:
    """Return what the page must find: the same, but "cannot check here" where Python fails closed on what a later version wrote."""
    if not case.later:
        return python
    claims = {name: ["unknown" if status == "fails" else status, code] for name, (status, code) in python["claims"].items()}
    return {"verdict": "cannot tell", "claims": claims, "independent": python["independent"]}


def make(folder: Path) -> None:
    """Write files that are not there yet, the policies, and what is to be found in each."""
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (folder / "policies").mkdir(exist_ok=True)
    policies: dict[bytes, str] = {}
    expected = {}
    for case in cases():
        suffix = "wmseg" if case.name.startswith("range") else "wmproof"
        path = folder / "files" / f"{case.name}.{suffix}"
        if not path.exists():
            path.write_bytes(case.data)
        policy = policies.setdefault(case.policy, f"{sha256(case.policy).hexdigest()[:12]}.txt")
        (folder / "policies" / policy).write_bytes(case.policy)
        python = found(path.read_bytes(), case.policy)
        row = {"file": path.name, "policy": policy, "sort": case.sort, "python": python}
        expected[case.name] = row | ({"page": for_the_page(case, python)} if case.later or case.own_reason else {})
    lines = [f"{json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in expected.items()]
    (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(expected)} cases")


if __name__ == "__main__":
    make(FOLDER)
