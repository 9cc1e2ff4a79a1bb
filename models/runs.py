"""How long something has been so: lengths of unbroken runs, cell by cell.

Room: ground, models; pure. Cleaning (stuck), features (time in state) and gates count with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Runs:
    """Per column the number of cells in a row, up to now, in which something held; at most `most`, so that memory has an end."""

    def __init__(self, columns: int, most: int) -> None:
        self._columns, self._most = columns, most
        self.clear()

    def clear(self) -> None:
        """Begin again at 0."""
        self._now = np.zeros(self._columns, dtype=np.int64)

    def take(self, holds: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Take the next cells, (cells, columns), and return the run's length at each of them."""
        numbers = np.arange(1, len(holds) + 1, dtype=np.int64)[:, None]
        broken = np.maximum.accumulate(np.where(holds, 0, numbers), axis=0)
        lengths = np.minimum(np.where(broken > 0, numbers - broken, numbers + self._now), self._most)
        self._now = lengths[-1]
        return lengths


def same_as_before(before: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a value equals the one a cell earlier; `before` is the row before the first. A missing value equals nothing."""
    same = np.empty(values.shape, dtype=np.bool_)
    np.equal(values[0], before, out=same[0])
    np.equal(values[1:], values[:-1], out=same[1:])
    return same
