"""Readings in, rows of features out: cell by cell as they come, or a whole ledger at once, to the same bits.

Room: ground, models; pure: the same readings give the same rows on any machine, wherever the stream was begun (once `plan.memory_cells`
cells are in). `grid`, `clean` and `features` do the work, in this order. The judge feeds it with recorded readings, training and replay do
the same. It knows no ledger, no clock and no model.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.clean import Changed, Cleaning
from models.features import ABSTAINED, FeatureRows, Features
from models.grid import Grid, Span, spans_of
from models.input_plan import InputPlan

WINDOW_HASH_DOMAIN: Final = b"witnessmark-window-1"


@dataclass(frozen=True, slots=True)
class Row:
    """What the model sees of one cell. `cell` is its end divided by the plan's `grid_ms`.

    `features` is None when the row abstains, for the reason `abstained`: `missing`, `filling` or `gate`; a feature of a single missing
    tag is NaN. `values` are the tags' cleaned values, a counter's its rate; `raw` are those before cleaning; NaN is missing.
    """

    cell: int
    features: NDArray[np.float64] | None
    abstained: str | None
    values: NDArray[np.float64]
    raw: NDArray[np.float64]

    def window_hash(self) -> bytes:
        """Return SHA-256 of the domain, the cell (int64, little endian) and the features (float64, little endian; none: nothing)."""
        features = b"" if self.features is None else self.features.astype("<f8").tobytes()
        return hashlib.sha256(WINDOW_HASH_DOMAIN + self.cell.to_bytes(8, "little", signed=True) + features).digest()


@dataclass(frozen=True, slots=True)
class Rows:
    """Many rows in columns.

    `cells` (n,), `features` (n, features) NaN where abstained, `abstained` (n,) numbers of ABSTAINED, `values` and `raw` (n, tags).
    Cells grow; where one is left out nothing was known and no window held anything.
    """

    cells: NDArray[np.int64]
    features: NDArray[np.float64]
    abstained: NDArray[np.int8]
    values: NDArray[np.float64]
    raw: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.cells)

    def row(self, i: int) -> Row:
        """Return one of them."""
        why = ABSTAINED[self.abstained[i]] or None
        return Row(int(self.cells[i]), None if why else self.features[i], why, self.values[i], self.raw[i])

    def rows(self) -> list[Row]:
        """Return them all, one by one."""
        return [self.row(i) for i in range(len(self))]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which rows have features, (n,)."""
        return np.equal(self.abstained, 0)


class InputStream:
    """The stream of one plan. After the wall clock was set back the caller begins a new one: time only goes forward here."""

    def __init__(self, plan: InputPlan) -> None:
        self.plan = plan
        self._grid = Grid(plan)
        self._cleaning = Cleaning(plan)
        self._features = Features(plan)

    @property
    def late(self) -> int:
        """How many readings came for cells that were closed already; they count from the next cell on."""
        return self._grid.late

    @property
    def changed(self) -> Changed:
        """What the cleaning changed so far."""
        return self._cleaning.changed

    def take(self, tag_index: int, time_ms: int, value: float | None) -> None:
        """Take a reading of the plan's tag number `tag_index`, read at `time_ms`. None means missing from then on."""
        self._grid.take(tag_index, time_ms, value)

    def close(self, until_ms: int) -> list[Row]:
        """Return the rows of every cell that ends at or before `until_ms` and was not returned yet."""
        return self.close_rows(until_ms).rows()

    def close_rows(self, until_ms: int) -> Rows:
        """Return the same in columns."""
        return self._rows(self._grid.close(until_ms))

    def _rows(self, spans: Iterable[Span]) -> Rows:
        parts = []
        for span in spans:
            if span.fresh:
                self._cleaning.clear()
                self._features.clear()
            values = self._cleaning.take(span.raw)
            parts.append((span, self._features.take(span.first_cell, values), values))
        return _joined(parts, self.plan)


def rows_of(plan: InputPlan, tag_index: NDArray[np.int64], time_ms: NDArray[np.int64], value: NDArray[np.float64], until_ms: int) -> Rows:
    """Return the rows that a stream gives when it takes all these readings and then closes: columns of one length, NaN is missing."""
    return InputStream(plan)._rows(spans_of(plan, tag_index, time_ms, value, until_ms))  # noqa: SLF001


def features_again(plan: InputPlan, rows: Rows) -> Rows:
    """Return the same rows cleaned and looked at by another plan over the same tags, grid and hold: other scales, limits or window.

    With a longer window than the rows were made with, silences that are longer than theirs begin a window anew as they would have.
    """
    edges = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(rows.cells) > 1)), len(rows)]
    runs = [(a, b) for a, b in itertools.pairwise(edges) if a < b]
    return InputStream(plan)._rows(Span(int(rows.cells[a]), rows.raw[a:b], fresh=True) for a, b in runs)  # noqa: SLF001


def _joined(parts: list[tuple[Span, FeatureRows, NDArray[np.float64]]], plan: InputPlan) -> Rows:
    if len(parts) == 1:
        span, made, values = parts[0]
        cells = np.arange(span.first_cell, span.first_cell + len(values), dtype=np.int64)
        return Rows(cells, made.features, made.abstained, values, span.raw)
    none = np.empty((0, len(plan.tags)))
    numbers = [np.arange(s.first_cell, s.first_cell + len(v), dtype=np.int64) for s, _, v in parts]
    return Rows(
        np.concatenate([np.empty(0, dtype=np.int64), *numbers]),
        np.concatenate([np.empty((0, len(plan.layout))), *(m.features for _, m, _ in parts)]),
        np.concatenate([np.empty(0, dtype=np.int8), *(m.abstained for _, m, _ in parts)]),
        np.concatenate([none, *(v for _, _, v in parts)]),
        np.concatenate([none, *(s.raw for s, _, _ in parts)]),
    )
