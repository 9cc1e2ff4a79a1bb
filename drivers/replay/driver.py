"""A device made of a capture: every read gets the next captured scan of its group, faults included.

Room: ground. Made by `factory.py`, asked by the runtime, by tests and by fault reports. Needs no device and no network.

Times keep their distances: the first captured scan is read at the moment when the driver is opened, all others as much
later as they were, divided by `speed`. A captured scan with a cause comes back as the DriverError that it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from drivers.capture import ScanReader
from drivers.driver import Clock, DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from drivers.replay.config import Address, DeviceOptions

size_bytes_max: Final = 64 << 20
"""A capture is held in memory while it plays."""
round_gap_ms: Final = 1000
"""Captured time between the last scan and the first of the next round."""


class ReplayDriver:
    """One captured device. See `drivers.driver.Driver` for the contract."""

    def __init__(self, options: DeviceOptions, clock: Clock) -> None:
        """Describe the replay; opens nothing."""
        self._options = options
        self._clock = clock
        self._scans: dict[str, list[Scan]] = {}
        self._played: dict[str, int] = {}
        self._first_ms = 0
        self._last_ms = 0
        self._started_ms = 0

    async def __aenter__(self) -> Self:
        """Load the capture. Raises DriverError `capture_unreadable`."""
        scans = await asyncio.to_thread(_load, self._options.file)
        self._scans = {}
        for scan in scans:
            self._scans.setdefault(scan.group.name, []).append(scan)
        times = [scan.read_ms for scan in scans] or [0]
        self._first_ms, self._last_ms = min(times), max(times)
        self._started_ms = self._clock.wall_ms()
        self._played = {}
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Forget the capture."""
        self._scans = {}

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Return the next captured scan of the group of this name. Raises what the capture holds, or `capture_ended`.

        A read besides the polls (its group's uid is negative) gets the last one that was played, and none is passed over by it.
        """
        return self._next(group) if group.uid >= 0 else self._played_last(group)

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield the captured scans at their distances in time, until the capture ends or holds a fault."""
        before_ms = self._started_ms
        while True:
            scan = self._next(group)
            await asyncio.sleep(max(0, scan.read_ms - before_ms) / 1000)
            before_ms = scan.read_ms
            yield scan

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """The past cannot be written. Raises DriverError `write_not_supported`."""
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)

    def _next(self, group: TagGroup) -> Scan:
        captured = self._scans.get(group.name, [])
        played = self._played.get(group.name, 0)
        if not captured or (played >= len(captured) and not self._options.loop):
            raise DriverError("capture_ended", Status.BAD_NO_COMMUNICATION, group=group.name)
        self._played[group.name] = played + 1
        return self._scan_at(group, captured, played)

    def _played_last(self, group: TagGroup) -> Scan:
        captured = self._scans.get(group.name, [])
        if not captured:
            raise DriverError("capture_ended", Status.BAD_NO_COMMUNICATION, group=group.name)
        return self._scan_at(group, captured, max(0, self._played.get(group.name, 0) - 1))

    def _scan_at(self, group: TagGroup, captured: list[Scan], played: int) -> Scan:
        rounds, at = divmod(played, len(captured))
        scan = captured[at]
        into_ms = scan.read_ms - self._first_ms + rounds * (self._last_ms - self._first_ms + round_gap_ms)
        read_ms = self._started_ms + round(into_ms / self._options.speed)
        if scan.cause is not None:
            status = next((status for status in scan.statuses or () if status), int(Status.BAD))
            raise DriverError(scan.cause, status)
        return _renamed(scan, group, read_ms)


def _renamed(scan: Scan, group: TagGroup, read_ms: int) -> Scan:
    """Return the captured scan in the columns of the asking group. Tags that the capture lacks are bad."""
    places = {tag.name: place for place, tag in enumerate(scan.group.tags)}
    wanted = [places.get(_captured_name(tag)) for tag in group.tags]
    values = [None if place is None else scan.values[place] for place in wanted]
    statuses = [
        int(Status.BAD_CONFIGURATION_ERROR) if place is None else (scan.statuses[place] if scan.statuses else 0) for place in wanted
    ]
    present = None if scan.present is None else [place is None or scan.present[place] for place in wanted]
    source_ms = None if scan.source_ms is None else read_ms + scan.source_ms - scan.read_ms
    return Scan(group, values, read_ms, statuses if any(statuses) else None, source_ms, present)


def _captured_name(tag: Tag) -> str:
    return tag.address.name if isinstance(tag.address, Address) else tag.name


def _load(file: str) -> list[Scan]:
    path = Path(file)
    try:
        if path.stat().st_size > size_bytes_max:
            raise DriverError("capture_unreadable", Status.BAD_CONFIGURATION_ERROR, file=file, detail=f"over {size_bytes_max} bytes")
        with path.open("rb") as opened:
            return list(ScanReader(opened, file))
    except OSError as error:
        raise DriverError("capture_unreadable", Status.BAD_CONFIGURATION_ERROR, file=file, detail=type(error).__name__) from error
