"""The SKAB files as readings, and the rows that a benchmark scores.

Room: benchmarks. Reads the CSV files where they lie: they are GPL-3.0 and stay outside of this repository.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.input_plan import InputPlan, TagInput
from models.input_stream import Rows, rows_of

GRID_MS = 1000
HOLD_MS = 10_000


@dataclass(frozen=True)
class Recording:
    """One file: time_ms (n,), values (n, tags), anomaly (n,)."""

    name: str
    tags: tuple[str, ...]
    time_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    anomaly: NDArray[np.bool_]

    def plan(self, window: int, features: Sequence[str] = ("mean", "log_sd")) -> InputPlan:
        """Return the plan: every tag a level, held for ten seconds, on a grid of a second."""
        tags = tuple(TagInput(uid=number + 1, name=name, hold_ms=HOLD_MS) for number, name in enumerate(self.tags))
        return InputPlan(tags=tags, grid_ms=GRID_MS, window=window, features=tuple(features))

    def rows(self, plan: InputPlan, first: int = 0, after: int | None = None) -> Rows:
        """Return the rows of features that the product's stream makes of these lines of the file."""
        part = slice(first, after)
        time_ms, values = self.time_ms[part], self.values[part]
        count = values.shape[1]
        return rows_of(
            plan, np.tile(np.arange(count), len(time_ms)), np.repeat(time_ms, count), values.ravel(), int(time_ms[-1]) + GRID_MS - 1
        )


def read(path: Path) -> Recording:
    """Return one file; without an anomaly column nothing in it is one."""
    with path.open(encoding="utf-8") as file:
        head, *lines = list(csv.reader(file, delimiter=";"))
    tags = tuple(name for name in head[1:] if name not in {"anomaly", "changepoint"})
    when = [int(datetime.fromisoformat(line[0]).replace(tzinfo=UTC).timestamp() * 1000) for line in lines]
    column = head.index("anomaly") if "anomaly" in head else None
    return Recording(
        name=f"{path.parent.name}/{path.stem}",
        tags=tags,
        time_ms=np.array(when, dtype=np.int64),
        values=np.array([[float(value) for value in line[1 : 1 + len(tags)]] for line in lines]),
        anomaly=np.array([column is not None and float(line[column]) > 0 for line in lines]),
    )


def labelled(folder: Path) -> list[Recording]:
    """Return all files with labels, by name."""
    return [read(path) for path in sorted(folder.glob("*/*.csv")) if path.parent.name != "anomaly-free"]


def anomaly_free(folder: Path) -> Recording:
    """Return the one file that is normal all through."""
    return read(folder / "anomaly-free" / "anomaly-free.csv")


def places(recording: Recording, rows: Rows) -> NDArray[np.int64]:
    """Return for each line of the file the number of the row whose cell ends with it, -1 where there is none."""
    cells = -(-recording.time_ms // GRID_MS)
    found = np.minimum(np.searchsorted(rows.cells, cells), len(rows) - 1)
    return np.where(rows.cells[found] == cells, found, -1)
