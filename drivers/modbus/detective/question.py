"""What the detective is asked: quantities of one device, and looks at it (registers read, numbers shown at that time).

Room: ground, driver `modbus`; pure nouns. The verb `detect` makes them from what was read and typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.modbus.detective.display import Shown

Place = tuple[str, int]
"""Table and 0-based address of one register."""
Registers = Mapping[Place, int]

reach: Final = 4
"""Registers to read on both sides of the address, so that a value of up to four of them can begin one before or after it, or end there."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that the display shows. `near` are the places where it is looked for, the stated one first."""

    name: str
    near: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One moment: what the registers held (read before and after the display was read, say) and what was shown, by quantity.

    A register that is absent could not be read. `at_s` is a time on any clock, or None.
    """

    reads: tuple[Registers, ...]
    shown: Mapping[str, Shown]
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """All looks at one device. `sunspec`: its map is marked as SunSpec, so powers of ten may stand in registers."""

    quantities: tuple[Quantity, ...]
    looks: tuple[Look, ...]
    sunspec: bool = False
