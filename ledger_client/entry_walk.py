"""The walk over entries that a ledger and a range have in common: signatures, places, bodies, schema. Pure.

Room: ground. `verify_ledger` and `verify_range` feed it one entry after another with its body (None: not at hand). It knows
nothing of witnesses or files. Sources: docs/ledger-format.md sections 3 to 5 and 12.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from ledger_client.approvals_seen import ApprovalsSeen
from ledger_client.body import read_body
from ledger_client.chain_rules import SILENCE_MS, Clocks, Links, Offsets, Places, Silences, check_batch
from ledger_client.claims import Judge
from ledger_client.details import body_commitment
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.event_bodies import EVENT_TYPES, VERSION, check_event
from ledger_client.key_chain import KeyChain
from ledger_client.keys import from_cose
from ledger_client.kinds import FOREIGN_KIND_MIN, Kind
from ledger_client.records import record_size
from ledger_client.schema import SchemaState

EVENT_TYPES_KNOWN: frozenset[str] = EVENT_TYPES
"""Event types whose bodies this version can read."""


class EntryWalk:
    """Feeds each rule, keeps the key chain and the schema, and counts what went by.

    Args:
        judge: takes the findings.
        keys: the device's keys at the first entry; None: take them from the genesis entry, or `instead` where that is missing.
        complete: `keys` are all that the device ever had, so that a signature by another is no question but a breach.
        first_seq: where the walk starts.
        schema: the state in force there.
        quick: leave the readings roots and the decoding of bodies out; their hashes are checked all the same.
    """

    def __init__(
        self,
        judge: Judge,
        keys: KeyChain | None,
        *,
        complete: bool,
        first_seq: int,
        schema: SchemaState,
        quick: bool,
        instead: KeyChain | None = None,
    ) -> None:
        self.keys = keys
        self.schema: SchemaState | None = schema
        self.counts: Counter[str] = Counter()
        self.links = Links(judge, first_seq)
        self.whole = True
        self.body_holds = True
        self._judge = judge
        self._complete = complete
        self._instead = instead
        self._quick = quick
        self.approvals = ApprovalsSeen(judge, complete=complete)
        self._schema_given = True
        self._silence_ms = _silence_ms(schema)
        self._renew()

    def feed(self, raw: bytes, body: bytes | None) -> Entry | None:
        """Judge one entry and its body; return it when it is the device's own and stands in its place."""
        self.counts["entries"] += 1
        entry = self._read(raw)
        if entry is None:
            self.links.unreadable(raw)
            self.whole = False
            self.approvals.miss()
            self._renew()
            return None
        place = self.links.feed(entry)
        if place == "elsewhere":
            self.whole = False
            return None
        if place == "after a hole":
            self.whole = False
            self.approvals.miss()
            self._renew()
        self._places.feed(entry)
        self._clocks.feed(entry)
        self._offsets.feed(entry)
        self._silences.feed(entry)
        self._follow(entry)
        self._content(entry, body)
        return entry

    def finish(self) -> None:
        """Report what only the end can show."""
        self.links.finish()
        self._clocks.finish()
        self._silences.finish()

    def _renew(self) -> None:
        """Start the rules about neighbours anew; what is not here may have changed the schema."""
        self._schema_sure = self.links.next_seq == 0 or self._schema_given
        self._schema_given = False
        self._offsets = Offsets()
        self._places, self._clocks, self._silences = Places(self._judge), Clocks(self._judge), Silences(self._judge, self._offsets)
        self._silences.limit_ms = self._silence_ms

    def _read(self, raw: bytes) -> Entry | None:
        try:
            entry = parse(raw)
        except FormatError as error:
            self._judge.breaks("altered", error, self.links.next_seq)
            return None
        if self.keys is None:
            self._begin(entry)
        if self.keys is None:
            self._judge.unknown("altered", "no_key_to_start_from", entry.seq)
            return None
        if self.keys.signer_of(entry) is not None:
            return entry
        if self._complete or self.keys.knows(entry):
            self._judge.fails("altered", "entry_signature_invalid", self.links.next_seq)
        else:
            self._judge.unknown("altered", "entry_key_unknown", self.links.next_seq, kid=entry.kid.hex())
        return None

    def _begin(self, first: Entry) -> None:
        if first.payload.kind != Kind.GENESIS or first.seq:
            self.keys = self._instead
            return
        try:
            self.keys = KeyChain([from_cose(first.payload.detail[2])], first.payload.detail[3])
        except FormatError as error:
            self._judge.breaks("altered", error, 0)

    def _follow(self, entry: Entry) -> None:
        kind, detail = entry.payload.kind, entry.payload.detail
        self.counts[f"kind {kind}"] += 1
        if kind == Kind.ROTATE and self.keys is not None and self._complete:
            try:
                self.keys.rotate(entry)
            except FormatError as error:
                self._judge.breaks("altered", error, entry.seq)
        elif kind == Kind.BATCH:
            self.counts["readings"] += detail[2] + detail[3]
            self.counts["bad"] += detail[3]
            self.counts["dropped"] += detail[4]
        elif kind >= FOREIGN_KIND_MIN:
            self._judge.unknown("content", "kind_unknown", entry.seq, kind=kind)
        elif kind in (Kind.EVENT, Kind.PLAN) and (detail[0] not in EVENT_TYPES_KNOWN or detail[1] != VERSION or kind == Kind.PLAN):
            self._judge.unknown("content", "event_type_unknown", entry.seq, type=detail[0])

    def _content(self, entry: Entry, body: bytes | None) -> None:
        """Hold the body against what the entry says of it, then read it; `body_holds` tells what came of that."""
        self.body_holds = True
        kind = entry.payload.kind
        offset_ms = None
        commitment = body_commitment(kind, entry.payload.detail) if kind < FOREIGN_KIND_MIN else None
        if commitment is None:
            if body:
                self._judge.fails("altered", "body_not_expected", entry.seq)
            return
        length, digest = commitment
        if body is None and length:
            self.counts["withheld"] += 1
            self._judge.unknown("withheld", "bodies_withheld", entry.seq)
            if kind == Kind.SCHEMA:
                self.schema = None
            elif kind == Kind.COMMAND:
                self.approvals.miss()
        elif len(body or b"") != length or sha256(body or b"").digest() != digest:
            self._judge.fails("altered", "entry_body_differs", entry.seq)
            self.body_holds = False
            if kind == Kind.SCHEMA:
                self.schema = None
            return
        elif kind == Kind.SCHEMA:
            self._apply_schema(entry, body or b"")
        elif kind == Kind.BATCH and not self._quick:
            offset_ms = self._read_batch(entry, body or b"")
        elif kind == Kind.COMMAND and not self._quick:
            self.approvals.take(entry, body or b"")
        elif kind == Kind.EVENT and not self._quick:
            self._read_event(entry, body or b"")
        self.counts["body_bytes"] += len(body or b"")
        if kind == Kind.BATCH:
            self.counts["batch_bytes"] += record_size(len(entry.raw), len(body or b""))
            check_batch(self._judge, entry, offset_ms, self._offsets)

    def _apply_schema(self, entry: Entry, body: bytes) -> None:
        _, _, state_hash, full = entry.payload.detail
        self._schema_sure = self._schema_sure or bool(full)
        before = SchemaState() if full else self.schema
        if before is None:
            self._judge.unknown("content", "schema_not_known", entry.seq)
            return
        try:
            state = before.apply(body, full=bool(full))
        except FormatError as error:
            self._unreadable(error, entry)
            self.schema = None
            return
        if state.state_hash != state_hash:
            self._unreadable(FormatError("schema_state_differs"), entry)
            self.schema = None
            return
        self.schema = state
        self._silence_ms = _silence_ms(state)
        self._silences.limit_ms = self._silence_ms

    def _read_batch(self, entry: Entry, body: bytes) -> int | None:
        if self.schema is None:
            self._judge.unknown("content", "schema_not_known", entry.seq)
            return None
        try:
            return read_body(body, entry.payload.detail, self.schema, check_root=True).offset_ms
        except FormatError as error:
            self._unreadable(error, entry)
            return None

    def _read_event(self, entry: Entry, body: bytes) -> None:
        """An event of a known type says what its type says; its bytes were signed, so another shape is the writer's breach."""
        try:
            check_event(entry.payload.detail[0], entry.payload.detail[1], body)
        except FormatError as error:
            self._judge.breaks("content", error, entry.seq)

    def _unreadable(self, error: FormatError, entry: Entry) -> None:
        """A body that does not fit the schema: a breach, unless a schema entry may be among those that are missing."""
        if self._schema_sure:
            self._judge.breaks("content", error, entry.seq)
        else:
            self._judge.doubts("content", error, entry.seq)


def _silence_ms(schema: SchemaState) -> int | None:
    """Return the longest silence that needs no gap entry, None while there is no group that could speak."""
    return max([SILENCE_MS, *(3 * group.period_ms for group in schema.groups.values())]) if schema.groups else None
