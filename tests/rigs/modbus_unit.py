"""A Modbus unit without a line: what it answers, refuses and poisons, for tests of planning and learning.

Room: tests. It takes blocks in place of frames, counts what it was asked, and moves its values on with every read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from drivers.driver import DriverError
from drivers.memory import ShortMemory
from drivers.modbus.address import bit_tables, data_bytes
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import line_cost, longest_request
from drivers.modbus.planner import Block, Rules, Span, plan_blocks
from drivers.modbus.reader import UnitReader
from drivers.modbus.request import RefusalError
from drivers.modbus.tag_options import parse_address
from drivers.reading import Quality, Scan, Status, Tag, TagGroup
from tests.rigs.clock import StillClock

Asked = tuple[str, int, int]
"""Table, first address, count."""


@dataclass
class Unit:
    """`value(table, address)` is what the device holds now. `missing` addresses are refused with `code`, as are requests over `longest`."""

    value: Callable[[str, int], int]
    missing: set[int] = field(default_factory=set)
    code: int = 2
    longest: int = 2000
    long_code: int = 3
    silent: set[int] = field(default_factory=set)
    silent_over: int = 2000
    refuse_all: int = 0
    busy_for: int = 0
    poison: str = ""
    """What the answer after a read over a `poisonous` address is: shift, zeros, repeat, refusal, silence, odd, longer; or empty."""
    poisonous: set[int] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    refused: list[Asked] = field(default_factory=list)
    resyncs: int = 0
    _last: bytes = b""
    _is_poisoned: bool = False

    async def ask(self, block: Block, until: float) -> bytes:
        """See drivers.modbus.turn.Ask."""
        place = block.table, block.start, block.count
        addresses = range(block.start, block.end)
        self.asked.append(place)
        was_poisoned, self._is_poisoned = self._is_poisoned, bool(self.poison and self.poisonous & set(addresses))
        if self.busy_for:
            self.busy_for -= 1
            raise RefusalError(6)
        if self.silent & set(addresses) or block.count > self.silent_over:
            raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=10)
        code = self.refuse_all or (self.long_code if block.count > self.longest else self.code if self.missing & set(addresses) else 0)
        if code:
            self.refused.append(place)
            raise RefusalError(code)
        data = self._poisoned(block) if was_poisoned else self.data(block.table, block.start, block.count)
        self._last = data
        return data

    def resync(self) -> None:
        """A new connection, or silence: nothing old is left."""
        self.resyncs += 1
        self._is_poisoned = False

    def data(self, table: str, start: int, count: int) -> bytes:
        """Return the right answer."""
        values = [self.value(table, address) for address in range(start, start + count)]
        if table in bit_tables:
            packed = bytearray(data_bytes(table, count))
            for at, value in enumerate(values):
                packed[at // 8] |= (value & 1) << at % 8
            return bytes(packed)
        return b"".join((value & 0xFFFF).to_bytes(2, "big") for value in values)

    def _poisoned(self, block: Block) -> bytes:
        match self.poison:
            case "shift":
                return self.data(block.table, block.start + 1, block.count)
            case "zeros":
                return bytes(data_bytes(block.table, block.count))
            case "repeat":
                return (self._last * 250)[: data_bytes(block.table, block.count)]
            case "refusal":
                raise RefusalError(2)
            case "silence":
                raise DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=10)
            case _:
                raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail="length")


def registers(starts: Iterable[int], *, uid: int = 1, table: str = "holding", period_ms: int = 60_000, **raw: object) -> TagGroup:
    """Return a group of one tag per address, of the default type."""
    addresses = [parse_address({"address": f"{table}:{start}", **raw}) for start in starts]
    tags = tuple(Tag(n, f"t{n}", "dev", "int", "", address) for n, address in enumerate(addresses))
    return TagGroup(uid, "dev", f"g{uid}", period_ms, tags)


tcp = DeviceOptions(host="plc")
serial = DeviceOptions(transport="rtu", serial_port="/dev/ttyS1", baud=9600)


def scattered(table: str, address: int) -> int:
    return (address * 7919 + 13) % 64_997 + 1


class Session:
    """A reader of a unit, and the checks that hold of every scan."""

    def __init__(self, unit: Unit, options: DeviceOptions = tcp, memory: ShortMemory | None = None, place: str = "here") -> None:
        self.unit, self.clock, self.options = unit, StillClock(), options
        self.memory = memory or ShortMemory()
        self.reader = UnitReader(options, self.clock, unit.ask, unit.resync, self.memory, place)
        self.count = 0

    async def learns(self, group: TagGroup) -> Session:
        """Read a group often enough to know its unit; return this session."""
        for _ in range(3):
            await self.read(group)
        return self

    async def read(self, group: TagGroup, within_s: float = 30.0) -> Scan:
        before = len(self.unit.asked)
        try:
            scan = await self.reader.read(group, asyncio.get_running_loop().time() + within_s)
        finally:
            self.count = len(self.unit.asked) - before
        for reading in scan.readings():
            address = reading.tag.address
            assert reading.value is None or reading.value == self.unit.value(address.table, address.start), reading  # type: ignore[attr-defined]
            assert (reading.quality is Quality.GOOD) == (reading.value is not None)
        return scan


def good(scan: Scan) -> set[int]:
    return {n for n, value in enumerate(scan.values) if value is not None}


def best(unit: Unit, group: TagGroup, options: DeviceOptions) -> int:
    """Return how many requests the cheapest plan needs that knows the whole map."""
    addresses = [tag.address for tag in group.tags]
    spans = [Span(a.table, a.start, a.count, n) for n, a in enumerate(addresses)]  # type: ignore[attr-defined]
    readable = [span for span in spans if not unit.missing & set(range(span.start, span.end))]
    count, bits = longest_request(options)
    barriers = {span.table: [(n, n + 1) for n in unit.missing] for span in spans}
    return len(plan_blocks(readable, Rules(line_cost(options), min(count, unit.longest), bits, barriers=barriers)))
