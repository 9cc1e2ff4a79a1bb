"""From a device's raw number to the value in its unit, and back.

Room: ground; pure. Called by the codecs when a tag's decoder is compiled (never per reading) and when a value is
written. Holds no clock, no file and no event loop.

A scale that is a power of ten with offset 0 is *decimal*: the value is m / 10**k, correctly rounded (IEEE 754
round-half-even of the exact quotient), so that 215 with scale 0.1 is the double 21.5 and prints as such. Multiplying by
the double 0.1 instead would give 3 -> 0.30000000000000004, and a decimal codec downstream could not undo it. For whole raw numbers
the same holds for every scale and offset: both are taken as the decimals that they print as, so 3 with 0.05 is 0.15.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

places_max: Final = 18
"""Powers of ten up to this are exact as an int and as a double's factor (10**22 is the limit of a double)."""
_exact_max: Final = 10**40
"""Numerators and denominators up to this: a 64-bit raw number then never overflows a double, and integers stay short."""


def decimal_places(scale: float, offset: float) -> int | None:
    """Return k when `scale` is the double nearest to 10**-k and offset is 0, otherwise None. k is within +-18."""
    if offset != 0 or not math.isfinite(scale) or scale <= 0:
        return None
    guess = -round(math.log10(scale))
    if abs(guess) > places_max or scale != float(f"1e{-guess}"):
        return None
    return guess


@dataclass(frozen=True, slots=True)
class Terms:
    """value = (raw * factor + offset) / divisor; divisor None: no division, so that an integer stays one."""

    factor: float
    offset: float
    divisor: float | None


@dataclass(frozen=True, slots=True)
class Scaling:
    """value = raw * scale + offset, decimally exact for whole raw numbers. Raises ValueError for a useless scale."""

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

    def terms(self, whole: bool) -> Terms:
        """Return the constants by which whole (or else floating) raw numbers are scaled."""
        places = self.places
        if not whole:
            return Terms(1, 0, 10.0**places) if places and places > 0 else Terms(self.scale, self.offset, None)
        if places is not None:
            return Terms(1, 0, 10**places) if places > 0 else Terms(10**-places, 0, None)
        scale, offset = _decimal(self.scale), _decimal(self.offset)
        divisor = math.lcm(scale.denominator, offset.denominator)
        factor, shift = int(scale * divisor), int(offset * divisor)
        if max(abs(factor), abs(shift), divisor) > _exact_max:
            return Terms(self.scale, self.offset, None)
        return Terms(factor, shift, divisor)

    def apply(self, raw: float) -> float:
        """Return the value of one raw number (the reference that compiled decoders are tested against)."""
        terms = self.terms(whole=isinstance(raw, int))
        value = raw * terms.factor + terms.offset
        return value if terms.divisor is None else value / terms.divisor

    def invert(self, value: float) -> Fraction:
        """Return the exact raw number for a value, taking a float as the decimal that it prints as.

        Raises ValueError for NaN and infinities.
        """
        exact = Fraction(value) if isinstance(value, int) else Fraction(repr(float(value)))
        places = self.places
        if places is not None:
            return exact * Fraction(10) ** places
        return (exact - _decimal(self.offset)) / _decimal(self.scale)


def _decimal(number: float) -> Fraction:
    """Return a scale or offset exactly as it was meant: a power of two (fixed point) as it is, any other as the decimal it prints as."""
    binary = Fraction(number)
    return binary if abs(binary.numerator) == 1 else Fraction(repr(float(number)))
