"""Debounce for libraries that have none: a level counts when it has stayed for a while.

Room: ground, driver `gpio`; pure. `lines.py` puts every edge of such a line through it. Knows no clock: times come
in, in ns of the clock of the edges.
"""

from __future__ import annotations

from drivers.gpio.chip import Edge


class Debounce:
    """One line's. `level` is the one that counts; an accepted edge has the time at which its level came to stay."""

    def __init__(self, period_ns: int, level: bool) -> None:
        """Start with the level that the line has."""
        self.level = level
        self._period_ns = period_ns
        self._pending: int | None = None
        """Since when the other level has been there without a break."""

    @property
    def due_ns(self) -> int | None:
        """When a change becomes valid unless another edge comes before; None: no change is under way."""
        return None if self._pending is None else self._pending + self._period_ns

    def take(self, edge: Edge) -> list[Edge]:
        """Take a raw edge; return the change that had become valid before it."""
        settled = self.settle(edge.at_ns)
        self._pending = edge.at_ns if edge.is_on != self.level else None
        return settled

    def settle(self, now_ns: int) -> list[Edge]:
        """Return the change that has become valid by now, if any."""
        if self._pending is None or now_ns - self._pending < self._period_ns:
            return []
        self.level, since_ns, self._pending = not self.level, self._pending, None
        return [Edge(self.level, since_ns, None)]
