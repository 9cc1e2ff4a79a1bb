"""How the answers of one tag group become the columns of its scan, and what was learned about what cannot be read.

Room: ground, driver `modbus`; pure. `driver.py` keeps one layout per group, asks `blocks` what to request and gives the
answers to `scan`. When the device refuses a block, `refuse` splits it or gives up on its tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from drivers.modbus.address import Address, bit_tables
from drivers.modbus.codec import Decoder, Field, compile_bits, compile_registers
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import line_cost, longest_request
from drivers.modbus.factors import ScaleFactors
from drivers.modbus.planner import Block, Rules, Span, plan_blocks, split_block
from drivers.reading import Scan, TagGroup, Value


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One planned request, the size of its answer, and its decoder."""

    block: Block
    size_bytes: int
    decoder: Decoder


Answer = bytes | int
"""The data bytes of a block, or the status of its tags when it brought none."""


class Layout:
    """The requests of one group and the way back from answers to columns."""

    def __init__(self, group: TagGroup, options: DeviceOptions) -> None:
        """Plan the group. Raises ValueError when a value does not fit one request."""
        self.group = group
        self._addresses = [_resolve(tag.address, options) for tag in group.tags]
        self._factors = ScaleFactors(self._addresses)
        self._addresses += self._factors.columns
        spans = [Span(a.table, a.start, a.count, i) for i, a in enumerate(self._addresses)]
        registers, bits = longest_request(options)
        gap = options.max_gap if options.max_gap is not None else registers
        rules = Rules(line_cost(options), registers, bits, gap)
        self.blocks = [self._compile(block) for block in plan_blocks(spans, rules)]
        self.unreadable: dict[int, int] = {}
        self._arrange()

    def refuse(self, at: int, status: int) -> list[ReadBlock]:
        """Take note that the device refused block `at` for its addresses; return the two blocks to try instead.

        When the block cannot be cut, its tags become unreadable with `status` and the list is empty.
        """
        refused = self.blocks.pop(at)
        halves = split_block(refused.block)
        made = [self._compile(half) for half in halves] if halves else []
        if not halves:
            self.unreadable.update((span.index, status) for span in refused.block.spans)
        self.blocks[at:at] = made
        self._arrange()
        return made

    def postpone(self, at: int) -> None:
        """Read block `at` last from now on, so that one that never answers does not starve the others."""
        self.blocks.append(self.blocks.pop(at))
        self._arrange()

    def scan(self, answers: Sequence[Answer], read_ms: int) -> Scan:
        """Return the scan made of one answer per block, in the order of `blocks`."""
        flat: list[Value] = []
        bad: dict[int, int] = dict(self.unreadable)
        for read, answer in zip(self.blocks, answers, strict=True):
            if isinstance(answer, int):
                flat += [None] * len(read.decoder.order)
                bad.update((index, answer) for index in read.decoder.order)
            else:
                flat += read.decoder.decode(answer, bad)
        if self.unreadable:
            flat += [None] * len(self.unreadable)
        columns = list(self._in_tag_order(flat)) if self._in_tag_order else flat
        if self._factors.columns:
            self._factors.apply(columns, bad)
        statuses = [int(bad.get(i, 0)) for i in range(len(columns))] if bad else None
        return Scan(self.group, columns, read_ms, statuses)

    def _compile(self, block: Block) -> ReadBlock:
        fields = [Field(span.index, span.start - block.start, self._addresses[span.index]) for span in block.spans]
        if block.table in bit_tables:
            return ReadBlock(block, (block.count + 7) // 8, compile_bits(fields))
        return ReadBlock(block, block.count * 2, compile_registers(fields))

    def _arrange(self) -> None:
        """Prepare the one C call that puts the decoded values into the order of the group's tags."""
        order = [index for read in self.blocks for index in read.decoder.order]
        order += self.unreadable
        place = {index: position for position, index in enumerate(order)}
        wanted = [place[index] for index in range(len(order))]
        self._in_tag_order: Callable[[list[Value]], Any] | None = None
        if wanted != list(range(len(order))):
            self._in_tag_order = itemgetter(*wanted)


def _resolve(address: object, options: DeviceOptions) -> Address:
    if not isinstance(address, Address):
        raise TypeError(f"not a Modbus address: {address!r}")
    return replace(
        address,
        byte_order=address.byte_order or options.byte_order,
        word_order=address.word_order or options.word_order,
    )
