"""One anchor's lane in the outbox: how far it has confirmed us, what went wrong last, when to ask again.

Room: ground. Only `outbox` uses it. The cursor file remembers, apart from the ledger, what an anchor confirmed: a ledger that
is smaller than its own cursor was rolled back. A lost or older cursor does no harm, it costs one resync.

    <state>/private/anchors/<name>.cbor    cbor [1, origin: tstr, size: uint, root: bstr32, wall_ms: int]
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from ledger_client.anchors.anchor import Anchor
from ledger_client.checkpoint import Checkpoint
from ledger_client.cursor_file import load_row, save_row
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.disk import Disk


@dataclass(frozen=True, slots=True)
class Cursor:
    """The newest checkpoint that an anchor confirmed for an origin, and our wall time when it did."""

    origin: str
    size: int
    root: bytes
    wall_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A checkpoint on its way to all anchors: its signed note, parsed, and when it was taken."""

    note: str
    checkpoint: Checkpoint
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong last, as a message code; `transient` when only time is needed."""

    code: str
    params: Mapping[str, str | int | float]
    transient: bool


@dataclass(slots=True)
class Lane:
    """The state of one anchor's task. `done` is the offer that it confirmed last; `settled` is set once it answered the newest."""

    anchor: Anchor
    cursor: Cursor | None = None
    saved: Cursor | None = None
    saved_mono_ms: int = 0
    root_checked: bool = False
    done: Offer | None = None
    fault: Fault | None = None
    failures: int = 0
    retry_mono_ms: int | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def state(self) -> str:
        """Return `ok`, `waiting` (nothing confirmed yet), `failing` (asks again by itself) or `refused` (a person must mend it)."""
        if self.fault is not None:
            return "failing" if self.fault.transient else "refused"
        return "waiting" if self.cursor is None else "ok"

    def row(self, now_mono_ms: int, *, stopped: bool) -> dict[str, Any]:
        """Return plain data for health. `stopped`: the epoch is quarantined."""
        return {
            "name": self.anchor.name,
            "url": self.anchor.url,
            "state": "quarantined" if stopped else self.state(),
            "cosigned_size": self.cursor.size if self.cursor else None,
            "cosigned_ms": self.cursor.wall_ms if self.cursor else None,
            "cause": self.fault.code if self.fault else None,
            "params": dict(self.fault.params) if self.fault else {},
            "retry_ms": None if self.retry_mono_ms is None else max(0, self.retry_mono_ms - now_mono_ms),
            "resyncs": self.anchor.resyncs,
        }


def retry_delay_s(failures: int, first_s: float, max_s: float, random: Random) -> float:
    """Return how long to wait after so many failures in a row: doubled each time, capped, and spread over its upper half."""
    whole = min(max_s, first_s * 2.0 ** min(failures - 1, 30))
    return whole * (0.5 + random.random() / 2)


async def wait_for(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event or the time, whichever comes first."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


def cursor_path(state: Path, anchor_name: str) -> Path:
    """Return where an anchor's cursor stands."""
    return state / "private" / "anchors" / f"{anchor_name}.cbor"


def save_cursor(disk: Disk, state: Path, anchor_name: str, cursor: Cursor) -> None:
    """Put the cursor in place, durably. Raises OSError."""
    save_row(disk, cursor_path(state, anchor_name), cursor.origin, cursor.size, cursor.root, cursor.wall_ms)


def load_cursor(disk: Disk, state: Path, anchor_name: str, origin: str) -> Cursor | None:
    """Return the cursor for this origin; None when there is none, it is of another epoch, or damaged. Raises OSError."""
    values = load_row(disk, cursor_path(state, anchor_name), origin, 3)
    if values is None:
        return None
    size, root, wall_ms = values
    return Cursor(origin, size, root, wall_ms) if is_uint(size) and is_hash(root) and is_int(wall_ms) else None
