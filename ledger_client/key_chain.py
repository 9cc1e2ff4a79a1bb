"""Which device key is in force at which entry: the walk from the first key over rotate entries.

Room: ground, pure. The ledger, range and proof verifiers feed it the rotate entries they have; the proof builder sends
those along. It trusts no key by itself: the first one comes from the reader's policy. Source: docs/ledger-format.md
sections 3.1 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from ledger_client.entry import Entry
from ledger_client.errors import FormatError
from ledger_client.keys import PublicKey, from_cose
from ledger_client.kinds import Kind

ROTATE_DOMAIN: Final = b"witnessmark-rotate/1"


def rotation_message(old: PublicKey, new_cose: bytes, effective_seq: int) -> bytes:
    """Return what the new key signs in a rotate entry."""
    return ROTATE_DOMAIN + old.kid + new_cose + effective_seq.to_bytes(8, "big")


class KeyChain:
    """Keys in the order in which they came into force.

    `first` are the keys that may sign from the start: one from a genesis entry, or those that a policy names for the log (an
    auditor's policy may already list the key after a rotation beside the one before).
    """

    def __init__(self, first: Sequence[PublicKey], next_key_hashes: Sequence[bytes] = ()) -> None:
        self._first = tuple(first)
        self._rotated: list[tuple[int, PublicKey]] = []
        self._next_hashes = tuple(next_key_hashes)

    @property
    def all_keys(self) -> tuple[PublicKey, ...]:
        """Every key of the chain, oldest first."""
        return (*self._first, *(key for _, key in self._rotated))

    def at(self, seq: int) -> tuple[PublicKey, ...]:
        """Return the keys that may sign entry `seq`: one, or the first ones before any rotation."""
        for since, key in reversed(self._rotated):
            if seq >= since:
                return (key,)
        return self._first

    def signer_of(self, entry: Entry) -> PublicKey | None:
        """Return the key in force that signed this entry, None when there is none."""
        for key in self.at(entry.seq):
            if key.kid == entry.kid and entry.verify_signature(key):
                return key
        return None

    def knows(self, entry: Entry) -> bool:
        """Tell whether a key of the chain, in force at the entry or not, has the key id that the entry names.

        A number that was altered must not make a question of what is a breach.
        """
        return any(key.kid == entry.kid for key in self.all_keys)

    def rotate(self, entry: Entry) -> None:
        """Follow a rotate entry whose own signature was checked. Raises FormatError with the reason when the new key cannot follow.

        Reasons: a key that is not allowed, a signature by the new key that does not hold, a sequence number that is not after
        this entry and after the rotation before it, a key that the genesis entry did not promise.
        """
        if entry.payload.kind != Kind.ROTATE:
            raise FormatError("rotation_invalid", reason="not a rotate entry")
        new_cose, effective, _, sig_by_new = entry.payload.detail
        new = from_cose(new_cose)
        old = next((key for key in self.at(entry.seq) if key.kid == entry.kid), None)
        if old is None or not new.verify(sig_by_new, rotation_message(old, new_cose, effective)):
            raise FormatError("rotation_invalid", reason="the new key did not agree")
        if effective <= entry.seq or (self._rotated and effective <= self._rotated[-1][0]):
            raise FormatError("rotation_invalid", reason="it takes force before it was said")
        index = len(self._rotated)
        if index < len(self._next_hashes) and sha256(new_cose).digest() != self._next_hashes[index]:
            raise FormatError("rotation_invalid", reason="the genesis entry promised another key")
        self._rotated.append((effective, new))
