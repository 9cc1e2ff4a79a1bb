"""Batches become rollups of 10 s and a note of which entry holds which group's readings, in memory, until a page is written. Pure.

Room: hall, history. `follow` gives it every section that it read; `index` looks into it and empties it. It works on columns: a column of
good numbers costs three calls of the interpreter's own, not one per reading.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise

from ledger_client.body_reader import Column, Section
from runtime.history.rollups import SPANS_MS, Strip, as_number

SPAN_MS = SPANS_MS[0]
Run = tuple[int, int, int]
"""(start of the span, first scan, scan behind the last)"""


class Held:
    """Which entries hold readings of one group, and from when to when: parallel columns in the order of the ledger."""

    __slots__ = ("first_ms", "last_ms", "seqs")

    def __init__(self) -> None:
        self.seqs, self.first_ms, self.last_ms = array("q"), array("q"), array("q")

    def add(self, seq: int, first_ms: int, last_ms: int) -> None:
        """Note a batch; sections of one group in one batch become one row."""
        if self.seqs and self.seqs[-1] == seq:
            self.first_ms[-1], self.last_ms[-1] = min(first_ms, self.first_ms[-1]), max(last_ms, self.last_ms[-1])
            return
        self.seqs.append(seq)
        self.first_ms.append(first_ms)
        self.last_ms.append(last_ms)


class Gathered:
    """What was read since the last page: strips by tag, batches by group. `rows` says how much memory it stands for (48 bytes each)."""

    def __init__(self) -> None:
        self.strips: dict[int, Strip] = {}
        self.held: dict[int, Held] = {}
        self.rows = 0

    def take(self, seq: int, section: Section) -> None:
        """Count in one section of the batch of entry `seq`."""
        times = section.times
        held = self.held.get(section.group.uid)
        if held is None:
            held = self.held[section.group.uid] = Held()
        held.add(seq, min(times), max(times))
        runs = _runs(times)
        for column in section.columns:
            uid = column.descriptor.uid
            strip = self.strips.get(uid)
            if strip is None:
                strip = self.strips[uid] = Strip()
            before = len(strip)
            if not (len(column.values) == len(times) and isinstance(column.statuses, bytes) and _take_plain(strip, runs, column.values)):
                _take_each(strip, times, column)
            self.rows += len(strip) - before


def _runs(times: Sequence[int]) -> list[Run]:
    """Return the scans of each span, in order."""
    starts = [time_ms - time_ms % SPAN_MS for time_ms in times]
    cuts = [0, *[i for i in range(1, len(starts)) if starts[i] != starts[i - 1]], len(starts)]
    return [(starts[a], a, b) for a, b in pairwise(cuts)]


def _take_plain(strip: Strip, runs: list[Run], values: Sequence[object]) -> bool:
    """Count in a column of good readings, one of each scan; False, and nothing done, where one is no plain number."""
    kinds = set(map(type, values))
    if kinds != {float}:
        if not kinds <= {int, bool}:
            return False
        values = list(map(float, values))  # type: ignore[arg-type]
    total: float = sum(values)  # type: ignore[arg-type]
    if total - total != 0.0:  # NaN or an infinity among them
        return False
    if len(runs) == 1:
        strip.add(runs[0][0], min(values), max(values), values[0], values[-1], len(values), 0)  # type: ignore[type-var,arg-type]
        return True
    for start, a, b in runs:
        part: list[float] = values[a:b]  # type: ignore[assignment]
        strip.add(start, min(part), max(part), part[0], part[-1], b - a, 0)
    return True


def _take_each(strip: Strip, times: Sequence[int], column: Column) -> None:
    for scan, status, value in zip(column.scans, column.statuses, column.values, strict=True):
        strip.add_reading(times[scan], as_number(value, status))
