"""Entries on their way to a mirror: a run of entries, with or without bodies, and the proof that ties them to a checkpoint.

Room: ground, anchors. A gateway (or anybody with a copy of its ledger) builds packages, the mirror parses them. Pure: it
holds no tree. Source: docs/writing-an-anchor.md. The proof is the plain RFC 6962 consistency proof from `end` to `size`:
the mirror has the frontier of everything before `start`, adds these leaves, and so knows the root at `end` by itself.

    package = cbor [1, start: uint, size: uint, [+ [entry: bstr, body: bstr / null]], [* hash: bstr32]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger_client import cbor
from ledger_client.checkpoint import SIZE_MAX
from ledger_client.details import BODY_SIZE_MAX, body_commitment, is_hash, is_uint
from ledger_client.entry import ENTRY_SIZE_MAX, parse
from ledger_client.errors import FormatError
from ledger_client.merkle import PATH_MAX

PACKAGE_SIZE_MAX = BODY_SIZE_MAX + (1 << 20)
ENTRIES_MAX = 256
VALUES_MAX = 3 * ENTRIES_MAX + PATH_MAX + 6
"""CBOR values of a full package. A mirror reads packages of strangers: what is more is refused before anything is built."""

Held = tuple[bytes, bytes | None]
"""An entry's exact bytes and its body; None when the sender keeps the body to itself, or the entry has none."""


@dataclass(frozen=True, slots=True)
class Package:
    """Entries `start` .. `end - 1` of a log, proven to be in its tree of `size` leaves by `path`."""

    start: int
    size: int
    entries: tuple[Held, ...]
    path: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The seq after the last entry."""
        return self.start + len(self.entries)

    def encode(self) -> bytes:
        """Return the package's bytes."""
        return cbor.encode([1, self.start, self.size, self.entries, self.path])


def parse_package(raw: bytes) -> Package:
    """Read a package strictly, and each body against what its entry commits to. Raises FormatError."""
    row = cbor.decode(raw, size_max=PACKAGE_SIZE_MAX, what="package", values_max=VALUES_MAX)
    if not isinstance(row, list | tuple) or len(row) != 5 or not is_uint(row[0]) or row[0] != 1:
        raise FormatError("package_invalid", reason="shape")
    _, start, size, rows, path = row
    if not is_uint(start) or not is_uint(size) or not isinstance(rows, list | tuple) or not isinstance(path, list | tuple):
        raise FormatError("package_invalid", reason="shape")
    if not 0 < len(rows) <= ENTRIES_MAX or not start + len(rows) <= size <= SIZE_MAX:
        raise FormatError("package_invalid", reason="count")
    if len(path) > PATH_MAX or not all(is_hash(step) for step in path):
        raise FormatError("package_invalid", reason="path")
    entries = tuple(_check_held(seq, row) for seq, row in enumerate(rows, start))
    return Package(start, size, entries, tuple(path))


def encode_held(start: int, entries: Sequence[Held]) -> bytes:
    """Return the body of a mirror's answer to a read: cbor [1, start, [* [entry, body / null]]]."""
    return cbor.encode([1, start, entries])


def parse_held(raw: bytes, size_max: int) -> tuple[int, list[Held]]:
    """Read a mirror's answer. Raises FormatError. What it says is proven only against a checkpoint's root."""
    row = cbor.decode(raw, size_max=size_max, what="held entries", values_max=VALUES_MAX)
    if not isinstance(row, list | tuple) or len(row) != 3 or not is_uint(row[0]) or row[0] != 1:
        raise FormatError("package_invalid", reason="shape")
    _, start, rows = row
    if not is_uint(start) or not isinstance(rows, list | tuple):
        raise FormatError("package_invalid", reason="shape")
    return start, [_check_held(seq, held) for seq, held in enumerate(rows, start)]


def _check_held(seq: int, row: object) -> Held:
    if not isinstance(row, list | tuple) or len(row) != 2:
        raise FormatError("package_invalid", reason="entry")
    raw, body = row
    if not isinstance(raw, bytes) or len(raw) > ENTRY_SIZE_MAX or not (body is None or isinstance(body, bytes)):
        raise FormatError("package_invalid", reason="entry")
    payload = parse(raw).payload
    if payload.seq != seq:
        raise FormatError("package_invalid", reason="seq")
    if body is not None and not _is_committed(payload.kind, payload.detail, body):
        raise FormatError("package_invalid", reason="body")
    return raw, body


def _is_committed(kind: int, detail: tuple[object, ...], body: bytes) -> bool:
    return body_commitment(kind, detail) == (len(body), sha256(body).digest())
