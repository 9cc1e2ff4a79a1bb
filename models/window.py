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

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
ZERO: Final = np.array(0.0)
ONE: Final = np.array(1.0)


class Moments(NamedTuple):
    """What the windows that end with each cell hold: (cells, columns) each. Where `number` is 0, `mean` and `variance` are 0.

    `whole`: no cell of any of these windows is missing; then `number` is one number, the window's width.
    """

    number: Matrix
    mean: Matrix
    variance: Matrix
    whole: bool


class _Counts:
    """The counts of windows without a missing cell, and the weights made of them.

    For one cell an array of no dimensions, numpy's cheapest number; for more (cells, 1). One division made both: the bits are the same.
    """

    def __init__(self, width: int) -> None:
        numbers = np.arange(width + 1, dtype=np.float64)
        self.width = np.array(float(width))
        self._columns = [part[:, None] for part in (numbers[1:], numbers[width - 1 :: -1], np.divide(numbers[1:], self.width))]
        self._single = [[np.array(number) for number in column[:, 0]] for column in self._columns]

    def begun(self, offset: int, cells: int) -> Matrix:
        """Return how many cells of the block are in the windows that end with these."""
        return self._of(0, offset, cells)

    def ended(self, offset: int, cells: int) -> Matrix:
        """Return how many cells of the block before are."""
        return self._of(1, offset, cells)

    def weight(self, offset: int, cells: int) -> Matrix:
        """Return the block's share of the windows."""
        return self._of(2, offset, cells)

    def _of(self, which: int, offset: int, cells: int) -> Matrix:
        return self._single[which][offset] if cells == 1 else self._columns[which][offset : offset + cells]


