"""What a setpoint must keep to before it is written, and when what was read back is it. Pure, and the same for every protocol.

Room: hall. `config` makes the rules of each writable tag, `device_write` asks them before and after a write. Nothing here writes, reads a
clock or knows a driver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.reading import Tag, Value
from runtime.faces.feed import RequestRefusedError

FLOAT32_RELATIVE: Final = 1e-6
"""How far a number that went through 32 bits may be from what was sent."""
KINDS: Final[dict[str, tuple[type, ...]]] = {"bool": (bool,), "text": (str,), "int": (int,)}


@dataclass(frozen=True, slots=True)
class Interlock:
    """Another tag (`device/tag`) must equal `equals`, or lie between `low` and `high`."""

    tag: str
    equals: Value
    low: float | None = None
    high: float | None = None

    def holds(self, value: Value) -> bool:
        """Tell whether it allows a write while the other tag has this value."""
        if self.equals is not None:
            return value == self.equals and (isinstance(value, bool) or not isinstance(self.equals, bool))  # 1 is not true
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def wanted(self) -> str:
        """What it asks for, in a few signs."""
        if self.equals is not None:
            return f"= {str(self.equals).lower() if isinstance(self.equals, bool) else self.equals}"
        return " ".join(f"{sign} {limit:g}" for sign, limit in ((">=", self.low), ("<=", self.high)) if limit is not None)


@dataclass(frozen=True, slots=True)
class SetpointRules:
    """The rules of one writable tag. `known_for_ms`: how old the value of another tag, or the present one, may be to be relied on."""

    low: float | None = None
    high: float | None = None
    max_step: float | None = None
    interlocks: tuple[Interlock, ...] = ()
    known_for_ms: int = 10_000
    read_back: bool = False
    tolerance: float = 0.0
    read_back_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """The newest value of a tag. `read_ms` is wall time; None where the device says by itself when something changes."""

    value: Value
    is_good: bool
    read_ms: int | None


def fitting(value: object, tag: Tag, rules: SetpointRules) -> Value:
    """Return the value when the tag's type and limits allow it. Raises RequestRefusedError `value_type`, `value_out_of_limits`."""
    wanted = KINDS.get(tag.type, (int, float))
    if not isinstance(value, bool | int | float | str) or not isinstance(value, wanted) or (isinstance(value, bool) and tag.type != "bool"):
        raise RequestRefusedError("value_type", type=tag.type)
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = rules.low if rules.low is not None else -math.inf
        high = rules.high if rules.high is not None else math.inf
        if not low <= value <= high:  # NaN is within no limits
            raise RequestRefusedError("value_out_of_limits", value=value, min=low, max=high)
    return value


def allowed_now(value: Value, target: str, rules: SetpointRules, known: Callable[[str], Known | None], now_ms: int) -> None:
    """Refuse a setpoint that the state of the plant forbids, or whose conditions cannot be told.

    Raises RequestRefusedError `interlocked`, `step_too_big`, or `interlock_not_known` when a value that decides is bad, old or missing.
    """
    for lock in rules.interlocks:
        other = _relied_on(lock.tag, known, rules.known_for_ms, now_ms)
        if not lock.holds(other):
            raise RequestRefusedError("interlocked", tag=lock.tag, value=str(other), wanted=lock.wanted)
    if rules.max_step is not None and isinstance(value, int | float):
        present = _relied_on(target, known, rules.known_for_ms, now_ms)
        if not isinstance(present, int | float) or not abs(value - present) <= rules.max_step:
            raise RequestRefusedError("step_too_big", value=value, present=str(present), max=rules.max_step)


def is_kept(wrote: Value, read: Value, tag: Tag, tolerance: float) -> bool:
    """Tell whether a value that was read back is the one that was written, as far as the tag's steps can tell."""
    if isinstance(wrote, bool | str) or isinstance(read, bool) or not isinstance(read, int | float) or not isinstance(wrote, int | float):
        return type(wrote) is type(read) and wrote == read
    if math.isnan(wrote):
        return math.isnan(read)
    step = 0.5 * 10.0**tag.exponent if tag.exponent is not None else 0.0
    return math.isclose(wrote, read, rel_tol=FLOAT32_RELATIVE, abs_tol=max(tolerance, step * (1 + FLOAT32_RELATIVE)))


def _relied_on(name: str, known: Callable[[str], Known | None], known_for_ms: int, now_ms: int) -> Value:
    found = known(name)
    if found is None or not found.is_good or (found.read_ms is not None and not 0 <= now_ms - found.read_ms <= known_for_ms):
        raise RequestRefusedError("interlock_not_known", tag=name)
    return found.value
