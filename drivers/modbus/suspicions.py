"""What a unit does that may be a passing trouble or its map: silences, odd answers, refusals out of service, values that it lost.

Room: ground, driver `modbus`; pure (the clock is given). `reader.py` tells it what a read brought; it decides when that counts
against a block, and when a judgement is reconsidered. It asks nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heapify, heappop
from typing import Final

from drivers.driver import Clock
from drivers.modbus.cost import registers_max
from drivers.modbus.group_plan import GroupPlan
from drivers.modbus.intervals import Interval
from drivers.modbus.layout import Layout
from drivers.modbus.learned import ODD, SILENT, LearnedMap, kind_of
from drivers.modbus.planner import Block, Span, block_of, split_block
from drivers.modbus.turn import Turn

strikes_max: Final = 2
"""So many failures in a row, while other blocks are answered, and a block is cut in two."""
pause_ms_first: Final = 10_000
pause_ms_max: Final = 600_000
"""Refusals by a unit that answered nothing are forgotten after a pause that doubles."""
lost_ms_first: Final = 10_000
lost_ms_max: Final = 3_600_000
"""A value that was lost is asked for again after a pause that doubles; of a unit that gives nothing at all, always after the first one."""
start_ms_max: Final = 150_000
"""What another firmware gave is asked for again for so long: then this one is believed not to have it."""
alone_ms_max: Final = 86_400_000
"""A value that is answered alone and not among others is read among them again after a pause that doubles up to this."""
joined_max: Final = 4096
"""A bound on what is kept of that."""
cut_ms: Final = 600_000
"""Blocks that were cut for silence are put together again, and cut again if need be, after this time. Failures that nothing followed are
forgotten after it."""

Key = tuple[str, int, int]


class Suspicions:
    """Of one unit. True while there is any, so that the reader looks closer."""

    def __init__(self, learned: LearnedMap, clock: Clock) -> None:
        self._learned, self._clock = learned, clock
        self._strikes: dict[Key, int] = {}
        self._crossings: dict[Key, int] = {}
        self._doubted: set[Key] = set()
        self._struck_until_ms: int | None = None
        self._cuts: dict[Key, tuple[tuple[Key, Key], Interval]] = {}
        self._passing_until_ms: int | None = None
        self._pause_ms = pause_ms_first
        self._cut_until_ms: int | None = None
        self._lost: dict[Key, tuple[int, int]] = {}
        self._begun_ms = clock.mono_ms()
        self._alone: dict[Key, int] = {}
        """Values that are read alone, and from when on they are not once they are answered."""
        self._joined: dict[Key, tuple[int, int]] = {}
        """Those that were, and for how long they are the next time: when they were read among others again, and that pause."""

    def __bool__(self) -> bool:
        """Whether anything is under suspicion."""
        if self._strikes or self._crossings or self._cuts:
            return True
        return self._passing_until_ms is not None or self._cut_until_ms is not None

    def judge(self, plan: GroupPlan, turn: Turn) -> None:
        """Count failures of single blocks while others are answered; cut or doubt those that go on."""
        reads = turn.reads
        failed = turn.failed
        if failed:
            self._struck_until_ms = self._clock.mono_ms() + cut_ms
        if turn.data_count or (
            plan.troubles.fruitless == 1 and failed
        ):  # or one took the whole of a read, and the one before brought something
            self._judge_crossings(plan, turn)
            for at, read in enumerate(reads):
                if not turn.was_asked(at):
                    continue
                key = _key(read.block)
                if at not in failed:
                    self._strikes.pop(key, None)
                    self._answers_alone(key)
                    continue
                self._strikes[key] = self._strikes.get(key, 0) + 1
                if self._strikes[key] >= (1 if turn.is_sounding else strikes_max):
                    del self._strikes[key]
                    self._cut(read.block)
        self._judge_lengths(turn)

    def _judge_crossings(self, plan: GroupPlan, turn: Turn) -> None:
        """An answer of the wrong form, to a read over a hole or to the one after it, counts against the hole.

        If that goes on, the hole has to be proven anew; the second time that it comes to that, it is not read over any more.
        """
        reads = turn.reads
        for at, read in enumerate(reads):
            if not turn.was_asked(at):
                continue
            holes = plan.holes(read.block) if turn.odd or self._crossings else []
            if not holes:
                continue
            key = _key(read.block)
            if at not in turn.odd and (at + 1) % len(reads) not in turn.odd:
                self._crossings.pop(key, None)
                continue
            self._crossings[key] = self._crossings.get(key, 0) + 1
            if self._crossings[key] >= strikes_max:
                del self._crossings[key]
                self._learned.doubt(read.block.table, holes)
                if key in self._doubted:
                    for start, end in holes:
                        self._learned.note_refusal(read.block.table, (start - 1, end + 1), ODD, lasting=True)
                self._doubted.add(key)

    def _cut(self, block: Block) -> None:
        """Read a block in two halves from now on: it is too long, or holds what the unit chokes on."""
        halves = split_block(block)
        if halves is None:
            self._leave_alone(block)
            return
        before, after = halves[0].spans[-1], halves[1].spans[0]
        interval = before.start, max(before.end, after.end)
        self._learned.note_refusal(block.table, interval, SILENT, lasting=False)
        self._cuts[_key(block)] = (_key(halves[0]), _key(halves[1])), interval
        self._cut_until_ms = self._clock.mono_ms() + cut_ms

    def _leave_alone(self, value: Block) -> None:
        """One value is what the unit chokes on: it is read by itself until it is answered, and the cuts that led to it are mended.

        Some are answered alone and never among others: that is tried again after a pause that doubles.
        """
        if self._learned.is_passing(value.table, (value.start, value.end)):
            return
        for whole, (_, interval) in list(self._cuts.items()):
            if _holds(whole, _key(value)):
                del self._cuts[whole]
                self._learned.mend(value.table, interval)
        self._learned.note_refusal(value.table, (value.start, value.end), SILENT, lasting=False)
        key, now_ms = _key(value), self._clock.mono_ms()
        joined_ms, pause_ms = self._joined.get(key, (0, 0))
        if now_ms - joined_ms >= pause_ms:
            pause_ms = 0
        self._alone[key] = now_ms + pause_ms
        if len(self._joined) >= joined_max:
            self._joined = dict.fromkeys(self._alone, (now_ms, cut_ms))
        self._joined[key] = now_ms, min(max(cut_ms, pause_ms * 2), alone_ms_max)

    def _answers_alone(self, key: Key) -> None:
        """A value that was left alone is answered: it is read with its neighbours again."""
        now_ms = self._clock.mono_ms()
        if now_ms >= self._alone.get(key, now_ms + 1):
            del self._alone[key]
            self._joined[key] = now_ms, self._joined[key][1]
            self._learned.mend(key[0], key[1:])

    def _judge_lengths(self, turn: Turn) -> None:
        """Where both halves of a silent block are answered, its length was at fault: the longest that is answered is the limit."""
        for whole, (halves, _) in list(self._cuts.items()):
            table = whole[0]
            answered = [
                _key(read.block)
                for read, answer in zip(turn.reads, turn.answers, strict=False)
                if isinstance(answer, bytes) and read.block.table == table
            ]
            if any(_holds(block, whole) for block in answered):
                del self._cuts[whole]
            elif all(any(_holds(block, half) for block in answered) for half in halves):
                del self._cuts[whole]
                longest = max([self._learned.reach[kind_of(table)], *(end - start for _, start, end in answered)])
                if longest < whole[2] - whole[1]:
                    self._learned.note_longest(table, longest)
                    self._learned.drop_passing(silent=True, but=self._alone)

    def wait(self) -> None:
        """There are refusals that are not sure: they are not believed for long."""
        if self._passing_until_ms is None:
            self._passing_until_ms = self._clock.mono_ms() + self._pause_ms
            self._pause_ms = min(self._pause_ms * 2, pause_ms_max)

    def tell_time(self) -> None:
        """Forget what was believed for a time only, when that is over."""
        now_ms = self._clock.mono_ms()
        if self._passing_until_ms is not None and now_ms >= self._passing_until_ms:
            self._passing_until_ms = None
            self._learned.drop_passing(silent=False)
        if self._cut_until_ms is not None and now_ms >= self._cut_until_ms:
            self._cut_until_ms = None
            self._cuts.clear()
            self._learned.drop_passing(silent=True, but=self._alone)
        if now_ms >= self._begun_ms + start_ms_max:
            self._learned.lacks_unsure()
        if self._struck_until_ms is not None and now_ms >= self._struck_until_ms:
            self._struck_until_ms = None  # of blocks that are planned no more, too
            self._strikes.clear()
            self._crossings.clear()

    def due_lost(self, layout: Layout, *, at_once: bool) -> tuple[Block, Interval] | None:
        """Return the block of one value of this group that may be asked for now, and what was lost of it: the one that is due longest.

        `at_once`: what is not known when it was lost is due now. A tag that was configured anew may have more registers than the value
        that was lost.
        """
        now_ms = self._clock.mono_ms()
        first_ms = now_ms if at_once else now_ms + lost_ms_first
        keys = [(table, start, end) for table, lost in self._learned.lost.items() for start, end in lost]
        due = [(self._lost.setdefault(key, (first_ms, lost_ms_first))[0], *key) for key in keys]
        heapify(due)
        while due and due[0][0] <= now_ms:
            _, table, start, end = heappop(due)
            if (block := _around(layout.spans, table, start, end)) is not None:
                return block, (start, end)
        return None

    def found_again(self, table: str, lost: Interval) -> None:
        """It was asked for and is answered: the next loss of it begins anew, and the others may be back as well."""
        self._lost.pop((table, *lost), None)  # a read-back under way at the same time may have asked for it too
        now_ms = self._clock.mono_ms()
        for key, (due_ms, pause_ms) in self._lost.items():
            if due_ms > now_ms:  # sooner than its pause says, so that pause does not grow for it
                self._lost[key] = now_ms, max(lost_ms_first, pause_ms // 2)

    def put_off(self, table: str, lost: Interval, *, at_once: bool) -> None:
        """It could not be asked for, or nothing came of the unit at all: the others that are due come first, then (`at_once`) it again."""
        if (known := self._lost.get((table, *lost))) is not None:
            self._lost[table, *lost] = self._clock.mono_ms() + (1 if at_once else known[1]), known[1]

    def still_lost(self, table: str, lost: Interval, *, in_service: bool) -> None:
        """It was asked for and is still refused. Of a unit that gives nothing else (`in_service`: it does) it is asked for every time."""
        if (known := self._lost.get((table, *lost))) is not None:  # else a read-back found it again meanwhile
            pause_ms = min(known[1] * 2, lost_ms_max) if in_service else lost_ms_first
            self._lost[table, *lost] = self._clock.mono_ms() + pause_ms, pause_ms


def _around(spans: Sequence[Span], table: str, start: int, end: int) -> Block | None:
    """Return the block of the shortest value that holds these registers, None when none does. `spans` stand in address order."""
    at = bisect_left(spans, (table, start + 1), key=lambda span: (span.table, span.start))
    found: list[Span] = []
    while at and spans[at - 1].table == table and spans[at - 1].start > start - registers_max:
        at -= 1
        if spans[at].end >= end and (not found or spans[at].count <= found[0].count):
            found = [spans[at], *(found if found and found[0].count == spans[at].count and found[0].start == spans[at].start else ())]
    return block_of(found) if found else None


def _key(block: Block) -> Key:
    return block.table, block.start, block.end


def _holds(outer: Key, inner: Key) -> bool:
    return outer[0] == inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2]
