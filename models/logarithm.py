"""A natural logarithm that gives the same bits on every machine.

Room: ground, models; pure. The features call it. A library's logarithm differs in its last bit between processors (vector units, fused
multiply-add), and a replay on an auditor's machine must find the very numbers of the gateway. This one uses nothing but IEEE 754
additions, multiplications and divisions, each rounded by itself, in a fixed order. Accurate to about 1e-14 of a nat.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LN2: Final = 0.6931471805599453
HALF_SQRT: Final = 0.7071067811865476
SERIES: Final = tuple(2.0 / (2 * k + 1) for k in range(8, -1, -1))
"""ln m = 2 artanh s = s (2 + 2/3 s^2 + 2/5 s^4 + ...) with s = (m - 1) / (m + 1); |s| <= 0.172 here, so nine terms reach 1e-15."""


def natural_log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ln(x) of positive finite numbers, any shape."""
    mantissa, exponent = np.frexp(x)  # exact: x = mantissa * 2**exponent, mantissa in [0.5, 1)
    small = mantissa < HALF_SQRT
    mantissa = mantissa + mantissa * small  # doubled where small: now in [0.707, 1.414)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    total: NDArray[np.float64] = square * SERIES[0]
    for term in SERIES[1:-1]:
        total += term
        total *= square
    total += SERIES[-1]
    total *= s
    total += (exponent - small) * LN2
    return total
