"""What the author of a driver gives the conformance suite: the driver, and a device that is under the author's hand.

Room: ground; shipped. Kept by the rig of each driver's tests, used by the checks of `conformance.py`; no part of the runtime knows it.
What not every device of a test can do stands in protocols of its own: a rig that has it says so in `features`.
"""

from __future__ import annotations

from typing import Protocol

from drivers.driver import Driver
from drivers.reading import Tag, TagGroup, Value


class Rig(Protocol):
    """A device under the author's control, and the driver for it. All times are real.

    `features` says what the rig can do: `link` (break_link, stall, heal), `set` (set_value), `write` (`writable` is a tag that
    the device accepts `written` for), `push` (the driver's subscribe works for `group`); and `count`, `lose`, `late`, for a rig that
    is a CountingRig, a LosingRig, a LateRig besides.
    """

    features: frozenset[str]
    group: TagGroup
    """At least one tag; all of them readable."""
    writable: Tag | None
    written: Value

    def make(self) -> Driver:
        """Return a new driver of the device, not entered."""
        ...

    async def set_value(self, tag: Tag, value: Value) -> None:
        """Give the tag another value, on the device."""
        ...

    async def get_value(self, tag: Tag) -> Value:
        """Return the value that the device itself has."""
        ...

    async def break_link(self) -> None:
        """Close the device's connections and refuse new ones."""
        ...

    async def stall(self) -> None:
        """Let the device accept everything and answer nothing."""
        ...

    async def heal(self) -> None:
        """Undo `break_link` and `stall`."""
        ...

    def connections(self) -> int:
        """Return how many connections the device has open."""
        ...


class CountingRig(Rig, Protocol):
    """Feature `count`: the device of the test knows what it was told to do."""

    def writes(self) -> int:
        """Return how many requests to write the device has carried out so far; those that it refused, and reads, are none."""
        ...


class LosingRig(Rig, Protocol):
    """Feature `lose`: an answer can get lost on the way, with nothing else to be seen of it."""

    def lose_answer(self) -> None:
        """Let the device carry out the next write as ever, and its answer never arrive. Connections stay open.

        The suite has read once before it calls this, and writes next; where the driver asks something before it writes, the rig
        has to let the answers to that through.
        """
        ...


class LateRig(Rig, Protocol):
    """Feature `late`: an answer can come after the question that it belongs to was given up."""

    def hold_answer(self) -> None:
        """Let the device answer the next read when it is asked, with what it has then, and hold that answer back.

        It goes out where it would have gone, to the same connection, port or line, right before the answer to the question after it.
        Nothing that comes later is held.
        """
        ...
