"""What the driver asks of a GPIO library: a chip, its lines, and the edges that the kernel or the library saw.

Room: ground, driver `gpio`. `gpiod_chip.py` and `rpi_chip.py` keep this protocol, each the only file that imports its library; tests keep
it with a fake chip. `lines.py` calls it from one thread, except `Line.take`, which never waits. Levels are logical everywhere: True is
active, whatever the voltage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from drivers.driver import DriverError
from drivers.reading import Status

Watched = Literal["none", "on", "off", "both"]
"""Which edges are wanted: to active (`on`), to inactive (`off`)."""

consumer_bytes_max: Final = 31
"""What the kernel keeps of the name under which a line is taken (GPIO_MAX_NAME_SIZE less the terminating zero)."""
named_max: Final = 12
"""How many names of chips or lines a fault lists."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a line is used. `at` is its offset or its name; `debounce_us` 0: none. `only_looked_at`: an output that is taken as it is."""

    at: int | str
    is_output: bool
    active_low: bool = False
    bias: str = "as_is"
    drive: str = "push_pull"
    debounce_us: int = 0
    only_looked_at: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of a line. `at_ns` is on the clock of `Chip.now_ns`.

    `number` counts the edges of this line that were seen where they are made, so that a hole in it is edges that were lost on the way;
    None where the library does not count.
    """

    is_on: bool
    at_ns: int
    number: int | None


class Line(Protocol):
    """One line that has been taken. Calls raise OSError when the chip does not do it."""

    debounces: bool
    """Whether `get` and `take` give a level only when it has stayed for the debounce time."""
    fd: int
    """Readable while `take` has something."""

    def get(self) -> bool:
        """Return the level that the line has now; an output's too, as the chip reads it back."""
        ...

    def set(self, level: bool) -> None:
        """Set the level of an output."""
        ...

    def watch(self, edges: Watched) -> None:
        """See these edges of an input from now on."""
        ...

    def take(self, most: int) -> list[Edge]:
        """Return up to `most` edges that are there, in order. Never waits."""
        ...

    def close(self) -> None:
        """Give the line back. Raises nothing."""
        ...


class Chip(Protocol):
    """One chip that has been opened."""

    def now_ns(self) -> int:
        """Return the present time of the clock that edges are stamped with."""
        ...

    def take_line(self, settings: LineSettings, level: bool | None) -> Line:
        """Take a line, an output with this level (None: the one that it has). Raises DriverError, or OSError when the chip is gone."""
        ...

    def close(self) -> None:
        """Close the chip; its lines are closed before. Raises nothing."""
        ...


OpenChip = Callable[[str], Chip]
"""Opens a chip, to take lines under a consumer's name. Raises DriverError."""


def listed(names: list[str]) -> str:
    """Return names for a fault, not too many of them."""
    shown = ", ".join(names[:named_max])
    return shown + ", …" if len(names) > named_max else shown or "-"


def chip_unknown(chip: str, known: list[str]) -> DriverError:
    """Return the fault of a chip that this machine does not have."""
    return DriverError("gpio_chip_unknown", Status.BAD_CONFIGURATION_ERROR, chip=chip, known=listed(known))


def line_unknown(chip: str, line: int | str, known: list[str]) -> DriverError:
    """Return the fault of a line that a chip does not have."""
    return DriverError("gpio_line_unknown", Status.BAD_CONFIGURATION_ERROR, chip=chip, line=str(line), known=listed(known))


def line_taken(chip: str, line: int | str, user: str) -> DriverError:
    """Return the fault of a line that somebody else uses."""
    return DriverError("gpio_line_taken", Status.BAD_NOT_CONNECTED, chip=chip, line=str(line), user=user or "?")


def access_denied(chip: str) -> DriverError:
    """Return the fault of a chip that our user may not open."""
    return DriverError("gpio_access_denied", Status.BAD_USER_ACCESS_DENIED, chip=chip)


def no_edges(chip: str, line: int | str) -> DriverError:
    """Return the fault of a line whose chip does not tell when it changes."""
    return DriverError("gpio_no_edges", Status.BAD_NOT_SUPPORTED, chip=chip, line=str(line))


def line_refused(chip: str, line: int | str, detail: str) -> DriverError:
    """Return the fault of a line that cannot be used as it is configured."""
    return DriverError("gpio_line_refused", Status.BAD_CONFIGURATION_ERROR, chip=chip, line=str(line), detail=detail)
