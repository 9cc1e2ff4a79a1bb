"""The checks of single values of a manifest: each returns the value in its right type or says where the fault is.

Room: ground, pure. `manifest` calls it; it knows no field by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from models.model_fault import ModelFault

TEXT_MAX: Final = 400
NAME_MAX: Final = 200
WHOLE_MAX: Final = (1 << 53) - 1
"""Whole numbers that JSON's readers hold exactly."""


def fault(where: str, why: str) -> ModelFault:
    """Return the fault to raise."""
    return ModelFault("manifest_invalid", {"where": where, "why": why})


def record(value: Any, where: str, names: set[str]) -> Mapping[str, Any]:
    """Return a map that has just these keys."""
    if not isinstance(value, dict):
        raise fault(where, "not a map")
    odd = sorted(str(key)[:40] for key in value.keys() ^ names)
    if odd:
        raise fault(where, f"missing or unknown: {', '.join(odd[:5])}")
    return value


def short_text(value: Any, where: str) -> str:
    """Return printable text of bounded length; may be empty."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise fault(where, "not a short printable text")
    return value


def entry_name(value: Any, where: str) -> str:
    """Return printable text of 1 to 200 characters: a longer name, or none, fits no entry of the ledger."""
    found = short_text(value, where)
    if not 0 < len(found) <= NAME_MAX:
        raise fault(where, f"not 1 to {NAME_MAX} characters")
    return found


def one_of(value: Any, where: str, allowed: tuple[str, ...]) -> Any:
    """Return a text that is one of these."""
    if value not in allowed or not isinstance(value, str):
        raise fault(where, f"not one of {', '.join(allowed)}")
    return value


def truth(value: Any, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise fault(where, "not true or false")
    return value


def whole(value: Any, where: str, low: int = -WHOLE_MAX, high: int = WHOLE_MAX) -> int:
    """Return a whole number between bounds, both allowed."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise fault(where, f"not a whole number from {low} to {high}")
    return value


def number(value: Any, where: str, low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf) -> float:
    """Return a finite number between bounds, both allowed, and above another that is not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise fault(where, "not a number")
    try:
        found = float(value)
    except OverflowError as error:
        raise fault(where, "out of range") from error
    if not math.isfinite(found) or not low <= found <= high or found <= above:
        raise fault(where, "out of range")
    return found


def numbers(value: Any, where: str, count: int, *, above: float = -math.inf) -> tuple[float, ...]:
    """Return so many finite numbers."""
    if not isinstance(value, list) or len(value) != count:
        raise fault(where, f"not {count} numbers")
    return tuple(number(each, where, above=above) for each in value)


def sha256(value: Any, where: str) -> bytes:
    """Return a SHA-256, given as 32 bytes or as hex."""
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError as error:
        raise fault(where, "not hex") from error
    if not isinstance(found, bytes) or len(found) != 32:
        raise fault(where, "not 32 bytes")
    return found