class SlidingMoments:
    """Windows of `width` cells over `columns` columns. NaN is missing: it takes no part."""

    def __init__(self, width: int, columns: int) -> None:
        self.width, self.columns = width, columns
        self._block = np.empty((width, columns))
        self._ends = np.empty((3, width + 1, columns))
        """By offset: how many cells the end has from there on, their mean deviation from `_last`, their squares about their mean."""
        self._counts = _Counts(width)
        self.clear()

    def clear(self) -> None:
        """Forget all cells, as if every one before had been missing."""
        self._block.fill(np.nan)
        self._ends.fill(0.0)
        self._ends_whole = False
        self._last = np.zeros((1, self.columns))
        self._begin(whole=False)

    def take(self, first_cell: int, values: Matrix) -> Moments:
        """Take cells that follow those before, (cells, columns); the first has the number `first_cell`. Return their windows."""
        parts = []
        done = 0
        while done < len(values):
            offset = (first_cell + done) % self.width
            until = min(done + self.width - offset, len(values))
            part = values[done:until]
            self._block[offset : offset + len(part)] = part
            parts.append(self._windows(offset, part))
            if offset + len(part) == self.width:
                self._end_block()
            done = until
        return parts[0] if len(parts) == 1 else _joined(parts, self.columns)

    def _begin(self, *, whole: bool) -> None:
        """Begin a block. `whole`: none of its cells was missing so far."""
        self._whole = whole
        self._reference = np.zeros((1, self.columns))
        self._between = np.subtract(self._reference, self._last)
        self._begun = np.zeros((1, self.columns))
        self._sums = np.zeros((2, 1, self.columns))

    def _windows(self, offset: int, part: Matrix) -> Moments:
        """Join the block's beginnings, up to each cell of `part`, with the ends of the block before."""
        begun, sums = self._beginnings(offset, part)
        ends = self._ends[:, offset + 1 : offset + 1 + len(part)]
        whole = self._whole and self._ends_whole
        shift, squares = _centred(begun, sums, whole=self._whole)
        if whole:
            count = divisor = self._counts.width
            ended, weight = self._counts.ended(offset, len(part)), self._counts.weight(offset, len(part))
        else:
            count, ended = np.add(ends[0], begun), ends[0]
            divisor = np.maximum(count, ONE)
            weight = np.divide(begun, divisor)
        level, between = self._last, self._between
        if not whole or offset + len(part) == self.width:
            has_end = ended > 0  # a reference that is not in the window must leave no trace
            level = np.where(has_end, self._last, np.where(begun > 0, self._reference, ZERO))
            between = np.where(has_end, self._between, ZERO)
        # Differences of the references and of what is left over them, apart: at a high level their sums would lose digits.
        apart = np.add(np.subtract(shift, ends[1], out=shift), between, out=shift)
        mean = np.multiply(apart, weight)
        np.add(ends[1], mean, out=mean)
        np.add(level, mean, out=mean)
        np.multiply(apart, apart, out=apart)
        np.multiply(apart, ended, out=apart)
        np.multiply(apart, weight, out=apart)
        np.add(squares, ends[2], out=squares)
        np.add(squares, apart, out=squares)
        return Moments(count, mean, np.divide(squares, divisor, out=squares), whole)

    def _beginnings(self, offset: int, part: Matrix) -> tuple[Matrix, Matrix]:
        """Return how many values, and the sums of their deviations and of the squares of those, from the block's start to each cell.

        While none was missing the numbers are (cells, 1) or one number: they are the same for all columns.
        """
        missing = np.isnan(part)
        any_missing = np.count_nonzero(missing) > 0
        if offset == 0:
            self._begin(whole=True)
        if self._whole and any_missing:
            self._begun = np.full((1, self.columns), float(offset))
            self._whole = False
        if offset == 0 or not self._whole:
            self._find_references(part, missing)
        sums = np.empty((2, *part.shape))
        np.subtract(part, self._reference, out=sums[0])
        if any_missing:
            np.copyto(sums[0], 0.0, where=missing)
        np.multiply(sums[0], sums[0], out=sums[1])
        sums = _running(sums, self._sums)
        self._sums = sums if len(part) == 1 else sums[:, -1:].copy()
        if self._whole:
            return self._counts.begun(offset, len(part)), sums
        begun = np.add.accumulate(np.concatenate((self._begun, ~missing)), axis=0)[1:]
        self._begun = begun[-1:].copy()
        return begun, sums

    def _find_references(self, part: Matrix, missing: NDArray[np.bool_]) -> None:
        """Take each column's first value of this block as what deviations are measured from; 0 until there is one."""
        first = part[(~missing).argmax(axis=0), np.arange(self.columns)]
        has_none = self._begun == 0 if not self._whole else np.full((1, self.columns), fill_value=True)
        self._reference = np.where(has_none & ~np.isnan(first), first, self._reference)
        self._between = np.subtract(self._reference, self._last)

    def _end_block(self) -> None:
        """Sum up all ends of the full block, backwards from its last cell, and begin the next one."""
        backwards = self._block[::-1]
        missing = np.isnan(backwards)
        last = backwards[(~missing).argmax(axis=0), np.arange(self.columns)]
        sums = np.zeros((2, self.width + 1, self.columns))
        np.subtract(backwards, last, out=sums[0, 1:])
        sums[0, 1:][missing] = 0.0
        np.multiply(sums[0], sums[0], out=sums[1])
        np.add.accumulate(sums, axis=1, out=sums)
        count = np.concatenate((np.zeros((1, self.columns)), np.add.accumulate(~missing, axis=0, dtype=np.float64)))
        shift, squares = _centred(count, sums, whole=False)
        self._ends[0] = count[::-1]
        self._ends[1] = shift[::-1]
        self._ends[2] = squares[::-1]
        self._last = np.where(np.isnan(last), 0.0, last)[None]
        self._ends_whole = np.count_nonzero(missing) == 0
        self._begin(whole=True)


def _running(sums: Matrix, before: Matrix) -> Matrix:
    """Add up along the cells, (2, cells, columns), going on from `before`."""
    if sums.shape[1] == 1:
        return np.add(before, sums, out=sums)
    np.add(before, sums[:, :1], out=sums[:, :1])
    return np.add.accumulate(sums, axis=1, out=sums)


def _centred(count: Matrix, sums: Matrix, *, whole: bool) -> tuple[Matrix, Matrix]:
    """Return mean deviation, and sum of squares about it (never below 0), from count, sum and sum of squares."""
    shift = np.divide(sums[0], count if whole else np.maximum(count, ONE))
    squares = np.multiply(sums[0], shift)
    np.subtract(sums[1], squares, out=squares)
    return shift, np.maximum(squares, ZERO, out=squares)


def _joined(parts: list[Moments], columns: int) -> Moments:
    """Join what several blocks gave."""
    counts = [np.broadcast_to(part.number, (len(part.mean), columns)) for part in parts]
    means, variances = [part.mean for part in parts], [part.variance for part in parts]
    whole = all(part.whole for part in parts)
    return Moments(np.concatenate(counts or [np.empty((0, columns))]), np.concatenate(means), np.concatenate(variances), whole)
