"""One model at work: samples in, cells with scores and decisions out. The same code in service and in a replay.

Room: hall, judgement; the judge's process and the replay only (numpy). It knows no file, no socket and no clock: what it says depends on
the entries that it was given, in their order. Who runs it asks the worker for the outputs between `take` and `settle`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger_client.event_bodies import FILLING, GATE, MISSING, NOT_FINITE, SCORED
from models.decision import Decision
from models.drift import DriftMonitor
from models.finding import Finding
from models.input_stream import InputStream, Row
from models.isolate import isolated, responses
from models.manifest import Manifest
from models.model_fault import ModelFault
from models.rules import RuleBook
from models.scorer import Judged, Scorer
from models.slow_residuals import DriftWatch
from runtime.judgement.follower import Taken

DRIFT: Final = "drift"
REASONS: Final = {"missing": MISSING, "filling": FILLING, "gate": GATE}
BANDS_SHOWN: Final = 5
Contribution = tuple[str, float, float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One judged cell.

    `code` is one of `event_bodies`: SCORED, or why there is no score. `turn` is onset or end of an alarm, `decision` the state of the
    decision after the cell.
    """

    number: int
    score: float | None
    code: int
    alarming: bool
    turn: str | None
    window_hash: bytes
    contributions: tuple[Contribution, ...]
    decision: tuple[int, ...]


