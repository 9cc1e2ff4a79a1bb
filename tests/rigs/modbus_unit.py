"""A Modbus unit without a line: what it answers, refuses and poisons, for tests of planning and learning.

Room: tests. It takes blocks in place of frames, counts what it was asked, and moves its values on with every read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from drivers.driver import DriverError
from drivers.modbus.address import bit_tables
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import data_bytes
from drivers.modbus.planner import Block
from drivers.modbus.request import RefusalError
from drivers.modbus.tag_options import parse_address
from drivers.reading import Status, Tag, TagGroup

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
