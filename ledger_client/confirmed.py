"""Looking for what confirms an entry: receipts in a ledger, merged into one cosigned note per tree. Reads, never judges.

Room: ground. The proof and range builders call it. What it finds is checked against the gateway's own policy, so that no note is
shown that would not convince the gateway itself. Source: docs/ledger-format.md sections 7 and 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ledger_client.checkpoint import parse_checkpoint
from ledger_client.entry import Entry, parse
from ledger_client.errors import FormatError
from ledger_client.heads import Heads
from ledger_client.key_chain import KeyChain
from ledger_client.keys import from_cose
from ledger_client.kinds import Kind
from ledger_client.note import Note, NoteSignature, parse_note
from ledger_client.policy import Policy
from ledger_client.receipt import AKIND_TLOG, Receipt, parse_receipts
from ledger_client.schema import SchemaState
from ledger_client.witnessing import signed_by_log

COMPANY: Final = 4
"""Receipts entries read on after the quorum is met, for cosignatures of the same tree by further witnesses."""
LINES_MAX: Final = 16


class Ledger(Protocol):
    """What of a LedgerReader is needed; see ledger_client/reader.py."""

    def size(self) -> int:
        """Entries that can be read."""
        ...

    def entry(self, seq: int) -> bytes:
        """An entry's exact bytes."""
        ...

    def body(self, seq: int) -> bytes | None:
        """An entry's body, None when it is withheld."""
        ...

    def heads(self, at: int) -> Heads:
        """What is in force before an entry."""
        ...

    def schema_at(self, seq: int) -> SchemaState:
        """The schema in force before an entry."""
        ...

    def subtree(self, start: int, size: int) -> bytes:
        """See merkle.Subtree."""
        ...


@dataclass(slots=True)
class Tree:
    """One cosigned tree in the making: the note's text, its lines by (name, key id), and who of the policy cosigned when (s)."""

    size: int
    root: bytes
    text: str
    lines: dict[tuple[str, bytes], NoteSignature] = field(default_factory=dict)
    cosigned: dict[str, int] = field(default_factory=dict)

    def note(self) -> str:
        """Return the merged note."""
        return Note(self.text, tuple(self.lines.values())[:LINES_MAX]).encode()


def first_confirmed(ledger: Ledger, policy: Policy, seq: int, note: str | None = None) -> Tree | None:
    """Return the first tree in the ledger that holds entry `seq` and that a quorum cosigned, None when there is none yet.

    `note`, a cosigned checkpoint from elsewhere, counts where the ledger itself has none.
    """
    trees: dict[tuple[int, bytes], Tree] = {}
    met: Tree | None = None
    company = COMPANY
    for entry in entries_of(ledger, Kind.RECEIPTS, range(seq + 1, ledger.size())):
        for receipt in receipts_of(ledger, entry):
            if receipt.size > seq:
                _merge(trees, receipt, policy, ledger)
        if met is None:
            met = min((t for t in trees.values() if _convinces(t, policy)), key=lambda t: t.size, default=None)
        elif not (company := company - 1):
            break
    return met or _brought(note, policy, ledger, seq + 1)


def confirmed_size(ledger: Ledger, policy: Policy, note: str | None = None) -> int:
    """Return the size of the newest tree that a quorum cosigned, 0 when there is none. `note`: see first_confirmed."""
    size = ledger.size()
    brought = _brought(note, policy, ledger, 1)
    if brought is not None:
        return brought.size
    if ledger.heads(size).receipt is None:
        return 0
    trees: dict[tuple[int, bytes], Tree] = {}
    for entry in entries_of(ledger, Kind.RECEIPTS, range(size - 1, -1, -1)):
        for receipt in receipts_of(ledger, entry):
            tree = _merge(trees, receipt, policy, ledger)
            if tree is not None and _convinces(tree, policy):
                return tree.size
    return 0


def entries_of(ledger: Ledger, kind: int, seqs: Sequence[int]) -> Iterator[Entry]:
    """Yield the entries of a kind among these, in that order."""
    for seq in seqs:
        entry = parse(ledger.entry(seq))
        if entry.payload.kind == kind:
            yield entry


def receipts_of(ledger: Ledger, entry: Entry) -> list[Receipt]:
    """Return the receipts of a receipts entry; none when its body is withheld or damaged."""
    body = ledger.body(entry.seq)
    try:
        return [] if body is None else parse_receipts(body, entry.payload.detail)
    except FormatError:
        return []


def receipt_named(ledger: Ledger, entry: Entry) -> bytes | None:
    """Return the receipt that an entry names as seen, None when it names none or it is not at hand."""
    wanted = entry.payload.seen
    if wanted is None:
        return None
    for earlier in entries_of(ledger, Kind.RECEIPTS, range(entry.seq - 1, -1, -1)):
        if any(row[3] == wanted for row in earlier.payload.detail[2]):
            return next((r.encode() for r in receipts_of(ledger, earlier) if r.hash == wanted), None)
    return None


def rotations_before(ledger: Ledger, size: int) -> list[bytes]:
    """Return the rotate entries of the keys in force up to entry `size`, oldest first; reads little when there was none."""
    found: list[bytes] = []
    end = size
    while True:
        _, since = ledger.heads(end).key
        if not since:
            return found[::-1]
        found.append(next(e.raw for e in entries_of(ledger, Kind.ROTATE, range(since - 1, -1, -1)) if e.payload.detail[1] == since))
        end = since - 1


def _brought(note: str | None, policy: Policy, ledger: Ledger, size_min: int) -> Tree | None:
    """Return the tree of a note that did not come in a receipt, None when it is too small, too large, or does not convince."""
    if note is None:
        return None
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except FormatError:
        return None
    if not size_min <= checkpoint.size <= ledger.size():
        return None
    receipt = Receipt(AKIND_TLOG, "note", checkpoint.size, checkpoint.root, note.encode(), 0)
    tree = _merge({}, receipt, policy, ledger)
    return tree if tree is not None and _convinces(tree, policy) else None


def _merge(trees: dict[tuple[int, bytes], Tree], receipt: Receipt, policy: Policy, ledger: Ledger) -> Tree | None:
    """Add one receipt's lines to its tree; what does not hold is passed over."""
    if receipt.akind != AKIND_TLOG:
        return None
    try:
        note, checkpoint = receipt.note()
        cosigned = receipt.cosigned(policy.witnesses.values())
        if not signed_by_log(note, checkpoint, _keys_at(ledger, checkpoint.size)):
            return None
    except (FormatError, IndexError):
        return None
    tree = trees.setdefault((receipt.size, receipt.root), Tree(receipt.size, receipt.root, note.text))
    for line in note.signatures:
        tree.lines.setdefault((line.name, line.id), line)
    for key, time_s in cosigned:
        tree.cosigned.setdefault(policy.name_of(key), time_s)
    return tree


def _keys_at(ledger: Ledger, size: int) -> KeyChain:
    """Return the keys that may sign a checkpoint of that size: in force at its last entry, or at the next."""
    key, since = ledger.heads(size).key
    keys = [key, ledger.heads(size - 1).key[0]] if 0 < since == size else [key]
    return KeyChain([from_cose(cose) for cose in keys])


def _convinces(tree: Tree, policy: Policy) -> bool:
    """With `quorum none` any receipt will do: it is the only signed checkpoint that a ledger holds."""
    return bool(tree.lines) if policy.quorum is None else policy.quorum_time_s(tree.cosigned) is not None
