"""Which requests read a tag group: the cheapest set that a line, a device and its known holes allow, no value cut in two.

Room: ground, driver `modbus`; pure. Called by `layout.py` when a group is planned, and again when something was learned of the device.
Never sends anything.

The cheapest set is found, not guessed: among sorted values, a best plan always consists of neighbours (a value that lies inside a
block can be moved into it for nothing), so one pass over "the cheapest way to read the first j values" is exact. Tests
compare it with every partition there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Final

from drivers.modbus.address import bit_tables
from drivers.modbus.cost import Cost, bits_max, registers_max

bits_per_gap: Final = 16
"""Bits that count as one register where a hole is measured."""

Interval = tuple[int, int]
"""First address, first address after it."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The registers (or bits) of one value. `index` is the tag's place in its group."""

    table: str
    start: int
    count: int
    index: int

    @property
    def end(self) -> int:
        """The first address after the value."""
        return self.start + self.count


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers or bits of one table from `start`, covering `spans` in address order."""

    table: str
    start: int
    count: int
    spans: tuple[Span, ...]

    @property
    def end(self) -> int:
        """The first address after the block."""
        return self.start + self.count


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan must keep to.

    `barriers[table]` holds intervals that no request may contain as a whole: the device refused each of them (a value that contains
    one is unreadable, and not to be planned). `may_cross(table, start, end)` says whether a hole of unwanted addresses may be read
    over (None: all may); `gap_max` registers (16 times as many bits) bounds it anyway.
    """

    cost: Cost
    registers_max: int = registers_max
    bits_max: int = bits_max
    gap_max: int = registers_max
    barriers: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    may_cross: Callable[[str, int, int], bool] | None = None

    def limit(self, table: str) -> int:
        """Return the registers or bits of the longest request."""
        return min(self.bits_max, bits_max) if table in bit_tables else min(self.registers_max, registers_max)


def plan_blocks(spans: Iterable[Span], rules: Rules) -> list[Block]:
    """Return the requests that cover every span once, at the least cost; among equals the fewest requests.

    Raises ValueError when one value alone is longer than a request may be.
    """
    blocks: list[Block] = []
    for table, of_table in groupby(sorted(spans), key=lambda span: span.table):
        blocks += _plan_table(table, list(of_table), rules)
    return blocks


def _plan_table(table: str, spans: list[Span], rules: Rules) -> list[Block]:
    runs = [list(same) for _, same in groupby(spans, key=lambda span: (span.start, span.count))]
    starts = [run[0].start for run in runs]
    ends = [run[0].end for run in runs]
    limit = rules.limit(table)
    for start, end in zip(starts, ends, strict=True):
        if end - start > limit:
            raise ValueError(f"{table}:{start} has {end - start} registers; a request may hold {limit}")
    open_before = _crossable(table, starts, ends, rules)
    reach = [_reach(rules.barriers.get(table, ()), start) for start in starts]
    cost = [rules.cost.of(table, count) for count in range(limit + 1)]
    cheapest: list[tuple[int, int]] = [(0, 0)]
    begins: list[int] = []
    for last in range(len(runs)):
        found: tuple[int, int] | None = None
        begin, end = last, ends[last]
        for first in range(last, -1, -1):
            end = max(end, ends[first])
            count = end - starts[first]
            if first < last and (count > limit or end >= reach[first]):
                break
            before = cheapest[first]
            total = before[0] + cost[count], before[1] + 1
            if found is None or total < found:
                found, begin = total, first
            if not open_before[first]:
                break
        cheapest.append(found or (0, 0))
        begins.append(begin)
    cuts, at = [len(runs)], len(runs)
    while at:
        at = begins[at - 1]
        cuts.append(at)
    cuts.reverse()
    return [block_of([span for run in runs[a:b] for span in run]) for a, b in pairwise(cuts)]


def _crossable(table: str, starts: list[int], ends: list[int], rules: Rules) -> list[bool]:
    """Return for each value whether a block may reach it from before: over the hole in front of it, if there is one."""
    gap_max = rules.gap_max * bits_per_gap if table in bit_tables else rules.gap_max
    crossable, wanted_to, may_cross = [False], ends[0], rules.may_cross
    for start, end in zip(starts[1:], ends[1:], strict=True):
        hole = start - wanted_to
        crossable.append(hole <= 0 or (hole <= gap_max and (may_cross is None or may_cross(table, wanted_to, start))))
        wanted_to = max(wanted_to, end)
    return crossable


def _reach(barriers: Sequence[Interval], start: int) -> int:
    """Return the end of the first barrier that a block from `start` would contain, far beyond every address when there is none."""
    return min((end for begin, end in barriers if begin >= start), default=1 << 20)


def block_of(spans: Sequence[Span]) -> Block:
    """Return the block that covers these spans of one table, which stand in address order."""
    start = spans[0].start
    return Block(spans[0].table, start, max(span.end for span in spans) - start, tuple(spans))


def split_block(block: Block) -> tuple[Block, Block] | None:
    """Cut a refused block in two at its widest hole, or in the middle when it has none; None when it cannot be cut.

    Spans of the very same registers stay together: they can only fail together.
    """
    cuts = list(_cuts(block.spans))
    if not cuts:
        return None
    middle = len(block.spans) / 2
    _, _, at = max((hole, -abs(at - middle), at) for hole, at in cuts)
    return block_of(block.spans[:at]), block_of(block.spans[at:])


def _cuts(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return (registers of the hole, index of the span after it) for every place where a block may be cut."""
    found, end = [], spans[0].end
    for at in range(1, len(spans)):
        before, after = spans[at - 1], spans[at]
        if (before.start, before.count) != (after.start, after.count):
            found.append((max(0, after.start - end), at))
        end = max(end, after.end)
    return found
