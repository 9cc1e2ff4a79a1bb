"""What some drivers can do besides reading and writing: browse, show registers, call, round, take what people enter.

Room: ground. A driver that keeps one of these protocols has the ability; the runtime asks with isinstance. Nothing here knows a
protocol of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.reading import Scan, Tag, TagGroup, Value


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far browsing may go: levels below its start, things found, seconds."""

    depth: int = 8
    count: int = 10_000
    time_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of a device. `path` is where it stands, by names; `kind` one of `variable`, `method`, `folder`.

    `options` are the driver's own options of a tag for it, empty where it cannot be one as it is; `type` is the device's own word for
    its type.
    """

    path: tuple[str, ...]
    kind: str
    node: str
    type: str
    writable: bool
    options: Mapping[str, str]


@runtime_checkable
class Browser(Protocol):
    """A driver that can list what its device has."""

    async def browse(self, start: str | None, bounds: Bounds, take: Callable[[Found], None]) -> str | None:
        """Give `take` everything below `start` (the driver's own notation; None: where tags usually are), each once.

        Returns None when that was all, else which bound ended it: `count`, `time`. Raises DriverError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """One way in which a server lets itself be reached, in the words of a configuration; `fingerprint` is of its certificate."""

    security: str
    mode: str
    fingerprint: str | None
    logins: tuple[str, ...]


@runtime_checkable
class Offering(Protocol):
    """A driver whose device says how it may be reached, before anything is trusted."""

    async def offers(self, deadline_s: float) -> list[Offer]:
        """Return what the device says. Raises DriverError `connect_failed`."""
        ...


@runtime_checkable
class RegisterSource(Protocol):
    """A driver whose device has numbered registers of 16 bits that can be looked at raw, for commissioning."""

    async def registers(self, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register of what could be read of a range of a table. Raises DriverError."""
        ...


@runtime_checkable
class OnLine(Protocol):
    """A driver whose device may share a wire or a connection with others, so that they wait for one another."""

    @property
    def line_key(self) -> tuple[str | int, ...]:
        """What is the same for all devices of a line."""
        ...


@runtime_checkable
class LineSource(Protocol):
    """A driver whose device shares its line with other units, which can be looked at without being configured; for commissioning."""

    async def probe(self, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register of a range of a unit of the line, empty where the unit answers and does not have all of it.

        One request and no more.

        Raises DriverError, `no_answer` where no such unit answers.
        """
        ...

    async def identify(self, unit: int | None, deadline_s: float) -> dict[str, str]:
        """Return what a unit (None: the device itself) says that it is, empty where it does not tell. Raises DriverError."""
        ...


@runtime_checkable
class Caller(Protocol):
    """A driver that can call methods of its device."""

    async def call(self, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        """Call a method of an object, both in the driver's own notation, and return its outputs.

        Raises DriverError as `Driver.write` does: `write_unknown` when it cannot tell whether it took effect.
        """
        ...


@runtime_checkable
class Rounder(Protocol):
    """A driver whose devices hold numbers in steps or in few bits, so that what is written is not always what was asked for."""

    def sent(self, tag: Tag, value: Value) -> Value:
        """Return what the tag reads as once the device has taken a write of `value`: scaled, rounded to the type, and back.

        Asked before the write, for limits and for people; touches nothing outside. Raises DriverError as `Driver.write` does for what is
        never sent (`write_out_of_range`, `write_not_supported`). A driver without it sends what it is given or refuses it.
        """
        ...


@runtime_checkable
class Resolving(Protocol):
    """A driver that knows where what was written is not read back to the last digit: fewer bits on the wire than the type has, a clock."""

    def resolution(self, tag: Tag, value: Value) -> float | None:
        """Return how far what the tag reads as may be from `value` although the device kept it; 0.0: nothing is lost, None: not known.

        Asked when a write is read back; touches nothing outside and raises nothing.
        """
        ...


@runtime_checkable
class Running(Protocol):
    """A driver whose devices have clocks that can be set: values that go on by themselves, so that each read has another one."""

    def runs(self, tag: Tag) -> bool:
        """Tell whether a tag's value is the time of a clock: milliseconds since 1970, or ISO text with its zone.

        Then `Resolving.resolution` is how many milliseconds it may have gone on since it was set. Touches nothing outside, raises nothing.
        """
        ...


@runtime_checkable
class Enterable(Protocol):
    """A driver whose readings people enter."""

    def judge(self, tag: Tag, value: Value, by: str, taken_ms: int | None) -> Value:
        """Return what was entered as a value of its tag's type; `taken_ms` is when it was measured, None for now. Raises DriverError."""
        ...

    def enter(self, group: TagGroup, tag: Tag, value: Value, taken_ms: int | None) -> list[Scan]:
        """Take a judged value and return it as scans of its group, to be collected in this order. Returns at once."""
        ...

    def due(self, tag: Tag) -> int | None:
        """Return the wall time (ms) by which the tag's next value is expected, in the past when it is overdue; None: it need not come."""
        ...
