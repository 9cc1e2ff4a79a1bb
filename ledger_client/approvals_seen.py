"""What a walk over entries finds of approvals: each one holds, fails, or cannot be checked; and whose keys were enrolled. Pure.

Room: ground. `entry_walk` feeds it the command entries in order. An approval holds when its signature does and its key was enrolled for
that person before, by an act that was done. Enrolling stands in the same ledger, so a range, or a later epoch, may not show it: then it
cannot be checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ledger_client import cbor
from ledger_client.approval import Approval, act_hash_of, enrol_message, person_key, read_approvals
from ledger_client.claims import Judge
from ledger_client.entry import Entry
from ledger_client.errors import FormatError
from ledger_client.kinds import OUTCOME

KEY_ACTION: Final = "account.key"
BODY_SIZE_MAX: Final = 1 << 20
ROWS_KEPT: Final = 50
WITH: Final = 2
"""The version of an intent's body with approvals; before it there were none."""


class ApprovalsSeen:
    """`counts` by status, `rows` of the newest ROWS_KEPT. `origin` is the log's, None while it is not known."""

    def __init__(self, judge: Judge, *, complete: bool) -> None:
        """`complete`: the walk began with the first entry of the first epoch, so that an enrolment that is not there never was."""
        self._judge, self.complete = judge, complete
        self.origin: str | None = None
        self.counts: Counter[str] = Counter()
        self.rows: list[dict[str, Any]] = []
        self._keys: dict[str, bytes | None] = {}
        self._unsure: set[str] = set()
        self._enrolling: dict[bytes, tuple[str, bytes | None]] = {}

    def miss(self) -> None:
        """Something is not here: a key may have been enrolled, or taken back, in it."""
        self.complete = False
        self._keys.clear()

    def take(self, entry: Entry, body: bytes) -> None:
        """Take one command entry, whose body is the one that it commits to."""
        act_id, phase, code, _, _ = entry.payload.detail
        if phase == OUTCOME:
            enrolled = self._enrolling.pop(act_id, None)
            if enrolled is not None and code == "done":
                self._keys[enrolled[0]] = enrolled[1]
                self._unsure.discard(enrolled[0])
            elif enrolled is not None and code == "unknown":  # a crash: it may have come to pass
                self._unsure.add(enrolled[0])
            return
        try:
            row = cbor.decode(body, size_max=BODY_SIZE_MAX, what="act")
        except FormatError:  # a body that says nothing here carries no approval either
            return
        match row:
            case [int(version), str(), str(session), str(action), str(target), list(params), revision, str(reason), *more]:
                pairs = {each[0]: each[1] for each in params if isinstance(each, list) and len(each) == 2 and isinstance(each[0], str)}
                if action == KEY_ACTION:
                    self._enrolling[act_id] = (target, self._enrolled(target, pairs))
                if version == WITH:
                    self._judge_all(entry, more, session, act_hash_of(act_id, action, target, pairs, revision, reason))

    def facts(self) -> dict[str, Any]:
        """Return what to say in a report; nothing where there is no approval."""
        counts = {name: self.counts[name] for name in ("holds", "fails", "unknown")}
        return {"approvals": {**counts, "rows": self.rows}} if self.counts else {}

    def _judge_all(self, entry: Entry, more: list[Any], session: str, act_hash: bytes) -> None:
        try:
            approvals = read_approvals(more[0] if len(more) == 1 else None)
        except FormatError as error:
            self._judge.breaks("content", error, entry.seq)
            self.counts["fails"] += 1
            return
        for approval in approvals:
            status, code = self._status(approval, session, act_hash)
            self.counts[status] += 1
            if status == "fails":
                self._judge.fails("content", code, entry.seq, name=approval.name)
            elif status == "unknown":
                self._judge.unknown("content", code, entry.seq, name=approval.name)
            self.rows = [*self.rows, _told(approval, entry.seq, status, code)][-ROWS_KEPT:]

    def _enrolled(self, name: str, pairs: Mapping[str, Any]) -> bytes | None:
        """Return the key that an intent enrols, None for one that takes a key back, or whose own signature does not hold."""
        try:
            key = person_key(bytes.fromhex(str(pairs.get("key", ""))))
            proof = bytes.fromhex(str(pairs.get("proof", "")))
        except (FormatError, ValueError):
            return None
        return key.cose if self.origin is not None and key.verify(proof, enrol_message(self.origin, name, key)) else None

    def _status(self, approval: Approval, session: str, act_hash: bytes) -> tuple[str, str]:
        if self.origin is None:
            return "unknown", "approval_origin_unknown"
        if not approval.holds(self.origin, act_hash):
            return "fails", "approval_signature_wrong"
        if not session.startswith(f"{approval.name} (session "):
            return "fails", "approval_of_another"
        if self._keys.get(approval.name) == approval.key.cose:
            return "holds", "approval_holds"
        if approval.name in self._unsure or (approval.name not in self._keys and not self.complete):
            return "unknown", "approval_enrolment_not_shown"
        return "fails", "approval_key_not_theirs" if approval.name in self._keys else "approval_key_never_enrolled"


def _told(approval: Approval, seq: int, status: str, code: str) -> dict[str, Any]:
    return {
        "seq": seq, "meaning": approval.meaning, "name": approval.name, "time_ms": approval.time_ms, "key": approval.key.kid.hex(),
        "self_approved": approval.own, "status": status, "code": code,
    }  # fmt: skip
