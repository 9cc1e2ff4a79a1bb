"""One model in the judge: follows the ledger from where its last receipt ended, scores through the worker, has receipts recorded.

Room: hall, judgement; the judge's process. `judge` starts one for each model that scores, and ends it when its order changes. It keeps
nothing that the ledger does not have: after a kill the next one reads its way into the window again and goes on with the next cell.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from numpy.typing import NDArray

from ledger_client.entry import parse
from ledger_client.event_bodies import FILLING, GATE, MISSING, NOT_FINITE, FindingBody, ScoreReceipt, read_event
from ledger_client.reader import LedgerReader
from models.drift import SPAN, SPANS
from models.input_stream import Row
from models.model_fault import ModelFault, WorkerFault
from runtime.judgement.core_link import CoreLink, Order
from runtime.judgement.findings import Findings
from runtime.judgement.follower import Follower, first_seq_at
from runtime.judgement.judge_words import LiveRow
from runtime.judgement.model_run import Cell, ModelRun
from runtime.judgement.score_query import receipts
from runtime.judgement.spans import OpenReceipt
from runtime.judgement.store import Kept

BACKLOG_MS_MAX: Final = 86_400_000
"""Cells that ended longer ago than this when the judge comes back are not scored; it says which."""
REMEMBERED: Final = (SPANS + 1) * SPAN
"""Cells before the last receipt whose scores the advice to learn again rests on."""
OPEN_MS: Final = 600_000
"""So long before a finding that has not ended reading begins, for its rule to find it again; earlier by what the rule waits for."""
EVER: Final = 1 << 62
WAITS: Final = {"stuck": "constant_ms", "frozen_counter": "constant_ms", "dropout": "missing_ms"}
"""Rules that find something only once it has lasted, and the limit that says for how long."""
TRIES: Final = 2
MODEL_RULE: Final = "model"
CHECKING: Final = "checking"
UNNAMED: Final = "unnamed"
"""In place of advice: slow drifts are named by where they show."""
Answer = TypeVar("Answer")
ABSTAINED: Final = {MISSING: "missing", FILLING: "filling", GATE: "gate", NOT_FINITE: "not_finite"}
BEHIND: Final = "judge_behind"


class Outputs(Protocol):
    """The part of `models.worker_client.Worker` that a model uses."""

    async def run(self, key: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return outputs. Raises ModelFault, WorkerFault."""
        ...


@dataclass(slots=True)
class Ledger:
    """Where the ledger stands: `head` = published size, `moved` waits until it is beyond a size, `now_ms` the core's wall time."""

    reader: LedgerReader
    head: Callable[[], int]
    moved: Callable[[int], Any]
    now_ms: Callable[[], int]


async def cells_of(run: ModelRun, rows: Sequence[Row], outputs: Outputs, key: str) -> list[Cell]:
    """Score rows: what the judge and the replay both do. Raises ModelFault; WorkerFault when the worker failed twice."""
    listed = list(rows)
    inputs = run.inputs(listed)
    found, tries = None, TRIES
    while inputs is not None and found is None:
        try:
            found = await outputs.run(key, inputs)
        except WorkerFault as fault:
            tries -= 1
            if not tries or fault.code == "model_quarantined":
                raise
    return run.settle(listed, inputs, found)


