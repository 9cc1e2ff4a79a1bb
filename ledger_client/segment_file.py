"""A `.wmseg` file: entries from one seq to another, with or without their bodies, under one cosigned checkpoint. Pure.

Room: ground. `ledger export` makes one, `verify_range` judges one, both through this noun. Reading it checks shapes and sizes only.
Not to be taken for a segment of the store (`segments.py`). Source: docs/ledger-format.md section 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger_client import cbor
from ledger_client.details import BODY_SIZE_MAX, is_uint
from ledger_client.entry import ENTRY_SIZE_MAX
from ledger_client.errors import FormatError
from ledger_client.proof import Link, Path, is_note, is_receipt, parse_links, parse_path
from ledger_client.sealed_file import bundle_of, seal, unseal

MAGIC: Final = b"WMRANGE1"
VERSION: Final = 1
RANGE_SIZE_MAX: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Range:
    """A range as it stands in the file. A body that is None is withheld, or the entry has none.

    `schema_body` is a full schema body of the state in force at `first_seq`; `seen` the receipt that the first entry names.
    """

    first_seq: int
    entries: tuple[bytes, ...]
    bodies: tuple[bytes | None, ...]
    first_path: Path
    last_path: Path
    note: str
    schema_body: bytes
    seen: bytes | None
    key_chain: tuple[Link, ...]

    def encode(self) -> bytes:
        """Return the file's bytes. Raises FormatError when they exceed RANGE_SIZE_MAX."""
        links = [[link.entry, list(link.path)] for link in self.key_chain]
        paths = [list(self.first_path), list(self.last_path)]
        row = [VERSION, self.first_seq, list(self.entries), list(self.bodies), *paths, self.note, self.schema_body, self.seen, links]
        data = seal(MAGIC, cbor.encode(row))
        if len(data) > RANGE_SIZE_MAX:
            raise FormatError("file_too_long", what="range", size=len(data), size_max=RANGE_SIZE_MAX)
        return data


def parse_range(data: bytes) -> Range:
    """Read a file's bytes strictly; nothing is judged yet. Raises FormatError."""
    payload = unseal(data, MAGIC, size_max=RANGE_SIZE_MAX, what="range")
    row = bundle_of(payload, fields=10, version=VERSION, size_max=RANGE_SIZE_MAX, what="range")
    _, first_seq, entries, bodies, first_path, last_path, note, schema_body, seen, links = row
    if not is_uint(first_seq) or not isinstance(entries, list | tuple) or not isinstance(bodies, list | tuple):
        raise FormatError("bundle_shape", what="range")
    if not entries or len(entries) != len(bodies):
        raise FormatError("bundle_shape", what="range")
    if not all(isinstance(raw, bytes) and len(raw) <= ENTRY_SIZE_MAX for raw in entries):
        raise FormatError("bundle_shape", what="range")
    if not all(raw is None or (isinstance(raw, bytes) and len(raw) <= BODY_SIZE_MAX) for raw in bodies):
        raise FormatError("bundle_shape", what="range")
    if not is_note(note) or not isinstance(schema_body, bytes) or len(schema_body) > BODY_SIZE_MAX or not is_receipt(seen):
        raise FormatError("bundle_shape", what="range")
    paths = parse_path(first_path), parse_path(last_path)
    return Range(first_seq, tuple(entries), tuple(bodies), *paths, note, schema_body, seen, parse_links(links))
