"""The protocol between the outbox and an anchor, and the two findings that stop a ledger.

Room: ground, anchors. An anchor is made by `registry.make_anchor`, entered with `async with` and asked by the outbox only.
It never reads the chain by itself, never decides about retries over time and never returns evidence that it did not check.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from ledger_client.anchors.mirror import MirrorClient
from ledger_client.checkpoint import Checkpoint
from ledger_client.errors import AnchorError
from ledger_client.receipt import Receipt

Prove = Callable[[int], Awaitable[list[bytes]]]
"""(older size) -> RFC 6962 consistency proof from there to the submitted checkpoint; ValueError for a size beyond it."""


class Clock(Protocol):
    """The time an anchor or the outbox may use."""

    def wall_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def mono_ms(self) -> int:
        """Milliseconds since boot; never steps."""
        ...


class QuarantineError(AnchorError):
    """An anchor holds something that our ledger contradicts: nothing of this epoch may be sent again until an operator decided."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        super().__init__(code, transient=False, **params)


class RollbackError(QuarantineError):
    """The anchor has cosigned a larger tree than ours: this ledger is an older copy (a restored image, a clone that fell behind)."""


class ForkError(QuarantineError):
    """The anchor has cosigned another history than ours under the same name."""


@runtime_checkable
class Anchor(Protocol):
    """One upstream that leaves evidence.

    `submit` returns a receipt only after it checked the evidence against the keys it was configured with. It raises
    AnchorError with `transient` set when asking again can help, AnchorError without it for a fault that a person must mend
    (an unknown gateway, a wrong key), and RollbackError or ForkError when the ledger must stop. It must end by itself: every network
    wait inside has a timeout.
    """

    name: str
    """As in the configuration: letters, digits, `-`, `_` and `.`."""
    url: str
    """Where it is, for people to see."""
    resyncs: int
    """How often the anchor knew another (harmless) size than we thought, for instance because a crash lost a receipt."""

    async def __aenter__(self) -> Self:
        """Take resources; does not need the anchor to answer."""
        ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Release them."""
        ...

    async def submit(self, note: str, checkpoint: Checkpoint, old_size: int, prove: Prove) -> Receipt:
        """Get evidence for a checkpoint.

        Args:
            note: the device-signed note of `checkpoint`.
            checkpoint: the same, parsed.
            old_size: the size that we believe this anchor saw last (0 for none).
            prove: makes the consistency proof from any older size.
        """
        ...


@runtime_checkable
class HoldsEntries(Protocol):
    """An anchor whose server may hold entries too. Optional: the outbox looks for it."""

    mirror: MirrorClient | None
    """How to bring them there; None when this one is not to be used as a mirror."""
