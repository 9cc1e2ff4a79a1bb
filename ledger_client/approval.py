"""What a person's key signs when they author, review or approve an act, and whether such a signature holds. Pure.

Room: ground. The core checks an approval with it before the act starts, verifiers check it again out of the ledger, and whoever has the
gateway's key alone can make none: the private key stays on the person's tablet. Source: docs/ledger-format.md section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger_client import cbor
from ledger_client.details import is_int
from ledger_client.errors import FormatError
from ledger_client.keys import ALG_ED25519, ALG_ESP256, PublicKey, from_cose, public_key

MEANINGS: Final = ("authored", "reviewed", "approved")
ACT_CONTEXT: Final = "witnessmark-act/1"
APPROVAL_CONTEXT: Final = "witnessmark-approval/1"
ENROL_CONTEXT: Final = "witnessmark-enrol/1"
NAME_MAX: Final = 64
APPROVALS_MAX: Final = 8
P256_POINT_BYTES: Final = 65
UNCOMPRESSED: Final = 4
TEXT_INLINE_MAX: Final = 1_000
"""Of a longer value the act holds `sha256:` and its hash, as the intent's body does."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One signature on an act. `own`: whoever does the act approved it themselves, which the site's policy allowed: SELF-APPROVED."""

    meaning: str
    name: str
    time_ms: int
    key: PublicKey
    signature: bytes
    own: bool = False

    def row(self) -> list[Any]:
        """Return it as it stands in an intent's body."""
        return [self.meaning, self.name, self.time_ms, self.key.cose, self.signature, int(self.own)]

    def holds(self, origin: str, act_hash: bytes) -> bool:
        """Tell whether the key signed this, of this act, for this log. Whose key it is, is another question."""
        return self.key.verify(self.signature, approval_message(origin, self.meaning, self.name, self.time_ms, act_hash))


def act_hash_of(
    act_id: bytes, action: str, target: str, params: Mapping[str, Any], expected_revision: int | None, reason: str
) -> bytes:  # fmt: skip
    """Return what an approval names of an act: SHA-256 over its canonical CBOR. Who asks for it, and through which face, is not in it."""
    return sha256(cbor.encode([ACT_CONTEXT, act_id, action, target, rows_of(params), expected_revision, reason])).digest()


def approval_message(origin: str, meaning: str, name: str, time_ms: int, act_hash: bytes) -> bytes:
    """Return the bytes that a person's key signs. `origin` names the gateway's log, so that it is good for no other."""
    return cbor.encode([APPROVAL_CONTEXT, origin, meaning, name, time_ms, act_hash])


def enrol_message(origin: str, name: str, key: PublicKey) -> bytes:
    """Return the bytes that a key signs to show that whoever enrols it has it."""
    return cbor.encode([ENROL_CONTEXT, origin, name, key.cose])


def rows_of(params: Mapping[str, Any]) -> list[list[Any]]:
    """Return an act's parameters as they are hashed and recorded: ascending by name, long values as their hash."""
    return [[name, _short(value)] for name, value in sorted(params.items())]


def person_key(raw: bytes) -> PublicKey:
    """Return the key that WebCrypto exported as `raw`: 65 bytes of P-256 (uncompressed), or 32 of Ed25519. Raises FormatError."""
    if len(raw) == P256_POINT_BYTES and raw[0] == UNCOMPRESSED:
        return public_key(ALG_ESP256, raw[1:])
    return public_key(ALG_ED25519, raw)


def read_approvals(rows: Any) -> tuple[Approval, ...]:
    """Read the approvals of an intent's body. Raises FormatError `approval_shape`."""
    if not isinstance(rows, list) or not 0 < len(rows) <= APPROVALS_MAX:
        raise FormatError("approval_shape")
    return tuple(_read(row) for row in rows)


def _read(row: Any) -> Approval:
    match row:
        case [str(meaning), str(name), time_ms, bytes(key), bytes(signature), own] if meaning in MEANINGS and len(signature) == 64:
            if 0 < len(name) <= NAME_MAX and is_int(time_ms) and type(own) is int and own in {0, 1}:
                return Approval(meaning, name, time_ms, from_cose(key), signature, bool(own))
    raise FormatError("approval_shape")


def _short(value: Any) -> Any:
    if isinstance(value, str | bytes) and len(value) > TEXT_INLINE_MAX:
        return "sha256:" + sha256(value.encode() if isinstance(value, str) else value).hexdigest()
    return value
