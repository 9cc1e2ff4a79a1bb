"""One device as the outside sees it: the plant's signals with the faults in force, and the device's own clock.

Room: ground, sim board; pure but for the wall clock that it is given. The servers read and write through it.
"""

from __future__ import annotations

from collections.abc import Callable

from boards.sim.faults import Faults
from boards.sim.filler import Signal
from boards.sim.plant import Plant
from boards.sim.register_map import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RefusedError, RegisterMap

WallClock = Callable[[], float]
"""Seconds since 1970 UTC."""


class DeviceView:
    """A device of the plant with its faults."""

    def __init__(self, name: str, plant: Plant, seed: int, wall_s: WallClock) -> None:
        """Look at the device `name` (one of `plant.DEVICES`) without faults."""
        self.name = name
        self.plant = plant
        self._wall_s = wall_s
        self.faults = Faults(name, frozenset(plant.signals(name)), seed)

    def clock_s(self) -> float:
        """Return what the device believes the time to be, seconds since 1970 UTC."""
        return self._wall_s() + self.faults.clock_offset_s()

    def shown(self) -> dict[str, Signal | None]:
        """Return every signal as the device shows it now."""
        shown = self.plant.signals(self.name)
        shown["clock_seconds"] = int(self.clock_s())
        self.faults.alter(shown, self.plant.elapsed_s)
        return shown

    def write(self, signal: str, value: Signal) -> bool:
        """Pass a written value on to the plant; False when it does not accept it."""
        return self.plant.write(self.name, signal, value)


class RegisterMemory:
    """A device's registers, made anew from its signals for every request, so that one answer is of one moment."""

    def __init__(self, view: DeviceView, layout: RegisterMap) -> None:
        """Show this view in this layout."""
        self._view = view
        self._layout = layout

    def read(self, table: str, start: int, count: int) -> list[int]:
        """Return registers or bits. Raises RefusedError with exception 2 where one of them does not exist."""
        self._layout.check_read(table, start, count)
        image = self._layout.encode(self._view.shown())[table]
        try:
            return [image[address] for address in range(start, start + count)]
        except KeyError:
            raise RefusedError(ILLEGAL_ADDRESS) from None

    def write(self, table: str, start: int, words: list[int]) -> None:
        """Take setpoints, all or none. Raises RefusedError."""
        for signal, value in self._layout.decode_write(table, start, words).items():
            if not self._view.write(signal, value):
                raise RefusedError(ILLEGAL_VALUE)
