"""How the answers of one tag group become the columns of its scan.

Room: ground, driver `modbus`; pure. `group_plan.py` asks it to compile blocks and to arrange them, `reader.py` gives the answers to `scan`
(every block of an arrangement, in its order: the fast way) or to `scan_of` (whatever came).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from drivers.modbus.address import Address, bit_tables, data_bytes
from drivers.modbus.codec import Decoder, Field, compile_bits, compile_registers
from drivers.modbus.config import DeviceOptions
from drivers.modbus.factors import ScaleFactors
from drivers.modbus.planner import Block, Span
from drivers.reading import Scan, Status, TagGroup, Value


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One request, the size of its answer, and its decoder."""

    block: Block
    size_bytes: int
    decoder: Decoder


Answer = bytes | int
"""The data bytes of a block, or the status of its tags when it brought none."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Blocks in the order in which they are read, the columns that cannot be read with their statuses, and the way to the tags' order."""

    reads: tuple[ReadBlock, ...]
    unreadable: Mapping[int, int]
    in_tag_order: Callable[[list[Value]], Any] | None


class Layout:
    """The columns of one group: what they are read from, and how an answer becomes their values."""

    def __init__(self, group: TagGroup, options: DeviceOptions) -> None:
        """Describe the group; no request is planned."""
        self.group = group
        self._addresses = [resolve(tag.address, options) for tag in group.tags]
        self._factors = ScaleFactors(self._addresses)
        self._addresses += self._factors.columns
        self.spans = sorted(Span(a.table, a.start, a.count, i) for i, a in enumerate(self._addresses))
        """Every column's registers, in address order."""
        self._compiled: dict[Block, ReadBlock] = {}

    def compile(self, block: Block) -> ReadBlock:
        """Return a block with its decoder. Those of the newest arrangement are kept, so that a new plan compiles what is new."""
        known = self._compiled.get(block)
        if known is None:
            fields = [Field(span.index, span.start - block.start, self._addresses[span.index]) for span in block.spans]
            decoder = compile_bits(fields) if block.table in bit_tables else compile_registers(fields)
            known = ReadBlock(block, data_bytes(block.table, block.count), decoder)
        return known

    def arrange(self, blocks: Iterable[Block], unreadable: Mapping[int, int]) -> Arrangement:
        """Prepare reading these blocks, which cover every column but those of `unreadable` (column -> status)."""
        reads = tuple(self.compile(block) for block in blocks)
        self._compiled = {read.block: read for read in reads}
        order = [index for read in reads for index in read.decoder.order]
        order += unreadable
        place = {index: position for position, index in enumerate(order)}
        wanted = [place[index] for index in range(len(order))]
        return Arrangement(reads, unreadable, None if wanted == list(range(len(order))) else itemgetter(*wanted))

    def scan(self, arrangement: Arrangement, answers: Sequence[Answer], read_ms: int) -> Scan:
        """Return the scan made of one answer per block of an arrangement, in its order."""
        flat: list[Value] = []
        bad: dict[int, int] = dict(arrangement.unreadable)
        for read, answer in zip(arrangement.reads, answers, strict=True):
            if isinstance(answer, int):
                flat += [None] * len(read.decoder.order)
                bad.update((index, answer) for index in read.decoder.order)
            else:
                flat += read.decoder.decode(answer, bad)
        if arrangement.unreadable:
            flat += [None] * len(arrangement.unreadable)
        return self._finish(list(arrangement.in_tag_order(flat)) if arrangement.in_tag_order else flat, bad, read_ms)

    def scan_of(self, pieces: Iterable[tuple[ReadBlock, Answer]], unreadable: Mapping[int, int], read_ms: int) -> Scan:
        """Return the scan made of answers in any number and order. The last data counts; a status counts where no data came."""
        columns: list[Value] = [None] * len(self._addresses)
        bad = dict.fromkeys(range(len(columns)), int(Status.BAD_NO_COMMUNICATION)) | dict(unreadable)
        given: set[int] = set()
        for read, answer in pieces:
            order = read.decoder.order
            if isinstance(answer, int):
                bad |= dict.fromkeys((index for index in order if index not in given and index not in unreadable), answer)
                continue
            odd: dict[int, int] = {}
            for index, value in zip(order, read.decoder.decode(answer, odd), strict=True):
                columns[index] = value
                bad.pop(index, None)
            bad |= odd
            given.update(order)
        return self._finish(columns, bad, read_ms)

    def _finish(self, columns: list[Value], bad: dict[int, int], read_ms: int) -> Scan:
        if self._factors.columns:
            self._factors.apply(columns, bad)
        statuses = [int(bad.get(i, 0)) for i in range(len(columns))] if bad else None
        return Scan(self.group, columns, read_ms, statuses)


def resolve(address: object, options: DeviceOptions) -> Address:
    """Return a tag's address with the device's orders where it has none of its own."""
    if not isinstance(address, Address):
        raise TypeError(f"not a Modbus address: {address!r}")
    return replace(
        address,
        byte_order=address.byte_order or options.byte_order,
        word_order=address.word_order or options.word_order,
    )
