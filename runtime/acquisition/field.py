"""All devices' pollers together: started, changed and stopped by name, each alone under the supervisor.

Room: hall, acquisition. `app` runs it and calls `prepare` and `apply` with each revision. A device that a revision does not touch
is left alone; one whose connection options stay is given its new groups at its next scan boundary; only the others are stopped and
started.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from drivers.abilities import Caller, Enterable, LineSource, OnLine, RegisterSource, Resolving, Rounder, Running
from drivers.driver import Driver, DriverError
from drivers.reading import Scan, Status, Tag, TagGroup, Value, failed_scan
from ledger_client.kinds import ClockState
from runtime.acquisition.checks import marked_alone
from runtime.acquisition.governor import Governor
from runtime.acquisition.grid import Together
from runtime.acquisition.poller import GRACE_S, WAITING, DeviceCounts, DevicePoller, ScanSink
from runtime.clock import Clock
from runtime.points import DevicePoints
from runtime.supervisor import Supervisor

MakeDriver = Callable[[DevicePoints], Driver]
ASKED_S_MAX: Final = 5.0
"""A person waits for a read besides the polls, and an end of the core for a command under way: no device has more time for one."""

LOOK_UID: Final = -(1 << 40)
"""A look at a group has a uid of its own, below this: above are those of single tags. See `read`."""


class Field:
    """The devices that are polled now. `pollers` is keyed by device name."""

    def __init__(
        self, sink: ScanSink, clock: Clock, make_driver: MakeDriver, supervisor: Supervisor, governor: Governor | None = None
    ) -> None:
        self._sink, self._clock, self._make_driver, self._supervisor = sink, clock, make_driver, supervisor
        self._governor, self._together = governor or Governor(), Together()
        self.pollers: dict[str, DevicePoller] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Poll until `stop`; every poller has ended when this returns."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for poller in self.pollers.values():
                self._start(poller)
            await self._stopping.wait()
            self._group = None
            for task in self._tasks.values():
                task.cancel()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def prepare(self, devices: Mapping[str, DevicePoints]) -> dict[str, Driver]:
        """Make the drivers that these devices need anew. Raises DriverError; nothing has changed yet."""
        fresh: dict[str, Driver] = {}
        for name, points in devices.items():
            poller = self.pollers.get(name)
            if poller is None or not poller.points.config.same_connection(points.config):
                fresh[name] = self._make_driver(points)
        return fresh

    def apply(self, devices: Mapping[str, DevicePoints], drivers: Mapping[str, Driver]) -> None:
        """Poll these devices from now on; `drivers` is what `prepare` gave for them."""
        self._governor.begin_anew()
        fresh = {
            name: DevicePoller(devices[name], driver, self._sink, self._clock, self._governor, self._together)
            for name, driver in drivers.items()
        }
        for name in self.pollers.keys() - devices.keys() | fresh.keys() & self.pollers.keys():
            self._drop(name)
        for name, points in devices.items():
            if name in fresh:
                self.pollers[name] = fresh[name]
                self._start(fresh[name])
            elif self.pollers[name].points is not points:
                self.pollers[name].replace(points)
        self._together.decide(self._polled())

    def _polled(self) -> Iterator[tuple[TagGroup, bool]]:
        """Yield the polled groups, and whether nothing else waits for the same device or line. Without a line nobody knows."""
        lines = {name: poller.driver.line_key for name, poller in self.pollers.items() if isinstance(poller.driver, OnLine)}
        devices_on = Counter(lines.values())
        for name, poller in self.pollers.items():
            groups = [group for group in poller.points.groups if group.mode == "poll"]
            is_alone = len(groups) == 1 and name in lines and devices_on[lines[name]] == 1
            yield from ((group, is_alone) for group in groups)

    def counts(self) -> dict[str, DeviceCounts]:
        """Return what health shows, by device name."""
        return {name: poller.counts for name, poller in self.pollers.items()}

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value through a device's connection. Raises DriverError, `device_unknown` for a device that is not polled."""
        await self._driver(device).write(tag, value, deadline_s)

    def sent(self, device: str, tag: Tag, value: Value) -> Value:
        """Return what a write of a value really sends, the value itself where the driver cannot say. Raises DriverError."""
        driver = self._driver(device)
        return driver.sent(tag, value) if isinstance(driver, Rounder) else value

    def resolution(self, device: str, tag: Tag, value: Value) -> float | None:
        """Return how far a value that a device kept may read from what was sent; None where the driver cannot say. Raises DriverError."""
        driver = self._driver(device)
        return driver.resolution(tag, value) if isinstance(driver, Resolving) else None

    def runs(self, device: str, tag: Tag) -> bool:
        """Tell whether a tag's value is the time of a clock that goes on by itself. Raises DriverError."""
        driver = self._driver(device)
        return isinstance(driver, Running) and driver.runs(tag)

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        """Read one tag now, besides its group's polls. Raises DriverError.

        A device whose scans may take longer than `deadline_s` has that time here, too, up to ASKED_S_MAX.
        """
        # Drivers tell groups apart by uid: one of the configuration's is never negative.
        alone = TagGroup(-1 - tag.uid, device, f"read back {tag.name}", 1000, (tag,))
        return await self._driver(device).read(alone, self._time_s(device, deadline_s))

    async def look(self, group: TagGroup, deadline_s: float) -> tuple[Scan, Mapping[str, Any]]:
        """Read a group, or some tags of one, now, besides its polls; return what would be recorded of it, and the params of its cause.

        A device whose scans may take longer than `deadline_s` has that time here, too. One that cannot be read is a failed scan: while it
        rests from a failed connection, or cannot be opened, with why. Raises DriverError `device_unknown`.
        """
        driver, poller = self._driver(group.device), self.pollers[group.device]
        points = poller.points  # as they are now: an edit may take tags away while the device answers
        until_s, was_entered = max(deadline_s, points.config.timeout_s), poller.is_entered
        uid = -1 - group.tags[0].uid if len(group.tags) == 1 else LOOK_UID - group.uid
        alone = TagGroup(uid, group.device, group.name, group.period_ms, group.tags, group.mode)
        try:
            async with asyncio.timeout(until_s + GRACE_S):
                scan = await driver.read(alone, until_s)
        except TimeoutError:
            fault = DriverError("no_answer", Status.BAD_TIMEOUT, timeout_ms=round(until_s * 1000))
        except DriverError as error:
            fault = error
        except RuntimeError:  # of a driver that could not be entered; of any other it is a fault of its own
            if was_entered or poller.counts.cause is None:
                raise
            fault = DriverError(WAITING, Status.BAD_NOT_CONNECTED)
        else:
            return marked_alone(points, scan, lambda: self._clock.state() != ClockState.UNSET), {}
        cause, params = fault.cause, dict(fault.params)
        if cause == WAITING and poller.counts.cause is not None:
            cause, params = poller.counts.cause, dict(poller.counts.params)
        return failed_scan(group, self._clock.wall_ms(), fault.status, cause), params

    async def call(self, device: str, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        """Call a method through a device's connection. Raises DriverError, `call_not_supported` where the driver has none."""
        driver = self._driver(device)
        if not isinstance(driver, Caller):
            raise DriverError("call_not_supported", device=device)
        return await driver.call(owner, method, arguments, deadline_s)

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Look at raw registers through a device's connection. Raises DriverError, `registers_not_supported` where it has none."""
        driver = self._driver(device)
        if not isinstance(driver, RegisterSource):
            raise DriverError("registers_not_supported", device=device)
        return await driver.registers(table, start, count, deadline_s)

    def judge_entered(self, tag: Tag, value: Value, by: str, taken_ms: int | None) -> Value:
        """Return what was entered as a value of its tag's type. Raises DriverError, `enter_not_supported` where nobody enters anything."""
        return self._enterable(tag.device).judge(tag, value, by, taken_ms)

    def enter(self, tag: Tag, value: Value, taken_ms: int | None) -> None:
        """Take a judged value as a reading; live and evidence have it when this returns. Raises DriverError as `judge_entered`."""
        driver, poller = self._enterable(tag.device), self.pollers[tag.device]
        group = next((group for group in poller.points.groups if tag in group.tags), None)
        if group is None:
            raise DriverError("device_unknown", device=tag.device)
        for scan in driver.enter(group, tag, value, taken_ms):
            poller.give(scan)

    def overdue(self, now_ms: int) -> list[tuple[str, int]]:
        """Return (`device/tag`, by when) of values that people should have entered by now, the longest overdue first."""
        found = []
        for name, poller in self.pollers.items():
            if isinstance(poller.driver, Enterable):
                dues = ((tag, poller.driver.due(tag)) for group in poller.points.groups for tag in group.tags)
                found += [(f"{name}/{tag.name}", due_ms) for tag, due_ms in dues if due_ms is not None and due_ms < now_ms]
        return sorted(found, key=lambda each: (each[1], each[0]))

    def _enterable(self, device: str) -> Enterable:
        driver = self._driver(device)
        if not isinstance(driver, Enterable):
            raise DriverError("enter_not_supported", device=device)
        return driver

    async def probe(self, device: str, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Look at raw registers of another unit on a device's line. Raises DriverError."""
        return await self._line_source(device).probe(unit, table, start, count, deadline_s)

    async def identify(self, device: str, unit: int | None, deadline_s: float) -> dict[str, str]:
        """Ask a device, or another unit on its line, what it is. Raises DriverError."""
        return await self._line_source(device).identify(unit, deadline_s)

    def _line_source(self, device: str) -> LineSource:
        driver = self._driver(device)
        if not isinstance(driver, LineSource):
            raise DriverError("registers_not_supported", device=device)
        return driver

    def _time_s(self, device: str, deadline_s: float) -> float:
        poller = self.pollers.get(device)
        return max(deadline_s, min(poller.points.config.timeout_s, ASKED_S_MAX)) if poller is not None else deadline_s

    def _driver(self, device: str) -> Driver:
        poller = self.pollers.get(device)
        if poller is None:
            raise DriverError("device_unknown", device=device)
        return poller.driver

    def _start(self, poller: DevicePoller) -> None:
        if self._group is not None:
            name = f"device {poller.points.name}"
            self._tasks[poller.points.name] = self._group.create_task(self._supervisor.keep(name, poller.run), name=name)

    def _drop(self, name: str) -> None:
        del self.pollers[name]
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
