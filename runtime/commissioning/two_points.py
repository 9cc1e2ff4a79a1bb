"""Scale and offset out of two points: what the registers held, and what the display showed, twice. Pure.

Room: hall, commissioning. The register bench asks it. A line through two points is exact; what else is known of it (round numbers that
devices use, how far apart the points lie) is said besides and never put in its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from drivers.option_error import OptionError

Point = tuple[float, float]
"""Raw number, and the value in the unit of the display."""
ROUND: Final = (1, 2, 2.5, 5)
TOLERANCE: Final = 0.005
"""A scale this near to a round one is probably that one: displays round."""
NEAR: Final = 0.1
"""Points nearer than this share of the larger raw number say little about the scale."""


def scaling_of(points: Sequence[Point]) -> dict[str, Any]:
    """Return {scale, offset, round_scale, round_offset, hints} of the first two points; a third is checked against them.

    `round_*` are None where no round scale is near. Hints are codes: `near` (the points lie close together), `misses` (the third point is
    not on the line). Raises OptionError `two_points_same`, `two_points_flat`, `two_points_number`.
    """
    if not 2 <= len(points) <= 3 or not all(math.isfinite(number) for point in points for number in point):
        raise OptionError("two_points_number")
    (raw1, value1), (raw2, value2) = points[:2]
    if raw1 == raw2:
        raise OptionError("two_points_same", raw=raw1)
    if value1 == value2:
        raise OptionError("two_points_flat", value=value1)
    exact = (_exact(value2) - _exact(value1)) / (_exact(raw2) - _exact(raw1))
    scale, offset = float(exact), float(_exact(value1) - exact * _exact(raw1))
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        raise OptionError("two_points_number")
    nearest = _round_near(scale)
    hints = ["near"] if abs(raw2 - raw1) < NEAR * max(abs(raw1), abs(raw2)) else []
    if len(points) == 3:
        raw3, value3 = points[2]
        span = abs(value2 - value1)
        hints += ["misses"] if abs(raw3 * scale + offset - value3) > max(span, abs(value3)) * TOLERANCE else []
    round_offset = None if nearest is None else _round_offset(value1 - raw1 * nearest, abs(value1))
    return {"scale": scale, "offset": offset, "round_scale": nearest, "round_offset": round_offset, "hints": hints}


def _exact(number: float) -> Fraction:
    """Return a number as the decimal that a person typed."""
    return Fraction(repr(number))


def _round_near(scale: float) -> float | None:
    """Return the 1, 2, 2.5 or 5 of a decade, or a ratio of full scales, that is within TOLERANCE."""
    size = abs(scale)
    decade = math.floor(math.log10(size))
    near = [float(f"{step}e{power}") for power in (decade, decade + 1) for step in ROUND]
    best = min(near, key=lambda each: abs(each - size))
    return math.copysign(best, scale) if abs(best - size) <= TOLERANCE * size else None


def _round_offset(offset: float, size: float) -> float:
    """Return an offset as a whole number where it is nearly one; nearly none is 0."""
    nearest = float(round(offset))
    return nearest if abs(offset - nearest) <= TOLERANCE * max(1.0, size) else float(f"{offset:.6g}")
