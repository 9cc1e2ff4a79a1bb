"""When a Sparkplug node is asked for a rebirth: at once for a new fault, ever more seldom for one that stays. Pure.

Room: ground, driver `mqtt`. `sparkplug_feed.NodeFeed` has one of these for what a birth mends, and one for what it may not.
"""

from __future__ import annotations

from typing import Final

rebirth_ms_first: Final = 1_000
rebirth_ms_max: Final = 60_000
"""A rebirth is asked for again after 1 s, then ever later up to a minute."""


class Rebirths:
    """The pauses of one sort of fault. What comes within `settled_ms` of a birth that was asked for is the same fault still."""

    def __init__(self, settled_ms: int) -> None:
        """Ask at once the first time."""
        self._settled_ms = settled_ms
        self.begin()

    def begin(self) -> None:
        """Ask at once the next time, and then with pauses from the first one on."""
        self._asked_ms: int | None = None
        self._born_ms: int | None = None
        """When the birth came that was asked for, until something is missing again."""
        self._pause_ms = rebirth_ms_first
        """From the last time that a rebirth was asked for to the next one."""
        self._relapse_ms = rebirth_ms_first
        """What the pause begins with where a birth does not hold: it grows with each such birth, and is not grown by waiting for one."""
        self._is_relapse = False
        """Whether the last birth that was asked for did not hold."""

    def is_due(self, now_ms: int, *, needed: bool) -> bool:
        """Tell whether to ask now, which then counts as asked. One that is not needed makes none that is wait for long."""
        if needed and self._born_ms is not None:
            if now_ms - self._born_ms >= self._settled_ms:
                self.begin()
            else:
                self._is_relapse = True
            self._born_ms = None
        if self._asked_ms is not None:
            if now_ms - self._asked_ms < self._pause_ms:
                return False
            if needed:
                self._pause_ms = min(self._pause_ms * 2, rebirth_ms_max)
                self._relapse_ms = min(self._relapse_ms * 2, rebirth_ms_max) if self._is_relapse else self._relapse_ms
        self._asked_ms, self._is_relapse = now_ms, False
        return True

    def asked(self, now_ms: int) -> None:
        """Take note of a rebirth that was asked for because of another fault: it may mend this one, too."""
        self._asked_ms = now_ms

    def born(self, now_ms: int) -> None:
        """Take note of a birth."""
        if self._asked_ms is not None:
            self._born_ms, self._pause_ms, self._is_relapse = now_ms, self._relapse_ms, False
