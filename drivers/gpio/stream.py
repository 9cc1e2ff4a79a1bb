"""Changes of the lines of one pushed group, in order, until the runtime takes them.

Room: ground, driver `gpio`. `lines.py` puts changes in as a `Listener`, `driver.py` takes scans out. What waits has a size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from drivers.driver import DriverError
from drivers.gpio.config import Address
from drivers.reading import Scan, Status, TagGroup, Value
from drivers.rounds import rounds_of

taken_max: Final = 256
"""Changes that are taken at a time."""

Sample = tuple[Value, int, int | None]
"""Value, status, source time (wall ms)."""


class Stream:
    """See the module's text."""

    def __init__(self, group: TagGroup, queue_size: int) -> None:
        """Start empty, with nothing told."""
        self.group = group
        self._places: dict[str, list[int]] = {}
        for place, tag in enumerate(group.tags):
            if isinstance(tag.address, Address) and tag.address.shows == "state":
                self._places.setdefault(tag.address.line, []).append(place)
        self._told: list[tuple[Value, int] | None] = [None] * len(group.tags)
        self._limit = queue_size
        self._waiting: deque[tuple[int, Sample]] = deque()
        self._fault: DriverError | None = None
        self._there = asyncio.Event()

    def changed(self, line: str, level: bool, source_ms: int) -> None:
        """See drivers.gpio.lines.Listener. Too many end in the fault `overflow`, and the newest are lost."""
        if self._fault is not None:
            return
        for place in self._places.get(line, ()):
            if len(self._waiting) >= self._limit:
                self.failed(DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=self._limit))
                return
            self._waiting.append((place, (level, 0, source_ms)))
            self._there.set()

    def failed(self, fault: DriverError) -> None:
        """See drivers.gpio.lines.Listener: the stream ends with this after what is in it."""
        if self._fault is None:
            self._fault = fault
        self._there.set()

    async def take(self, until: float, read_ms: int) -> list[Scan]:
        """Return scans of what is there, none when nothing came by `until` (event loop time). Raises the fault that ended the stream."""
        if not self._waiting and self._fault is None:
            self._there.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._there.wait()
            except TimeoutError:
                return []
        if not self._waiting and self._fault is not None:
            raise self._fault.again()
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), taken_max))]
        return [self._scan(samples, read_ms) for samples in rounds_of(taken)]

    def news(self, samples: Sequence[Sample], read_ms: int) -> Scan | None:
        """Return a scan of those samples, one for each tag, that differ from what was told last; None when none does."""
        fresh = {place: sample for place, sample in enumerate(samples) if self._told[place] != sample[:2]}
        return self._scan(fresh, read_ms) if fresh else None

    def _scan(self, samples: dict[int, Sample], read_ms: int) -> Scan:
        for place, (value, status, _) in samples.items():
            self._told[place] = value, status
        return partial_scan(self.group, samples, read_ms)


def partial_scan(group: TagGroup, samples: dict[int, Sample], read_ms: int) -> Scan:
    """Return a scan of the samples at these places of the group, each with its own source time."""
    count = len(group.tags)
    scan = Scan(group, [None] * count, read_ms)
    statuses, present = [0] * count, [False] * count
    sources: list[int | None] = [None] * count
    for place, (value, status, source_ms) in samples.items():
        scan.values[place], statuses[place], sources[place], present[place] = value, status, source_ms, True
    scan.statuses = statuses if any(statuses) else None
    scan.present = None if all(present) else present
    times = {source_ms for _, _, source_ms in samples.values()}
    scan.source_ms = max((time for time in times if time is not None), default=None)
    if len(times) > 1:
        scan.sources = sources
    return scan
