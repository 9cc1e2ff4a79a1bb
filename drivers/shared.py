"""What the drivers of one process hold in common, such as one serial line with several units on it.

Room: ground. The runtime makes one `Shared`, passes it to every `registry.make_driver`, and forgets it; there is no
module-level state. Without one, each driver has its own connection, which a serial port refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from drivers.memory import MemoryOf, ShortMemory
from drivers.reading import Value
from drivers.recorder import FlightRecorder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of a tag of any device, as the runtime shows it. `read_ms` is wall time; None: pushed, it holds until it changes."""

    value: Value
    status: int
    read_ms: int | None


NewestOf = Callable[[str], Newest | None]
"""By `device/tag`; None when there is no such tag now."""


class Shared:
    """Objects that several drivers use together, by a key that the driver type owns (its type name first)."""

    def __init__(self, memory: MemoryOf = lambda _type, _device: ShortMemory(), *, only_looks: bool = False) -> None:
        """Start with nothing shared. `memory(type, device)` gives what a driver remembers of its device between starts.

        `only_looks`: somebody reads a device beside the gateway; opening, reading and leaving it must change nothing in the plant.
        """
        self.memory = memory
        self.only_looks = only_looks
        self.recorders: dict[str, FlightRecorder] = {}
        """Flight recorders of the lines that are open, by the line's name."""
        self.newest: NewestOf = lambda _tag: None
        self._kept: dict[tuple[str | int, ...], object] = {}

    def obtain(self, key: tuple[str | int, ...], kind: type[T], make: Callable[[], T]) -> T:
        """Return what stands under the key, making it first when it is not there. Raises TypeError when it is of another kind."""
        if key not in self._kept:
            self._kept[key] = make()
        found = self._kept[key]
        if not isinstance(found, kind):
            raise TypeError(f"{key} is shared as {type(found).__name__}, not {kind.__name__}")
        return found

    def forget(self, key: tuple[str | int, ...]) -> None:
        """Drop the key; the last user of a shared object calls this when it leaves."""
        self._kept.pop(key, None)
