"""What the outbox needs: a ledger to send checkpoints of, and a pace to keep.

Room: ground. `chain.Chain` keeps the protocol; the runtime's configuration fills the pace. Nothing here acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ledger_client.heads import Heads


class Stored(Protocol):
    """What the chain says of an entry that is durable."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...


class Ledger(Protocol):
    """What the outbox needs of `chain.Chain`."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch's number."""
        ...

    @property
    def size(self) -> int:
        """Durable entries."""
        ...

    def subtree(self, start: int, size: int) -> bytes:
        """Root of a full aligned subtree of durable entries. Blocking; called from the outbox's thread."""
        ...

    async def checkpoint(self) -> str:
        """Signed note of the durable tree."""
        ...

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"") -> Stored:
        """Append an entry; returns when it is durable."""
        ...


class Entries(Protocol):
    """Where entries for a mirror come from: `reader.LedgerReader`, bound to the durable size. Blocking."""

    def entry(self, seq: int) -> bytes:
        """Exact bytes of an entry."""
        ...

    def body(self, seq: int) -> bytes | None:
        """Its body: empty when it commits to none, None when it is withheld."""
        ...

    def heads(self, at: int) -> Heads:
        """What was in force before an entry."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how patiently, in s."""

    every_s: float = 5.0
    keep_alive_s: float = 600.0
    """An idle ledger still shows that it lives, this often."""
    retry_first_s: float = 1.0
    retry_max_s: float = 300.0
    refused_max_s: float = 60.0
    """An anchor that refuses is asked again this often at most: an operator may be enrolling us just now."""
    submit_max_s: float = 60.0
    lead_s: float = 2.0
    """How long the other anchors wait for the first one's answer."""
    linger_s: float = 2.0
    """Receipts of one round share an entry when they come within this time."""
    cursor_every_s: float = 60.0
    """Cursors are written at most this often, to spare the flash; an older cursor costs one resync after a crash."""
    upload_rest_s: float = 0.5
    """Between two packages of entries, so that a long backlog leaves the line and the processor to others."""
    sample_every_s: float = 600.0
    """How often an entry is read back from a mirror."""
