"""How much of its line's time a device's tag groups take: what a driver tells before anything is polled.

Room: ground. A factory may have `line_load(device_options, groups)`; `registry.line_load` asks for it, and the runtime adds up what
devices on one line say. Figures only; nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupLoad:
    """One read of one group: its requests, and their bus time (us) with a device that answers at once and with a usual one."""

    requests: int
    least_us: int
    usual_us: int


@dataclass(frozen=True, slots=True)
class LineLoad:
    """What one device asks of its line. `key` is the same for all devices on the line, `line` what a person calls it.

    `is_certain`: the line itself is that slow (a serial one); else the figures are guesses about a network. `groups` runs parallel to
    the groups that were asked about.
    """

    key: tuple[str | int, ...]
    line: str
    is_certain: bool
    groups: tuple[GroupLoad, ...]


Addresses = Sequence[object]
"""The frozen addresses of one group's tags."""
