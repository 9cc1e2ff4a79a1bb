"""The driver of one GPIO chip's lines: states, counts and rates when polled, changes as they happen when pushed, outputs read back.

Room: ground. Made by `factory.py`, asked by the runtime. Starts no task and imports no GPIO library: the chip that it opens is given to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.gpio.chip import OpenChip, Watched
from drivers.gpio.config import Address, DeviceOptions, watched_with
from drivers.gpio.kept_counts import KeptCounts
from drivers.gpio.lines import Lines
from drivers.gpio.stream import Sample, Stream, partial_scan
from drivers.memory import Memory
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new

open_s: Final = 1.0
"""What entering and subscribing wait for the chip."""
answer_s: Final = 0.05
"""What a read keeps of its deadline to return in."""
beat_s_min: Final = 0.1
"""A pushed group looks at its lines, besides their edges, no more often than this."""


class GpioDriver:
    """One device's lines. See `drivers.driver.Driver` for the contract."""

    def __init__(
        self, name: str, options: DeviceOptions, open_chip: OpenChip, clock: Clock, memory: Memory, *, only_looks: bool = False
    ) -> None:
        """Describe the lines; opens nothing. `only_looks`: outputs are neither set nor made safe (`drivers.shared`)."""
        self._name, self._options, self._open_chip, self._clock = name, options, open_chip, clock
        self._memory, self._only_looks = memory, only_looks
        self._inside: Lines | None = None
        self._wanted: dict[int, tuple[TagGroup, dict[str, Watched]]] = {}
        """Group -> the edges that its tags need of each line."""

    async def __aenter__(self) -> Self:
        """Take the lines, outputs at their safe level. A chip that is not there is tried again by reads."""
        kept = KeptCounts(self._memory, self._clock)
        self._inside = Lines(self._options, self._open_chip, self._clock, kept, self._name, only_looks=self._only_looks)
        try:
            await self._inside.open(asyncio.get_running_loop().time() + open_s)
        except DriverError:
            self._inside.forgive()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the lines back, outputs at their safe level unless they keep what they have."""
        lines, self._inside = self._inside, None
        if lines is not None:
            await lines.leave()

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Read the levels of the group's lines, and what was counted up to now.

        A line that cannot be had is bad; the group fails with the line's fault when none of its lines can be. Raises DriverError.
        """
        until = asyncio.get_running_loop().time() + max(0.0, deadline_s - min(answer_s, deadline_s / 4))
        lines = self._lines()
        await lines.open(until)
        samples = await self._samples(lines, group, until)
        return partial_scan(group, dict(enumerate(samples)), self._clock.wall_ms())

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield the present values, then each change with the time at which it happened; counts and rates once a period. Until cancelled.

        Raises DriverError when changes were lost (`notifications_lost`, `overflow`) or the chip is gone.
        """
        loop = asyncio.get_running_loop()
        lines, stream = self._lines(), Stream(group, self._options.queue_size)
        beat_s = max(group.period_ms / 1000, beat_s_min)
        await lines.open(loop.time() + open_s)
        lines.listeners.append(stream)
        try:
            while True:
                until = loop.time() + beat_s
                await lines.open(loop.time() + open_s)
                samples = await self._samples(lines, group, loop.time() + open_s, changes=True)
                yield stream.news(samples, self._clock.wall_ms()) or nothing_new(group, self._clock.wall_ms())
                while loop.time() < until:
                    for scan in await stream.take(until, self._clock.wall_ms()):
                        yield scan
        finally:
            lines.listeners.remove(stream)

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """Set an output and look whether it has the level; with `pulse_ms`, wait until it is back at its safe one.

        Raises DriverError: `write_not_supported`, `write_out_of_range`, `gpio_level_differs`, what the line's fault is, or `write_unknown`.
        """
        until = asyncio.get_running_loop().time() + deadline_s
        address = tag.address
        options = self._options.lines.get(address.line) if isinstance(address, Address) else None
        if self._only_looks or not tag.writable or options is None or options.use != "output" or not isinstance(address, Address):
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        if not isinstance(value, bool):
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value))
        lines = self._lines()
        await lines.open(until)
        if (fault := lines.faults.get(address.line)) is not None:
            raise fault.again()
        pulses = options.pulse_ms > 0 and value is not options.safe
        try:
            has = await lines.set(address.line, value, until)
            if has is not value:
                raise DriverError("gpio_level_differs", Status.BAD_DEVICE_FAILURE, line=address.line, wrote=_word(value), read=_word(has))
            if pulses:
                await asyncio.sleep(options.pulse_ms / 1000)
        finally:
            ended = lines.back_to_safe(address.line) if pulses and self._inside is lines else None
        if pulses and ended is None:
            raise DriverError("write_unknown", Status.BAD_COMMUNICATION_ERROR, reason="connection_lost")
        if ended is not None:
            await _ended(ended, until)

    def _lines(self) -> Lines:
        if self._inside is None:
            raise RuntimeError("the driver has not been entered")
        return self._inside

    async def _samples(self, lines: Lines, group: TagGroup, until: float, *, changes: bool = False) -> list[Sample]:
        """Return a sample for each tag. `changes`: every edge of a line whose state is shown has to be seen. Raises DriverError."""
        wanted = self._edges(group)
        if wanted and all(name in lines.faults for name in wanted):
            raise next(lines.faults[name] for name in wanted).again()
        shown = {tag.address.line for tag in group.tags if isinstance(tag.address, Address) and tag.address.shows == "state"}
        needed: dict[str, Watched] = {name: "both" if changes and name in shown else edges for name, edges in wanted.items()}
        await lines.watch(needed, until)
        levels = await lines.levels(wanted, until)
        return [self._sample(lines, tag, levels) for tag in group.tags]

    def _edges(self, group: TagGroup) -> Mapping[str, Watched]:
        """Return the lines of a group with the edges that its counts need."""
        known = self._wanted.get(group.uid)
        if known is not None and known[0] is group:
            return known[1]
        wanted: dict[str, Watched] = {}
        for address in (tag.address for tag in group.tags):
            if isinstance(address, Address) and address.line in self._options.lines:
                edges = "none" if address.shows == "state" else self._options.lines[address.line].count
                wanted[address.line] = watched_with(edges, wanted.get(address.line, "none"))
        self._wanted[group.uid] = group, wanted
        return wanted

    def _sample(self, lines: Lines, tag: Tag, levels: Mapping[str, bool]) -> Sample:
        address = tag.address
        if not isinstance(address, Address) or address.line not in self._options.lines:
            return None, Status.BAD_CONFIGURATION_ERROR, None
        if address.line not in levels:
            fault = lines.faults.get(address.line)
            return None, fault.status if fault is not None else Status.BAD_NOT_CONNECTED, None
        if address.shows == "state":
            return levels[address.line], 0, None
        count = lines.counted(address.line)
        if count is None:
            return None, Status.BAD_NOT_SUPPORTED, None
        if address.shows == "count":
            # How many were lost is not certain: said until the count is forgotten or the driver starts again.
            value = address.scaling.apply(count.total)
            return _typed(value, tag), Status.UNCERTAIN if count.is_doubtful else 0, None
        rate = count.rate(lines.now_ns(), address.window_ns)
        if rate is None:
            return None, Status.BAD_WAITING_FOR_INITIAL_DATA, None
        return address.scaling.apply(rate), 0, None


def _typed(value: float, tag: Tag) -> Value:
    return float(value) if tag.type == "float64" else value


def _word(level: bool) -> str:
    return "true" if level else "false"


async def _ended(ended: asyncio.Future[None], until: float) -> None:
    """Wait for the end of a pulse. Raises DriverError when it is not known to have ended."""
    try:
        async with asyncio.timeout_at(until):
            await asyncio.shield(ended)
    except (TimeoutError, OSError):
        raise DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_answer") from None
