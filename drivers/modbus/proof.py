"""When a hole may be read over: the rule, and how it is judged.

Room: ground, driver `modbus`; pure. `proving.py` sends what this file asks for.

The danger is a unit that answers a read over a hole as it should and then gives a wrong answer to the *next* request, in the right
frame. So a hole is read over in earnest only after a proof, and until then nothing is published that was read directly after it:

1. A *control read* is chosen: a request without any hole, asked twice with the same answer, whose bytes would show each known way
   of being wrong (`tells`): all zeros or ones, shifted by a register or a byte, a repetition of the answer before.
2. The hole is read over, and directly after it the control read is asked. The bytes must be the same as before.
3. What the crossing answer says of registers that were read without crossing must agree with them, unless they are on the move.

If the control read differs, the connection is made anew and it is asked once more: the old bytes again convict the hole for good;
other bytes mean that the value moved, and nothing is decided. A control read of few different bytes convinces less, so such a
proof is made with two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.modbus.address import bit_tables
from drivers.modbus.intervals import Interval
from drivers.modbus.planner import Block, Span


@dataclass(frozen=True, slots=True)
class Sample:
    """A block that was read without crossing an unproven hole, and the data bytes of the answer."""

    block: Block
    data: bytes

    @property
    def convinces(self) -> bool:
        """Whether one proof with it is enough: two registers that differ, or more."""
        words = {self.data[at : at + 2] for at in range(0, len(self.data), 2)}
        return self.block.table not in bit_tables and len(words) > 1


def tells(sample: Sample) -> bool:
    """Tell whether a wrong answer would differ from this one: by zeros, ones, a shift by one byte or one register, of bits by one."""
    data = sample.data
    if sample.block.table in bit_tables:
        bits = _bits(sample.block, sample.block, data)
        return bits[1:] != bits[:-1]
    if len(set(data)) > 1:
        return len(data) <= 2 or (data[1:] != data[:-1] and data[2:] != data[:-2])
    return len(data) == 1 and data[0] not in (0, 0xFF)


def repeats(sample: Sample, crossing: bytes) -> bool:
    """Tell whether the crossing answer, repeated and cut to length, would pass for this one."""
    return crossing[: len(sample.data)] == sample.data


def controls(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples that would show a wrong answer, the most convincing and then the shortest first."""
    fit = {(each.block.table, each.block.start, each.block.count): each for each in samples if tells(each)}
    return sorted(fit.values(), key=lambda each: (not each.convinces, len(each.data)))


def disagreements(block: Block, data: bytes, samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples that say something else than a crossing answer of registers that both hold."""
    return [each for each in samples if _lies_in(each.block, block) and not _agrees(each, block, data)]


def holes_of(block: Block, wanted: Sequence[Span]) -> list[Interval]:
    """Return the holes of a block: its addresses that no wanted value of its table covers (`wanted` sorted by address)."""
    found, at = [], block.start
    for span in wanted:
        if span.table == block.table and span.end > at:
            if span.start > at:
                found.append((at, min(span.start, block.end)))
            at = span.end
            if at >= block.end:
                break
    return [hole for hole in found if hole[0] < hole[1]]


def _lies_in(inner: Block, outer: Block) -> bool:
    return inner.table == outer.table and outer.start <= inner.start and inner.end <= outer.end


def _agrees(sample: Sample, block: Block, data: bytes) -> bool:
    if block.table in bit_tables:
        return _bits(sample.block, block, data) == _bits(sample.block, sample.block, sample.data)
    at = (sample.block.start - block.start) * 2
    return data[at : at + len(sample.data)] == sample.data


def _bits(wanted: Block, block: Block, data: bytes) -> list[bool]:
    places = range(wanted.start - block.start, wanted.end - block.start)
    return [data[at // 8] >> at % 8 & 1 == 1 for at in places]
