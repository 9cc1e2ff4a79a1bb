"""What a rule found: which rule, of which tag, since when, and the numbers that show it.

Room: ground, models. The rule book makes them, the judge sends them to the core, which records them as events and shows them. No numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Rule = Literal["stuck", "spike", "step", "range", "dropout", "frozen_counter", "clock", "late", "drift"]
RULES: Final = ("stuck", "spike", "step", "range", "dropout", "frozen_counter", "clock", "late", "drift")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding begins (`onset`) or is over (`end`); between the two it is not told again.

    `tag` is the tag's uid. `since_ms` is when what was found began, `at_ms` when it could be told, wall time both. `evidence` holds
    plain numbers by name, such as the value and the limit that it broke; its names are worded as `evidence.<name>`.
    """

    rule: Rule
    tag: int
    phase: Literal["onset", "end"]
    since_ms: int
    at_ms: int
    evidence: Mapping[str, float | int]
