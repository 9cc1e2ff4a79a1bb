"""The lines of one device: taken, watched, read, set and given back; lost ones are tried again.

Room: ground, driver `gpio`. `driver.py` asks, groups that are pushed listen. Calls to the chip run in the worker's thread (`taking.py`);
edges are taken on the event loop, some at a time and with pauses, so that a line that flutters costs a bounded share of it. It starts no
task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from drivers.driver import Clock, DriverError
from drivers.gpio.chip import Chip, Edge, Line, OpenChip, Watched
from drivers.gpio.config import DeviceOptions, LineOptions, watched_with
from drivers.gpio.counting import PulseCount
from drivers.gpio.debounce import Debounce
from drivers.gpio.kept_counts import KeptCounts
from drivers.gpio.taking import Taken, give_back, set_and_read, take, watch
from drivers.gpio.worker import Worker
from drivers.pause import ConnectPause
from drivers.reading import Status

T = TypeVar("T")

turn_edges_max: Final = 256
"""Edges of a line that are taken in one turn of the event loop."""
flutter_pause_s: Final = 0.02
"""How long a line with more edges than that is left alone."""
drain_turns_max: Final = 4
close_s: Final = 1.0
"""How long leaving waits for a chip that hangs."""


class Listener(Protocol):
    """Who is told of changes. Calls return at once and raise nothing."""

    def changed(self, line: str, level: bool, source_ms: int) -> None:
        """A line changed at this wall time."""
        ...

    def failed(self, fault: DriverError) -> None:
        """Changes may be missing from here on."""
        ...


@dataclass(slots=True)
class Held:
    """One line that is taken. `timer` is its debounce's."""

    line: Line
    options: LineOptions
    watched: Watched = "none"
    count: PulseCount | None = None
    debounce: Debounce | None = None
    timer: asyncio.TimerHandle | None = None
    is_paused: bool = False


