"""The outer form of evidence files: eight bytes of magic, one CBOR bundle, and a checksum over both. Pure.

Room: ground. `proof` and `segment_file` put their bundles in it. The checksum finds damage on the way; it proves nothing, because
anybody can compute it anew. Source: docs/ledger-format.md sections 9 and 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from ledger_client import cbor
from ledger_client.errors import FormatError

MAGIC_SIZE: Final = 8
CHECKSUM_SIZE: Final = 32


def seal(magic: bytes, bundle: Sequence[Any]) -> bytes:
    """Return the bytes of a file that holds this bundle."""
    head = magic + cbor.encode(bundle)
    return head + sha256(head).digest()


def unseal(data: bytes, magic: bytes, *, size_max: int, what: str) -> list[Any] | tuple[Any, ...]:
    """Return the bundle, an array, of a file's bytes.

    Raises:
        FormatError: `file_not_ours` for another magic, `file_damaged` for a checksum that differs, or what the CBOR gate says.
    """
    if data[:MAGIC_SIZE] != magic:
        raise FormatError("file_not_ours", what=what)
    if len(data) > size_max:
        raise FormatError("file_too_long", what=what, size=len(data), size_max=size_max)
    head, checksum = data[:-CHECKSUM_SIZE], data[-CHECKSUM_SIZE:]
    if len(data) < MAGIC_SIZE + CHECKSUM_SIZE or sha256(head).digest() != checksum:
        raise FormatError("file_damaged", what=what)
    bundle = cbor.decode(head[MAGIC_SIZE:], size_max=size_max, what=what)
    if not isinstance(bundle, list | tuple):
        raise FormatError("bundle_shape", what=what)
    return bundle
