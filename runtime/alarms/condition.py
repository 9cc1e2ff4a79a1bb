"""When the condition of an alarm holds: limits with a deadband, a value, a quality. Pure.

Room: hall, alarms. `watch` asks `holds` for each new value of a tag that an alarm looks at. What cannot be told (a bad value, a text for a
number, no number) leaves a condition as it was: a broken wire neither raises nor clears a limit alarm; that is what
`bad_quality` is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.reading import Value

ABOVE, BELOW, EQUALS, BAD_QUALITY, STALE = "above", "below", "equals", "bad_quality", "stale"
OF_TAGS: Final = (ABOVE, BELOW, EQUALS, BAD_QUALITY, STALE)
OF_HEALTH: Final = ("device_down", "backlog_old", "disk_low", "clock_untrusted", "evidence_stopped", "finding")
BAD: Final = 0x80000000
"""From here on an OPC UA status is bad."""
NUMBERS: Final = (int, float)
CONDITIONS: Final = (*OF_TAGS, *OF_HEALTH)


@dataclass(frozen=True, slots=True)
class TagCondition:
    """`kind` is one of OF_TAGS. `limit` is a number for above, below and stale (seconds), any value for equals."""

    kind: str
    limit: Value = None
    deadband: float = 0.0

    def holds(self, value: Value, status: int, before: bool) -> bool:
        """Tell whether it holds for a reading; `before`: whether it held until now, which counts inside the deadband."""
        kind, limit = self.kind, self.limit
        if status >= BAD:
            return kind == BAD_QUALITY or (kind != STALE and before)
        if kind in {ABOVE, BELOW}:
            if type(value) not in NUMBERS or value != value or not isinstance(limit, int | float):  # noqa: PLR0124  no number is itself
                return before
            if kind == ABOVE:
                return value > (limit - self.deadband if before else limit)  # type: ignore[operator]
            return value < (limit + self.deadband if before else limit)  # type: ignore[operator]
        if kind == EQUALS:
            return before if value is None else value == limit and isinstance(value, bool) is isinstance(limit, bool)
        return False  # a usable value: not bad, and not stale; that time passes is told by the engine
