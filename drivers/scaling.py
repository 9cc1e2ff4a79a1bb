"""From a device's raw number to the value in its unit, and back.

Room: ground; pure. Called by the codecs when a tag's decoder is compiled (never per reading) and when a value is
written. Holds no clock, no file and no event loop.

A scale that is a power of ten with offset 0 is *decimal*: the value is m / 10**k, correctly rounded (IEEE 754
round-half-even of the exact quotient), so that 215 with scale 0.1 is the double 21.5 and prints as such. Multiplying by
the double 0.1 instead would give 3 -> 0.30000000000000004, and a decimal codec downstream could not undo it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

places_max: Final = 18
"""Powers of ten up to this are exact as an int and as a double's factor (10**22 is the limit of a double)."""


def decimal_places(scale: float, offset: float) -> int | None:
    """Return k when `scale` is the double nearest to 10**-k and offset is 0, otherwise None. k is within +-18."""
    if offset != 0 or not math.isfinite(scale) or scale <= 0:
        return None
    guess = -round(math.log10(scale))
    if abs(guess) > places_max or scale != float(f"1e{-guess}"):
        return None
    return guess


@dataclass(frozen=True, slots=True)
class Scaling:
    """value = raw * scale + offset, done exactly where it is a decimal shift. Raises ValueError for a useless scale."""

    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what could not be inverted."""
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise ValueError(f"scale must be finite and not 0, offset finite: {self.scale}, {self.offset}")

    @property
    def places(self) -> int | None:
        """Decimal places k of a decimal scaling (0 when nothing is scaled), None for a linear one."""
        return decimal_places(self.scale, self.offset)

    def keeps_int(self) -> bool:
        """Tell whether an integer stays an integer."""
        places = self.places
        return places is not None and places <= 0

    def apply(self, raw: float) -> float:
        """Return the value of one raw number (the reference that compiled decoders are tested against)."""
        places = self.places
        if places is None:
            return raw * self.scale + self.offset
        power: int = 10 ** abs(places)
        return raw / power if places > 0 else raw * power

    def invert(self, value: float) -> Fraction:
        """Return the exact raw number for a value, taking a float as the decimal that it prints as.

        Raises ValueError for NaN and infinities.
        """
        exact = Fraction(value) if isinstance(value, int) else Fraction(repr(float(value)))
        places = self.places
        if places is not None:
            return exact * Fraction(10) ** places
        return (exact - Fraction(repr(self.offset))) / Fraction(repr(self.scale))