class Lines:
    """See the module's text. All calls are of the event loop's thread."""

    def __init__(self, options: DeviceOptions, open_chip: OpenChip, clock: Clock, kept: KeptCounts, name: str, *, only_looks: bool) -> None:
        """Describe the lines; opens nothing. `only_looks`: outputs are neither set nor made safe."""
        self.faults: dict[str, DriverError] = {}
        """Line -> why it could not be taken."""
        self.listeners: list[Listener] = []
        self._options, self._open_chip, self._clock, self._kept = options, open_chip, clock, kept
        self._only_looks = only_looks
        self._worker = Worker(f"gpio {name}")
        self._chip: Chip | None = None
        self._held: dict[str, Held] = {}
        self._opening: asyncio.Future[Taken] | None = None
        self._opening_on: Chip | None = None
        self._unclaimed: Taken | None = None
        """What the thread took and the event loop has not seen yet."""
        self._pause, self._line_pause = ConnectPause(clock), ConnectPause(clock)
        self._place: dict[str, str | int] = {"chip": options.chip or options.backend}

    async def open(self, until: float) -> None:
        """Have the chip and every line that can be had. Raises DriverError when the chip cannot be opened; `faults` says it of lines."""
        if self._opening is None:
            if self._chip is None:
                self._pause.begin(self._place)
            elif not self.faults or not _is_due(self._line_pause, self._place):
                return
            known, missing = self._chip, [name for name in self._options.lines if name not in self._held]
            self._opening_on = known
            self._opening = self._worker.post(lambda: self._take(known, missing))
        opening = self._opening
        await asyncio.wait((opening,), timeout=max(0.0, until - asyncio.get_running_loop().time()))
        if not opening.done():
            raise self._silence()
        if self._opening is opening:
            self._opening = None
            self._adopt(opening)
        if self._chip is None:
            raise _fault_of(opening) or self._lost()

    def forgive(self) -> None:
        """Let the next `open` try at once."""
        self._pause.succeeded()

    async def watch(self, wanted: Mapping[str, Watched], until: float) -> None:
        """See these edges of these lines from now on, besides those of before. Lines that are not there are passed over."""
        for name, edges in wanted.items():
            held = self._held.get(name)
            if held is None or held.options.use == "output":
                continue
            has_debounce = held.options.debounce_ms > 0 and not held.line.debounces
            needed: Watched = "both" if has_debounce else watched_with(held.watched, edges)
            if needed != held.watched:
                level = await self._do(_watching(held.line, needed), until)
                self._begin(name, held, needed, level=level, has_debounce=has_debounce)

    async def levels(self, names: Iterable[str], until: float) -> dict[str, bool]:
        """Return the levels of those lines that are there; every edge before that has been counted. Raises DriverError."""
        held = {name: self._held[name] for name in names if name in self._held}
        found = await self._do(lambda: {name: each.line.get() for name, each in held.items()}, until)
        for name, each in held.items():
            self._drain(name, each)
            if self._held.get(name) is not each:
                raise self._lost()
            if each.debounce is not None:
                self._settle(name, each)
                found[name] = each.debounce.level
        self._kept.turn()
        return found

    async def set(self, name: str, level: bool, until: float) -> bool:
        """Set an output and return its level as the chip reads it back. Raises DriverError, `write_unknown` once it has begun."""
        line = self._held[name].line
        return await self._do(lambda: set_and_read(line, level), until, changes=True)

    def back_to_safe(self, name: str) -> asyncio.Future[None] | None:
        """Set an output to its safe level after what is under way; None when the line is gone."""
        held = self._held.get(name)
        return None if held is None else self._worker.post(lambda: held.line.set(held.options.safe is True))

    def counted(self, name: str) -> PulseCount | None:
        """Return what a line has counted."""
        held = self._held.get(name)
        return held.count if held else None

    def now_ns(self) -> int:
        """Return the time of the clock that edges are stamped with."""
        return self._chip.now_ns() if self._chip is not None else 0

    async def leave(self) -> None:
        """Give every line back, outputs at their safe level. Waits no longer than `close_s` for a chip that hangs."""
        lines, chip = self._let_go()
        self._kept.save()
        closing = self._worker.post(lambda: self._close(lines, chip))
        self._worker.end()
        await asyncio.wait((closing,), timeout=close_s)

    def _take(self, chip: Chip | None, missing: list[str]) -> Taken:
        """Runs in the worker's thread."""
        self._unclaimed = take(self._options, self._open_chip, chip, missing, only_looks=self._only_looks)
        return self._unclaimed

    def _close(self, lines: list[tuple[Line, LineOptions | None]], chip: Chip | None) -> None:
        """Runs in the worker's thread, after everything else there."""
        unclaimed = self._unclaimed
        if unclaimed is not None:
            lines = lines + [(line, self._ends_as(self._options.lines[name])) for name, line in unclaimed.lines.items()]
        give_back(lines, unclaimed.chip if chip is None and unclaimed is not None else chip)

    def _adopt(self, opening: asyncio.Future[Taken]) -> None:
        self._unclaimed = None
        if opening.exception() is not None:
            if self._chip is not None:
                self._break()
            return
        taken = opening.result()
        if self._chip is not self._opening_on:  # it broke meanwhile
            self._worker.post(lambda: give_back([(line, None) for line in taken.lines.values()], None))
            return
        self._pause.succeeded()
        self._chip, self.faults = taken.chip, taken.faults
        self._held |= {name: Held(line, self._options.lines[name]) for name, line in taken.lines.items()}
        if not taken.faults:
            self._line_pause.succeeded()

    def _begin(self, name: str, held: Held, watched: Watched, *, level: bool, has_debounce: bool) -> None:
        """Take the edges of a line from now on."""
        if self._held.get(name) is not held:
            raise self._lost()
        if held.watched == "none":
            held.count = self._kept.resume(name, held.options.count, self.now_ns(), level=level)
            asyncio.get_running_loop().add_reader(held.line.fd, self._ready, name, held)
        else:
            self._drain(name, held)  # of the kind that was watched alone, one comes after the other
            if self._held.get(name) is not held:
                raise self._lost()
            if held.count is not None:
                held.count.watched_anew(level=level)
        if has_debounce:
            held.debounce = Debounce(round(held.options.debounce_ms * 1e6), level)
        held.watched = watched

    def _ready(self, name: str, held: Held) -> None:
        """Edges are there."""
        if self._take_edges(name, held) == turn_edges_max and self._held.get(name) is held:
            loop = asyncio.get_running_loop()
            loop.remove_reader(held.line.fd)
            held.is_paused = True
            loop.call_later(flutter_pause_s, self._go_on, name, held)

    def _go_on(self, name: str, held: Held) -> None:
        if held.is_paused and self._held.get(name) is held:
            held.is_paused = False
            asyncio.get_running_loop().add_reader(held.line.fd, self._ready, name, held)

    def _drain(self, name: str, held: Held) -> None:
        """Take what has come so far, also from a line that is left alone: a read sees every edge that the kernel kept before it."""
        if held.watched != "none":
            for _ in range(drain_turns_max):
                if self._take_edges(name, held) < turn_edges_max:
                    break

    def _take_edges(self, name: str, held: Held) -> int:
        try:
            edges = held.line.take(turn_edges_max)
        except OSError:
            self._break()
            return 0
        for edge in edges:
            if held.debounce is None:
                self._changed(name, held, edge)
            else:
                for settled in held.debounce.take(edge):
                    self._changed(name, held, settled)
        if held.debounce is not None:
            self._settle(name, held)
        return len(edges)

    def _settle(self, name: str, held: Held) -> None:
        """Let a level that has stayed count, and look again when the next one may."""
        if held.debounce is None or self._held.get(name) is not held:
            return
        now_ns = self.now_ns()
        for settled in held.debounce.settle(now_ns):
            self._changed(name, held, settled)
        if held.timer is not None:
            held.timer.cancel()
        due_ns = held.debounce.due_ns
        loop = asyncio.get_running_loop()
        held.timer = None if due_ns is None else loop.call_later(max(0, due_ns - now_ns) / 1e9, self._settle, name, held)

    def _changed(self, name: str, held: Held, edge: Edge) -> None:
        lost = held.count.take(edge, held.watched) if held.count is not None else 0
        source_ms = self._clock.wall_ms() - max(0, self.now_ns() - edge.at_ns) // 1_000_000
        for listener in self.listeners:
            if lost:
                listener.failed(DriverError("notifications_lost", Status.BAD_COMMUNICATION_ERROR, count=lost))
            listener.changed(name, edge.is_on, source_ms)

    async def _do(self, call: Callable[[], T], until: float, *, changes: bool = False) -> T:
        """Run a call in the thread. A chip that fails is given back and its listeners hear of it. Raises DriverError."""
        silence = self._silence()
        unknown = DriverError("write_unknown", Status.BAD_TIMEOUT, reason="no_answer")
        try:
            return await self._worker.do(call, until, waiting=silence, begun=unknown if changes else silence)
        except OSError as error:
            self._break()
            if changes:
                raise DriverError("write_unknown", Status.BAD_COMMUNICATION_ERROR, reason="connection_lost") from error
            raise self._lost() from error

    def _break(self) -> None:
        """The chip is gone, or fails: give it back; the next `open` begins anew, at once the first time."""
        lines, chip = self._let_go()
        for listener in self.listeners:
            listener.failed(self._lost())
        self._worker.post(lambda: give_back([(line, None) for line, _ in lines], chip))

    def _let_go(self) -> tuple[list[tuple[Line, LineOptions | None]], Chip | None]:
        """Take no more edges, forget the lines and return them."""
        loop = asyncio.get_running_loop()
        for held in self._held.values():
            if held.watched != "none" and not held.is_paused:
                loop.remove_reader(held.line.fd)
            if held.timer is not None:
                held.timer.cancel()
        lines: list[tuple[Line, LineOptions | None]] = [(held.line, self._ends_as(held.options)) for held in self._held.values()]
        chip, self._chip, self._held, self.faults = self._chip, None, {}, {}
        return lines, chip

    def _ends_as(self, options: LineOptions) -> LineOptions | None:
        """Return what says how a line is left; None: as it is."""
        return None if self._only_looks else options

    def _lost(self) -> DriverError:
        return DriverError("connection_lost", Status.BAD_NOT_CONNECTED, **self._place)

    def _silence(self) -> DriverError:
        return DriverError("no_answer", Status.BAD_TIMEOUT, **self._place)


def _fault_of(opening: asyncio.Future[Taken]) -> DriverError | None:
    """Return what the driver's own words for a failed opening are; a fault of ours goes through as it is."""
    error = opening.exception()
    if error is None or isinstance(error, OSError):
        return None
    if isinstance(error, DriverError):
        return error.again()
    raise error


def _watching(line: Line, edges: Watched) -> Callable[[], bool]:
    return lambda: watch(line, edges)


def _is_due(pause: ConnectPause, place: dict[str, str | int]) -> bool:
    """Tell whether the pause is over; begins the next one."""
    try:
        pause.begin(place)
    except DriverError:
        return False
    return True
