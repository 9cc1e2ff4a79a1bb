"""A receipt: what an anchor gave us for a checkpoint, and the entry body that keeps receipts in the ledger.

Room: ground. Anchors make receipts, the outbox appends them as entries of kind 7, proofs carry one as `seen`, the verifier
reads them. A receipt claims nothing by itself: its evidence counts only when a key of the reader's policy signed it.
Source: docs/ledger-format.md section 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.checkpoint import SIZE_MAX, Checkpoint, parse_checkpoint
from ledger_client.details import BODY_SIZE_MAX, is_hash, is_int, is_uint
from ledger_client.errors import FormatError
from ledger_client.note import NOTE_SIZE_MAX, SIG_COSIGNATURE, Note, NoteKey, parse_note, verified_by

VERSION = 1
AKIND_TLOG = 1
"""A tlog witness: the evidence is the checkpoint note that carries its cosignature."""
RECEIPT_SIZE_MAX = NOTE_SIZE_MAX + 1_024
ANCHOR_ID_MAX = 255


@dataclass(frozen=True, slots=True)
class Receipt:
    """One anchor's evidence for the tree of `size` leaves under `root` (32 bytes); `got_wall_ms` is our clock when it came."""

    akind: int
    anchor_id: str
    size: int
    root: bytes
    evidence: bytes
    got_wall_ms: int

    def encode(self) -> bytes:
        """Return the receipt's exact bytes."""
        return cbor.encode([VERSION, self.akind, self.anchor_id, self.size, self.root, self.evidence, self.got_wall_ms])

    @property
    def hash(self) -> bytes:
        """SHA-256 of the bytes: what later entries name as `seen`."""
        return sha256(self.encode()).digest()

    @property
    def row(self) -> tuple[str, int, bytes, bytes]:
        """What the receipts entry itself says of it."""
        return (self.anchor_id, self.size, self.root, self.hash)

    def note(self) -> tuple[Note, Checkpoint]:
        """Return the evidence of a tlog receipt, parsed. Raises FormatError: another kind, or evidence of another size or root."""
        if self.akind != AKIND_TLOG:
            raise FormatError("receipt_kind_unknown", akind=self.akind)
        try:
            note = parse_note(self.evidence.decode())
        except UnicodeDecodeError as error:
            raise FormatError("receipt_invalid", reason="evidence is not text") from error
        checkpoint = parse_checkpoint(note.text)
        if (checkpoint.size, checkpoint.root) != (self.size, self.root):
            raise FormatError("receipt_invalid", reason="evidence is of another tree")
        return note, checkpoint

    def cosigned(self, witnesses: Iterable[NoteKey]) -> list[tuple[NoteKey, int]]:
        """Return which of these witnesses cosigned, each with its time in s. Raises FormatError; see `note.verified_by`."""
        note, _ = self.note()
        found = verified_by(note, [key for key in witnesses if key.type == SIG_COSIGNATURE])
        return [(key, time_s) for key, time_s in found if time_s is not None]


def parse_receipt(raw: bytes) -> Receipt:
    """Read a receipt strictly; its evidence is not judged. Raises FormatError."""
    row = cbor.decode(raw, size_max=RECEIPT_SIZE_MAX, what="receipt")
    if not isinstance(row, list | tuple) or len(row) != 7 or not is_uint(row[0]) or row[0] != VERSION:
        raise FormatError("receipt_invalid", reason="shape")
    _, akind, anchor_id, size, root, evidence, got = row
    fine = is_uint(akind) and isinstance(anchor_id, str) and 0 < len(anchor_id) <= ANCHOR_ID_MAX
    if not fine or not is_uint(size) or size > SIZE_MAX or not is_hash(root) or not isinstance(evidence, bytes) or not is_int(got):
        raise FormatError("receipt_invalid", reason="shape")
    return Receipt(akind, anchor_id, size, root, evidence, got)


def receipts_entry(receipts: Sequence[Receipt]) -> tuple[tuple[Any, ...], bytes]:
    """Return (detail, body) of the receipts entry that keeps these. Raises FormatError for none, or more than a body holds."""
    body = cbor.encode([VERSION, [receipt.encode() for receipt in receipts]])
    if not receipts or len(body) > BODY_SIZE_MAX:
        raise FormatError("receipts_invalid", reason="count")
    return (len(body), sha256(body).digest(), tuple(receipt.row for receipt in receipts)), body


def parse_receipts(body: bytes, detail: Sequence[Any]) -> list[Receipt]:
    """Read a receipts body and hold it against its entry's detail. Raises FormatError."""
    value = cbor.decode(body, size_max=BODY_SIZE_MAX, what="receipts body")
    if not isinstance(value, list | tuple) or len(value) != 2 or not is_uint(value[0]) or value[0] != VERSION:
        raise FormatError("receipts_invalid", reason="shape")
    raws = value[1]
    if not isinstance(raws, list | tuple) or not raws or not all(isinstance(raw, bytes) for raw in raws):
        raise FormatError("receipts_invalid", reason="shape")
    receipts = [parse_receipt(raw) for raw in raws]
    if len(detail) != 3 or [tuple(row) for row in detail[2]] != [receipt.row for receipt in receipts]:
        raise FormatError("receipts_invalid", reason="rows")
    if (detail[0], detail[1]) != (len(body), sha256(body).digest()):
        raise FormatError("receipts_invalid", reason="body hash")
    return receipts
