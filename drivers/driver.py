"""The protocol between the runtime and a driver, and the one error type of this room.

Room: ground. A driver is made by a factory `make(name, config, clock) -> Driver` (see `registry.py`), entered with
`async with`, and asked. It never retries for longer than one call, never logs a secret and never raises anything
but `DriverError` for what a device or a network did. Whether a fault is shown, counted or waited out is the caller's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from drivers.reading import Scan, Status, Tag, TagGroup, Value


class Clock(Protocol):
    """The time a driver may use. `runtime.clock` gives a real or a virtual one."""

    def wall_ms(self) -> int:
        """Wall time, ms since 1970 UTC."""
        ...

    def mono_ms(self) -> int:
        """Milliseconds since boot; goes on during suspend; never steps."""
        ...


class DriverError(Exception):
    """What a device or its network did wrong.

    `cause` is a message code (worded in `runtime/messages`), `params` fills its blanks, `status` is the OPC UA status
    that readings lost to this fault carry.
    """

    def __init__(self, cause: str, status: int = Status.BAD_COMMUNICATION_ERROR, /, **params: str | int | float) -> None:
        self.cause = cause
        self.status = int(status)
        self.params: Mapping[str, str | int | float] = params
        super().__init__(f"{cause} {dict(params)}" if params else cause)

    def again(self) -> DriverError:
        """Return the same fault for one more who waits: an exception that is raised twice carries the first one's way along."""
        return DriverError(self.cause, self.status, **self.params)


@runtime_checkable
class Driver(Protocol):
    """One device's connection.

    `read` returns one scan of the group, with per-tag statuses where only some tags failed; it raises DriverError when
    the whole poll failed. It must end within `deadline_s` seconds of being called. `subscribe` yields scans until it is
    cancelled or raises DriverError when the stream broke. `write` returns when the device confirmed; it raises
    DriverError, with cause `write_unknown` when it cannot tell whether the write took effect.
    """

    async def __aenter__(self) -> Self:
        """Take resources; does not need the device to answer."""
        ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Release the connection, whatever state it is in."""
        ...

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read the group once."""
        ...

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield scans as the device pushes them (groups with mode `subscribe`).

        A scan without any tag (`reading.nothing_new`) says that the device answers and has nothing new: heartbeats come from it.
        """
        ...

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value and wait for the device's confirmation."""
        ...
