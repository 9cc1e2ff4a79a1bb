"""Readings in columns, cut where the gateway began: what training sees of the machine, and where it had to look anew.

Room: hall, judgement; the trainer's process (numpy). `training_set` fills one, entry by entry. In service windows begin anew and gates
settle anew after each start of the gateway, and after its clock was set back (`model_run`): what the machine did meanwhile is not known.
Here they do the same, so that nothing is learned from a row that would not be judged: not the minutes in which a machine that was started
together with its gateway warms up behind a gate. It judges no reading and reads no file.
"""

from __future__ import annotations

import itertools
from array import array
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.features import ABSTAINED
from models.input_plan import InputPlan
from models.input_stream import Rows, rows_of
from runtime.judgement.follower import Taken

NO_SOURCE: Final = -(1 << 63)
NEVER: Final = -(1 << 62)
FILLING: Final = ABSTAINED.index("filling")
"""From here on rows abstain for want of time: a window that is not full, a gate that is shut or settling."""
Whole = NDArray[np.int64]
Which = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings in columns: index of the tag, read time, value (NaN: missing), source time."""

    tag_index: Whole
    time_ms: Whole
    value: NDArray[np.float64]
    source_ms: list[int | None]


class Lives:
    """The readings of one plan's tags, in the order of their entries."""

    def __init__(self, plan: InputPlan) -> None:
        self._plan = plan
        self._index = {tag.uid: i for i, tag in enumerate(plan.tags)}
        self._tags, self._times, self._values, self._sources = array("q"), array("q"), array("d"), array("q")
        self._begins, self._until_ms = [0], [NEVER]
        """Of each life: its first reading, and the newest time that a batch of it spoke of."""

    def __len__(self) -> int:
        return len(self._tags)

    def take(self, taken: Taken) -> None:
        """Take what one entry says."""
        if taken.begun or taken.set_back:
            self._begins.append(len(self))
            self._until_ms.append(NEVER)
        for uid, time_ms, value, source_ms in (*((uid, from_ms, None, None) for uid, from_ms in taken.silent), *taken.samples):
            self._tags.append(self._index[uid])
            self._times.append(time_ms)
            self._values.append(float("nan") if value is None else value)
            self._sources.append(NO_SOURCE if source_ms is None else source_ms)
        if taken.until_ms is not None:
            self._until_ms[-1] = max(self._until_ms[-1], taken.until_ms)

    def rows(self, to_ms: int) -> tuple[Rows, Which]:
        """Return the rows of all cells up to `to_ms`, and which of them abstain because the gateway had just begun.

        A life has no rows beyond its newest batch, the last one neither, as in service: values would only be held there, as if the machine
        stood still, and a span that is learned up to now ends in the middle of a batch.
        Between two lives a cell is left out: whoever makes features of these rows again (`models.commission`) begins anew there too.
        After a clock that was set back there are none until it has passed where it was, as in service.
        """
        tags, times, values = np.array(self._tags, np.int64), np.array(self._times, np.int64), np.array(self._values, np.float64)
        settling = self._plan.window + max((self._plan.settle_cells(gate) for gate in self._plan.gates), default=0)
        until_ms = [min(each, to_ms) for each in self._until_ms]
        parts, anew, last = list[Rows](), list[Which](), NEVER
        for life, (first, after) in enumerate(itertools.pairwise([*self._begins, len(self)])):
            made = rows_of(self._plan, tags[first:after], times[first:after], values[first:after], until_ms[life])
            made = chosen(made, made.cells > last + 1)
            parts.append(made)
            anew.append((made.abstained >= FILLING) & (made.cells < made.cells[:1] + settling) & (life > 0))
            last = int(made.cells[-1]) if len(made) else last
        return Rows(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Rows))), np.concatenate(anew)

    def readings(self, which: Which) -> Readings:
        """Return those readings."""
        used = np.flatnonzero(which)
        columns = np.array(self._tags, np.int64)[used], self.time_ms[used], np.array(self._values, np.float64)[used]
        return Readings(*columns, [None if self._sources[i] == NO_SOURCE else self._sources[i] for i in used])

    @property
    def begins_ms(self) -> list[int]:
        """When the first reading of each life but the first was read."""
        return [self._times[at] for at in self._begins[1:] if at < len(self)]

    @property
    def time_ms(self) -> Whole:
        """When each reading was read."""
        return np.array(self._times, np.int64)


def chosen(rows: Rows, which: Which) -> Rows:
    """Return those rows."""
    return Rows(rows.cells[which], rows.features[which], rows.abstained[which], rows.values[which], rows.raw[which])
