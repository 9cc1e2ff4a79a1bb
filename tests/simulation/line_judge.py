"""Models of the sim line: learned from a recording as the trainer learns from a ledger, and at work as the judge's process has them.

Room: tests and benchmarks. Rows, limits, scores, rules and decisions are those of `runtime.judgement.model_run` and `models.commission`;
here is only how batches of a recording become what a follower says of ledger entries.

    model = learned(plan, batches)                        # normal operation
    judge = LineJudge(model.manifest, model.model, made.tags)
    judge.take(batch)                                     # -> what was found, as it would stand in the ledger
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from boards.sim.template import gateway_config
from models.commission import Learned, LearnOptions, learn
from models.input_plan import InputPlan
from models.input_stream import Row, rows_of
from models.litert import Runtime
from models.manifest import Manifest
from models.natural_limits import natural_limits
from runtime.config import parse_config
from runtime.judgement.follower import Taken
from runtime.judgement.model_run import Cell, ModelRun
from runtime.judgement.plans import plan_of
from tests.simulation.line_samples import PORTS, Batch, LineRecording, good_number, line_points

Answer = TypeVar("Answer")
ONSET: Final = "onset"
MODEL: Final = "model"
KINDS: Final = LearnOptions(name="line").kinds
LINEAR: Final = tuple(kind for kind in KINDS if kind != "autoencoder")


@dataclass(frozen=True, slots=True)
class Found:
    """One onset. `tag` is the one that is named first; `others` those named after it by the model."""

    at_ms: int
    rule: str
    tag: str
    others: tuple[str, ...]
    evidence: dict[str, float]


def line_plan() -> InputPlan:
    """Return the plan of the model that the sim board's own configuration defines."""
    return plan_of(parse_config(gateway_config(PORTS)).models.define[0], line_points())


def learned(plan: InputPlan, batches: Iterable[Batch], kinds: tuple[str, ...] = KINDS) -> Learned:
    """Return a model of these batches, in the very settings of production. Raises CannotLearnError.

    `kinds`: those to try; the autoencoder takes half of the time, and linear models are as good here.
    """
    index = {tag.uid: i for i, tag in enumerate(plan.tags)}
    found = [(index[r.uid], r.read_ms, good_number(r), r.source_ms) for batch in batches for r in batch.readings if r.uid in index]
    tags, times = np.array([row[0] for row in found], np.int64), np.array([row[1] for row in found], np.int64)
    values = np.array([math.nan if row[2] is None else row[2] for row in found], np.float64)
    rows = rows_of(plan, tags, times, values, int(times.max()))
    limits = natural_limits(plan, tags, times, values, [row[3] for row in found])
    return learn(plan, rows, LearnOptions(name="line", limits=limits, kinds=kinds))


class LineJudge:
    """One model at work over a recording."""

    def __init__(self, manifest: Manifest, model: bytes, recording: LineRecording) -> None:
        self.manifest = manifest
        self._run, self._runtime = ModelRun(manifest, rules=True), Runtime(model)
        self._names = {uid: f"{tag.device}/{tag.name}" for uid, (tag, _) in recording.tags.items()}
        self._uids = {group.uid: [tag.uid for tag in group.tags] for _, group in recording.tags.values()}
        self._seq = 0
        self.alarming = False
        self._answered(self._run.probing())
        self.scores: list[tuple[int, float | None]] = []

    def take(self, batch: Batch) -> list[Found]:
        """Take a batch and the gap entry after it; return what began."""
        found: list[Found] = []
        for taken in self._said(batch):
            rows = self._run.take(taken)
            inputs = self._run.inputs(rows)
            cells = self._run.settle(rows, inputs, None if inputs is None else self._runtime.run(inputs))
            self.scores += [(cell.number, cell.score) for cell in cells]
            for row, cell in zip(rows, cells, strict=True):
                self.alarming = cell.alarming
                if cell.turn == ONSET:
                    first, *others = [name for name, *_ in self._named(row, cell).contributions]
                    evidence = {"score": cell.score or 0.0, "threshold": self.manifest.threshold}
                    found.append(Found(cell.number * self.manifest.plan.grid_ms, MODEL, first, tuple(others), evidence))
        for each in self._run.found:
            if each.phase == ONSET:
                found.append(Found(each.at_ms, each.rule, self._names[each.tag], (), dict(each.evidence)))
        self._run.found.clear()
        return found

    def _named(self, row: Row, cell: Cell) -> Cell:
        return self._answered(self._run.naming(row, cell))

    def _answered(self, asking: Generator[Any, Any, Answer]) -> Answer:
        try:
            inputs = next(asking)
            while True:
                inputs = asking.send(self._runtime.run(inputs))
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    def _said(self, batch: Batch) -> Iterable[Taken]:
        wanted = self._run.wanted
        samples = tuple((r.uid, r.read_ms, good_number(r), r.source_ms) for r in batch.readings if r.uid in wanted)
        until_ms = batch.readings[-1].read_ms if batch.readings else None
        yield Taken(self._seq, batch.until_ms, samples, until_ms)
        silent = tuple((uid, row[1]) for row in batch.gaps for uid in self._uids.get(row[0] or 0, []) if uid in wanted)
        if silent:
            yield Taken(self._seq + 1, batch.until_ms, silent=silent)
        self._seq += 2
