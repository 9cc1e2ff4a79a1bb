"""Where one value stands on a Modbus unit, and how it is read: the frozen noun that the rest of the driver works on.

Room: ground, driver `modbus`; pure. `tag_options.py` makes addresses, planner and codec use them. It validates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.scaling import Scaling

tables: Final = ("coil", "discrete", "holding", "input")
bit_tables: Final = ("coil", "discrete")
float_kinds: Final = ("float16", "float32", "float64")
unscaled: Final = Scaling()


@dataclass(frozen=True, slots=True)
class Address:
    """Where one value stands on a Modbus unit and how it is read. Orders None mean the device's.

    `start` is the 0-based protocol address (a manual's 40001 is holding 0); `count` is in registers, or 1 bit in the
    bit tables. `bit` and `bit_count` are for kind `bits`: bit 0 is the least significant one of the register.
    """

    table: str
    start: int
    kind: str
    count: int
    byte_order: str | None = None
    word_order: str | None = None
    bit: int = 0
    bit_count: int = 1
    scaling: Scaling = unscaled
