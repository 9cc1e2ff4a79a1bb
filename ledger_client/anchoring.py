"""Receipts against the ledger that holds them: are the cosigned roots ours, and what do their times say of each entry. Pure.

Room: ground. `verify_ledger` feeds it the entries in order. It decides `unanchored` and `equivocated` and puts the two bounds on
every entry: not before the newest receipt that it names, not after the first quorum over a tree that holds it.
Source: docs/ledger-format.md sections 7 and 12.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import Any, Final

from ledger_client.claims import Judge, Params
from ledger_client.entry import Entry, Payload
from ledger_client.errors import FormatError
from ledger_client.key_chain import KeyChain
from ledger_client.past_roots import PastRoots
from ledger_client.policy import Policy
from ledger_client.receipt import AKIND_TLOG, Receipt, parse_receipts
from ledger_client.witnessing import judge_not_after, judge_not_before, says_nothing_of_its_time, signed_by_log

KEPT_MAX: Final = 4_096
"""Receipts remembered by hash, and trees whose cosignatures may still grow into a quorum."""
_CLOCK: Final = 7
_LATE_IS_FINE: Final = 8


class Anchoring:
    """Takes entries while the chain is whole; `confirmed_size` is the newest tree that a quorum cosigned, `origin` the log's name."""

    def __init__(self, judge: Judge, policy: Policy, roots: PastRoots) -> None:
        self._judge = judge
        self._policy = policy
        self._roots = roots
        self._seen: OrderedDict[bytes, int | None] = OrderedDict()
        self._trees: OrderedDict[tuple[int, bytes], dict[str, int]] = OrderedDict()
        self._walls = array("q")
        self._marks = bytearray()
        self._lower_s: int | None = None
        self._withheld = 0
        self._hidden = False
        self.origin: str | None = None
        self.confirmed_size = 0
        self.confirmed_s: int | None = None
        self.cosigned: dict[str, int] = {}
        self.late_s_max = 0

    def entry(self, entry: Entry) -> None:
        """Take one entry's time and hold it against the newest receipt that it names, or that the ledger held before it."""
        payload = entry.payload
        if payload.seen is not None:
            if payload.seen not in self._seen:
                self._judge.unknown("back_dated", "seen_not_found", entry.seq)
                self._hidden = False
            lower_s = self._seen.get(payload.seen)
            if lower_s is not None:
                self._lower_s = max(lower_s, self._lower_s or 0)
        if self._hidden:  # an entry that does not name what it follows cannot gain by our not seeing it
            self._judge.unknown("back_dated", "receipts_withheld", entry.seq)
            self._hidden = False
        judge_not_before(self._judge, payload, self._lower_s)
        self._walls.append(payload.wall_ms)
        self._marks.append(payload.clock | says_nothing_of_its_time(payload.kind) * _LATE_IS_FINE)

    def receipts(self, entry: Entry, body: bytes | None, keys: KeyChain) -> None:
        """Take the receipts of one entry, which has been taken by `entry` before."""
        if body is None:  # an entry that names one of these finds nothing
            self._withheld += 1
            self._hidden = True
            return
        for _, _, _, receipt_hash in entry.payload.detail[2]:
            self._remember(receipt_hash, None)
        try:
            found = parse_receipts(body, entry.payload.detail)
        except FormatError as error:
            self._judge.breaks("content", error, entry.seq)
            return
        for receipt in found:
            if receipt.akind == AKIND_TLOG:
                self._receipt(entry, receipt, keys)
            else:
                self._judge.unknown("content", "receipt_kind_unknown", entry.seq, akind=receipt.akind)

    def finish(self, last: Payload, *, whole: bool) -> Params:
        """Decide `unanchored` and `equivocated` at the end; return what to say of the tail: entries, their age, the confirmed size."""
        tail = len(self._walls)
        age_s = max(0, last.wall_ms - self._walls[0]) // 1000 if tail else 0
        said: Params = {"tail": tail, "age_s": age_s, "confirmed": self.confirmed_size}
        if self._policy.quorum is None or not whole or not self.confirmed_size:
            self._judge.unknown("back_dated", "no_upper_bound")
        if self._policy.quorum is None:
            self._judge.unknown("unanchored", "no_quorum_asked")
            self._judge.unknown("equivocated", "no_quorum_asked")
        elif not whole:
            self._judge.unknown("unanchored", "depends_on_altered")
            self._judge.unknown("equivocated", "depends_on_altered")
        elif not self.confirmed_size:
            if self._withheld:
                self._judge.unknown("unanchored", "receipts_withheld")
            else:
                self._judge.fails("unanchored", "never_confirmed", entries=tail)
            self._judge.unknown("equivocated", "never_confirmed", entries=tail)
        elif age_s > self._policy.max_anchor_gap_s:
            if self._withheld:
                self._judge.unknown("unanchored", "receipts_withheld")
            else:
                self._judge.fails("unanchored", "tail_not_confirmed", tail=tail, age_s=age_s, allowed_s=self._policy.max_anchor_gap_s)
        return said

    def facts(self) -> dict[str, Any]:
        """Return the newest confirmation as plain data."""
        witnesses = [
            {"name": name, "time_s": time_s, "operator": self._policy.operators.get(name)} for name, time_s in sorted(self.cosigned.items())
        ]
        return {"size": self.confirmed_size, "time_s": self.confirmed_s, "witnesses": witnesses}

    def _receipt(self, entry: Entry, receipt: Receipt, keys: KeyChain) -> None:
        try:
            note, tree = receipt.note()
            cosigned = {self._policy.name_of(key): time_s for key, time_s in receipt.cosigned(self._policy.witnesses.values())}
            if tree.origin != self.origin:
                self._judge.unknown("unanchored", "receipt_of_another_log", entry.seq, origin=tree.origin)
                return
            if tree.size > entry.seq or self._roots.root(tree.size) != tree.root:
                if cosigned or signed_by_log(note, tree, keys):
                    self._contradicted(entry, tree.size)
                return
        except FormatError as error:
            self._judge.doubts("unanchored", error, entry.seq)
            return
        if not cosigned:
            return
        latest_s = max(cosigned.values())
        self._remember(receipt.hash, latest_s)
        self._lower_s = max(latest_s, self._lower_s or 0)  # whatever follows was made after this receipt was here
        known = self._trees.setdefault((tree.size, tree.root), {})
        for name, time_s in cosigned.items():
            known[name] = min(time_s, known.get(name, time_s))
        while len(self._trees) > KEPT_MAX:
            self._trees.popitem(last=False)
        quorum_s = self._policy.quorum_time_s(known)
        if quorum_s is not None and tree.size >= self.confirmed_size:
            self._confirm(tree.size, quorum_s, known)

    def _contradicted(self, entry: Entry, size: int) -> None:
        if size > entry.seq:
            self._judge.fails("dropped", "confirmed_tree_was_larger", entry.seq, size=size)
        else:
            self._judge.fails("equivocated", "two_roots_of_one_size", entry.seq, size=size)

    def _confirm(self, size: int, quorum_s: int, cosigned: dict[str, int]) -> None:
        count = size - self.confirmed_size
        first = self.confirmed_size
        for place in range(count):
            wall_ms, clock, fine = self._walls[place], self._marks[place] & _CLOCK, bool(self._marks[place] & _LATE_IS_FINE)
            judge_not_after(self._judge, self._policy, first + place, wall_ms, clock=clock, late_is_fine=fine, upper_s=quorum_s)
            if not fine:
                self.late_s_max = max(self.late_s_max, quorum_s - wall_ms // 1000)
        del self._walls[:count]
        del self._marks[:count]
        self.confirmed_size, self.confirmed_s, self.cosigned = size, quorum_s, dict(cosigned)

    def _remember(self, receipt_hash: bytes, lower_s: int | None) -> None:
        if lower_s is not None or receipt_hash not in self._seen:
            self._seen[receipt_hash] = lower_s
        while len(self._seen) > KEPT_MAX:
            self._seen.popitem(last=False)