class ModelRun:
    """`warm_ms`: how long before its first cell a run must begin to read, so that it says what one says that was begun earlier."""

    def __init__(self, manifest: Manifest, decision: tuple[int, ...] = (), last_cell: int | None = None, *, rules: bool = False) -> None:
        """`decision` is the state that a receipt carries; cells up to `last_cell` are looked at and not judged. Raises ValueError.

        `rules`: look for faults of sensors too.
        """
        self.manifest = manifest
        self.last_cell = last_cell
        self.scorer = Scorer(manifest)
        self._decision = Decision(manifest.decision)
        self.monitor = DriftMonitor(manifest.threshold)
        if decision:
            self._decision.restore(decision)
        self._index = {tag.uid: i for i, tag in enumerate(manifest.plan.tags)}
        self._stream = InputStream(manifest.plan)
        self.rules = RuleBook(manifest.plan, manifest.limits) if rules else None
        self._drift = DriftWatch(manifest.plan, manifest.limits.get(DRIFT) or [None] * len(manifest.plan.tags)) if rules else None
        self.found: list[Finding] = []
        """What the rules found; whoever runs it takes it away."""
        self.blind_until_ms: int | None = None
        """Readings up to here were withheld: cells whose windows touch them say less than they did once."""

    @property
    def warm_ms(self) -> int:
        """See the class."""
        return self.manifest.plan.memory_cells * self.manifest.plan.grid_ms

    @property
    def wanted(self) -> frozenset[int]:
        """The tags that it looks at."""
        return frozenset(self._index)

    def take(self, taken: Taken) -> list[Row]:
        """Take what one entry says; return the rows of cells that it closed and that are to be judged."""
        if taken.set_back or taken.begun:  # what the machine did while nobody looked is not known: windows fill, gates settle anew
            self._stream = InputStream(self.manifest.plan)
        if taken.set_back:
            missing = [] if self.rules is None else self.rules.missing()
            self.rules = None if self.rules is None else RuleBook(self.manifest.plan, self.manifest.limits)
            self.expect(missing)
        elif taken.begun and self.rules is not None:
            self.rules.forget()
        for uid, from_ms in taken.silent:
            if uid in self._index:
                self._stream.take(self._index[uid], from_ms, None)
                if self.rules is not None:
                    self.rules.take(self._index[uid], from_ms, None)
        for uid, time_ms, value, source_ms in taken.samples:
            if uid in self._index:
                self._stream.take(self._index[uid], time_ms, value)
                if self.rules is not None:
                    self.rules.take(self._index[uid], time_ms, value, source_ms)
        if taken.withheld and taken.until_ms is not None:
            self.blind_until_ms = taken.until_ms
        if taken.until_ms is None:
            return []
        if self.rules is not None:
            self.found += self.rules.close(taken.until_ms)
        rows = self._stream.close(taken.until_ms)
        return rows if self.last_cell is None else [row for row in rows if row.cell > self.last_cell]

    def expect(self, tags: list[int]) -> None:
        """Have the rules begin with tags that are known to have dropped out."""
        if self.rules is not None:
            self.rules.expect(tags)

    def inputs(self, rows: list[Row]) -> NDArray[Any] | None:
        """Return the model's input rows of those that have features, None when none has."""
        features = [row.features for row in rows if row.features is not None]
        return self.scorer.inputs(np.array(features)) if features else None

    def settle(self, rows: list[Row], inputs: NDArray[Any] | None, outputs: NDArray[Any] | None) -> list[Cell]:
        """Judge rows by the model's outputs for those inputs and decide. Raises ModelFault `model_output_shape`."""
        judged: list[Judged | None] = []
        if inputs is not None and outputs is not None:
            judged = self._judged(np.array([row.features for row in rows if row.features is not None]), inputs, outputs)
        answers = iter(judged)
        cells = [self._cell(row, next(answers) if row.features is not None else None) for row in rows]
        if self._drift is not None:
            self._watch_drift(self._drift, rows, outputs)
        return cells

    def _watch_drift(self, watch: DriftWatch, rows: list[Row], outputs: NDArray[Any] | None) -> None:
        """Show the watch what the model missed, row by row."""
        features = np.array([row.features for row in rows if row.features is not None])
        missed = None if outputs is None or not len(features) else self.scorer.residuals(features, outputs)
        pairs = iter(() if missed is None else zip(missed, self.scorer.scaled(features), strict=True))
        for row in rows:
            residuals, scaled = next(pairs, (None, None)) if row.features is not None else (None, None)
            finding = watch.take(row.cell, residuals, scaled)
            if finding is not None:
                self.found.append(finding)

    def decide_again(self, cell: Cell) -> Cell:
        """Return the cell with what this run's decision says of its score."""
        turn = self._decision.take(cell.number, cell.score)
        return replace(cell, alarming=self._decision.alarming, turn=turn, decision=self._decision.state())

    def probing(self) -> Generator[NDArray[Any], NDArray[Any], None]:
        """Yield input rows and be sent the model's outputs, once, for slow drifts to be named by how it answers. Raises ModelFault."""
        if self._drift is not None and not self._drift.is_idle and self.manifest.output == "reconstruction":
            self._drift.answers_as((yield from responses(self.scorer, len(self.manifest.mean))))

    def naming(self, row: Row, cell: Cell) -> Generator[NDArray[Any], NDArray[Any], Cell]:
        """Yield input rows, be sent the model's outputs, and return the cell with the tag first that its score is about, where it is one.

        What a replay compares (scores, turns) stays as it is. Raises ModelFault.
        """
        if row.features is None or cell.score is None or self.manifest.output != "reconstruction":
            return cell
        tag = yield from isolated(self.scorer, self.manifest.plan.tag_of_feature, row.features)
        if tag is None:
            return cell
        name = self.manifest.plan.tags[tag].name
        others = tuple(each for each in cell.contributions if each[0] != name)
        own = next((each for each in cell.contributions if each[0] == name), None) or self._shown(row, tag, 0.0)
        return replace(cell, contributions=(own, *others)[:BANDS_SHOWN])

    def _judged(self, features: NDArray[np.float64], inputs: NDArray[Any], outputs: NDArray[Any]) -> list[Judged | None]:
        try:
            return list(self.scorer.judged(features, inputs, outputs))
        except ModelFault as error:
            if error.code != "model_output_not_finite":
                raise
        found: list[Judged | None] = []
        for i in range(len(features)):  # one row that is no number must not cost the others their scores
            try:
                found += self.scorer.judged(features[i : i + 1], inputs[i : i + 1], outputs[i : i + 1])
            except ModelFault:
                found.append(None)
        return found

    def _cell(self, row: Row, judged: Judged | None) -> Cell:
        if row.features is None:
            code = REASONS.get(row.abstained or "", MISSING)
        else:
            code = SCORED if judged is not None else NOT_FINITE
        score = judged.score if judged is not None else None
        turn = self._decision.take(row.cell, score)
        self.monitor.take(score)
        self.last_cell = row.cell
        shown = self._contributions(row, judged) if judged is not None else ()
        return Cell(row.cell, score, code, self._decision.alarming, turn, row.window_hash(), shown, self._decision.state())

    def _contributions(self, row: Row, judged: Judged) -> tuple[Contribution, ...]:
        """Return the tags that weigh most, the heaviest first; of equal ones the first of the plan."""
        shares = judged.shares()
        order = sorted(range(len(shares)), key=lambda i: (-shares[i], i))[:BANDS_SHOWN]
        return tuple(self._shown(row, i, float(shares[i])) for i in order)

    def _shown(self, row: Row, tag: int, share: float) -> Contribution:
        value, (low, high) = float(row.values[tag]), self.manifest.bands[tag]
        return self.manifest.plan.tags[tag].name, share, value if np.isfinite(value) else None, low, high
