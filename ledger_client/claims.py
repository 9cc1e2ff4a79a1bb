"""What a verification says: one claim each for altered, dropped, reordered and the rest; never one boolean.

Room: ground, pure. The verifiers collect findings in a `Judge` and end with a `Report`; the command line and the web page
word its codes. A claim is named by what could be wrong: `altered` with status `holds` says that nothing was altered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ledger_client.errors import LedgerError
from ledger_client.policy import Independence

Status = Literal["holds", "fails", "unknown"]
Verdict = Literal["holds", "fails", "cannot tell"]
Params = dict[str, str | int | float]

CLAIMS: Final = ("altered", "dropped", "reordered", "back_dated", "withheld", "unanchored", "equivocated", "content")
QUALIFIERS: Final = frozenset({"content"})
"""Claims whose `unknown` leaves the verdict alone: an event of a later version is evidence whose meaning this reader lacks."""
FINDINGS_KEPT: Final = 50
EXIT_CODES: Final[Mapping[Verdict, int]] = {"holds": 0, "fails": 1, "cannot tell": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule did not like, and at which entry (None: the whole)."""

    code: str
    seq: int | None
    params: Params


@dataclass(frozen=True, slots=True)
class Claim:
    """The outcome for one claim. `code` is the first finding's, or the reason why it holds; `count` counts all findings."""

    status: Status
    code: str
    params: Params = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a verification. `facts` is plain data for people: what was disclosed, by whom it was witnessed, between which times."""

    subject: Literal["proof", "range", "ledger"]
    claims: Mapping[str, Claim]
    witnesses_independent: Independence
    facts: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """`fails` when any claim fails; else `cannot tell` when one that counts is unknown; else `holds`."""
        if any(claim.status == "fails" for claim in self.claims.values()):
            return "fails"
        if any(claim.status == "unknown" for name, claim in self.claims.items() if name not in QUALIFIERS):
            return "cannot tell"
        return "holds"

    @property
    def exit_code(self) -> int:
        """0 holds, 1 a claim fails, 2 cannot tell."""
        return EXIT_CODES[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Return plain data: str, int, float, None, list and dict only."""
        claims = {
            name: {
                "status": claim.status,
                "code": claim.code,
                "params": claim.params,
                "count": claim.count,
                "findings": [{"code": f.code, "seq": f.seq, "params": f.params} for f in claim.findings],
            }
            for name, claim in self.claims.items()
        }
        return {
            "subject": self.subject,
            "verdict": self.verdict,
            "claims": claims,
            "witnesses_independent": self.witnesses_independent,
            **self.facts,
        }


class Judge:
    """Collects findings; the worst status of a claim wins and the first finding of that status names it."""

    def __init__(self) -> None:
        self._findings: dict[str, list[Finding]] = {name: [] for name in CLAIMS}
        self._counts: dict[str, int] = dict.fromkeys(CLAIMS, 0)
        self._first: dict[str, tuple[Status, Finding]] = {}

    def fails(self, claim: str, code: str, seq: int | None = None, /, **params: str | int | float) -> None:
        """Note something that contradicts the claim."""
        self._note(claim, "fails", Finding(code, seq, params))

    def breaks(self, claim: str, error: LedgerError, seq: int | None = None) -> None:
        """Note an error that contradicts the claim, with its own code."""
        self._note(claim, "fails", Finding(error.code, seq, error.params))

    def unknown(self, claim: str, code: str, seq: int | None = None, /, **params: str | int | float) -> None:
        """Note something that keeps the claim from being checked here."""
        self._note(claim, "unknown", Finding(code, seq, params))

    def doubts(self, claim: str, error: LedgerError, seq: int | None = None) -> None:
        """Note an error that keeps the claim from being checked, with its own code."""
        self._note(claim, "unknown", Finding(error.code, seq, error.params))

    def status(self, claim: str) -> Status:
        """Return the status so far."""
        return self._first[claim][0] if claim in self._first else "holds"

    def claims(self, holds: Mapping[str, tuple[str, Params]]) -> dict[str, Claim]:
        """Return all claims; `holds` gives the code and params of those that nothing was found against."""
        return {name: self._claim(name, *holds[name]) for name in CLAIMS}

    def _claim(self, name: str, code: str, params: Params) -> Claim:
        if name not in self._first:
            return Claim("holds", code, params)
        status, first = self._first[name]
        shown = dict(first.params) if first.seq is None else {"seq": first.seq, **first.params}
        return Claim(status, first.code, shown, tuple(self._findings[name]), self._counts[name])

    def _note(self, claim: str, status: Status, finding: Finding) -> None:
        self._counts[claim] += 1
        if len(self._findings[claim]) < FINDINGS_KEPT:
            self._findings[claim].append(finding)
        known = self._first.get(claim)
        if known is None or (known[0] == "unknown" and status == "fails"):
            self._first[claim] = (status, finding)
