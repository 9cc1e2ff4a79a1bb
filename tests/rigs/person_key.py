"""A tablet with a person's key: enrols it and signs acts, as the browser's WebCrypto does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger_client.approval import act_hash_of, approval_message, enrol_message, person_key


@dataclass
class Tablet:
    """`origin` is the log that the tablet was told of."""

    origin: str
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def raw(self) -> bytes:
        """The public key as WebCrypto exports it raw."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> str:
        """Return r || s, or the Ed25519 signature, in hexadecimal digits."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
            return (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()
        return self.key.sign(message).hex()

    def enrolment(self, name: str) -> dict[str, str]:
        """Return the parameters of account.key."""
        return {"key": self.raw.hex(), "proof": self.sign(enrol_message(self.origin, name, person_key(self.raw)))}

    def approval(
        self, act_id: bytes, action: str, target: str, params: dict[str, Any], *, name: str, meaning: str, time_ms: int,
        revision: int | None = None,
    ) -> Any:  # fmt: skip
        """Return the `approval` of an act with the reason "test"."""
        digest = act_hash_of(act_id, action, target, params, revision, "test")
        signature = self.sign(approval_message(self.origin, meaning, name, time_ms, digest))
        return {"meaning": meaning, "time_ms": time_ms, "signature": signature}
