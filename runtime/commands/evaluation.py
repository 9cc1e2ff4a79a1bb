"""Whether a setpoint may be written now, and what each interlock has to do with it. Pure.

Room: hall, commands. The desk asks it when a command is prepared, confirmed and approved, `device_write` for one that is written at once.
It reads no clock, opens nothing and knows no driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.reading import Value
from runtime.faces.feed import RequestRefusedError
from runtime.setpoint import Interlock, Known, SetpointRules

HOLDS: Final = "holds"
FAILS: Final = "fails"
NOT_KNOWN: Final = "not_known"
RATE_MS: Final = 60_000
"""`max_rate` counts what was written within this time."""
KnownOf = Callable[[str], Known | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """An interlock as it stands: what it asks for, the other tag's value and age (None where it has none), and whether it holds."""

    tag: str
    wanted: str
    value: Value
    age_ms: int | None
    state: str

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return {"tag": self.tag, "wanted": self.wanted, "value": self.value, "age_ms": self.age_ms, "state": self.state}

    def text(self) -> str:
        """Return it as an entry keeps it."""
        return f"{self.tag} {self.wanted}: {self.state}, {self.value}"


def conditions(rules: SetpointRules, known: KnownOf, now_ms: int) -> tuple[Condition, ...]:
    """Return how each interlock stands. `now_ms` is wall time; a value counts only while it is good and fresh."""
    return tuple(_condition(lock, known(lock.tag), rules.known_for_ms, now_ms) for lock in rules.interlocks)


def require(found: Sequence[Condition]) -> None:
    """Refuse where a condition does not hold. Raises RequestRefusedError `interlock_not_known` before `interlocked`."""
    for each in found:
        if each.state == NOT_KNOWN:
            raise RequestRefusedError("interlock_not_known", tag=each.tag)
    for each in found:
        if each.state == FAILS:
            raise RequestRefusedError("interlocked", tag=each.tag, value=str(each.value), wanted=each.wanted)


def require_step(value: Value, present: Value, rules: SetpointRules, moved: float = 0.0) -> None:
    """Refuse a step that is too big, or that makes too much of what was moved within the last minute (`moved`, in the tag's unit).

    Raises RequestRefusedError `step_too_big`, `rate_too_high`.
    """
    if rules.max_step is not None and isinstance(value, int | float) and not distance(value, present) <= rules.max_step:
        raise RequestRefusedError("step_too_big", value=value, present=str(present), max=rules.max_step)
    if rules.max_rate is not None and isinstance(value, int | float) and not moved + distance(value, present) <= rules.max_rate:
        raise RequestRefusedError("rate_too_high", value=value, moved=moved, max=rules.max_rate)


def distance(value: Value, present: Value) -> float:
    """Return how far two numbers are apart; NaN, which is within no limit, where one is none."""
    numbers = isinstance(value, int | float) and isinstance(present, int | float)
    return abs(float(value) - float(present)) if numbers else float("nan")  # type: ignore[arg-type]


def allowed_now(value: Value, target: str, rules: SetpointRules, known: KnownOf, now_ms: int) -> None:
    """Refuse a setpoint that is written at once and that the state of the plant forbids, or whose conditions cannot be told.

    Raises RequestRefusedError `interlocked`, `step_too_big`, or `interlock_not_known` when a value that decides is bad, old or missing.
    """
    require(conditions(rules, known, now_ms))
    if rules.max_step is not None and isinstance(value, int | float):
        present = known(target)
        if present is None or not is_fresh(present, rules.known_for_ms, now_ms):
            raise RequestRefusedError("interlock_not_known", tag=target)
        require_step(value, present.value, rules)


def is_fresh(found: Known, known_for_ms: int, now_ms: int) -> bool:
    """Tell whether a value may be relied on. One that is from the future is not: nobody knows how old it is."""
    return found.is_good and (found.read_ms is None or 0 <= now_ms - found.read_ms <= known_for_ms)


def _condition(lock: Interlock, found: Known | None, known_for_ms: int, now_ms: int) -> Condition:
    if found is None:
        return Condition(lock.tag, lock.wanted, None, None, NOT_KNOWN)
    age_ms = None if found.read_ms is None else now_ms - found.read_ms
    if not is_fresh(found, known_for_ms, now_ms):
        return Condition(lock.tag, lock.wanted, found.value, age_ms, NOT_KNOWN)
    return Condition(lock.tag, lock.wanted, found.value, age_ms, HOLDS if lock.holds(found.value) else FAILS)
