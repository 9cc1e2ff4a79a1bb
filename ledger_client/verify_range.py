"""Judge a `.wmseg`: are these all entries from here to there, unchanged and in order, and whose are they. Pure.

Room: ground. The command line calls it for an export. What holds for one proof holds for its first and last entry; the prev links
bind every entry between them. Source: docs/ledger-format.md sections 10 and 12.
"""

from __future__ import annotations

from typing import Any, Final

from ledger_client.checkpoint import Checkpoint
from ledger_client.claims import Judge, Params, Report
from ledger_client.entry import Entry, parse
from ledger_client.entry_walk import EntryWalk
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.policy import Policy
from ledger_client.receipt import parse_receipts
from ledger_client.schema import SchemaState
from ledger_client.segment_file import Range, parse_range
from ledger_client.verify_proof import judge_inclusion, judge_origin, judge_receipt, judge_seen, note_facts
from ledger_client.witnessing import (
    Witnessed,
    depend_on_altered,
    judge_not_after,
    judge_not_before,
    judge_quorum,
    says_nothing_of_its_time,
    witnessed,
)

HOLDS: Final = {
    "altered": "range_unaltered",
    "dropped": "range_complete",
    "reordered": "range_in_order",
    "back_dated": "range_times_bounded",
    "withheld": "ledger_bodies_shown",
    "unanchored": "range_confirmed",
    "equivocated": "proof_one_history",
    "content": "content_known",
}


def verify_range(data: bytes, policy: Policy, *, quick: bool = False) -> Report:
    """Judge a range's bytes under a policy. Raises FormatError when they are no range at all."""
    shown = parse_range(data)
    found = witnessed(shown.note, policy)
    judge = Judge()
    keys = judge_origin(judge, policy, found, shown.key_chain, [])
    upper_s = judge_quorum(judge, policy, found)
    if upper_s is None:
        judge.unknown("back_dated", "no_upper_bound")
    facts: dict[str, Any] = {}
    said: dict[str, Params] = {}
    if keys is not None:
        walk = EntryWalk(judge, keys, complete=False, first_seq=shown.first_seq, schema=_schema(judge, shown), quick=quick)
        walk.approvals.origin = found.checkpoint.origin
        entries = [walk.feed(raw, body) for raw, body in zip(shown.entries, shown.bodies, strict=True)]
        walk.finish()
        _judge_ends(judge, shown, entries, found.checkpoint)
        late_s = _judge_times(judge, policy, shown, entries, found)
        counts = walk.counts
        said = {"altered": {"entries": len(entries)}, "dropped": {"entries": len(entries)}, "back_dated": {"late_s": late_s}}
        facts = note_facts(found, policy) | {"from_seq": shown.first_seq, "to_seq": shown.first_seq + len(entries) - 1}
        facts |= {"readings": counts["readings"], "readings_bad": counts["bad"], "withheld": counts["withheld"]}
        facts |= walk.approvals.facts()
    depend_on_altered(judge, ("dropped", "reordered", "back_dated", "withheld", "unanchored", "equivocated", "content"))
    said["unanchored"] = {"have": len(found.cosigned)}
    claims = judge.claims({name: (code, said.get(name, {})) for name, code in HOLDS.items()})
    return Report("range", claims, policy.independence(found.cosigned), facts)


def _schema(judge: Judge, shown: Range) -> SchemaState:
    """Read the schema that came along. Nothing signs it here: a wrong one fails at the first readings root."""
    if not shown.schema_body:
        return SchemaState()
    try:
        return SchemaState().apply(shown.schema_body, full=True)
    except FormatError as error:
        judge.breaks("content", error)
        return SchemaState()


def _judge_ends(judge: Judge, shown: Range, entries: list[Entry | None], checkpoint: Checkpoint) -> None:
    last_seq = shown.first_seq + len(entries) - 1
    for raw, seq, path in ((shown.entries[0], shown.first_seq, shown.first_path), (shown.entries[-1], last_seq, shown.last_path)):
        try:
            end = parse(raw)
        except FormatError:
            continue  # the walk has said so
        if end.seq == seq:  # whoever signed it: the cosigned tree tells whether these are the bytes
            judge_inclusion(judge, checkpoint, end, path)
    first = entries[0]
    if first is None or entries[-1] is None:
        # Without its ends under the checkpoint, nothing but signatures binds what stands between them.
        judge.unknown("altered", "range_end_not_judged", shown.first_seq)
    elif first.seq != shown.first_seq:
        judge.fails("altered", "range_begins_elsewhere", first.seq)


def _judge_times(judge: Judge, policy: Policy, shown: Range, entries: list[Entry | None], found: Witnessed) -> int:
    """Bound every entry's time; return the longest wait for a confirmation (s)."""
    upper_s, late_s = found.quorum_s(policy), 0
    bounds = _LowerBounds(judge, policy, shown, entries[0], found.checkpoint)
    for entry, body in zip(entries, shown.bodies, strict=True):
        if entry is None:
            continue
        judge_not_before(judge, entry.payload, bounds.of(entry))
        bounds.take(entry, body)
        if upper_s is not None:
            wall_ms, clock, fine = entry.payload.wall_ms, entry.payload.clock, says_nothing_of_its_time(entry.payload.kind)
            judge_not_after(judge, policy, entry.seq, wall_ms, clock=clock, late_is_fine=fine, upper_s=upper_s)
            late_s = late_s if fine else max(late_s, upper_s - wall_ms // 1000)
    return late_s


class _LowerBounds:
    """The receipts at hand: the one that the first entry names, then those that entries of the range keep."""

    def __init__(self, judge: Judge, policy: Policy, shown: Range, first: Entry | None, checkpoint: Checkpoint) -> None:
        self._judge = judge
        self._policy = policy
        self._checkpoint = checkpoint
        self._known: dict[bytes | None, int | None] = {None: None}
        self._newest_s: int | None = None
        self._withheld = False
        if first is not None:
            lower = judge_seen(judge, policy, first, shown.seen, checkpoint)
            self._known[first.payload.seen] = lower[0] if lower else None

    def of(self, entry: Entry) -> int | None:
        """Return the time (s) before which this entry cannot have been made: that of the newest receipt named or kept so far."""
        seen = entry.payload.seen
        if seen not in self._known:
            self._judge.unknown("back_dated", "seen_not_found", entry.seq)
            self._known[seen] = None  # said once
        elif self._withheld:  # an entry that does not name what it follows cannot gain by our not seeing it
            self._judge.unknown("back_dated", "receipts_withheld", entry.seq)
        self._withheld = False
        lower_s = self._known[seen]
        if lower_s is not None:
            self._newest_s = max(lower_s, self._newest_s or 0)
        return self._newest_s

    def take(self, entry: Entry, body: bytes | None) -> None:
        """Take the receipts that an entry keeps, where its body is at hand."""
        if entry.payload.kind != Kind.RECEIPTS:
            return
        if body is None:
            self._withheld = True
            return
        try:
            for receipt in parse_receipts(body, entry.payload.detail):
                lower = judge_receipt(self._judge, self._policy, entry.seq, receipt, self._checkpoint)
                self._known[receipt.hash] = lower[0] if lower else None
                if lower is not None:  # the prev link says that what follows was made with this receipt at hand
                    self._newest_s = max(lower[0], self._newest_s or 0)
        except FormatError as error:
            self._judge.breaks("content", error, entry.seq)


__all__ = ["verify_range"]
