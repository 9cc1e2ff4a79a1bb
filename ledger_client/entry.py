"""One entry: the leaf of the log. A tagged COSE_Sign1 over a CBOR array, chained by `prev`.

Room: ground. The signer makes signatures over `Payload.encode()`, the chain stores what `assemble` gives, verifiers call
`parse`. Nothing here judges a chain: that is `chain_rules`. Sources: RFC 9052 section 4, docs/ledger-format.md section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.details import check_detail, is_hash, is_int, is_uint
from ledger_client.errors import FormatError
from ledger_client.keys import PublicKey

ENTRY_SIZE_MAX = 65_535
ZERO_HASH = bytes(32)
VERSION = 1


@dataclass(frozen=True, slots=True)
class Payload:
    """What the device signs. `detail` is the tuple of the kind's table in docs/ledger-format.md section 3.1."""

    kind: int
    seq: int
    prev: bytes
    boot: int
    mono_ms: int
    wall_ms: int
    clock: int
    seen: bytes | None
    detail: tuple[Any, ...]

    def encode(self) -> bytes:
        """Return the CBOR bytes that go into the COSE payload."""
        row = (VERSION, self.kind, self.seq, self.prev, self.boot, self.mono_ms, self.wall_ms, self.clock, self.seen, self.detail)
        return cbor.encode(row)


@dataclass(frozen=True, slots=True)
class NextEntry:
    """What of a payload is known before the entry in front of it has been signed: all but `prev`. `detail_raw` is encoded."""

    kind: int
    seq: int
    boot: int
    mono_ms: int
    wall_ms: int
    clock: int
    seen: bytes | None
    detail_raw: bytes

    def after(self, prev: bytes) -> bytes:
        """Return the payload's bytes behind the entry with this hash."""
        row = [VERSION, self.kind, self.seq, prev, self.boot, self.mono_ms, self.wall_ms, self.clock, self.seen]
        # An array of ten is one byte, and then its ten values: the first byte of the nine becomes that of the ten.
        return b"\x8a" + cbor.encode(row)[1:] + self.detail_raw

    def payload(self, prev: bytes, detail: tuple[Any, ...]) -> Payload:
        """Return the payload itself."""
        return Payload(self.kind, self.seq, prev, self.boot, self.mono_ms, self.wall_ms, self.clock, self.seen, detail)


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry beside its exact bytes. Its signature is *not* checked by parsing; call `verify_signature`."""

    raw: bytes
    alg: int
    kid: bytes
    payload: Payload
    payload_raw: bytes
    signature: bytes

    @property
    def seq(self) -> int:
        """Leaf number."""
        return self.payload.seq

    @property
    def hash(self) -> bytes:
        """SHA-256 of the entry: the next entry's `prev`."""
        return sha256(self.raw).digest()

    @property
    def leaf(self) -> bytes:
        """Leaf hash in the log's tree."""
        return sha256(b"\x00" + self.raw).digest()

    def verify_signature(self, key: PublicKey) -> bool:
        """Tell whether `key` signed this entry (algorithm and key id must be the key's own)."""
        if self.alg != key.alg or self.kid != key.kid:
            return False
        return key.verify(self.signature, to_be_signed(key, self.payload_raw))


def to_be_signed(key: PublicKey, payload_raw: bytes) -> bytes:
    """Return the COSE Sig_structure bytes for a payload under this key."""
    return _sig_structure_start(key) + cbor.bytes_head(len(payload_raw)) + payload_raw


def assemble(key: PublicKey, payload_raw: bytes, signature: bytes) -> bytes:
    """Return the entry's exact bytes. Raises FormatError when they exceed ENTRY_SIZE_MAX."""
    head, middle = cbor.bytes_head(len(payload_raw)), cbor.bytes_head(len(signature))
    raw = b"".join((_entry_start(key), head, payload_raw, middle, signature))
    if len(raw) > ENTRY_SIZE_MAX:
        raise FormatError("entry_too_long", size=len(raw))
    return raw


def parse(raw: bytes) -> Entry:
    """Read an entry strictly, without checking its signature. Raises FormatError."""
    outer = cbor.decode(raw, size_max=ENTRY_SIZE_MAX, what="entry")
    if getattr(outer, "tag", None) != 18 or not isinstance(outer.value, list | tuple) or len(outer.value) != 4:
        raise FormatError("entry_not_sign1")
    protected, unprotected, payload_raw, signature = outer.value
    if not isinstance(protected, bytes) or unprotected != {} or not isinstance(payload_raw, bytes) or not isinstance(signature, bytes):
        raise FormatError("entry_not_sign1")
    header = cbor.decode(protected, size_max=64, what="entry header")
    match header:
        case {1: (-19 | -9) as alg, 4: bytes(kid)} if len(header) == 2 and len(kid) == 8:
            pass
        case _:
            raise FormatError("entry_header")
    # 1 == 1.0 == True for a match statement; the bytes must be the ones that a signature is made over.
    if len(signature) != 64 or cbor.encode({1: int(alg), 4: kid}) != protected:
        raise FormatError("entry_header")
    return Entry(raw, int(alg), kid, parse_payload(payload_raw), payload_raw, signature)


def parse_payload(raw: bytes) -> Payload:
    """Read a payload strictly, its detail's shape included. Raises FormatError."""
    row = cbor.decode(raw, size_max=ENTRY_SIZE_MAX, what="payload")
    if not isinstance(row, list | tuple) or len(row) != 10:
        raise FormatError("payload_shape")
    version, kind, seq, prev, boot, mono, wall, clock, seen, detail = row
    if not is_uint(version) or version != VERSION:
        raise FormatError("payload_version", version=str(version))
    counts_ok = all(is_uint(n) for n in (kind, seq, boot, mono)) and is_int(wall) and is_uint(clock) and clock <= 4
    if not counts_ok or not is_hash(prev) or not (seen is None or is_hash(seen)):
        raise FormatError("payload_shape")
    return Payload(kind, seq, prev, boot, mono, wall, clock, seen, check_detail(kind, detail))


@cache
def _protected(key: PublicKey) -> bytes:
    return cbor.encode({1: key.alg, 4: key.kid})


@cache
def _entry_start(key: PublicKey) -> bytes:
    """Tag 18, array of four, the protected header, the empty unprotected one."""
    return b"\xd2\x84" + cbor.encode(_protected(key)) + b"\xa0"


@cache
def _sig_structure_start(key: PublicKey) -> bytes:
    """Return ["Signature1", protected, external_aad = empty, ...] up to the payload."""
    return b"\x84" + cbor.encode("Signature1") + cbor.encode(_protected(key)) + cbor.encode(b"")
