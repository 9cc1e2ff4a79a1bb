"""What is asked for one tag group, as far as the unit's map is known, and what is still to be found out about it.

Room: ground, driver `modbus`; pure. `reader.py` keeps one plan per group and has it made anew when something was learned.

Two plans are made. The *safe* one reads over proven holes only; it is what is asked and published. The *hopeful* one may read over
every hole that nothing speaks against: it is as cheap as any plan can be, and where it differs, there is something to prove.
Once it does not differ, the safe plan is the best one there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.modbus.config import DeviceOptions
from drivers.modbus.intervals import Interval
from drivers.modbus.late_blocks import LateBlocks
from drivers.modbus.layout import Arrangement, Layout
from drivers.modbus.learned import LearnedMap
from drivers.modbus.planner import Block, Span, plan_blocks
from drivers.modbus.proof import holes_of
from drivers.modbus.turn import Turn
from drivers.reading import Status

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
    late: LateBlocks = field(default_factory=LateBlocks)
    is_crowded: bool = False
    """The last read had no time for all."""
    unsearched: bool = False
    """A block was refused for its address, and the read had no time to search it."""
    refused: dict[Block, bool] = field(default_factory=dict)
    """Blocks that were refused in reads that brought nothing; True once others were answered since, so that it is theirs alone."""
    lost_came_first: bool = False
    """The last read began with a lost value."""

    def answered(self, turn: Turn) -> None:
        """A read brought something."""
        self.refused_whole = 0
        if self.refused:
            came = {read.block for read, answer in zip(turn.reads, turn.answers, strict=True) if isinstance(answer, bytes)}
            self.refused = dict.fromkeys(self.refused.keys() - came, True)


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
    has_alone: bool
    """It holds a value that is read alone, since the unit chokes on it."""

    def holes(self, block: Block) -> list[Interval]:
        """Return the holes of a block: what it holds besides wanted values."""
        return holes_of(block, self.readable)

    def rearrange(self, turn: Turn) -> None:
        """Read in another order from now on, so that what never answers, or is asked last, starves nothing. See `LateBlocks.order`."""
        self.arrangement = self.layout.arrange(self.troubles.late.order(turn), self.arrangement.unreadable)


def make_plan(layout: Layout, learned: LearnedMap, options: DeviceOptions, hope: Hope, last: GroupPlan | None = None) -> GroupPlan:
    """Plan a group. Blocks stay in the order of `last`. Raises ValueError when a value does not fit one request."""
    refused = {index: status_of(code) for index, code in learned.refusals(layout.spans).items()}
    readable = [span for span in layout.spans if span.index not in refused]
    blocks = plan_blocks(readable, learned.rules(options, hopeful=False))
    if last is not None:
        _keep_order(blocks, [read.block for read in last.arrangement.reads])
    rules = learned.rules(options, hopeful=True)
    crossable = learned.crossable
    hopeful = plan_blocks(readable, replace(rules, may_cross=lambda table, a, b: crossable[table].covers(a, b) or hope(table, a, b)))
    unproven = [block for block in hopeful if not all(crossable[block.table].covers(*hole) for hole in holes_of(block, readable))]
    is_known = all(learned.answered[block.table].covers(block.start, block.end) for block in blocks)
    is_settled = is_known and not unproven and not learned.has_lost(layout.spans) and not learned.has_passing(silent=False)
    troubles = last.troubles if last is not None else Troubles()
    troubles.late.keep(blocks)
    troubles.refused = {block: troubles.refused[block] for block in blocks if block in troubles.refused}
    has_alone = any(learned.is_passing(block.table, (block.start, block.end)) for block in blocks)
    return GroupPlan(layout, learned.version, layout.arrange(blocks, refused), readable, unproven, is_settled, troubles, has_alone)


def _keep_order(blocks: list[Block], before: list[Block]) -> None:
    """Sort blocks as those before: the sum of some in the place of the first of them, parts of one and new ones behind all."""
    places = {block: at for at, block in enumerate(before)}
    parts = {span.index: (at, block.count) for at, block in enumerate(before) for span in block.spans}

    def place(block: Block) -> int:
        if (at := places.get(block)) is not None:
            return at
        was = [parts[span.index] for span in block.spans if span.index in parts]
        return min((at for at, count in was if count < block.count), default=len(before))

    blocks.sort(key=place)