class ModelTask:
    """`order` may get another state while it works; another manifest needs another task."""

    def __init__(self, order: Order, kept: Kept, ledger: Ledger, outputs: Outputs, core: CoreLink, receipt_every_ms: int) -> None:
        """Raises LedgerError, OSError."""
        self.order, self._kept, self._ledger, self._outputs, self._core = order, kept, ledger, outputs, core
        self._every_ms = receipt_every_ms
        self.live: LiveRow | None = None
        self.at_ms: int | None = None
        """When the entry looked at last was written."""
        receipt = last_receipt(ledger.reader, order.receipt_seq)
        before = () if receipt is None else receipt.decision
        self._next = order.since_seq + 1 if receipt is None else receipt.to_seq + 1
        """The first entry whose cells count."""
        self._run = ModelRun(kept.manifest, before, order.last_cell, rules=True)
        self._receipt = OpenReceipt(kept.manifest, kept.manifest_hash, self._next, before)
        for score in recorded_scores(ledger.reader, ledger.head(), order, kept.manifest.plan.grid_ms * REMEMBERED):
            self._run.monitor.take(score)
        until_ms = -1 if order.last_cell is None else order.last_cell * kept.manifest.plan.grid_ms
        if receipt is None:  # what was decided before this piece of work began is not decided again
            until_ms = max(until_ms, self._wall_ms(min(order.since_seq, ledger.head() - 1)))
        self._findings = Findings(order.told, until_ms, decides_anew=receipt is None)
        dropped_out = {tag for rule, tag, _ in self._findings.going_on() if rule == "dropout"}
        self._run.expect([i for i, tag in enumerate(kept.manifest.plan.tags) if tag.name in dropped_out])
        self._follower = self._begin(from_receipt=receipt is not None)
        self._began_ms = self._wall_ms(min(self._follower.next_seq, ledger.head() - 1))
        """When the entry that is read first was written."""
        if self._began_ms <= (now_ms := self._wall_ms(ledger.head() - 1)):
            self._findings.reading_begins(now_ms)
        self._began_at = ledger.head()
        """What is told is in entries before this one."""
        self._is_unnamed = False
        """Whether the model could not be asked how it answers, by which slow drifts are named; it is asked again at each receipt."""

    async def run(self) -> None:
        """Follow until cancelled. Raises StaleError, ModelFault, WorkerFault, LedgerError, OSError."""
        await self._probe()
        while True:
            if self._follower.next_seq >= self._ledger.head():
                await self._flush_if_due()
                await self._ledger.moved(self._follower.next_seq)
            await self.step()
            await asyncio.sleep(0)

    async def _probe(self) -> None:
        """Ask the model how it answers. Where it cannot be asked it scores all the same, and whoever looks at it is told."""
        try:
            await self._answered(self._run.probing())
            self._is_unnamed = False
        except (ModelFault, WorkerFault):
            self._is_unnamed = True

    @property
    def is_behind(self) -> bool:
        """Whether the ledger has more than it has looked at."""
        return self._follower.next_seq < self._ledger.head()

    async def step(self) -> None:
        """Take one entry."""
        if self._follower.next_seq >= self._next:
            await self._end_interrupted()
        taken = self._follower.take()
        rows = self._run.take(taken)
        self.at_ms = taken.wall_ms or self.at_ms
        if taken.set_back:
            self._findings.rules_begin_anew()
        if self._run.found:
            await self._tell_rules(known=taken.seq < self._next)
        if taken.seq < self._next:  # read to fill the window; its cells are an earlier receipt's, or nobody's
            if rows:
                self._run.last_cell = rows[-1].cell
            return
        if rows:
            cells = await cells_of(self._run, rows, self._outputs, self.order.name)
            await self._take_cells(taken.seq, [await self._named(*each, rows[-1]) for each in zip(rows, cells, strict=True)])
            if self.order.refused:
                await self._core.insist({"what": "accepted", "name": self.order.name})
                self.order = replace(self.order, refused=False)
        self._receipt.to_seq = taken.seq
        await self._flush_if_due()

    async def _named(self, row: Row, cell: Cell, newest: Row) -> Cell:
        """Return the cell with the tag first that an alarm is about; asked at an onset and of the newest cell of a standing one."""
        if cell.turn != "onset" and not (cell.alarming and row is newest):
            return cell
        try:
            return await self._answered(self._run.naming(row, cell))
        except (ModelFault, WorkerFault):
            return cell  # the scores are there, and hold: which tag weighs most has to do

    async def _answered(self, asking: Generator[NDArray[Any], NDArray[Any], Answer]) -> Answer:
        """Send what yields input rows the outputs that the model has for them, and return what it makes of them."""
        try:
            inputs = next(asking)
            while True:
                inputs = asking.send(await self._outputs.run(self.order.name, inputs))
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    async def _take_cells(self, seq: int, cells: list[Cell]) -> None:
        for cell in cells:
            if self._receipt.is_full:
                await self._flush()
            self._receipt.add(seq, cell)
            if cell.turn is not None:
                await self._tell(cell)
        self._show(cells[-1])

    async def _flush_if_due(self) -> None:
        if self._receipt.is_full or self._receipt.span_ms >= self._every_ms:
            await self._flush()

    async def _flush(self) -> None:
        receipt = self._receipt.receipt()
        await self._core.record("scores", receipt.encode())
        self._receipt = OpenReceipt(self._kept.manifest, self._kept.manifest_hash, receipt.to_seq + 1, receipt.decision)
        if self._is_unnamed:
            await self._probe()

    async def _tell(self, cell: Cell) -> None:
        """Have an onset or an end of the model's alarm recorded."""
        at_ms, is_end = cell.number * self._kept.manifest.plan.grid_ms, cell.turn == "end"
        body = FindingBody(
            self.order.name, self._kept.manifest_hash, MODEL_RULE, cell.contributions[0][0] if cell.contributions else "", at_ms,
            int(is_end), self.order.state == "armed", cell.score, self._kept.manifest.threshold, cell.contributions,
        )  # fmt: skip
        await self._record_new(self._findings.new(body, tell=self.order.state != CHECKING))

    async def _tell_rules(self, *, known: bool) -> None:
        """Have recorded what the rules found; `known`: of entries that an earlier judge has followed."""
        found, self._run.found = sorted(self._run.found, key=lambda each: (each.at_ms, each.rule, each.tag, each.phase)), []
        for each in found:
            tag = self._run.manifest.plan.tags[self._run.manifest.plan.index_of(each.tag)].name
            evidence = {"since_ms": each.since_ms, **{name: value for name, value in each.evidence.items() if math.isfinite(value)}}
            body = FindingBody(
                self.order.name, self._kept.manifest_hash, each.rule, tag, each.at_ms, int(each.phase == "end"),
                self.order.state == "armed", None, None, (), evidence,
            )  # fmt: skip
            await self._record_new(self._findings.new(body, tell=self.order.state != CHECKING and not known))

    async def _end_interrupted(self) -> None:
        """Have those findings ended that nobody can tell the end of any more; what of them still is there is found anew."""
        read_to_ms = EVER if self._follower.next_seq >= self._began_at else self._began_ms - OPEN_MS
        for rule, tag, at_ms, phase in self._findings.interrupted(read_to_ms):
            body = FindingBody(
                self.order.name, self._kept.manifest_hash, rule, tag, max(at_ms + 1, self.at_ms or self._began_ms), phase,
                self.order.state == "armed", None, None, (), {"interrupted": True},
            )  # fmt: skip
            await self._record_new(body)

    async def _record_new(self, body: FindingBody | None) -> None:
        if body is not None:
            await self._core.record("finding", body.encode())

    def _show(self, cell: Cell) -> None:
        at_ms = cell.number * self._kept.manifest.plan.grid_ms
        advice = self._run.monitor.advice or (UNNAMED if self._is_unnamed else None)
        whose, why = (self.order.name, self._kept.manifest_hash), ABSTAINED.get(cell.code)
        self.live = LiveRow(*whose, cell.score, cell.alarming, why, at_ms, cell.contributions, advice)

    def _begin(self, *, from_receipt: bool) -> Follower:
        """Return a follower that reads its way into the window. What is too long ago is said to be skipped."""
        reader, head, grid_ms = self._ledger.reader, self._ledger.head(), self._kept.manifest.plan.grid_ms
        last, oldest_ms = self._run.last_cell, self._ledger.now_ms() - BACKLOG_MS_MAX
        counts_from_ms = (last + 1) * grid_ms if last is not None and from_receipt else self._wall_ms(min(self._next, head - 1))
        if counts_from_ms < oldest_ms:
            first_kept = oldest_ms // grid_ms + 1
            if last is not None and from_receipt:
                self._receipt.skip(last + 1, first_kept - last - 1, BEHIND)
            self._run.last_cell, counts_from_ms = first_kept - 1, oldest_ms
            self._next = max(self._next, first_seq_at(reader, oldest_ms, head))
            self._receipt.to_seq = self._next - 1
        going_on = [at_ms - OPEN_MS - self._waits_ms(rule, tag) for rule, tag, at_ms in self._findings.going_on()]
        since_ms = min([counts_from_ms, *(max(from_ms, oldest_ms) for from_ms in going_on)])
        start = first_seq_at(reader, since_ms - self._run.warm_ms, head)
        return Follower(reader, min(self._next, start), self._run.wanted)

    def _waits_ms(self, rule: str, tag: str) -> int:
        """Return for how long something must last before a rule finds it."""
        limits, tags = self._kept.manifest.limits.get(WAITS.get(rule, "")), self._kept.manifest.plan.tags
        found = [limit for limit, each in zip(limits or (), tags, strict=False) if each.name == tag and limit is not None]
        return math.ceil(found[0]) if found else 0

    def _wall_ms(self, seq: int) -> int:
        return parse(self._ledger.reader.entry(seq)).payload.wall_ms


def recorded_scores(reader: LedgerReader, size: int, order: Order, back_ms: int) -> Iterator[float | None]:
    """Yield the scores that an order's model has had recorded in the last `back_ms`, oldest first. Raises LedgerError, OSError."""
    if order.receipt_seq is None:
        return
    newest_ms = parse(reader.entry(order.receipt_seq)).payload.wall_ms
    for _, receipt in receipts(reader, first_seq_at(reader, newest_ms - back_ms, size), order.receipt_seq + 1, order.name):
        if receipt is not None and receipt.manifest_hash == order.manifest:
            yield from receipt.scores


def last_receipt(reader: LedgerReader, seq: int | None) -> ScoreReceipt | None:
    """Return a receipt of the ledger; None without one, or where its body is withheld. Raises LedgerError, OSError."""
    if seq is None:
        return None
    payload, body = parse(reader.entry(seq)).payload, reader.body(seq)
    found = None if body is None else read_event(payload.detail[0], payload.detail[1], body)
    return found if isinstance(found, ScoreReceipt) else None
