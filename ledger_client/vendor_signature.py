"""A vendor's signature on a model: a COSE_Sign1 over the hashes of its manifest and its bytes. Pure.

Room: ground. The store of models checks it, whoever builds a model makes it. It trusts no key by itself: the caller brings those that
it trusts. Sources: RFC 9052 section 4; docs/ledger-format.md section 3.2.

    signature = #6.18([prot, {}, payload, sig]);  payload = cbor ["witnessmark-model/1", manifest hash, model sha256]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger_client import cbor
from ledger_client.entry import assemble, to_be_signed
from ledger_client.errors import FormatError
from ledger_client.keys import PrivateKey, PublicKey

CONTEXT: Final = "witnessmark-model/1"
SIGNATURE_SIZE_MAX: Final = 1_024


def sign_as_vendor(key: PrivateKey, manifest_hash: bytes, model_sha256: bytes) -> bytes:
    """Return the signature's bytes."""
    payload = cbor.encode([CONTEXT, manifest_hash, model_sha256])
    return assemble(key.public, payload, key.sign(to_be_signed(key.public, payload)))


def check_vendor(signature: bytes, manifest_hash: bytes, model_sha256: bytes, trusted: Iterable[PublicKey]) -> PublicKey:
    """Return which of the trusted keys made the signature.

    Raises:
        FormatError: `model_signature_invalid`: not such a signature, or not of these hashes; `model_key_untrusted`: by another key.
    """
    outer = cbor.decode(signature, size_max=SIGNATURE_SIZE_MAX, what="vendor signature")
    match getattr(outer, "value", None):
        case [bytes(protected), unprotected, bytes(payload), bytes(made)] if (
            getattr(outer, "tag", None) == cbor.TAG_SIGN1 and unprotected == {}
        ):
            pass
        case _:
            raise FormatError("model_signature_invalid")
    header = cbor.decode(protected, size_max=64, what="vendor signature header")
    kid = header.get(4) if isinstance(header, dict) else None
    for key in trusted:
        if cbor.encode({1: key.alg, 4: key.kid}) == protected:
            if payload != cbor.encode([CONTEXT, manifest_hash, model_sha256]) or not key.verify(made, to_be_signed(key, payload)):
                raise FormatError("model_signature_invalid")
            return key
    raise FormatError("model_key_untrusted", key=kid.hex() if isinstance(kid, bytes) else "?")
