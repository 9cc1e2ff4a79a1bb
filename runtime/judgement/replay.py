"""Recorded scores, reckoned again from recorded readings by the code that scored: what differs, and what cannot be told here.

Room: hall, judgement; `ledger replay` calls it (numpy). It reads a state folder, or a copy of one, and changes nothing. The same follower,
the same `ModelRun` and the same worker as in service; nothing of a receipt goes into what it is compared with, but where its decision
stood before its first cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import pack
from typing import Any, Final

from ledger_client.event_bodies import ScoreReceipt
from ledger_client.reader import LedgerReader
from models.manifest import Manifest
from runtime.judgement.follower import Follower, first_seq_at
from runtime.judgement.model_run import Cell, ModelRun
from runtime.judgement.model_task import Outputs, cells_of
from runtime.judgement.score_query import receipts
from runtime.judgement.spans import flags_of, windows_of

DIFFERENCES_MAX: Final = 1_000
"""Differences that are kept one by one; all are counted."""
SCORE, FLAGS, WINDOWS, DECISION, MISSING, TWICE = "score", "flags", "windows", "decision", "missing", "twice"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a receipt says otherwise than its readings do. `cell` is None of what speaks of a whole receipt."""

    seq: int
    what: str
    cell: int | None
    recorded: Any
    reckoned: Any

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"seq": self.seq, "what": self.what, "cell": self.cell, "recorded": self.recorded, "reckoned": self.reckoned}


@dataclass(slots=True)
class Replayed:
    """The outcome. `equal` cells of `cells` recorded ones; `not_here` receipts or cells that the withheld bodies make unanswerable.

    `not_recorded`: cells between the first and the last receipt that were reckoned here and that no receipt names.
    """

    receipts: int = 0
    cells: int = 0
    equal: int = 0
    skipped: int = 0
    not_here: int = 0
    not_recorded: int = 0
    difference_count: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`fails`, `unknown` (something is not here, or there is nothing), else `holds`."""
        if self.difference_count:
            return "fails"
        return "unknown" if self.not_here or not self.receipts else "holds"

    def differs(self, seq: int, what: str, cell: int | None, recorded: Any, reckoned: Any) -> None:
        """Note a difference."""
        self.difference_count += 1
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(Difference(seq, what, cell, recorded, reckoned))


@dataclass(slots=True)
class Replay:
    """One manifest's receipts in [start, end) of a ledger, reckoned again."""

    reader: LedgerReader
    manifest: Manifest
    manifest_hash: bytes
    outputs: Outputs
    key: str

    async def run(self, start: int, end: int, progress: Progress = lambda _done, _of: None) -> Replayed:
        """Compare. Raises ModelFault, WorkerFault, LedgerError, OSError."""
        found, wanted = Replayed(), []
        for seq, receipt in receipts(self.reader, start, end):
            if receipt is None:
                found.not_here += 1
            elif receipt.manifest_hash == self.manifest_hash:
                wanted.append((seq, receipt))
        if not wanted:
            return found
        found.receipts = len(wanted)
        reckoned = _Reckoned(self, wanted[0][1], self._before(wanted[0][0], start))
        for done, (seq, receipt) in enumerate(wanted):
            await reckoned.reach(receipt.to_seq + 2, end)  # of more cells than fit, the first are in a receipt before their entry
            reckoned.compare(seq, receipt, found)
            progress(done + 1, len(wanted))
        found.not_recorded = reckoned.unnamed()
        return found

    def _before(self, first: int, start: int) -> ScoreReceipt | None:
        """Return the receipt that the first one goes on from, if it lies before the range."""
        before, end = None, min(start, first)
        for _, receipt in receipts(self.reader, max(0, end - LOOK_BACK), end):
            if receipt is not None and receipt.manifest_hash == self.manifest_hash:
                before = receipt
        return before


LOOK_BACK: Final = 2_000
"""Entries before the range in which the receipt before it is looked for."""


