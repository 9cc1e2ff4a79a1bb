"""The rig of the conformance suite for GPIO: a chip that can be unplugged and can hang."""

from __future__ import annotations

from typing import Any

from drivers.driver import Driver
from drivers.gpio import factory
from drivers.gpio.config import DeviceOptions, parse_address
from drivers.gpio.driver import GpioDriver
from drivers.memory import ShortMemory
from drivers.reading import Tag, TagGroup, Value
from drivers.shared import Shared
from tests.rigs.clock import RunningClock
from tests.rigs.gpio import FakeBoard
from tests.rigs.gpio_sim import SimChip

LINES = {
    "door": {"line": "P0", "active_low": True},
    "meter": {"line": 1},
    "horn": {"line": 2, "use": "output", "safe": False},
}


def options(lines: dict[str, Any] | None = None, **more: Any) -> DeviceOptions:
    return DeviceOptions.model_validate({"chip": "bench", "lines": lines or LINES, **more})


def gpio_tag(n: int, line: str, kind: str = "bool", writable: bool = False, **raw: object) -> Tag:
    return Tag(n, f"t{n}", "dev", kind, "", parse_address({"line": line, **raw}), writable=writable)


class GpioRig:
    """A contact, a count and an output. A call of the chip has no answer that could be lost or late."""

    features = frozenset({"link", "set", "write", "push", "count"})

    def __init__(self) -> None:
        self.board = FakeBoard()
        tags = (gpio_tag(0, "door"), gpio_tag(1, "meter", "int", value="count"), gpio_tag(2, "horn", writable=True))
        self.group = TagGroup(1, "dev", "g", 50, tags)
        self.writable: Tag | None = tags[2]
        self.written: Value = True

    def make(self) -> Driver:
        return GpioDriver("dev", options(), self.board.open_chip, RunningClock(), ShortMemory())

    async def set_value(self, tag: Tag, value: Value) -> None:
        if tag.name == "t0":
            self.board.drive(0, level=not value)
        elif tag.name == "t2":
            self.board.pins[2].level = bool(value)
        else:
            self.board.pulse(1)

    async def get_value(self, tag: Tag) -> Value:
        return self.board.pins[2].level

    def writes(self) -> int:
        return len(self.board.pins[2].history)

    async def break_link(self) -> None:
        self.board.unplug()

    async def stall(self) -> None:
        self.board.running.clear()

    async def heal(self) -> None:
        self.board.present = True
        self.board.running.set()

    def connections(self) -> int:
        return self.board.opened + self.board.lines_taken()


class SimRig:
    """Such lines on a chip that the kernel simulates. It cannot be made to hang, and an output is the driver's own to set."""

    features = frozenset({"set", "write"})

    def __init__(self, sim: SimChip, **more: Any) -> None:
        self.chip = sim
        lines = {"door": {"line": 0, "active_low": True}, "meter": {"line": 1}, "horn": {"line": 2, "use": "output", "safe": False}}
        self.device = DeviceOptions.model_validate({"chip": sim.label, "lines": lines, **more})
        tags = (gpio_tag(0, "door"), gpio_tag(1, "meter", "int", value="count"))
        if self.device.backend == "rpi":
            tags = tags[:1]  # its edges come some ms later, by threads of the library: a count need not follow at once
        self.group = TagGroup(1, "dev", "g", 50, tags)
        self.writable: Tag | None = gpio_tag(2, "horn", writable=True)
        self.written: Value = True

    def make(self) -> Driver:
        return factory.make("dev", self.device, RunningClock(), Shared())

    async def set_value(self, tag: Tag, value: Value) -> None:
        if tag.name == "t0":
            self.chip.pull(0, level=not value)
        else:
            self.chip.pull(1, level=True)
            self.chip.pull(1, level=False)

    async def get_value(self, tag: Tag) -> Value:
        return self.chip.level(2)

    async def break_link(self) -> None: ...

    async def stall(self) -> None: ...

    async def heal(self) -> None: ...

    def connections(self) -> int:
        return 0
