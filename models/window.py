"""Mean and variance over the last W cells, at a cost that does not depend on W, to the same bits wherever a stream was begun.

Room: ground, models; pure. The features call it, cell by cell as readings come in, or with a whole year at once: both give the same bits,
because every number is made by the same additions in the same order.

How: time is cut into blocks of W cells at multiples of W since the epoch. A window is the end of one block and the beginning of the
next. The beginning is summed up as it grows; the ends of a block are summed up once, backwards, when it is full. So a sum holds cells of
its window and nothing else: no subtraction of what left, no drift, no trace of where the stream began. Deviations are taken from the
first value of the beginning and the last value of the end, which are themselves in the window: a constant window has a variance of
exactly 0, and a level of a million with a spread of a millionth loses no digits. The two parts are merged as Chan, Golub and LeVeque
do (1979, "Updating formulae and a pairwise algorithm for computing sample variances").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """What the windows that end with each cell hold: (cells, columns) each. Where `count` is 0, `mean` and `variance` are 0."""

    count: Matrix
    mean: Matrix
    variance: Matrix


class SlidingMoments:
    """Windows of `width` cells over `columns` columns. NaN is missing: it takes no part."""

    def __init__(self, width: int, columns: int) -> None:
        self.width, self.columns = width, columns
        self._block = np.empty((width, columns))
        self._ends = np.empty((3, width + 1, columns))
        self.clear()

    def clear(self) -> None:
        """Forget all cells, as if every one before had been missing."""
        self._block.fill(np.nan)
        self._ends.fill(0.0)
        self._begin()

    def take(self, first_cell: int, values: Matrix) -> Moments:
        """Take cells that follow those before, (cells, columns); the first has the number `first_cell`. Return their windows."""
        out = np.empty((3, *values.shape))
        done = 0
        while done < len(values):
            offset = (first_cell + done) % self.width
            until = min(done + self.width - offset, len(values))
            part = values[done:until]
            self._block[offset : offset + len(part)] = part
            self._merge(self._beginnings(part), offset + 1, out[:, done:until])
            if offset + len(part) == self.width:
                self._end_block()
            done = until
        return Moments(out[0], out[1], out[2])

    def _begin(self) -> None:
        self._reference = np.full(self.columns, np.nan)
        self._has_all_references = False
        self._sums = np.zeros((3, self.columns))

    def _beginnings(self, part: Matrix) -> Matrix:
        """Return count, sum and sum of squares (of deviations) from the block's first cell to each of `part`: (3, cells + 1, columns)."""
        if not self._has_all_references:
            self._find_references(part)
        sums = np.empty((3, len(part) + 1, self.columns))
        sums[:, 0] = self._sums
        _deviations(part, self._reference, sums[:, 1:])
        np.add.accumulate(sums, axis=1, out=sums)
        self._sums = sums[:, -1].copy()
        return sums[:, 1:]

    def _find_references(self, part: Matrix) -> None:
        """Take each column's first value of this block as what deviations are measured from."""
        present = np.equal(part, part)
        first = part[present.argmax(axis=0), np.arange(self.columns)]
        self._reference = np.where(np.isnan(self._reference), first, self._reference)
        self._has_all_references = not bool(np.isnan(self._reference).any())

    def _merge(self, sums: Matrix, offset: int, out: Matrix) -> None:
        """Join beginnings with the ends of the block before."""
        ends = self._ends[:, offset : offset + sums.shape[1]]
        begun = sums[0]
        shift, squares = _centred(sums)
        np.add(ends[0], begun, out=out[0])
        weight = np.divide(begun, np.maximum(out[0], 1.0))
        # Where the block has no value yet the weight is 0, and so must be what it weighs.
        reference = self._reference if self._has_all_references else np.nan_to_num(self._reference, nan=0.0)
        apart = np.subtract(np.add(shift, reference), ends[1])
        np.add(ends[1], np.multiply(apart, weight), out=out[1])
        between = np.multiply(np.multiply(np.multiply(apart, apart), ends[0]), weight)
        np.divide(np.add(np.add(ends[2], squares), between), np.maximum(out[0], 1.0), out=out[2])

    def _end_block(self) -> None:
        """Sum up all ends of the full block, backwards from its last cell, and begin the next one."""
        backwards = self._block[::-1]
        last = backwards[np.equal(backwards, backwards).argmax(axis=0), np.arange(self.columns)]
        sums = np.zeros((3, self.width + 1, self.columns))
        _deviations(backwards, last, sums[:, 1:])
        np.add.accumulate(sums, axis=1, out=sums)
        shift, squares = _centred(sums)
        self._ends[0] = sums[0, ::-1]
        self._ends[1] = np.where(sums[0] > 0, np.add(shift, last), 0.0)[::-1]
        self._ends[2] = squares[::-1]
        self._begin()


def _deviations(values: Matrix, reference: Matrix, out: Matrix) -> None:
    """Put 1, deviation and its square into `out` (3, cells, columns); 0 where a value is missing."""
    np.equal(values, values, out=out[0])
    np.subtract(values, reference, out=out[1])
    if not out[0].all():
        np.copyto(out[1], 0.0, where=np.isnan(values))
    np.multiply(out[1], out[1], out=out[2])


def _centred(sums: Matrix) -> tuple[Matrix, Matrix]:
    """Return mean deviation, and sum of squares about it (never below 0), from count, sum and sum of squares."""
    shift = np.divide(sums[1], np.maximum(sums[0], 1.0))
    return shift, np.maximum(np.subtract(sums[2], np.multiply(sums[1], shift)), 0.0)
