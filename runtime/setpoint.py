"""What a setpoint must keep to before it is written, and when what was read back is it. Pure, and the same for every protocol.

Room: hall. `config` makes the rules of each writable tag, `commands` and `device_write` ask them before and after a write. Nothing here
writes, reads a clock or knows a driver.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeGuard

from drivers.reading import Tag, Value
from runtime.faces.feed import RequestRefusedError

FLOAT32_RELATIVE: Final = 1e-6
"""How far a number that went through 32 bits may be from what was sent, of its own size."""
FLOAT64_RELATIVE: Final = 1e-13
"""The same of 64 bits: what scaling there and back may cost."""
CLOCK_GRAIN_MS: Final = 1_000
"""A clock that was set may show a little less than it was set to: it counts in whole seconds."""
LOW, NORMAL, HIGH = "low", "normal", "high"
"""Risk: low may be commanded by a technician, high needs a second person."""
DECIMAL_COMMA: Final = re.compile(r"[-+]?[0-9.]*[0-9],[0-9][0-9,]*")
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
    """The rules of one writable tag, or of a method. `known_for_ms`: how old the value of another tag, or the present one, may be.

    `max_rate`: how far it may be moved within a minute. `risk` is one of RISKS; `approvers`: who may approve, nobody named: whoever has the
    permission. `programs`: whether a program with a token may command it.
    """

    low: float | None = None
    high: float | None = None
    max_step: float | None = None
    interlocks: tuple[Interlock, ...] = ()
    known_for_ms: int = 10_000
    read_back: bool = True
    tolerance: float = 0.0
    read_back_s: float = 2.0
    max_rate: float | None = None
    risk: str = NORMAL
    approvers: tuple[str, ...] = ()
    programs: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """The newest value of a tag. `read_ms` is wall time; None where the device says by itself when something changes."""

    value: Value
    is_good: bool
    read_ms: int | None


def fitting(value: object, tag: Tag, rules: SetpointRules) -> Value:
    """Return the value when the tag's type and limits allow it.

    Raises RequestRefusedError `value_type`, `value_decimal_comma`, `value_out_of_limits`.
    """
    if isinstance(value, str) and tag.type not in ("text", "bool") and DECIMAL_COMMA.fullmatch(value.strip()):
        raise RequestRefusedError("value_decimal_comma", value=value.strip())
    wanted = KINDS.get(tag.type, (int, float))
    if not isinstance(value, bool | int | float | str) or not isinstance(value, wanted) or (isinstance(value, bool) and tag.type != "bool"):
        raise RequestRefusedError("value_type", type=tag.type)
    if not _is_within(value, rules):
        raise RequestRefusedError("value_out_of_limits", value=value, **_limits(rules))
    return value


def fitting_sent(sent: Value, asked: Value, rules: SetpointRules) -> Value:
    """Return what a write really sends when the limits allow that as well. Raises RequestRefusedError `value_rounds_out_of_limits`."""
    if not _is_within(sent, rules):
        raise RequestRefusedError("value_rounds_out_of_limits", value=asked, sent=sent, **_limits(rules))
    return sent


def _limits(rules: SetpointRules) -> dict[str, float]:
    """Where nothing is said, what a float64 can hold: no device is sent an infinity."""
    low, high = rules.low, rules.high
    return {"min": -sys.float_info.max if low is None else low, "max": sys.float_info.max if high is None else high}


def _is_within(value: Value, rules: SetpointRules) -> bool:
    """Tell whether a value is within the limits; what is no number has none, NaN is within none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    low, high = _limits(rules).values()
    return low <= value <= high


def is_as_shown(shown: Value, now: Value, tag: Tag, tolerance: float) -> bool:
    """Tell whether a tag still has the value that a person was shown: a measured number may go on trembling by a millionth of itself."""
    if not (_is_number(shown) and _is_number(now)):
        return type(shown) is type(now) and shown == now
    if shown == now or (shown != shown and now != now):  # noqa: PLR0124  (NaN)
        return True
    allowed = max(tolerance, _half_step(tag) * (1 + FLOAT32_RELATIVE))
    if tag.type not in ("float32", "float64"):
        return abs(shown - now) <= allowed
    try:
        return math.isclose(shown, now, rel_tol=FLOAT32_RELATIVE, abs_tol=allowed)
    except OverflowError:
        return False


def is_kept(wrote: Value, read: Value, tag: Tag, tolerance: float, resolution: float | None = None, *, runs: bool = False) -> bool:
    """Tell whether a value that was read back is the one that was written, as far as the tag's steps can tell.

    Whole numbers are the same or not, whatever their size. `resolution`: how far it may be as the driver says, None where it cannot say.
    `runs`: the value is the time of a clock, which goes on since, by `resolution` (ms) at most.
    """
    if runs and (gone_ms := _gone_ms(wrote, read)) is not None:
        return -max(CLOCK_GRAIN_MS, tolerance) <= gone_ms <= max(resolution or 0.0, tolerance)
    if not (_is_number(wrote) and _is_number(read)):
        return type(wrote) is type(read) and wrote == read
    if wrote == read or (wrote != wrote and read != read):  # noqa: PLR0124  (NaN)
        return True
    allowed = max(tolerance, _half_step(tag), resolution or 0.0)
    if isinstance(wrote, int) and isinstance(read, int):
        return abs(wrote - read) <= allowed
    try:
        sent, found = float(wrote), float(read)
    except OverflowError:
        return False
    if not (math.isfinite(sent) and math.isfinite(found)):
        return False
    relative = FLOAT32_RELATIVE if tag.type == "float32" else FLOAT64_RELATIVE
    if abs(sent - found) <= allowed + relative * max(abs(sent), abs(found)):
        return True
    return resolution is None and tag.exponent is None and _is_as_float32(sent, found)


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _half_step(tag: Tag) -> float:
    return 0.5 * 10.0**tag.exponent if tag.exponent is not None else 0.0


def _gone_ms(wrote: Value, read: Value) -> float | None:
    """Return how far a clock went on from one time to another; None where one of them is no time."""
    try:
        if isinstance(wrote, str) and isinstance(read, str):
            return (datetime.fromisoformat(read) - datetime.fromisoformat(wrote)) / timedelta(milliseconds=1)
        return float(read) - float(wrote) if _is_number(wrote) and _is_number(read) else None
    except (ValueError, TypeError, OverflowError):  # TypeError: one of the texts has no zone
        return None


def _is_as_float32(sent: float, found: float) -> bool:
    """Tell whether 32 bits make one number of another, to the last bit or as they print: a device behind a float64 tag may hold those.

    Fractions only: a whole number that 32 bits cannot hold becomes another one.
    """
    if sent.is_integer():
        return False
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", sent))
    except OverflowError:
        return False
    return found in (single, float(f"{single:.9g}"))
