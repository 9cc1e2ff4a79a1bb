"""Making a proof of one reading, and a range of entries, out of a ledger. Reads through a LedgerReader, never writes.

Room: ground. The command line and the history process call it. It judges nothing: whoever gets the file runs `verify`. Source:
docs/ledger-format.md sections 9 and 10.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from ledger_client.body import read_body
from ledger_client.confirmed import Ledger, Tree, confirmed_size, first_confirmed, receipt_named, rotations_before
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.kinds import KINDS_KEPT, Kind
from ledger_client.leaves import disclose
from ledger_client.merkle import inclusion_path
from ledger_client.policy import Policy, parse_policy
from ledger_client.proof import Link, Path, Proof
from ledger_client.schema import SchemaState
from ledger_client.segment_file import Range

SEAL_DELAY_MS: Final = 120_000
"""How long after a reading the entry of its batch may stand."""
BATCHES_SEARCHED_MAX: Final = 20_000


def prove_reading(ledger: Ledger, policy: bytes, tag_uid: int, at_ms: int, *, note: str | None = None) -> bytes:
    """Return the `.wmproof` of a tag's newest confirmed reading at or before `at_ms` (wall ms), under a policy's text.

    Of several readings of one millisecond it is the one that was recorded last: it superseded the others.

    `note` is a cosigned checkpoint from elsewhere, for entries that no receipt in the ledger confirms.

    Raises LedgerError: `proof_not_ready` when none at or before that time is confirmed outside yet, `proof_no_witness` where the policy
    asks nobody for that, `reading_not_found`, or what reading the ledger raises.
    """
    parsed = parse_policy(policy)
    entry, time_ms, schema = _find(ledger, parsed, tag_uid, at_ms, note)
    tree = first_confirmed(ledger, parsed, entry.seq, note)
    if tree is None:
        raise _unconfirmed(parsed)
    body = ledger.body(entry.seq)
    shown = disclose(body or b"", entry.payload.detail, schema, tag_uid, time_ms)
    path = _path(ledger, entry.seq, tree)
    proof = Proof(entry.raw, shown, path, tree.note(), receipt_named(ledger, entry), _links(ledger, tree), time_ms)
    return proof.encode()


def export_range(ledger: Ledger, policy: bytes, start: int, end: int, *, bodies: bool, note: str | None = None) -> bytes:
    """Return the `.wmseg` of entries [start, end), under the first confirmed checkpoint that holds them all.

    `note` is a cosigned checkpoint from elsewhere, for entries that no receipt in the ledger confirms.

    Without `bodies`, those of receipts and schema entries come along all the same (KINDS_KEPT), so that times can be judged.

    Raises LedgerError: `range_invalid`, `range_not_ready` when the last is not confirmed outside yet.
    """
    size = ledger.size()
    if not 0 <= start < end <= size:
        raise FormatError("range_invalid", start=start, end=end - 1, size=size)
    tree = first_confirmed(ledger, parse_policy(policy), end - 1, note)
    if tree is None:
        raise FormatError("range_not_ready", end=end - 1)
    schema = ledger.schema_at(start)
    entries = [parse(ledger.entry(seq)) for seq in range(start, end)]
    return Range(
        start,
        tuple(entry.raw for entry in entries),
        tuple(ledger.body(entry.seq) or None if bodies or entry.payload.kind in KINDS_KEPT else None for entry in entries),
        _path(ledger, start, tree),
        _path(ledger, end - 1, tree),
        tree.note(),
        b"" if schema == SchemaState() else schema.full_body(),
        receipt_named(ledger, entries[0]),
        _links(ledger, tree),
    ).encode()


def tag_uid_at(ledger: Ledger, name: str, at_ms: int) -> int:
    """Return the uid of the tag that was called `device/tag` at a time (wall ms), else of the one that is called so now.

    Raises FormatError `tag_not_found`, or what reading the ledger raises.
    """
    # Its batch, and ahead of that the first tag list, are appended a while after a reading: hence the second look.
    looks = (_last_before(ledger, at_ms) + 1, _last_before(ledger, at_ms + SEAL_DELAY_MS) + 1, ledger.size())
    for seq in looks:
        for descriptor in ledger.schema_at(min(seq, ledger.size())).descriptors.values():
            if descriptor.name == name:
                return descriptor.uid
    raise FormatError("tag_not_found", tag=name)


def _find(ledger: Ledger, policy: Policy, tag_uid: int, at_ms: int, note: str | None) -> tuple[Entry, int, SchemaState]:
    """Return the entry, read time and schema of the reading to prove."""
    confirmed = confirmed_size(ledger, policy, note)
    if not confirmed:
        raise _unconfirmed(policy)
    searched = 0
    for entry, schema in _batches_back(ledger, min(_last_before(ledger, at_ms + SEAL_DELAY_MS), confirmed - 1)):
        if entry.payload.detail[0] > at_ms or tag_uid not in schema.descriptors:
            continue
        searched += 1
        body = ledger.body(entry.seq)
        if body is not None:
            times = _times_of(body, entry, schema, tag_uid, at_ms)
            if times:
                return entry, max(times), schema
        if searched >= BATCHES_SEARCHED_MAX:
            break
    raise FormatError("reading_not_found", tag_uid=tag_uid, time_ms=at_ms)


def _unconfirmed(policy: Policy) -> FormatError:
    """Return what is said of readings that nobody has confirmed: where nobody is asked, waiting would not help."""
    return FormatError("proof_no_witness" if policy.quorum is None else "proof_not_ready")


def _times_of(body: bytes, entry: Entry, schema: SchemaState, tag_uid: int, at_ms: int) -> list[int]:
    found: list[int] = []
    for section in read_body(body, entry.payload.detail, schema).sections:
        for column in section.columns:
            if column.descriptor.uid == tag_uid:
                found += [section.times[scan] for scan in column.scans if section.times[scan] <= at_ms]
    return found


def _batches_back(ledger: Ledger, last: int) -> Iterator[tuple[Entry, SchemaState]]:
    """Yield batch entries from `last` down, each with the schema in force."""
    schema: SchemaState | None = None
    for seq in range(last, -1, -1):
        entry = parse(ledger.entry(seq))
        if entry.payload.kind == Kind.SCHEMA:
            schema = None
        elif entry.payload.kind == Kind.BATCH:
            schema = schema or ledger.schema_at(seq)
            yield entry, schema


def _last_before(ledger: Ledger, wall_ms: int) -> int:
    """Return the last entry not later than a wall time, by bisection: where the clock stepped back it may be another than the last."""
    seqs = range(ledger.size())
    return max(0, bisect_right(seqs, wall_ms, key=lambda seq: parse(ledger.entry(seq)).payload.wall_ms) - 1)


def _path(ledger: Ledger, seq: int, tree: Tree) -> Path:
    return tuple(inclusion_path(ledger.subtree, seq, tree.size))


def _links(ledger: Ledger, tree: Tree) -> tuple[Link, ...]:
    return tuple(Link(raw, _path(ledger, parse(raw).seq, tree)) for raw in rotations_before(ledger, tree.size))