class _Reckoned:
    """Cells by number, as far as the ledger has been followed, each with what was seen of its readings."""

    def __init__(self, replay: Replay, first: ScoreReceipt, before: ScoreReceipt | None) -> None:
        self._replay = replay
        self._run = ModelRun(replay.manifest)
        self._cells: dict[int, Cell] = {}
        """Those that no receipt has named yet."""
        self._blind: set[int] = set()
        self._previous = before
        self._named: set[int] = set()
        self._last = -1
        grid_ms = replay.manifest.plan.grid_ms
        self._first_cell = first.first_cell
        begin = first_seq_at(replay.reader, (first.first_cell - 1) * grid_ms - self._run.warm_ms, first.from_seq)
        self._follower = Follower(replay.reader, min(begin, first.from_seq), self._run.wanted)

    async def reach(self, seq: int, end: int) -> None:
        """Follow the ledger up to an entry."""
        while self._follower.next_seq < min(seq, end):
            taken = self._follower.take()
            rows = self._run.take(taken)
            rows = [row for row in rows if row.cell >= self._first_cell]
            if not rows:
                continue
            for cell in await cells_of(self._run, rows, self._replay.outputs, self._replay.key):
                self._cells[cell.number] = cell
                blind = self._run.blind_until_ms
                if blind is not None and cell.number * self._replay.manifest.plan.grid_ms - self._run.warm_ms <= blind:
                    self._blind.add(cell.number)

    def compare(self, seq: int, receipt: ScoreReceipt, found: Replayed) -> None:
        """Hold one receipt against what was reckoned."""
        numbers = receipt.numbers()
        found.cells += len(numbers)
        found.skipped += sum(count for _, count, _ in receipt.skipped)
        for first, count, _ in receipt.skipped:
            self._cells = {number: cell for number, cell in self._cells.items() if not first <= number < first + count}
        cells = [self._cells.pop(number, None) for number in numbers]
        if self._blind.intersection(numbers):
            found.not_here += len(numbers)
            self._named.update(numbers)
            self._previous = receipt
            return
        differing = found.difference_count
        for number, cell, score in zip(numbers, cells, receipt.scores, strict=True):
            if number in self._named:
                found.differs(seq, TWICE, number, score, None)
            elif cell is None:
                found.differs(seq, MISSING, number, score, None)
            elif not same(cell.score, score):
                found.differs(seq, SCORE, number, score, cell.score)
            else:
                found.equal += 1
        self._named.update(numbers)
        known = [cell for cell in cells if cell is not None]
        if differing == found.difference_count and len(known) == len(cells):
            self._compare_whole(seq, receipt, known, found)
        self._previous = receipt

    def _compare_whole(self, seq: int, receipt: ScoreReceipt, cells: list[Cell], found: Replayed) -> None:
        """Hold against it what speaks of all cells: the windows, and the decision, begun where the receipt before it stood."""
        windows = windows_of(cells)
        if windows != receipt.windows:
            found.differs(seq, WINDOWS, None, receipt.windows.hex(), windows.hex())
        before = self._previous
        goes_on = before is not None and before.to_seq + 1 == receipt.from_seq
        run = ModelRun(self._replay.manifest, before.decision if before is not None and goes_on else ())
        decided = [run.decide_again(cell) for cell in cells]
        if flags_of(decided) != receipt.cells:
            found.differs(seq, FLAGS, None, receipt.cells.hex(), flags_of(decided).hex())
        if decided and decided[-1].decision != receipt.decision:
            found.differs(seq, DECISION, None, list(receipt.decision), list(decided[-1].decision))

    def unnamed(self) -> int:
        """Return how many cells between the first and the last that receipts name are in none."""
        named = self._named
        if not named:
            return 0
        low, high = min(named), max(named)
        return sum(1 for number in self._cells if low < number < high)


def same(one: float | None, other: float | None) -> bool:
    """Whether two scores are equal to the bit."""
    if one is None or other is None:
        return one is other
    return pack("<d", one) == pack("<d", other)
