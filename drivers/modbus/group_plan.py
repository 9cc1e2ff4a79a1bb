"""What is asked for one tag group, as far as the unit's map is known, and what is still to be found out about it.

Room: ground, driver `modbus`; pure. `reader.py` keeps one plan per group and has it made anew when something was learned.

Two plans are made. The *safe* one reads over proven holes only; it is what is asked and published. The *hopeful* one may read over
every hole that nothing speaks against: it is as cheap as any plan can be, and where it differs, there is something to prove.
Once it does not differ, the safe plan is the best one there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.modbus.config import DeviceOptions
from drivers.modbus.intervals import Interval
from drivers.modbus.layout import Answer, Arrangement, Layout, ReadBlock
from drivers.modbus.learned import LearnedMap
from drivers.modbus.planner import Block, Span, plan_blocks
from drivers.modbus.proof import holes_of
from drivers.reading import Status

again_reads: Final = (8, 256)
"""A block that took the time of others for nothing comes first again after so many reads in which the time was over, doubling up to so
many: each time costs the others one read."""
refusal_statuses: Final = {
    1: Status.BAD_NOT_SUPPORTED,
    2: Status.BAD_CONFIGURATION_ERROR,
    3: Status.BAD_CONFIGURATION_ERROR,
    4: Status.BAD_DEVICE_FAILURE,
    10: Status.BAD_NO_COMMUNICATION,
    11: Status.BAD_NO_COMMUNICATION,
}
"""Modbus exception code (V1.1b3, 7) -> status of the block's tags; others: BAD_COMMUNICATION_ERROR."""


def status_of(code: int) -> int:
    """Return the status of tags whose block was refused with an exception code."""
    return int(refusal_statuses.get(code, Status.BAD_COMMUNICATION_ERROR))


Hope = Callable[[str, int, int], bool]
"""Whether a hole (table, start, end) that is not proven may be tried."""


@dataclass(slots=True)
class Troubles:
    """What went wrong in the reads of one group, in a row, whatever becomes of its plan."""

    fruitless: int = 0
    """Reads in which something was asked and nothing came, while the unit did not refuse it for what was asked."""
    refused_whole: int = 0
    """Reads in which the unit refused all that it gave before."""
    given_up: dict[Block, tuple[int, int]] = field(default_factory=dict)
    """Blocks that ended a read for the others and gave nothing although they had the time for it, until they give something: after how
    many reads that end early each comes first again, and after how many the next time."""


@dataclass(slots=True)
class GroupPlan:
    """The safe plan of a group and the blocks of the hopeful one that nothing proves yet."""

    layout: Layout
    version: int
    arrangement: Arrangement
    readable: list[Span]
    unproven: list[Block]
    is_settled: bool
    """Nothing is left to find out: every block was answered before, none is to be proven, nothing is lost."""
    troubles: Troubles

    def holes(self, block: Block) -> list[Interval]:
        """Return the holes of a block: what it holds besides wanted values."""
        return holes_of(block, self.readable)

    def postpone(self, at: int, *, cut_off: bool, given_time: Sequence[int]) -> None:
        """Read block `at` last from now on, so that one that never answers does not starve the others.

        `cut_off`: those behind it were not asked any more, and come first next time; so does the block itself where it had less than an
        answer's time. Those that were `given_time`, and took it from the others, come behind them from then on, and first only once in a
        while.
        """
        blocks = [read.block for read in self.arrangement.reads]
        done, failed, rest = blocks[:at], blocks[at], blocks[at + 1 :]
        given_up = self.troubles.given_up
        if not cut_off:
            self.arrangement = self.layout.arrange([*done, *rest, failed], self.arrangement.unreadable)
            return
        for block, (left, wait) in given_up.items():
            given_up[block] = left - 1, wait
        for block in (blocks[each] for each in given_time):
            _, wait = given_up.get(block, (0, again_reads[0]))
            given_up[block] = wait, min(wait * 2, again_reads[1])
        turns = [failed, *rest, *done]
        due = [block for block in turns if block in given_up and given_up[block][0] <= 0][:1]
        sound = [block for block in turns if block not in given_up]
        others = [block for block in turns if block in given_up and block not in due]
        self.arrangement = self.layout.arrange(due + sound + others, self.arrangement.unreadable)

    def answered(self, answers: Iterable[tuple[ReadBlock, Answer]]) -> None:
        """These came: a block that gave something is given up no longer."""
        for read, answer in answers if self.troubles.given_up else ():
            if isinstance(answer, bytes):
                self.troubles.given_up.pop(read.block, None)


def make_plan(layout: Layout, learned: LearnedMap, options: DeviceOptions, hope: Hope, last: GroupPlan | None = None) -> GroupPlan:
    """Plan a group. Blocks that `last` had postponed stay behind. Raises ValueError when a value does not fit one request."""
    refused = {index: status_of(code) for index, code in learned.refusals(layout.spans).items()}
    readable = [span for span in layout.spans if span.index not in refused]
    blocks = plan_blocks(readable, learned.rules(options, hopeful=False))
    if last is not None:
        order = {read.block: at for at, read in enumerate(last.arrangement.reads)}
        blocks.sort(key=lambda block: order.get(block, -1))
    rules = learned.rules(options, hopeful=True)
    crossable = learned.crossable
    hopeful = plan_blocks(readable, replace(rules, may_cross=lambda table, a, b: crossable[table].covers(a, b) or hope(table, a, b)))
    unproven = [block for block in hopeful if not all(crossable[block.table].covers(*hole) for hole in holes_of(block, readable))]
    is_known = all(learned.answered[block.table].covers(block.start, block.end) for block in blocks)
    is_settled = is_known and not unproven and not learned.has_lost(layout.spans) and not learned.has_passing(silent=False)
    troubles = last.troubles if last is not None else Troubles()
    troubles.given_up = {block: troubles.given_up[block] for block in blocks if block in troubles.given_up}
    return GroupPlan(layout, learned.version, layout.arrange(blocks, refused), readable, unproven, is_settled, troubles)
