"""How signals become Modbus registers, and written registers become setpoints.

Room: ground, sim board; pure. `maps.py` holds the two maps, `modbus_server.py` asks them. It is written apart from
`drivers/modbus` on purpose: reading the one through the other tests both.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from boards.sim.filler import Signal

TABLES: Final = ("coil", "discrete", "holding", "input")
BIT_TABLES: Final = ("coil", "discrete")
_REGISTERS: Final = {"uint16": 1, "int16": 1, "bcd16": 1, "uint32": 2, "float32": 2, "uint64": 4}
_PACK: Final = {"uint16": ">H", "int16": ">h", "bcd16": ">H", "uint32": ">I", "float32": ">f", "uint64": ">Q"}
_RANGE: Final = {"uint16": (0, 0xFFFF), "int16": (-0x8000, 0x7FFF), "bcd16": (0, 9999), "uint32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1)}

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3


class RefusedError(Exception):
    """A request that the device answers with this Modbus exception code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"Modbus exception {code}")


@dataclass(frozen=True, slots=True)
class Cell:
    """One signal on the wire: 0-based address, kind, and engineering value = raw * `scale`.

    `limits` (engineering units) make it writable. `length` is the registers of a string.
    """

    table: str
    address: int
    signal: str
    kind: str
    unit: str = ""
    scale: float = 1.0
    limits: tuple[float, float] | None = None
    length: int = 0

    @property
    def count(self) -> int:
        """Registers (or bits) that it takes."""
        return 1 if self.kind == "bool" else self.length or _REGISTERS[self.kind]


class RegisterMap:
    """The cells of one device. Addresses without a cell answer exception 2, except those in `spare`, which read 0.

    `word_order` is that of values longer than a register. `registers_max` is the longest read that the device takes;
    `even_only` makes it refuse odd starts and counts, as meters with nothing but floats do.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        *,
        spare: Iterable[tuple[str, int]] = (),
        word_order: str = "big",
        registers_max: int = 125,
        even_only: bool = False,
    ) -> None:
        """Lay the cells out. Raises ValueError when two of them share an address."""
        self.cells = tuple(cells)
        self.registers_max = registers_max
        self.even_only = even_only
        self._little = word_order == "little"
        self._blank: dict[str, dict[int, int]] = {table: {} for table in TABLES}
        for table, address in spare:
            self._blank[table][address] = 0
        taken: set[tuple[str, int]] = set()
        for cell in self.cells:
            places = {(cell.table, cell.address + n) for n in range(cell.count)}
            if taken & places:
                raise ValueError(f"{cell.signal} stands on an address that is taken: {sorted(taken & places)}")
            taken |= places

    def encode(self, signals: Mapping[str, Signal | None]) -> dict[str, dict[int, int]]:
        """Return the whole device as table -> address -> register (or 0 / 1), from engineering values."""
        image = {table: dict(blank) for table, blank in self._blank.items()}
        for cell in self.cells:
            table, value = image[cell.table], signals[cell.signal]
            if cell.kind == "bool":
                table[cell.address] = int(bool(value))
                continue
            for n, word in enumerate(self._words(cell, 0 if value is None else value)):
                table[cell.address + n] = word
        return image

    def check_read(self, table: str, start: int, count: int) -> None:
        """Raise RefusedError for a read that this device does not take, wherever it points."""
        if table in BIT_TABLES:
            allowed = 1 <= count <= 2000
        else:
            allowed = 1 <= count <= self.registers_max and not (self.even_only and (start % 2 or count % 2))
        if not allowed:
            raise RefusedError(ILLEGAL_VALUE)

    def decode_write(self, table: str, start: int, words: list[int]) -> dict[str, Signal]:
        """Return signal -> value in engineering units. Raises RefusedError; then nothing of the request counts."""
        wanted: dict[str, Signal] = {}
        by_start = {cell.address: cell for cell in self.cells if cell.table == table and cell.limits is not None}
        at = start
        while at < start + len(words):
            cell = by_start.get(at)
            if cell is None or at + cell.count > start + len(words):
                raise RefusedError(ILLEGAL_ADDRESS)
            wanted[cell.signal] = self._value(cell, words[at - start : at - start + cell.count])
            at += cell.count
        return wanted

    def _words(self, cell: Cell, value: Signal) -> list[int]:
        if isinstance(value, str):
            data = value.encode("ascii", "replace")[: 2 * cell.length].ljust(2 * cell.length, b"\0")
            return [word for (word,) in struct.iter_unpack(">H", data)]
        if cell.kind == "float32":
            data = struct.pack(">f", float(value) / cell.scale)
        else:
            low, high = _RANGE[cell.kind]
            raw = min(max(value if cell.scale == 1.0 and isinstance(value, int) else round(value / cell.scale), low), high)
            data = struct.pack(_PACK[cell.kind], int(f"{raw:d}", 16) if cell.kind == "bcd16" else raw)
        words = [word for (word,) in struct.iter_unpack(">H", data)]
        return words[::-1] if self._little else words

    def _value(self, cell: Cell, words: list[int]) -> Signal:
        if cell.kind == "bool":
            return bool(words[0])
        ordered = words[::-1] if self._little else words
        raw = struct.unpack(_PACK[cell.kind], struct.pack(f">{len(ordered)}H", *ordered))[0]
        value = float(raw) * cell.scale
        low, high = cell.limits or (-math.inf, math.inf)
        # NaN compares false both ways, so it is refused as well.
        if not low - 1e-9 <= value <= high + 1e-9:
            raise RefusedError(ILLEGAL_VALUE)
        return value
