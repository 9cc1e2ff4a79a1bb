"""What was due and did not come, summed until it is said in a gap entry. Pure.

Room: hall, acquisition. Evidence feeds it and asks at every seal for the rows to write. One row speaks of one (tag group, cause); a
long outage is said after one seal, then at doubling intervals up to ten minutes, and when it ends, so that a dead device does not
fill the ledger. Nothing counted is ever dropped: what could not be written comes back with `restore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INTERVAL_MS_MAX: Final = 600_000
QUIET_MS: Final = 15_000
"""An outage without further misses for this long is over, even when nobody said that the group came back."""
CAUSES_KEPT_MAX: Final = 10_000
"""Different (group, cause) pairs open at once; beyond it misses are counted for the whole gateway, per cause."""

GapRow = tuple[int | None, int, int, str, int]
"""(group uid or None, from wall ms, to wall ms, cause, count): a row of a gap entry."""


@dataclass(slots=True)
class _Outage:
    from_ms: int
    to_ms: int
    count: int
    say_at_ms: int
    interval_ms: int
    newest_ms: int
    over: bool = False


class GapTally:
    """Sums misses; times are wall ms except `now_ms`, which is time since boot."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._outages: dict[tuple[int | None, str], _Outage] = {}
        self.totals: dict[str, int] = {}

    def add(self, group_uid: int | None, from_ms: int, to_ms: int, cause: str, count: int, now_ms: int) -> None:
        """Count `count` scans of a group that did not come between two wall times."""
        self.totals[cause] = self.totals.get(cause, 0) + count
        self._sum(group_uid, from_ms, to_ms, cause, count, now_ms)

    def came_back(self, group_uid: int) -> None:
        """The group gives good scans again: say the rest of its outages at the next seal, and end them."""
        for (uid, _), outage in self._outages.items():
            if uid == group_uid:
                outage.over = True

    def due(self, now_ms: int, *, everything: bool = False) -> list[GapRow]:
        """Return the rows to write now, and forget their counts."""
        rows: list[GapRow] = []
        for key, outage in list(self._outages.items()):
            over = outage.over or now_ms - outage.newest_ms >= QUIET_MS
            if outage.count and (everything or over or now_ms >= outage.say_at_ms):
                rows.append((key[0], outage.from_ms, outage.to_ms, key[1], outage.count))
                outage.count = 0
                outage.interval_ms = min(outage.interval_ms * 2, INTERVAL_MS_MAX)
                outage.say_at_ms = now_ms + outage.interval_ms
            if over and not outage.count:
                del self._outages[key]
        return rows

    def restore(self, rows: list[GapRow], now_ms: int) -> None:
        """Take back rows that could not be written."""
        for uid, from_ms, to_ms, cause, count in rows:
            self._sum(uid, from_ms, to_ms, cause, count, now_ms)

    def _sum(self, group_uid: int | None, from_ms: int, to_ms: int, cause: str, count: int, now_ms: int) -> None:
        key = group_uid, cause
        if key not in self._outages and len(self._outages) >= CAUSES_KEPT_MAX:
            key = None, cause
        outage = self._outages.get(key)
        if outage is None:
            self._outages[key] = _Outage(from_ms, to_ms, count, now_ms, self._interval_ms, now_ms)
            return
        if outage.count == 0:
            outage.from_ms = from_ms
            outage.to_ms = to_ms
        outage.from_ms, outage.to_ms = min(outage.from_ms, from_ms), max(outage.to_ms, to_ms)
        outage.count += count
        outage.newest_ms = now_ms
        outage.over = False
