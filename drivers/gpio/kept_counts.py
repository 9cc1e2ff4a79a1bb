"""Counts that go on after a restart: what each line had counted, in the device's memory.

Room: ground, driver `gpio`. `lines.py` resumes and saves. Edges that came while nobody watched are not in a count, and after a power cut
it goes on from what was kept last, up to `keep_every_ms` before.
"""

from __future__ import annotations

from typing import Final

from drivers.driver import Clock
from drivers.gpio.chip import Watched
from drivers.gpio.counting import PulseCount, total_max
from drivers.memory import Memory

keep_every_ms: Final = 60_000
"""A changed count is kept this often: seldom enough for flash."""


class KeptCounts:
    """One device's counts by line."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        """Recall what was kept; what makes no sense is set aside."""
        self._memory, self._clock = memory, clock
        self._counts: dict[str, PulseCount] = {}
        self._totals: dict[str, int] = {}
        self._doubtful: set[str] = set()
        """Lines whose count is a guess; it stays one."""
        self._recall()
        self._forgotten = memory.forgotten
        self._saved_ms = clock.mono_ms()

    def resume(self, line: str, counted: Watched, now_ns: int, *, level: bool) -> PulseCount:
        """Return a line's count, which goes on from what it was."""
        before = self._counts.get(line)
        total = before.total if before is not None else self._totals.get(line, 0)
        count = self._counts[line] = PulseCount(counted, total, now_ns, level=level)
        count.is_doubtful = before.is_doubtful if before is not None else line in self._doubtful
        return count

    def turn(self) -> None:
        """Keep what has changed when it is time, and begin at 0 when a person had it forgotten."""
        if self._memory.forgotten != self._forgotten:
            self._forgotten = self._memory.forgotten
            for count in self._counts.values():
                count.forget()
            self._totals, self._doubtful = {}, set()
        if self._clock.mono_ms() - self._saved_ms >= keep_every_ms:
            self.save()

    def save(self) -> None:
        """Keep what has changed."""
        self._saved_ms = self._clock.mono_ms()
        totals = self._totals | {line: count.total for line, count in self._counts.items()}
        doubtful = self._doubtful - self._counts.keys() | {line for line, count in self._counts.items() if count.is_doubtful}
        if (totals, doubtful) != (self._totals, self._doubtful):
            self._totals, self._doubtful = totals, doubtful
            self._memory.keep({"counts": dict(totals)} | ({"doubtful": sorted(doubtful)} if doubtful else {}))

    def _recall(self) -> None:
        facts = self._memory.recall()
        if facts is None:
            return
        counts, doubtful = facts.get("counts"), facts.get("doubtful", [])
        if not isinstance(counts, dict) or not all(_is_total(total) for total in counts.values()) or not isinstance(doubtful, list):
            self._memory.reject("no counts of lines")
            return
        self._totals, self._doubtful = {str(line): total for line, total in counts.items()}, set(map(str, doubtful))


def _is_total(total: object) -> bool:
    return isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= total_max
