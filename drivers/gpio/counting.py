"""Edges of a line become a count and a rate; edges that were lost on the way are counted too, where their numbers tell.

Room: ground, driver `gpio`; pure. `lines.py` feeds it each edge in order. Knows no clock: times come in, in ns of the clock of the edges.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from drivers.gpio.chip import Edge, Watched

kept_max: Final = 1024
"""Times of counted edges that are kept for the rate. A line that is faster gets its rate from the last of them."""
total_max: Final = (1 << 63) - 1
"""A count starts again from 0 beyond this."""
number_bits: Final = 32
"""Width of the kernel's edge numbers, which start again from 0."""
ns_per_s: Final = 1_000_000_000


class PulseCount:
    """What one line has counted. `total` goes on from what it is given."""

    def __init__(self, counted: Watched, total: int, begun_ns: int, *, level: bool = False) -> None:
        """Count these edges from now (`begun_ns`) on. The line has this level, and the number of its first edge is 1."""
        self.counted: Watched = counted
        self.total = total
        self.lost = 0
        """Edges that happened and did not reach us. Those that count are in `total`."""
        self.is_doubtful = False
        """How many edges count is a guess: both kinds were watched, and some were lost that did not alternate, or two of a kind came."""
        self._begun_ns = begun_ns
        self._times: deque[tuple[int, int]] = deque(maxlen=kept_max)
        """(time, total) after each edge that counted."""
        self._number: int | None = 0
        self._is_on = level
        self._is_first = True
        """The next edge is the first of those that are watched now: the level before it is not known for sure."""

    def watched_anew(self, *, level: bool) -> None:
        """Other edges are watched from now on, and the line had this level since: what came before says nothing of the next one's kind."""
        self._is_on, self._is_first = level, True

    def forget(self) -> None:
        """Begin at 0 again."""
        self.total, self.is_doubtful = 0, False
        self._times.clear()

    def take(self, edge: Edge, watched: Watched) -> int:
        """Count an edge of a line on which `watched` edges are seen; return how many were lost before it."""
        lost = self._lost_before(edge)
        if lost:
            self.lost += lost
            self._add(self._counting(lost, edge.is_on, watched), edge.at_ns)
        elif watched == "both" != self.counted and edge.is_on == self._is_on and not self._is_first:
            # Two of a kind, and none lost: a pulse so short that the level was read behind it. Before the first edge it may be a new one's.
            self.is_doubtful = True
        self._number, self._is_on, self._is_first = edge.number, edge.is_on, False
        if self.counted == "both" or edge.is_on == (self.counted == "on"):
            self._add(1, edge.at_ns)
        return lost

    def rate(self, now_ns: int, window_ns: int) -> float | None:
        """Return counted edges per second over the last `window_ns`, 0.0 when there were none, None when it is too early to tell.

        From the first to the last edge of the window; when the next one is overdue by that, the rate that an edge right now would give.
        """
        since_ns = now_ns - window_ns
        recent = [pair for pair in self._times if pair[0] >= since_ns]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0 if self._begun_ns <= since_ns else None
        edges, span_ns = (recent[-1][1] - recent[0][1]) & total_max, recent[-1][0] - recent[0][0]
        if (now_ns - recent[-1][0]) * edges <= span_ns:
            return edges * ns_per_s / span_ns
        return (edges + 1) * ns_per_s / (now_ns - recent[0][0])

    def _lost_before(self, edge: Edge) -> int:
        if edge.number is None or self._number is None:
            return 0
        ahead = (edge.number - self._number) % (1 << number_bits)
        # Far ahead is behind: the numbers began anew.
        return ahead - 1 if 0 < ahead < 1 << (number_bits - 1) else 0

    def _counting(self, lost: int, next_is_on: bool, watched: Watched) -> int:
        """Return how many of the lost edges count: all, or those of our kind as if the two kinds had alternated up to the next edge."""
        if self.counted in (watched, "both"):
            return lost
        before_last_is_on = not next_is_on  # the lost edge right before the one that came
        if (self._is_on == next_is_on) == (lost % 2 == 0):
            self.is_doubtful = True
        return (lost + 1) // 2 if before_last_is_on == (self.counted == "on") else lost // 2

    def _add(self, count: int, at_ns: int) -> None:
        if count:
            self.total = (self.total + count) & total_max
            self._times.append((at_ns, self.total))
