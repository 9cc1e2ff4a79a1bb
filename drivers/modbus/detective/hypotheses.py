"""Every way in which some registers could mean a number: addresses around the stated one, types, orders, powers of ten.

Room: ground, driver `modbus`; pure. `judgement.py` tries them all. The bytes are decoded by the driver's own codec, so what fits here is
what the driver will read. The weights say how common a thing is among devices; they order what fits and never decide alone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from drivers.modbus.address import Address, float_kinds
from drivers.modbus.codec import Decoder, Field, compile_registers
from drivers.modbus.detective.question import Place, Registers
from drivers.scaling import Scaling

_kind_weights: Final = {
    "uint16": 1.0, "int16": 0.8, "float32": 1.0, "uint32": 0.8, "int32": 0.7, "uint64": 0.2, "int64": 0.15, "float64": 0.15,
    "uint8": 0.02, "int8": 0.01, "bcd16": 0.02, "bcd32": 0.02, "bcd64": 0.005, "m10k32": 0.01, "m10k48": 0.005, "m10k64": 0.005,
    "uint48": 0.02, "int48": 0.01, "uint24": 0.005, "int24": 0.005, "signmag16": 0.005, "signmag32": 0.005, "signmag64": 0.002,
    "float16": 0.003,
}  # fmt: skip
_orders: Final = {
    1: (("AB", 1.0), ("BA", 0.03)),
    2: (("ABCD", 1.0), ("CDAB", 0.4), ("BADC", 0.03), ("DCBA", 0.1)),
    3: (("ABCDEF", 1.0), ("EFCDAB", 0.4)),
    4: (("ABCDEFGH", 1.0), ("GHEFCDAB", 0.4), ("BADCFEHG", 0.03), ("HGFEDCBA", 0.1)),
}
_offset_weights: Final = {0: 1.0, -1: 0.6, 1: 0.3}
_wide_start_weight: Final = 0.05
_whole_powers: Final = {0: 1.0, -1: 1.0, -2: 0.8, -3: 0.7, 1: 0.15, -4: 0.1, 2: 0.1, 3: 0.15, -5: 0.03, -6: 0.05}
_float_powers: Final = {0: 1.0, -3: 0.2, 3: 0.2, -1: 0.03, 1: 0.01, -2: 0.02, 2: 0.01, -6: 0.02, 6: 0.005}
_factor_kinds: Final = ("uint16", "int16", "uint32", "int32", "uint64", "int64")
_factor_max: Final = 10
m10k_max: Final = 9999
"""Largest register of a number in modulo 10,000, either sign."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How registers become a raw number: data type, registers, order of the bytes as in the option `order`, half of the register."""

    kind: str
    count: int
    order: str = ""
    byte: str = ""
    weight: float = 1.0

    @property
    def order_class(self) -> str:
        """Which habit of a device the order shows: big, word (words swapped), byte (bytes swapped), little; empty when it shows none."""
        if self.byte or self.order in ("", "AB"):
            return ""
        if self.order == "BA":
            return "byte"
        words_first = self.order[0] in "AB"
        return ("big" if self.order[0] == "A" else "byte") if words_first else ("little" if self.order[0] > self.order[1] else "word")

    @property
    def is_float(self) -> bool:
        """Whether it is a floating number."""
        return self.kind in float_kinds


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading: a value = raw * 10**power, or with the power in the register `factor`. `weight` is how common such a one is."""

    table: str
    start: int
    shape: Shape
    power: int = 0
    factor: Place | None = None
    weight: float = 1.0

    def value(self, raw: float, registers: Registers) -> float | None:
        """Return the value of a raw number; None where the register of its power of ten is absent or holds none."""
        power = self.power
        if self.factor is not None:
            register = registers.get(self.factor)
            if register is None:
                return None
            power = register - 0x10000 if register & 0x8000 else register
            if abs(power) > _factor_max:
                return None
        return _scaling(power).apply(raw)

    def options(self) -> dict[str, str | float]:
        """Return the options of a tag that reads this."""
        found: dict[str, str | float] = {"address": f"{self.table}:{self.start}", "data": self.shape.kind}
        big = "ABCDEFGH"[: self.shape.count * 2]
        if self.shape.order not in ("", big):
            found["order"] = self.shape.order
        if self.shape.byte == "high":
            found["byte"] = "high"
        if self.factor is not None:
            found["scale_factor"] = f"{self.factor[0]}:{self.factor[1]}"
        elif self.power:
            found["scale"] = float(f"1e{self.power}")
        return found


def raw_number(shape: Shape, table: str, start: int, registers: Registers) -> float | None:
    """Return the number before scaling, by the driver's own decoder; None where a register is absent or the bytes mean nothing."""
    words = [registers.get((table, start + at)) for at in range(shape.count)]
    present = [word for word in words if word is not None]
    if len(present) != shape.count or (shape.kind.startswith("m10k") and any(m10k_max < word < 0x10000 - m10k_max for word in present)):
        return None
    value = _decoder(shape).decode(struct.pack(f">{shape.count}H", *present), {})[0]
    return value if isinstance(value, (int, float)) else None


