"""Judge a whole ledger as it lies on a disk: every signature, link, body, root and receipt, in one pass. Streams.

Room: ground. `ledger verify` calls it, and so do the crash and kill tests, whose oracle it is. It reads through a `Source` and
believes nothing that it has not hashed itself. Source: docs/ledger-format.md section 12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from ledger_client.anchoring import Anchoring
from ledger_client.claims import Judge, Params, Report
from ledger_client.entry import Entry, Payload
from ledger_client.entry_walk import EntryWalk
from ledger_client.epoch_seam import Entries, judge_seam
from ledger_client.errors import CorruptError, FormatError, LedgerError
from ledger_client.key_chain import KeyChain
from ledger_client.kinds import Kind
from ledger_client.merkle import leaf_hash
from ledger_client.past_roots import PastRoots
from ledger_client.policy import Policy
from ledger_client.schema import SchemaState

PROGRESS_EVERY: Final = 256
HOLDS: Final = {
    "altered": "ledger_unaltered",
    "dropped": "ledger_complete",
    "reordered": "ledger_in_order",
    "back_dated": "ledger_times_bounded",
    "withheld": "ledger_bodies_shown",
    "unanchored": "ledger_confirmed",
    "equivocated": "ledger_one_history",
    "content": "content_known",
}

Progress = Callable[[int, int], None]
NOTHING_OLDER: Final[Mapping[int, Entries]] = MappingProxyType({})


class Source(Protocol):
    """What of a LedgerReader is needed here; see ledger_client/reader.py."""

    def size(self) -> int:
        """Entries that can be read."""
        ...

    def entry(self, seq: int) -> bytes:
        """An entry's exact bytes."""
        ...

    def body(self, seq: int) -> bytes | None:
        """An entry's body, None when it is withheld."""
        ...

    def segments(self) -> Mapping[int, set[str]]:
        """First seq of each segment, in order."""
        ...


def verify_ledger(
    source: Source, policy: Policy, progress: Progress | None = None, *, quick: bool = False, fault: LedgerError | None = None,
    older: Mapping[int, Entries] = NOTHING_OLDER,
) -> Report:  # fmt: skip
    """Judge all entries under a policy.

    Args:
        source: the ledger.
        policy: names the device's key and the witnesses.
        progress: called with (entries done, entries in all) now and then.
        quick: hashes of bodies only; their contents and readings roots are left out.
        fault: what recovery found at the very end of the newest segment, if anything.
        older: the epochs before this one that are at hand, by number; the genesis entry must name the head of the last of them.

    Raises:
        FormatError: `ledger_empty`.
        OSError: the disk.
    """
    size = source.size()
    if not size:
        raise FormatError("ledger_empty")
    run = _Run(source, policy, size, quick=quick)
    run.walk_all(progress)
    if fault is not None:
        run.judge.breaks("altered", fault, size)
    run.judge_seam(older)
    return run.report()


