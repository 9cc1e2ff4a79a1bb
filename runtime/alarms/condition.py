"""When the condition of an alarm holds: limits with a deadband, a value, a quality. Pure.

Room: hall, alarms. `watch` asks `holds` for each new value of a tag that an alarm looks at. What cannot be told (a bad value, a text for a
number, no number) leaves a condition as it was: a broken wire neither raises nor clears a limit alarm; that is what
`bad_quality` is for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from drivers.reading import Quality, Value, quality_of

ABOVE, BELOW, EQUALS, BAD_QUALITY, STALE = "above", "below", "equals", "bad_quality", "stale"
OF_TAGS: Final = (ABOVE, BELOW, EQUALS, BAD_QUALITY, STALE)
OF_HEALTH: Final = ("device_down", "backlog_old", "disk_low", "clock_untrusted", "evidence_stopped", "finding")
CONDITIONS: Final = (*OF_TAGS, *OF_HEALTH)


@dataclass(frozen=True, slots=True)
class TagCondition:
    """`kind` is one of OF_TAGS. `limit` is a number for above, below and stale (seconds), any value for equals."""

    kind: str
    limit: Value = None
    deadband: float = 0.0

    def holds(self, value: Value, status: int, before: bool) -> bool:
        """Tell whether it holds for a reading; `before`: whether it held until now, which counts inside the deadband."""
        is_bad = quality_of(status) is Quality.BAD
        if self.kind == BAD_QUALITY:
            return is_bad
        if self.kind == STALE:
            return False  # it has just been read; that time passes is told by the engine
        if is_bad:
            return before
        if self.kind == EQUALS:
            return before if value is None else value == self.limit and isinstance(value, bool) is isinstance(self.limit, bool)
        limit = self.limit
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or not isinstance(limit, int | float):
            return before
        if self.kind == ABOVE:
            return value > limit - self.deadband if before else value > limit
        return value < limit + self.deadband if before else value < limit