@dataclass(frozen=True, slots=True)
class Stem:
    """A place and a shape: all that decides the raw number. `weight` is how common both are."""

    table: str
    start: int
    shape: Shape
    weight: float

    @property
    def powers(self) -> dict[int, float]:
        """Powers of ten that devices scale such a number with, and how common each is."""
        return _float_powers if self.shape.is_float else _whole_powers

    def by_power(self, power: int) -> Hypothesis:
        """Return the reading with a power of ten."""
        weight = self.weight * self.powers[power]
        return Hypothesis(self.table, self.start, self.shape, power, None, weight)

    def by_factors(self, factors: Sequence[int]) -> Iterator[Hypothesis]:
        """Yield the readings whose power of ten stands in one of the registers `factors`; near ones behind the value are more likely."""
        if self.shape.kind in _factor_kinds and self.shape.order_class in ("", "big"):
            for at in factors:
                away = at - self.start if at > self.start else 4 * (self.start - at)
                yield Hypothesis(self.table, self.start, self.shape, 0, (self.table, at), self.weight * 4 / (4 + away))


def stems(near: Sequence[Place]) -> Iterator[Stem]:
    """Yield every shape that begins at most one register away from a place, or ends there (the low half of a wider number)."""
    seen: set[Place] = set()
    for rank, (table, stated) in enumerate(near):
        for start in range(max(stated - 4, 0), stated + 2):
            if (table, start) not in seen:
                seen.add((table, start))
                weight = (1.0 if rank == 0 else 0.3) * _offset_weights.get(start - stated, _wide_start_weight)
                fitting = (shape for shape in shapes() if start + shape.count - 1 >= stated - 1)
                yield from (Stem(table, start, shape, shape.weight * weight) for shape in fitting)


def factor_registers(table: str, registers: Registers) -> tuple[int, ...]:
    """Return the addresses whose register could be a power of ten."""
    found = [at for (where, at), word in registers.items() if where == table and (word <= _factor_max or word >= 0x10000 - _factor_max)]
    return tuple(sorted(found))


@cache
def shapes() -> tuple[Shape, ...]:
    """Return every type with every order of its bytes."""
    found = []
    for kind, weight in _kind_weights.items():
        count = (int(re.sub(r"m10k|[a-z]", "", kind)) + 15) // 16
        if kind in ("uint8", "int8"):
            found += [Shape(kind, 1, "", "low", weight), Shape(kind, 1, "", "high", weight)]
            continue
        for order, order_weight in _orders[count]:
            if not kind.startswith("m10k") or order[0] in "ACEG":  # its registers are decimal numbers: whole or not at all
                found.append(Shape(kind, count, order, "", weight * order_weight))
    return tuple(found)


@cache
def _decoder(shape: Shape) -> Decoder:
    return compile_registers([Field(0, 0, Address("holding", 0, shape.kind, shape.count, order=shape.order, byte=shape.byte))])


@cache
def _scaling(power: int) -> Scaling:
    return Scaling(float(f"1e{power}"))
