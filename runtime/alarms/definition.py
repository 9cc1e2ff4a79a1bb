"""The nouns of alarms: what one is, by the configuration.

Room: hall, alarms. `from_config` makes them; engine, notifiers and pages take them. Nothing here knows pydantic, a clock or a state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drivers.reading import Value
from runtime.alarms.condition import TagCondition
from runtime.alarms.machine import Rules

PRIORITIES: Final = ("low", "medium", "high")
"""From the least to the most; an advisory has none."""
ADVISORY: Final = "advisory"


@dataclass(frozen=True, slots=True)
class Suppression:
    """While `tag` has one of `values`, the alarm means nothing."""

    tag: str
    values: tuple[Value, ...]

    def applies(self, value: Value) -> bool:
        """Tell whether it applies; 1 is not true."""
        return any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in self.values)


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """One alarm. `tag` is `device/tag` or empty; `seconds` is the limit of conditions about time, `megabytes` of the disk.

    `action` is what a person is to do, `consequence` what happens otherwise, `response_min` within how many minutes.
    """

    name: str
    condition: str
    text: str = ""
    tag: str = ""
    device: str = ""
    model: str = ""
    limit: Value = None
    on_tag: TagCondition | None = None
    rules: Rules = field(default_factory=Rules)
    priority: str = "low"
    consequence: str = ""
    action: str = ""
    response_min: float | None = None
    shelve_max_ms: int = 8 * 3_600_000
    suppression: Suppression | None = None
    unit: str = ""

    @property
    def seconds(self) -> float:
        """The limit as seconds; 0 where it is none."""
        return float(self.limit) if isinstance(self.limit, int | float) else 0.0
