"""Blocks that took the time of others and gave nothing: asked behind the others, then only now and then, until they give something.

Room: ground, driver `modbus`; pure. `planned_read.py` asks which of them rest, `reader.py` tells what a read brought. Without it one
register that never answers would take what is left of every read: from other groups of its device, and from other units of its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.modbus.exception_codes import gateway_codes
from drivers.modbus.planner import Block
from drivers.modbus.turn import Turn
from drivers.reading import Status

rest_after: Final = 3
"""So many times in a row, while the unit gives other things, and it rests. A block of several values is cut before that."""
rest_reads: Final = (8, 256)
"""It rests for so many reads, doubling up to so many; of a slow group for fewer, as many as the longest time has."""
rest_ms_max: Final = 256_000


@dataclass(slots=True)
class Late:
    """One of them."""

    times: int = 0
    """So often in a row it gave nothing while the unit gave other things."""
    left: int = 0
    """Reads until it is asked again; below 0 it should have been."""
    rest: int = rest_reads[0]
    """So many reads it rests the next time."""
    status: int = int(Status.BAD_TIMEOUT)
    """Of its values, as it was asked last."""


@dataclass(slots=True)
class LateBlocks:
    """Those of one group, and the order in which its blocks are asked. True while there are any."""

    known: dict[Block, Late] = field(default_factory=dict)
    _was_first: bool = False
    """The last read began with one of them."""

    def __bool__(self) -> bool:
        return bool(self.known)

    def resting(self, block: Block) -> int | None:
        """Return the status of a block that is not to be asked in this read, where others give something; None: it is."""
        late = self.known.get(block)
        return late.status if late is not None and late.left > 0 else None

    def keep(self, blocks: Sequence[Block]) -> None:
        """These are planned now: forget all others."""
        self.known = {block: self.known[block] for block in blocks if block in self.known}

    def note(self, turn: Turn, *, is_first_fruitless: bool, period_ms: int) -> None:
        """A read went so. `is_first_fruitless`: nothing came of it, and of the one before it something did."""
        counts = turn.data_count > 0 or is_first_fruitless
        refused = {at for at, code in turn.refused if code not in gateway_codes}
        for at, (read, answer) in enumerate(zip(turn.reads, turn.answers, strict=True)):
            late = self.known.get(read.block)
            if at in turn.blamed:
                late = self.known.setdefault(read.block, late or Late())
                late.times += counts
                late.status = answer if isinstance(answer, int) else late.status
                late.left = 0
                if late.times >= rest_after:
                    most = max(1, min(rest_reads[1], rest_ms_max // max(1, period_ms)))
                    late.left, late.rest = min(late.rest, most), min(late.rest * 2, rest_reads[1])
            elif late is not None:
                if isinstance(answer, bytes) or at in refused:
                    del self.known[read.block]
                else:
                    late.left -= 1

    def order(self, turn: Turn) -> list[Block]:
        """Return the blocks in the order of the next read.

        What had no time comes first; what failed comes behind what did not; what is late comes behind all, but for one that was due and
        found no time there: every second read at most begins with one.
        """
        blocks = [read.block for read in turn.reads]
        if turn.cut_at is not None:
            blocks = blocks[turn.cut_at :] + blocks[: turn.cut_at]
        elif turn.lost_at is not None:
            blocks.append(blocks.pop(turn.lost_at))
        self._was_first = bool(turn.reads) and turn.reads[0].block in self.known and not self._was_first
        behind = [block for block in blocks if block in self.known]
        due = [block for block in behind if self.known[block].left < 0]
        first = [min(due, key=lambda block: self.known[block].left)] if due and not self._was_first else []
        return [*first, *(block for block in blocks if block not in self.known), *(block for block in behind if block not in first)]
