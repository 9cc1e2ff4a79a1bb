"""What a plant derives from counters: a rate per second, across roll-over and reset.

Room: ground, models; pure. Cleaning puts the rate in a counter's place; features average it and divide one by another (energy per unit).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.input_plan import TagInput

Matrix = NDArray[np.float64]


class Rates:
    """Rates of counters per second, cell by cell. `resets` counts, per counter, how often it began again.

    A counter that falls has rolled over when it fell by more than half of its range (`counter_max`, the largest value it shows): it
    stepped past that to 0. Any other fall is a reset: what was counted in that cell is not known, so the rate is missing there. A reset
    from the upper half of the range looks like a roll-over; a limit on the rate (`high`) tells them apart.
    """

    def __init__(self, counters: Sequence[TagInput], grid_ms: int) -> None:
        self.resets = np.zeros(len(counters), dtype=np.int64)
        self._range = np.array([np.inf if c.counter_max is None else c.counter_max + 1.0 for c in counters])
        self._per_s = 1000.0 / grid_ms
        self.clear()

    def clear(self) -> None:
        """Forget the value before."""
        self._before = np.full(len(self._range), np.nan)

    def take(self, counts: Matrix) -> Matrix:
        """Take the next cells, (cells, counters), and return the rates; NaN where this value or the one before is missing."""
        before = np.concatenate((self._before[None], counts[:-1]))
        self._before = counts[-1].copy()
        grown = counts - before
        fell = grown < 0
        if fell.any():
            rolled = fell & (-grown > self._range / 2)
            grown = np.where(rolled, grown + np.where(rolled, self._range, 0.0), grown)
            reset = fell & ~rolled
            grown[reset] = np.nan
            self.resets += reset.sum(axis=0)
        rates: Matrix = grown * self._per_s
        return rates


def ratios(over: Matrix, under: Matrix) -> Matrix:
    """Return `over` per `under`, any shape; NaN where nothing of `under` went by: energy per unit is not known while none is made."""
    counts = under > 0
    made: Matrix = np.where(counts, over / np.where(counts, under, 1.0), np.nan)
    return made
