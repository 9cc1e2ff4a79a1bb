"""Which requests read a tag group: many values, few requests, no value cut in two.

Room: ground, driver `modbus`; pure. Called by `layout.py` once per group, and again when a device refuses a block.
Never sends anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from drivers.modbus.address import bit_tables

bits_max: Final = 2000
"""Bits in one request (Modbus Application Protocol V1.1b3, 6.1)."""
registers_max: Final = 125
"""Registers in one request (same, 6.3)."""


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


def plan_blocks(spans: Iterable[Span], max_registers: int, max_gap: int) -> list[Block]:
    """Return the requests that cover every span once.

    Neighbours are merged over at most `max_gap` unwanted registers (16 times as many bits) while the request stays
    within `max_registers` (or 2000 bits). Raises ValueError when one value alone is longer than a request may be.
    """
    blocks: list[Block] = []
    run: list[Span] = []
    end = 0
    for span in sorted(spans):
        limit, gap = (bits_max, max_gap * 16) if span.table in bit_tables else (min(max_registers, registers_max), max_gap)
        if span.count > limit:
            raise ValueError(f"{span.table}:{span.start} has {span.count} registers; a request may hold {limit}")
        fits = run and span.table == run[0].table and span.start - end <= gap and max(end, span.end) - run[0].start <= limit
        if not fits:
            if run:
                blocks.append(_block(run))
            run, end = [], 0
        run.append(span)
        end = max(end, span.end)
    if run:
        blocks.append(_block(run))
    return blocks


def split_block(block: Block) -> tuple[Block, Block] | None:
    """Cut a refused block in two at its widest hole, or in the middle when it has none; None when it cannot be cut.

    Spans of the very same registers stay together: they can only fail together.
    """
    cuts = list(_cuts(block.spans))
    if not cuts:
        return None
    middle = len(block.spans) / 2
    _, _, at = max((hole, -abs(at - middle), at) for hole, at in cuts)
    return _block(block.spans[:at]), _block(block.spans[at:])


def _cuts(spans: tuple[Span, ...]) -> Iterator[tuple[int, int]]:
    """Yield (registers of the hole, index of the span after it) for every place where a block may be cut."""
    end = spans[0].end
    for at in range(1, len(spans)):
        before, after = spans[at - 1], spans[at]
        if (before.start, before.count) != (after.start, after.count):
            yield max(0, after.start - end), at
        end = max(end, after.end)


def _block(spans: Iterable[Span]) -> Block:
    kept = tuple(spans)
    start = kept[0].start
    return Block(kept[0].table, start, max(span.end for span in kept) - start, kept)
