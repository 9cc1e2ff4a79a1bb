"""One batch while it grows: the builder of its body, and what is needed to say what was lost if it has to be let go.

Room: hall, acquisition. Evidence opens one, adds scans, seals it in small steps so that the event loop never stalls, or gives it up to
the gap tally. It appends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from drivers.reading import Scan
from ledger_client.body import BatchBuilder, SealedBatch, span_for
from ledger_client.schema import SchemaState
from runtime.acquisition.gaps import GapTally

MEMORY_PER_BYTE: Final = 6
"""Bytes of lists and numbers in memory for each byte that the sealed batch is estimated to have."""
SHARE_MS_MAX: Final = 50
"""Longest that sealing that is behind keeps the loop in one turn."""


@dataclass(slots=True)
class OpenBatch:
    """A batch that was not appended yet. `spans` is group uid -> [scans, first read, last read] in wall ms."""

    ticket: int
    builder: BatchBuilder
    schema: SchemaState
    spans: dict[int, list[int]] = field(default_factory=dict)
    dropped: int = 0
    """What its entry says was dropped before it; set when it is sealed."""
    sealed: SealedBatch | None = None

    @property
    def readings(self) -> int:
        """Readings in it."""
        return self.builder.readings

    @property
    def full(self) -> bool:
        """Whether it must be sealed before its time."""
        return self.builder.full

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory, roughly."""
        return MEMORY_PER_BYTE * self.builder.size_estimate

    def add(self, scan: Scan) -> None:
        """Take a scan. Raises ValueError, and keeps nothing, for values that a body cannot hold."""
        uid, read_ms = scan.group.uid, scan.read_ms
        self.builder.add(uid, read_ms, scan.source_ms, scan.values, scan.statuses, scan.present)
        span = self.spans.get(uid)
        if span is None:
            self.spans[uid] = [1, read_ms, read_ms]
        else:
            span[0] += 1
            span[2] = read_ms

    async def seal(self, dropped: int, mono_ms: Callable[[], int], is_behind: Callable[[], bool]) -> SealedBatch:
        """Finish the body, giving way to others between steps of at most about 2 ms. Sealed once, it stays as it is.

        While `is_behind`, a turn goes on for as long as others kept the loop before it (`SHARE_MS_MAX` at most): with one step a turn,
        sealing would starve under overload, everything read and nothing recorded. Otherwise nobody's due waits for more than one step.
        """
        if self.sealed is not None:
            return self.sealed
        self.dropped = dropped
        steps = self.builder.seal_steps(dropped)
        others_ms = 0
        while True:
            began_ms = mono_ms()
            try:
                next(steps)
                while mono_ms() - began_ms < others_ms and is_behind():
                    next(steps)
            except StopIteration as done:
                sealed: SealedBatch = done.value
                self.sealed = sealed
                return sealed
            gave_way_ms = mono_ms()
            await asyncio.sleep(0)
            others_ms = min(mono_ms() - gave_way_ms, SHARE_MS_MAX)

    def give_up(self, tally: GapTally, cause: str, now_ms: int) -> int:
        """Count its scans as missing for `cause`; return how many readings are lost."""
        for uid, (count, first, last) in self.spans.items():
            tally.add(uid, first, last, cause, count, now_ms)
        return self.readings


def leaf_span(schema: SchemaState, seal_every_s: float) -> int:
    """Return how many readings share a leaf: one while every group's leaves of one batch fit a section, else sixteen."""
    return span_for((len(g.tag_uids), max(1, round(seal_every_s * 1000 / g.period_ms))) for g in schema.groups.values())
