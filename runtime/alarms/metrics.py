"""Whether alarms are few enough to be answered: the figures of EEMUA 191 and ISA-18.2. Pure.

Room: hall, alarms. `view` gives it what was raised and what stands. Periods of ten minutes begin at the start of the span; the last one
may be cut short. Sources: EEMUA Publication 191, ANSI/ISA-18.2 table of performance metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.alarms.definition import PRIORITIES

PERIOD_MS: Final = 600_000
FLOOD: Final = 10
"""More than that in ten minutes is a flood."""
TOP: Final = 10
CHATTER: Final = 3
CHATTER_MS: Final = 60_000
STALE_MS: Final = 24 * 3_600_000
NAMED_MAX: Final = 20
AIMS: Final = {"average": 1.0, "most": 10, "flood_share": 0.01, "top_share": 0.05, "chattering": 0, "stale": 5}
"""What the standards call good; priorities about 80, 15 and 5 percent."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Somebody was called."""

    name: str
    at_ms: int
    priority: str


def figures(raised: Iterable[Raise], standing: Iterable[tuple[str, int]], from_ms: int, to_ms: int) -> dict[str, Any]:
    """Return the figures of [from_ms, to_ms]. `standing` = (name, since) of alarms that are active at its end."""
    found = sorted(raised, key=lambda each: each.at_ms)
    periods = max(1, -(-(to_ms - from_ms) // PERIOD_MS))
    by_period = Counter(min((each.at_ms - from_ms) // PERIOD_MS, periods - 1) for each in found)
    by_name = Counter(each.name for each in found)
    by_priority = Counter(each.priority for each in found)
    stale = sorted((name, since) for name, since in standing if to_ms - since > STALE_MS)
    chattering = chattering_names(found)
    top = by_name.most_common(TOP)
    count = len(found)
    return {
        "from_ms": from_ms, "to_ms": to_ms, "count": count, "average": round(count / periods, 3),
        "most": max(by_period.values(), default=0), "flood_share": round(sum(n > FLOOD for n in by_period.values()) / periods, 4),
        "top": [list(each) for each in top], "top_share": round(sum(n for _, n in top) / count, 4) if count else 0.0,
        "chattering": chattering[:NAMED_MAX], "chattering_count": len(chattering),
        "stale": [list(each) for each in stale[:NAMED_MAX]], "stale_count": len(stale),
        "priorities": {name: round(by_priority[name] / count, 4) if count else 0.0 for name in PRIORITIES}, "aims": AIMS,
    }  # fmt: skip


def chattering_names(found: Sequence[Raise]) -> list[str]:
    """Return the alarms that were raised CHATTER times within CHATTER_MS, given in the order of their times."""
    newest: dict[str, list[int]] = {}
    names: dict[str, None] = {}
    for each in found:
        times = newest.setdefault(each.name, [])
        times.append(each.at_ms)
        if len(times) >= CHATTER and each.at_ms - times[-CHATTER] < CHATTER_MS:
            names[each.name] = None
    return sorted(names)
