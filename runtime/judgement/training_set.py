"""What a model learns from: rows out of recorded readings of a span of time, without what was not normal.

Room: hall, judgement; the trainer's process (numpy). It reads the ledger and changes nothing. Bad quality is missing already when samples
are made; times of alarms, of findings and of labels "not normal" are left out, with a window around them, unless somebody has labelled
that very finding "normal": then it is what the model has to learn. What a model that is only being checked finds unlike counts for nothing:
nobody was told of it, and one that was learned from too little would shut out all that the next one needs. After a start of the gateway
rows count from when a model would judge them (`lives`). The limits of the rules are learned from all readings that were normal: rules look
at a start too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger_client.entry import parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.event_bodies import ALARMING, EventBody, FindingBody, LabelBody, ModelBody, ScoreReceipt, read_event
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from models.input_plan import InputPlan
from models.input_stream import Rows
from runtime.judgement.book import OURS
from runtime.judgement.follower import Follower, first_seq_at
from runtime.judgement.lives import Lives, Readings, Whole, chosen

LATE_MS: Final = 600_000
"""How long after a reading its entry may have been written."""
SAMPLES_MAX: Final = 20_000_000
TELL_EVERY: Final = 200
LOOK_BACK, LOOK_BACK_MAX = 4096, 200_000
"""How many entries before a span are looked through at once, and at most, for the state of its model."""
CHECKING: Final = "checking"
ASIDE: Final = frozenset({"refused", "learning"})
"""States of an event that leave the model in that of before."""
Progress = Callable[[str, float], None]
Times = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """`rows` as `models.input_stream` gives them, `readings` those behind them, `cuts_ms`: before them there are none of some time.

    Counted: `left_out` rows that were not normal; `settling` rows that abstain because the gateway had just begun; `withheld` batches whose
    readings are not here.
    """

    rows: Rows
    readings: Readings
    cuts_ms: list[int]
    left_out: int
    settling: int
    withheld: int


@dataclass(slots=True)
class NotNormal:
    """Times that were not normal, out of the events of one model. `state`: of the model before the first of them, "" if unknown."""

    name: str
    state: str = ""
    alarms: Times = field(default_factory=list)
    found: dict[int, tuple[int, int]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    spans: dict[tuple[int, int], str] = field(default_factory=dict)
    _open: dict[tuple[str, str], int] = field(default_factory=dict)
    _checked_to: int = -1
    """The entry with which it was being checked no more: a receipt may begin before it."""

    def take(self, seq: int, event: EventBody) -> None:
        """Take an event of the ledger, in order."""
        if event.name != self.name:
            return
        match event:
            case ModelBody():
                state = _state_of(event) or self.state
                self._checked_to = seq if self.state == CHECKING != state else self._checked_to
                self.state = state
            case ScoreReceipt() if self.state != CHECKING and event.from_seq > self._checked_to:
                for number, cell in zip(event.numbers(), event.cells, strict=True):
                    if cell & ALARMING:
                        end = number * event.grid_ms
                        self.alarms.append((end - event.grid_ms, end))
            case FindingBody(phase=0):
                self.found[seq] = (event.at_ms, event.at_ms)
                self._open[event.rule, event.tag] = seq
            case FindingBody():
                onset = self._open.pop((event.rule, event.tag), None)
                if onset is not None:
                    self.found[onset] = (self.found[onset][0], event.at_ms)
            case LabelBody(finding_seq=None):
                self.spans[event.from_ms, event.to_ms] = event.label
            case LabelBody(finding_seq=int(finding)):
                self.labels[finding] = event.label

    def times(self, around_ms: int) -> Times:
        """Return the times to leave out, each with a window before and behind it."""
        normal = [span for span, label in self.spans.items() if label == "normal"]
        normal += [self.found[seq] for seq, label in self.labels.items() if label == "normal" and seq in self.found]
        wrong = [*self.alarms, *(span for seq, span in self.found.items() if self.labels.get(seq) != "normal")]
        wrong = [each for each in wrong if not any(a - around_ms <= each[0] and each[1] <= b + around_ms for a, b in normal)]
        wrong += [span for span, label in self.spans.items() if label == "not_normal"]
        return [(a - around_ms, b + around_ms) for a, b in wrong]


def gather(reader: LedgerReader, size: int, plan: InputPlan, name: str, from_ms: int, to_ms: int, progress: Progress) -> TrainingSet:
    """Return the rows of [from_ms, to_ms]. Raises LedgerError, also `learn_too_much`; OSError."""
    start = first_seq_at(reader, from_ms - plan.memory_cells * plan.grid_ms, size)
    end = first_seq_at(reader, to_ms + LATE_MS, size)
    follower = Follower(reader, start, (tag.uid for tag in plan.tags))
    lives, withheld, wrong = Lives(plan), 0, NotNormal(name, _state_before(reader, start, name))
    for seq in range(start, end):
        taken = follower.take()
        withheld += taken.withheld
        lives.take(taken)
        if len(lives) > SAMPLES_MAX:
            raise LedgerError("learn_too_much")
        if taken.event is not None:
            wrong.take(seq, taken.event)
        if seq % TELL_EVERY == 0:
            progress("reading", (seq - start) / max(1, end - start))
    for seq, event in _events(reader, end, size):  # what people said of it later
        wrong.take(seq, event)
    progress("features", 0.0)
    (made, anew), at_ms = lives.rows(to_ms), lives.time_ms
    ends, left_out = made.cells * plan.grid_ms, wrong.times(plan.window_ms)
    kept, normal = (ends > from_ms) & (ends <= to_ms), _outside(ends, left_out)
    readings = lives.readings((at_ms > from_ms) & (at_ms <= to_ms) & _outside(at_ms, left_out))
    progress("features", 1.0)
    not_normal, settling = (int(np.count_nonzero(kept & each)) for each in (~normal, normal & anew))
    cuts_ms = [*lives.begins_ms, *(until_ms for _, until_ms in left_out)]
    return TrainingSet(chosen(made, kept & normal), readings, cuts_ms, not_normal, settling, withheld)


def _outside(at_ms: Whole, times: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    normal = np.ones(len(at_ms), np.bool_)
    for from_ms, to_ms in times:
        normal &= (at_ms < from_ms) | (at_ms > to_ms)
    return normal


def _state_of(event: ModelBody) -> str:
    return "" if event.state in ASIDE else event.state


def _state_before(reader: LedgerReader, seq: int, name: str) -> str:
    """Return the state that a model had come into before an entry; "" where none of the newest says so, or they cannot be read."""
    for after in range(seq, max(0, seq - LOOK_BACK_MAX), -LOOK_BACK):
        found = ""
        with contextlib.suppress(LedgerError):  # what lies before the span is not learned from, and need not be whole
            for _, event in _events(reader, max(0, after - LOOK_BACK), after):
                if isinstance(event, ModelBody) and event.name == name:
                    found = _state_of(event) or found
        if found:
            return found
    return ""


def _events(reader: LedgerReader, start: int, end: int) -> Iterable[tuple[int, EventBody]]:
    for seq, raw in enumerate(reader.entries(start, end), start):
        if OURS not in raw:
            continue
        try:
            payload = parse(raw).payload
            body = reader.body(seq) if payload.kind == Kind.EVENT else None
            event = None if body is None else read_event(payload.detail[0], payload.detail[1], body)
        except FormatError:
            continue
        if event is not None:
            yield seq, event
