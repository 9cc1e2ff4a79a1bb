"""A natural logarithm that gives the same bits on every machine.

Room: ground, models; pure. The features call it. A library's logarithm differs in its last bit between processors (vector units, fused
multiply-add), and a replay on an auditor's machine must find the very numbers of the gateway. This one uses nothing but IEEE 754
additions, multiplications and divisions, each rounded by itself, in a fixed order. It is right to 2e-11 of a nat, which is far more than a
variance knows of itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LN2: Final = np.array(0.6931471805599453)
CENTRE: Final = np.array(0.7071067811865476)
"""The square root of a half, in the middle of the mantissas on a scale of ratios.

Arrays of no dimensions are the cheapest numbers in numpy."""

HALF: Final = np.array(0.5)
NUMERATOR: Final = (np.array(128.0), np.array(-1470.0), np.array(1890.0))
DENOMINATOR: Final = (np.array(225.0), np.array(-1050.0), np.array(945.0))
"""Of 2 artanh(s) / s in z = s * s, highest power first: the fifth convergent of the continued fraction
artanh(s) = s / (1 - z / (3 - 4 z / (5 - 9 z / (7 - ...)))) (DLMF 4.39), off by less than 1.3e-11 for |s| <= 0.172."""


def natural_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln(x) of positive finite numbers, of any shape."""
    mantissa, exponent = np.frexp(x)  # exact: x = mantissa * 2**exponent, mantissa from 0.5 to below 1
    whole = exponent.astype(np.float64)
    s = np.divide(np.subtract(mantissa, CENTRE), np.add(mantissa, CENTRE))
    z = np.multiply(s, s)
    np.multiply(s, np.divide(_polynomial(NUMERATOR, z), _polynomial(DENOMINATOR, z)), out=s)
    np.multiply(np.subtract(whole, HALF, out=whole), LN2, out=whole)
    found: NDArray[np.float64] = np.add(s, whole, out=whole)
    return found


def _polynomial(coefficients: tuple[NDArray[np.float64], ...], z: NDArray[np.float64]) -> NDArray[np.float64]:
    total = z * coefficients[0]
    np.multiply(np.add(total, coefficients[1], out=total), z, out=total)
    np.add(total, coefficients[2], out=total)
    return total
