"""The outer form of evidence files: eight bytes of magic, a payload, and a checksum over both. Pure.

Room: ground. `proof` and `segment_file` put their bundles in it. The checksum finds damage on the way; it proves nothing, because
anybody can compute it anew. Source: docs/ledger-format.md sections 9 and 10.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from ledger_client import cbor
from ledger_client.errors import FormatError

MAGIC_SIZE: Final = 8
CHECKSUM_SIZE: Final = 32
VALUES_LEAST: Final = 4_096
"""CBOR values that any bundle may have; beyond that one for each 32 bytes, which entries and hashes take at least."""


def seal(magic: bytes, payload: bytes) -> bytes:
    """Return the bytes of a file that holds this payload."""
    head = magic + payload
    return head + sha256(head).digest()


def unseal(data: bytes, magic: bytes, *, size_max: int, what: str) -> bytes:
    """Return the payload of a file's bytes. Raises FormatError: `file_not_ours` for another magic, `file_damaged`, `file_too_long`."""
    if data[:MAGIC_SIZE] != magic:
        raise FormatError("file_not_ours", what=what)
    if len(data) > size_max:
        raise FormatError("file_too_long", what=what, size=len(data), size_max=size_max)
    head, checksum = data[:-CHECKSUM_SIZE], data[-CHECKSUM_SIZE:]
    if len(data) < MAGIC_SIZE + CHECKSUM_SIZE or sha256(head).digest() != checksum:
        raise FormatError("file_damaged", what=what)
    return head[MAGIC_SIZE:]


def bundle_of(payload: bytes, *, fields: int, version: int, size_max: int, what: str) -> list[Any] | tuple[Any, ...]:
    """Return a bundle's array of so many fields, the version first. Raises FormatError `bundle_shape`, or what the CBOR gate says."""
    row = cbor.decode(payload, size_max=size_max, what=what, values_max=VALUES_LEAST + len(payload) // 32)
    if not isinstance(row, list | tuple) or len(row) != fields or type(row[0]) is not int or row[0] != version:
        raise FormatError("bundle_shape", what=what)
    return row
