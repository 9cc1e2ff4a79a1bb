"""The calls to a chip that may take long: opening it, taking lines, giving them back.

Room: ground, driver `gpio`. `lines.py` runs these in the worker's thread, one after another; nothing here knows the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from drivers.driver import DriverError
from drivers.gpio.chip import Chip, Line, OpenChip, Watched
from drivers.gpio.config import DeviceOptions, LineOptions


@dataclass(slots=True)
class Taken:
    """A chip, the lines that were taken, and why others were not."""

    chip: Chip
    lines: dict[str, Line] = field(default_factory=dict)
    faults: dict[str, DriverError] = field(default_factory=dict)


def take(options: DeviceOptions, open_chip: OpenChip, chip: Chip | None, names: Iterable[str], *, only_looks: bool) -> Taken:
    """Open the chip unless it is open, and take these lines; `only_looks`: outputs as they are.

    Raises DriverError, or OSError when the chip went away meanwhile.
    """
    taken = Taken(open_chip(options.chip or "") if chip is None else chip)
    try:
        for name in names:
            line = options.lines[name]
            level = line.safe is True if line.use == "output" and line.at_start == "safe" and not only_looks else None
            settings = replace(options.settings(name), only_looked_at=only_looks and line.use == "output")
            try:
                taken.lines[name] = taken.chip.take_line(settings, level)
            except DriverError as error:
                taken.faults[name] = error
    except OSError:
        give_back(((line, None) for line in taken.lines.values()), taken.chip if chip is None else None)
        raise
    return taken


def watch(line: Line, edges: Watched) -> bool:
    """Have these edges seen; return the level afterwards. Raises OSError."""
    line.watch(edges)
    return line.get()


def set_and_read(line: Line, level: bool) -> bool:
    """Set an output and return the level that it has. Raises OSError."""
    line.set(level)
    return line.get()


def give_back(lines: Iterable[tuple[Line, LineOptions | None]], chip: Chip | None) -> None:
    """Give lines back, those outputs whose options say so at their safe level, then the chip. Raises nothing."""
    for line, options in lines:
        if options is not None and options.use == "output" and options.at_exit == "safe":
            try:
                line.set(options.safe is True)
            except OSError:
                pass  # the chip is gone: it cannot be told, and nobody is left to tell
        line.close()
    if chip is not None:
        chip.close()
