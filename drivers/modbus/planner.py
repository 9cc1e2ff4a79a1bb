"""Which requests read a tag group: the cheapest set that a line, a device and its known holes allow, no value cut in two.

Room: ground, driver `modbus`; pure. Called by `group_plan.py` when a group is planned, and again when something was learned of the
device; by `reader.py` for what a refused block still holds, by `budget.py` before anything is asked.
Never sends anything.

The cheapest set is found, not guessed: among sorted values, a best plan always consists of neighbours (a value that lies inside a
block can be moved into it for nothing), so one pass over "the cheapest way to read the first j values" is exact. Tests
compare it with every partition there is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Final

from drivers.modbus.address import bit_tables
from drivers.modbus.cost import Cost, bits_max, registers_max
from drivers.modbus.intervals import Interval

bits_per_gap: Final = 16
"""Bits that count as one register where a hole is measured."""


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

    def __hash__(self) -> int:
        """Of its place alone: two blocks of one place and other spans are rare, and spans many."""
        return hash((self.table, self.start, self.count))

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
    limits = _Limits(starts, ends, limit, _crossable(table, starts, ends, rules), sorted(rules.barriers.get(table, ())))
    in_a_row = all(before <= after for before, after in pairwise(ends))
    begins = _slide(limits, rules.cost) if in_a_row and table not in bit_tables else _compare(limits, table, rules.cost)
    cuts, at = [len(runs)], len(runs)
    while at:
        at = begins[at - 1]
        cuts.append(at)
    cuts.reverse()
    return [block_of([span for run in runs[a:b] for span in run]) for a, b in pairwise(cuts)]


class _Limits:
    """Values of one table in address order, and how far back a block that ends with one of them may begin."""

    def __init__(self, starts: list[int], ends: list[int], limit: int, open_before: list[bool], barriers: list[Interval]) -> None:
        self.starts, self.ends, self.limit, self.open_before = starts, ends, limit, open_before
        self.reach = _reach(barriers, starts)

    def begin_at_least(self, last: int, first: int) -> int:
        """Return the first place from `first` on from which a block may reach `last`, where ends do not fall back."""
        end = self.ends[last]
        if not self.open_before[last]:
            return last
        while first < last and (end - self.starts[first] > self.limit or end >= self.reach[first]):
            first += 1
        return first


def _slide(limits: _Limits, cost: Cost) -> list[int]:
    """Return for each value where its block begins, in one pass.

    For registers a block costs a + b * (end - start), so the best begin is the least of "cheapest before - b * start" in a window
    that only moves on.
    """
    register_ns, request_ns = cost.byte_ns * 2, cost.request_us * 1000
    cheapest: tuple[int, int] = (0, 0)
    best: deque[tuple[int, int, int]] = deque()  # (ns, requests, begin), rising
    begins: list[int] = []
    first = 0
    for last, (start, end) in enumerate(zip(limits.starts, limits.ends, strict=True)):
        entry = cheapest[0] - register_ns * start, cheapest[1], last
        while best and best[-1] >= entry:
            best.pop()
        best.append(entry)
        first = limits.begin_at_least(last, first)
        while best[0][2] < first:
            best.popleft()
        before_ns, requests, begin = best[0]
        cheapest = before_ns + register_ns * end + request_ns, requests + 1
        begins.append(begin)
    return begins


def _compare(limits: _Limits, table: str, cost: Cost) -> list[int]:
    """Return for each value where its block begins, comparing every begin: for bits, and where values lie inside each other."""
    costs = [cost.of_ns(table, count) for count in range(limits.limit + 1)]
    cheapest: list[tuple[int, int]] = [(0, 0)]
    begins: list[int] = []
    for last in range(len(limits.starts)):
        found: tuple[int, int] | None = None
        begin, end = last, limits.ends[last]
        for first in range(last, -1, -1):
            end = max(end, limits.ends[first])
            count = end - limits.starts[first]
            if first < last and (count > limits.limit or end >= limits.reach[first]):
                break
            before = cheapest[first]
            total = before[0] + costs[count], before[1] + 1
            if found is None or total < found:
                found, begin = total, first
            if not limits.open_before[first]:
                break
        cheapest.append(found or (0, 0))
        begins.append(begin)
    return begins


def _crossable(table: str, starts: list[int], ends: list[int], rules: Rules) -> list[bool]:
    """Return for each value whether a block may reach it from before: over the hole in front of it, if there is one."""
    gap_max = rules.gap_max * bits_per_gap if table in bit_tables else rules.gap_max
    crossable, wanted_to, may_cross = [False], ends[0], rules.may_cross
    for start, end in zip(starts[1:], ends[1:], strict=True):
        hole = start - wanted_to
        crossable.append(hole <= 0 or (hole <= gap_max and (may_cross is None or may_cross(table, wanted_to, start))))
        wanted_to = max(wanted_to, end)
    return crossable


def _reach(barriers: list[Interval], starts: list[int]) -> list[int]:
    """Return for each start the end of the first barrier that a block from there would contain; far beyond every address without one."""
    nearest = [1 << 20] * (len(barriers) + 1)
    for at in range(len(barriers) - 1, -1, -1):
        nearest[at] = min(nearest[at + 1], barriers[at][1])
    return [nearest[bisect_left(barriers, (start, 0))] for start in starts]


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
