"""What the chain asks of others, and what it answers with: the clock, the signer, an appended entry.

Room: ground. `chain` takes these as parameters; the runtime's clock, `SignerProcess` and `SignerCore` fit them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ledger_client.entry import NextEntry
from ledger_client.keys import PublicKey
from ledger_client.note import NoteSignature

ChainState = Literal["ok", "read_only", "failed"]


class Clock(Protocol):
    """The time that entries carry."""

    def wall_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def mono_ms(self) -> int:
        """CLOCK_BOOTTIME, ms."""
        ...

    def state(self) -> int:
        """0 unset, 1 rtc, 2 ntp, 3 ptp, 4 stepped."""
        ...


class Signer(Protocol):
    """Who holds the key; see signing.py. Every call raises SignerError, and blocks in the evidence executor; but `ask_next` does not."""

    @property
    def public(self) -> PublicKey:
        """The verification key."""
        ...

    def begin(self, epoch: int) -> tuple[int, bytes]:
        """Read the durable head anew; return size and hash of the last entry."""
        ...

    def sign_entry(self, payload_raw: bytes) -> bytes:
        """Sign the next entry; return the 64-byte signature."""
        ...

    def ask_next(self, entries: Sequence[NextEntry]) -> None:
        """Ask for the entries behind the one asked for last; on the loop, never waits. Other requests discard answers not taken."""
        ...

    def take_next(self, *, wait: bool) -> tuple[bytes, bytes] | None:
        """Return signature and hash of the entry that `ask_next` asked for longest ago; None when not there yet and `wait` is False."""
        ...

    def sign_checkpoint(self, size: int, root: bytes) -> NoteSignature:
        """Sign the checkpoint of the chain as it stands."""
        ...


@dataclass(frozen=True, slots=True)
class Appended:
    """A durable entry: its number, its SHA-256, and its bytes on disk with the body."""

    seq: int
    hash: bytes
    size: int
