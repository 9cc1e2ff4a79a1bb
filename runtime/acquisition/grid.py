"""When a tag group is due: an absolute grid on the time since boot, spread over the period by a stable hash. Pure.

Room: hall, acquisition. The poller calls it. Because the grid is absolute, a hot-applied change elsewhere, a slow read or a
restart of a poller never moves anybody's dues. Groups of one period do not all fall on one instant; a few slow ones fall on two a second
(`Together`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from drivers.reading import TagGroup

WAKE_MS: Final = 500
"""Slow groups are due at multiples of this, so that a core with little to do wakes seldom: a read by itself, with cold caches, costs up to
twice the CPU of one among others (docs/decisions/0023)."""
SLOW_MS_MIN: Final = 1000
TOGETHER_MAX: Final = 100
TOGETHER_TAGS_MAX: Final = 10_000
"""With more groups or tags the core is awake often as it is, and what falls on one wake-up would wait for the rest of it."""


def phase_ms(device: str, group: str, period_ms: int, *, together: bool = False) -> int:
    """Return where in its period a group is due: 0 <= phase < period. `together`: at a multiple of WAKE_MS, of which its period is one."""
    number = int.from_bytes(sha256(f"{device}/{group}".encode()).digest()[:8], "big")
    return number % (period_ms // WAKE_MS) * WAKE_MS if together else number % period_ms


class Together:
    """Which groups are due together. What was decided of a group stays so while its period does: no edit moves anybody else's dues."""

    def __init__(self) -> None:
        self._known: set[tuple[int, int]] = set()
        """(uid, period) of all polled groups."""
        self._uids: set[int] = set()

    def __contains__(self, uid: object) -> bool:
        return uid in self._uids

    def decide(self, polled: Iterable[tuple[TagGroup, bool]]) -> None:
        """Decide of those that are new. `polled`: every polled group, and whether nothing else waits for the same device or line.

        Nobody new where a faster group is polled: it would miss dues while many slow ones are read in a row.
        """
        groups = list(polled)
        known = {(g.uid, g.period_ms) for g, _ in groups}
        stays = {uid for uid, period_ms in known & self._known if uid in self._uids}
        new = [g for g, is_alone in groups if is_alone and g.period_ms % WAKE_MS == 0 and (g.uid, g.period_ms) not in self._known]
        all_of_them = [g for g, _ in groups if g.uid in stays] + new
        is_few = len(all_of_them) <= TOGETHER_MAX and sum(len(g.tags) for g in all_of_them) <= TOGETHER_TAGS_MAX
        is_slow = all(g.period_ms >= SLOW_MS_MIN for g, _ in groups)
        self._known, self._uids = known, stays | ({g.uid for g in new} if is_few and is_slow else set())


def next_due(now_ms: int, period_ms: int, phase: int) -> int:
    """Return the first due at or after now."""
    return now_ms + (phase - now_ms) % period_ms


@dataclass(slots=True)
class Slot:
    """One polled group's place on its grid.

    `due_ms` is the first due that nobody accounted for yet; `attempt_ms >= due_ms` is when to read next (later than the due
    while a failing device is given rest, or an overloaded loop). `cause` is why dues are being missed, None when the last read was good.
    """

    group: TagGroup
    due_ms: int
    attempt_ms: int
    failures: int = 0
    cause: str | None = None
    is_thinned: bool = False
    """Dues before `attempt_ms` are given up because the loop has too much to do."""

    @classmethod
    def starting(cls, group: TagGroup, now_ms: int, *, together: bool = False) -> Slot:
        """Return the slot of a group that starts to be polled now."""
        due = next_due(now_ms, group.period_ms, phase_ms(group.device, group.name, group.period_ms, together=together))
        return cls(group, due, due)

    def skip_to(self, now_ms: int, *, is_end: bool = False) -> tuple[int, int, int]:
        """Give up the dues that are over: (how many, first, last).

        The newest due that is not after now stays, to be served at once; at an end nobody will serve it, and it is given up as well.
        """
        period = self.group.period_ms
        count = max(0, (now_ms - self.due_ms) // period + is_end)
        first, self.due_ms = self.due_ms, self.due_ms + count * period
        self.attempt_ms = max(self.attempt_ms, self.due_ms)
        return count, first, self.due_ms - period

    def served(self, spacing_ms: int = 0) -> None:
        """Go on to the next due; with a spacing: to the first one that is so much later than the one just served."""
        served_ms, self.due_ms = self.due_ms, self.due_ms + self.group.period_ms
        self.attempt_ms = self.due_ms
        self.is_thinned = spacing_ms > self.group.period_ms
        if self.is_thinned:
            self.rest_until(served_ms + spacing_ms)

    def rest_until(self, until_ms: int) -> None:
        """Do not attempt before the first due at or after `until_ms`."""
        if until_ms > self.attempt_ms:
            periods = -(-(until_ms - self.due_ms) // self.group.period_ms)
            self.attempt_ms = self.due_ms + max(0, periods) * self.group.period_ms