class _Run:
    """One pass and what it gathers."""

    def __init__(self, source: Source, policy: Policy, size: int, *, quick: bool) -> None:
        self.judge = Judge()
        self._source = source
        self._policy = policy
        self._size = size
        self._quick = quick
        self._roots = PastRoots(lambda start, end: (leaf_hash(source.entry(seq)) for seq in range(start, end)))
        instead = KeyChain([key.key for key in policy.logs]) if policy.logs else None
        self._walk = EntryWalk(self.judge, None, complete=True, first_seq=0, schema=SchemaState(), quick=quick, instead=instead)
        self._anchoring = Anchoring(self.judge, policy, self._roots)
        self._genesis: tuple[Any, ...] | None = None
        self._first: Payload | None = None
        self._last: Payload | None = None
        self._gaps: Counter[str] = Counter()

    def walk_all(self, progress: Progress | None) -> None:
        for done, (raw, body) in enumerate(self._records()):
            self._take(raw, body)
            if progress is not None and done % PROGRESS_EVERY == 0:
                progress(done, self._size)
        self._walk.finish()
        if progress is not None:
            progress(self._size, self._size)

    def judge_seam(self, older: Mapping[int, Entries]) -> None:
        if self._genesis is not None:
            judge_seam(self.judge, self._genesis, older)

    def report(self) -> Report:
        self._judge_origin()
        tail: Params = {"tail": 0, "age_s": 0, "confirmed": 0}
        if self._last is not None:
            tail = self._anchoring.finish(self._last, whole=self._walk.whole)
        said: dict[str, Params] = {
            "altered": {"entries": self._walk.counts["entries"]},
            "dropped": {"entries": self._walk.counts["entries"]},
            "back_dated": {"late_s": self._anchoring.late_s_max},
            "unanchored": tail,
        }
        claims = self.judge.claims({name: (code, said.get(name, {})) for name, code in HOLDS.items()})
        return Report("ledger", claims, self._policy.independence(self._anchoring.cosigned), self._facts(tail))

    def _records(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield entries with bodies; where the file is damaged, say so and go on with the next segment."""
        seq = 0
        while seq < self._size:
            try:
                raw = self._source.entry(seq)
            except CorruptError as error:
                self.judge.breaks("altered", error, seq)
                later = [first for first in self._source.segments() if first > seq]
                seq = min(later, default=self._size)
                continue
            try:
                body = self._source.body(seq)
            except CorruptError as error:
                self.judge.breaks("altered", error, seq)
                body = None
            yield raw, body
            seq += 1

    def _take(self, raw: bytes, body: bytes | None) -> None:
        entry = self._walk.feed(raw, body)
        if entry is None:
            return
        payload = entry.payload
        self._first = self._first or payload
        self._last = payload
        if payload.kind == Kind.GENESIS:
            self._genesis = payload.detail
            self._anchoring.origin = self._walk.approvals.origin = payload.detail[0]
            self._walk.approvals.complete = payload.detail[1] == 1
        if payload.kind == Kind.GAP:
            for _, _, _, cause, count in payload.detail:
                self._gaps[cause] += count
        if self._walk.whole:
            self._take_whole(entry, body)

    def _take_whole(self, entry: Entry, body: bytes | None) -> None:
        self._roots.append(entry.leaf)
        self._anchoring.entry(entry)
        if entry.payload.kind == Kind.RECEIPTS and self._walk.keys is not None:
            self._anchoring.receipts(entry, body if self._walk.body_holds else None, self._walk.keys)

    def _judge_origin(self) -> None:
        """Is this the device that the policy means? A ledger that is whole in itself proves nothing about who wrote it."""
        if self._genesis is None:
            return
        origin, keys = self._genesis[0], self._walk.keys
        expected = [key.key for key in self._policy.log_keys(origin)]
        if not expected:
            self.judge.unknown("altered", "log_not_in_policy", origin=origin)
        elif keys is None or not any(key in keys.all_keys for key in expected):
            self.judge.fails("altered", "log_key_differs", origin=origin)

    def _facts(self, tail: Params) -> dict[str, Any]:
        counts = self._walk.counts
        kinds = {_kind_name(int(name[5:])): number for name, number in sorted(counts.items()) if name.startswith("kind ")}
        facts: dict[str, Any] = {
            "entries": counts["entries"],
            "kinds": kinds,
            "readings": counts["readings"],
            "readings_bad": counts["bad"],
            "readings_dropped": counts["dropped"],
            "batch_bytes": counts["batch_bytes"],
            "gaps": dict(sorted(self._gaps.items())),
            "withheld": counts["withheld"],
            "tail": tail["tail"],
            "confirmed": self._anchoring.facts(),
            "quick": self._quick,
        }
        if self._walk.whole:
            facts |= {"size": self._roots.size, "root": self._roots.root(self._roots.size).hex()}
        if self._genesis is not None:
            previous = self._genesis[4]
            facts["previous"] = previous and {"origin": previous[0], "size": previous[1], "root": previous[2].hex()}
            facts |= {"origin": self._genesis[0], "epoch": self._genesis[1], "policy_is_recorded": self._genesis[5] == self._policy.hash}
        keys: KeyChain | None = self._walk.keys
        facts["keys"] = [key.kid.hex() for key in keys.all_keys] if keys else []
        if self._first is not None and self._last is not None:
            facts["from_ms"], facts["to_ms"] = self._first.wall_ms, self._last.wall_ms
        return facts | self._walk.approvals.facts()


def _kind_name(kind: int) -> str:
    return Kind(kind).name.lower() if kind in list(Kind) else str(kind)


__all__ = ["Progress", "Source", "verify_ledger"]
