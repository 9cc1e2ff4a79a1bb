"""A `.wmproof` file: one reading, the entry that commits to it, and the cosigned checkpoint that commits to the entry. Pure.

Room: ground. `prove` makes one, `verify_proof` judges one, both through this noun. Reading it checks shapes and sizes only.
Source: docs/ledger-format.md section 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger_client import cbor
from ledger_client.deflate import deflate, inflate
from ledger_client.details import is_hash, is_int
from ledger_client.entry import ENTRY_SIZE_MAX
from ledger_client.errors import FormatError
from ledger_client.leaves import Disclosure, parse_disclosure
from ledger_client.merkle import PATH_MAX
from ledger_client.note import NOTE_SIZE_MAX
from ledger_client.receipt import RECEIPT_SIZE_MAX
from ledger_client.sealed_file import bundle_of, seal, unseal

MAGIC: Final = b"WMPROOF1"
VERSION: Final = 1
PROOF_SIZE_MAX: Final = 1 << 20
ROTATIONS_MAX: Final = 64

Path = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A rotate entry (exact bytes) and the path that proves it in the tree of the same note."""

    entry: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it stands in the file. `note` is the cosigned checkpoint; `seen` the receipt that `entry` names.

    `time_ms` repeats the read time of the chosen reading: nothing else binds which reading of a leaf is meant.
    """

    entry: bytes
    disclosure: Disclosure
    path: Path
    note: str
    seen: bytes | None
    key_chain: tuple[Link, ...]
    time_ms: int

    def encode(self) -> bytes:
        """Return the file's bytes."""
        links = [[link.entry, list(link.path)] for link in self.key_chain]
        row = [VERSION, self.entry, self.disclosure.row(), list(self.path), self.note, self.seen, links, self.time_ms]
        return seal(MAGIC, deflate(cbor.encode(row)))


def parse_proof(data: bytes) -> Proof:
    """Read a file's bytes strictly; nothing is judged yet. Raises FormatError."""
    row = bundle_of(bundle_in(data), fields=8, version=VERSION, size_max=PROOF_SIZE_MAX, what="proof")
    _, entry, disclosure, path, note, seen, links, time_ms = row
    if not isinstance(entry, bytes) or len(entry) > ENTRY_SIZE_MAX or not is_note(note) or not is_receipt(seen) or not is_int(time_ms):
        raise FormatError("bundle_shape", what="proof")
    return Proof(entry, parse_disclosure(disclosure), parse_path(path), note, seen, parse_links(links), time_ms)


def bundle_in(data: bytes) -> bytes:
    """Return the CBOR of a file's bundle. Raises FormatError for what is no such file."""
    return inflate(unseal(data, MAGIC, size_max=PROOF_SIZE_MAX, what="proof"), size_max=PROOF_SIZE_MAX, what="proof")


def file_of_bundle(bundle: bytes) -> bytes:
    """Return the file that holds this bundle; whether it is one, `parse_proof` tells."""
    return seal(MAGIC, deflate(bundle))


def parse_path(value: Any) -> Path:
    """Read an inclusion path. Raises FormatError."""
    if not isinstance(value, list | tuple) or len(value) > PATH_MAX or not all(is_hash(step) for step in value):
        raise FormatError("bundle_shape", what="path")
    return tuple(value)


def parse_links(value: Any) -> tuple[Link, ...]:
    """Read a key chain. Raises FormatError."""
    if not isinstance(value, list | tuple) or len(value) > ROTATIONS_MAX:
        raise FormatError("bundle_shape", what="key chain")
    links = []
    for row in value:
        if not isinstance(row, list | tuple) or len(row) != 2 or not isinstance(row[0], bytes) or len(row[0]) > ENTRY_SIZE_MAX:
            raise FormatError("bundle_shape", what="key chain")
        links.append(Link(row[0], parse_path(row[1])))
    return tuple(links)


def is_note(value: Any) -> bool:
    """Text that may be a note."""
    return isinstance(value, str) and len(value) <= NOTE_SIZE_MAX


def is_receipt(value: Any) -> bool:
    """Bytes that may be a receipt, or None."""
    return value is None or (isinstance(value, bytes) and len(value) <= RECEIPT_SIZE_MAX)
