"""The read times of a pushed group: a value of now and one of the past never have the same, and what comes of now has the later one.

Room: hall, acquisition. The pipeline keeps one per pushed group and asks it for every scan, so it is two look-ups.
"""

from __future__ import annotations

from typing import Final

TIMES_MAX: Final = 1024
"""How many times are remembered of each kind. What waits in a driver for longer may meet one that is forgotten."""


class ReadTimes:
    """What times scans were given lately: live ones, and those of the past. Several of one kind may share one."""

    def __init__(self) -> None:
        self._live: dict[int, None] = {}
        self._past: dict[int, None] = {}
        self._moved = (1, 0)
        """From where to where a scan of the past was moved last."""

    def live(self, read_ms: int) -> int:
        """Return the read time of a live scan: its own, or the next that no history has, nor history that came before it."""
        first, last = self._moved
        if first <= read_ms <= last:
            read_ms = last + 1
        return _apart(read_ms, self._live, self._past)

    def past(self, read_ms: int) -> int:
        """Return the read time of a scan of the past: its own, or the next that no live scan has."""
        found = _apart(read_ms, self._past, self._live)
        if found != read_ms:
            self._moved = read_ms, found
        return found


def _apart(read_ms: int, mine: dict[int, None], others: dict[int, None]) -> int:
    while read_ms in others:
        read_ms += 1
    mine[read_ms] = None
    if len(mine) > TIMES_MAX:
        del mine[next(iter(mine))]
    return read_ms
