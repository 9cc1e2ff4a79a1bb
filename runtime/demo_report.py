"""What the demo saw and what it says at its end: the first value, the first confirmation, and the figures of the ledger it wrote.

Room: hall. `demo` runs `watch` beside the gateway and calls `summary` when both are over. It looks at the feed as a page does and reads
the ledger as anybody may; it writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.errors import StoreError
from ledger_client.kinds import Kind
from ledger_client.mirror_cursor import load_mirror_cursor
from ledger_client.reader import LedgerReader, epochs, older_epochs
from ledger_client.verify import Report, parse_policy, verify_ledger
from runtime.faces.feed_client import FeedClient
from runtime.layout import Layout

Tell = Callable[[Mapping[str, Any]], None]
CANNOT_TELL: Final = 2


@dataclass(slots=True)
class Firsts:
    """When something was first seen, in s since the gateway was started; None while it was not.

    `recorded_seq` is the entry of the first reading that was seen recorded.
    """

    reading_s: float | None = None
    recorded_seq: int | None = None
    cosigned_s: float | None = None

    def look(self, values: Mapping[int, list[Any]], health: Mapping[str, Any], now_s: float) -> Mapping[str, Any]:
        """Take note of what a face sees at `now_s`; return what is new."""
        new: dict[str, Any] = {}
        if self.reading_s is None and any(row[3] and row[1] is not None for row in values.values()):
            self.reading_s = now_s
            new["first reading after"] = f"{now_s} s"
        if self.recorded_seq is None:
            self.recorded_seq = min((row[6] for row in values.values() if row[5] == "recorded" and row[6] is not None), default=None)
        cosigned = max((anchor["cosigned_size"] or 0 for anchor in health.get("anchors", [])), default=0)
        if self.cosigned_s is None and self.recorded_seq is not None and cosigned > self.recorded_seq:
            self.cosigned_s = now_s
            new["confirmed outside after"] = f"{now_s} s"
        return new


async def watch(feed_socket: Path, firsts: Firsts, tell: Tell, started: float) -> None:
    """Follow the feed until cancelled. `started` is the gateway's start on the monotonic clock, in s."""
    changed = asyncio.Event()
    async with FeedClient(feed_socket, "demo", lambda *_: changed.set()) as feed, asyncio.TaskGroup() as group:
        group.create_task(feed.run(), name="feed")
        while True:
            await changed.wait()
            changed.clear()
            new = firsts.look(feed.values, feed.health, round(monotonic() - started, 2))
            if new:
                tell(new)


def ledger_size(layout: Layout) -> int:
    """Return how many entries the newest epoch holds, 0 when there is no ledger. Blocking. Raises LedgerError, OSError."""
    try:
        return _newest(layout)[0].size()
    except StoreError as error:
        if error.code != "ledger_missing":
            raise
        return 0


def judged(layout: Layout) -> Report:
    """Judge the whole ledger under the state folder's own policy. Blocking. Raises LedgerError, OSError."""
    reader, newest = _newest(layout)
    return verify_ledger(reader, parse_policy(layout.policy.read_bytes()), older=older_epochs(RealDisk(), layout.state, newest))


def summary(layout: Layout, report: Report, firsts: Firsts, size_before: int) -> tuple[dict[str, Any], int]:
    """Return the closing line and the exit code. A run that recorded nothing, or could not be watched, cannot tell. Blocking."""
    (reader, _), facts = _newest(layout), report.facts
    size = reader.size()
    recorded_now = any(_readings(raw) for raw in reader.entries(min(size_before, size), size))
    receipt = reader.heads(size).receipt
    cursors = [load_mirror_cursor(RealDisk(), layout.state, name, reader.heads(size).origin) for name in _mirrors(layout)]
    said: dict[str, Any] = {
        "readings": facts["readings"], "entries": facts["entries"], "gaps": facts["gaps"], "cosigned": receipt[1] if receipt else 0,
        "mirrored": max((cursor.held for cursor in cursors if cursor is not None), default=0),
        "bytes_per_reading": round(facts["batch_bytes"] / facts["readings"], 3) if facts["readings"] else None, "verdict": report.verdict,
        "state": str(layout.state), "first_reading_s": firsts.reading_s, "first_cosigned_s": firsts.cosigned_s,
    }  # fmt: skip
    reason = "demo_nothing_recorded" if not recorded_now else "demo_not_watched" if firsts.reading_s is None else None
    if reason is None or report.exit_code == 1:
        return said, report.exit_code
    return {**said, "verdict": "cannot tell", "reason": reason}, CANNOT_TELL


def _mirrors(layout: Layout) -> list[str]:
    """Return the names of the anchors that took entries."""
    return [path.stem for path in (layout.private / "mirrors").glob("*.cbor")]


def _readings(raw: bytes) -> int:
    payload = parse(raw).payload
    return int(payload.detail[2] + payload.detail[3]) if payload.kind == Kind.BATCH else 0


def _newest(layout: Layout) -> tuple[LedgerReader, int]:
    """Return the newest epoch's ledger and its number."""
    disk = RealDisk()
    newest = max(epochs(disk, layout.state), default=None)
    if newest is None:
        raise StoreError("ledger_missing", folder=str(layout.state))
    return LedgerReader(disk, layout.state, newest), newest
