"""Cells gathered into receipts: runs of cells in their order, closed by time, size or an event. Pure.

Room: hall, judgement; the judge's process. It is given what was judged and gives back what is to be recorded; it sends nothing. Nothing
that it holds is lost with the process: what was not recorded is judged again from the ledger, to the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ledger_client.event_bodies import ALARMING, RUNS_MAX, ScoreReceipt
from models.manifest import Manifest
from runtime.judgement.model_run import Cell

CELLS_MAX: Final = 512
"""Cells of one receipt: a body of 6 kB."""
SKIPPED_MAX: Final = 16


@dataclass(slots=True)
class OpenReceipt:
    """What one model has judged since its last receipt. `from_seq`: the first entry whose cells are in it; `before`: the decision then."""

    manifest: Manifest
    manifest_hash: bytes
    from_seq: int
    before: tuple[int, ...] = ()
    to_seq: int = -1
    cells: list[Cell] = field(default_factory=list)
    skipped: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to record."""
        return not self.cells and not self.skipped

    @property
    def is_full(self) -> bool:
        """Whether it is to be recorded before more is added."""
        return len(self.cells) >= CELLS_MAX or len(self.skipped) >= SKIPPED_MAX

    @property
    def span_ms(self) -> int:
        """From its first cell to its last."""
        return (self.cells[-1].number - self.cells[0].number + 1) * self.manifest.plan.grid_ms if self.cells else 0

    def add(self, seq: int, cell: Cell) -> None:
        """Add a cell that entry `seq` closed, perhaps not as its last."""
        self.to_seq = seq - 1
        self.cells.append(cell)

    def skip(self, first: int, count: int, why: str) -> None:
        """Say of cells that they were not judged."""
        self.skipped.append((first, count, why))

    def receipt(self) -> ScoreReceipt:
        """Return it as a body; cells beyond one another's neighbours begin a new run."""
        runs: list[tuple[int, int]] = []
        for cell in self.cells:
            if runs and cell.number == runs[-1][0] + runs[-1][1]:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((cell.number, 1))
        assert len(runs) <= RUNS_MAX
        return ScoreReceipt(
            self.manifest.name, self.manifest.model_sha256, self.manifest_hash, self.from_seq, max(self.from_seq - 1, self.to_seq),
            self.manifest.plan.grid_ms, tuple(runs), tuple(cell.score for cell in self.cells), flags_of(self.cells),
            windows_of(self.cells), self.cells[-1].decision if self.cells else self.before, tuple(self.skipped),
        )  # fmt: skip


def flags_of(cells: list[Cell]) -> bytes:
    """Return one byte for each cell."""
    return bytes(cell.code | (ALARMING if cell.alarming else 0) for cell in cells)


def windows_of(cells: list[Cell]) -> bytes:
    """Return SHA-256 over the window hashes of the cells, in order."""
    whole = sha256()
    for cell in cells:
        whole.update(cell.window_hash)
    return whole.digest()
