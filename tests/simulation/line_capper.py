"""The capper's nodes as an OPC UA client of the sim board gets them: values with status and the device's own time, changes in order.

Room: tests. `sim_line.py` asks it. Node rows, statuses and stamps are those of `boards/sim/opcua_server.py`; rounds are the driver's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from boards.sim.opcua_server import INT, NODES, REAL
from drivers.opcua.codec import Sample, scan_of, scans_of
from drivers.opcua.config import Address
from drivers.opcua.plan import address_of
from drivers.reading import Scan, Status, TagGroup, nothing_new

if TYPE_CHECKING:
    from tests.simulation.sim_line import Line

ROWS: Final = {f"ns=2;s=Capper.{row.path}": row for row in NODES}
TYPES: Final = {"int": int, "float32": float, "float64": float, "text": str, "bool": bool}


class Sampled:
    """One group's nodes, and what changed since the last notification."""

    def __init__(self, line: Line, group: TagGroup) -> None:
        """The first look finds everything changed."""
        self._line, self._group = line, group
        addresses: list[Address] = [address_of(tag) for tag in group.tags]
        self._rows = [ROWS[address.node] for address in addresses]
        self._types = [TYPES[address.type] for address in addresses]
        self._kept: dict[str, Any] = {}
        self._last: list[tuple[Any, int] | None] = [None] * len(self._rows)
        self._stamps = [0] * len(self._rows)
        """When each value changed, by the device's clock."""
        self._changes: list[tuple[int, Sample]] = []
        self._glance: tuple[Any, ...] | None = None

    def look(self, at_ms: int) -> None:
        """Note what differs from the last look, at a wall time. Most looks come between two caps and find nothing at a glance."""
        capper, view = self._line.plant.capper, self._line.views["capper"]
        glance = capper.caps_total, capper.speed, capper.state, capper.caps_bad_total, capper.alarm, capper.uptime_s < 1
        if glance == self._glance and not view.faults.active:
            return
        self._glance = glance if not view.faults.active else None
        shown, stamp_ms = view.shown(), at_ms + round(view.faults.clock_offset_s() * 1000)
        for place, row in enumerate(self._rows):
            new = self._value(row, shown[row.signal])
            if new != self._last[place]:
                self._last[place] = new
                self._changes.append((place, (*new, stamp_ms, stamp_ms)))

    def notified(self) -> list[Scan]:
        """Return the scans of a notification, one that is empty when nothing changed."""
        changes, self._changes = self._changes, []
        read_ms = self._line.clock.wall_ms()
        return scans_of(self._group, self._types, changes, read_ms) if changes else [nothing_new(self._group, read_ms)]

    def polled(self) -> Scan:
        """Return all nodes as they are now. The board stamps a value when it changes, one that can be written when it is read."""
        view = self._line.views["capper"]
        shown, now_ms = view.shown(), round(view.clock_s() * 1000)
        samples: list[Sample] = []
        for place, row in enumerate(self._rows):
            new = self._value(row, shown[row.signal])
            if new != self._last[place] or row.writable:
                self._last[place], self._stamps[place] = new, now_ms
            samples.append((*new, self._stamps[place], now_ms))
        return scan_of(self._group, self._types, samples, self._line.clock.wall_ms())

    def _value(self, row: Any, value: Any) -> tuple[Any, int]:
        if value is None:
            if row.path not in self._kept:
                return None, int(Status.BAD_WAITING_FOR_INITIAL_DATA)
            return self._kept[row.path], int(Status.UNCERTAIN_LAST_USABLE_VALUE)
        if row.kind is REAL:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        elif row.kind is INT:
            value = int(value)
        self._kept[row.path] = value
        return value, 0
