"""A station where people enter readings, or a serial gauge sends them: what was entered last of each tag, and what is overdue.

Room: ground, driver `manual`. Made by `factory.py`. The door's tenant `manual_entry` asks `judge` and `enter`; the runtime takes the scans
and makes them durable. It never makes up a value: an overdue one keeps its time and becomes uncertain.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from drivers.driver import Clock, DriverError
from drivers.manual.config import Address, DeviceOptions
from drivers.manual.entered import ahead_ms_max, judge_comma, judge_time, judged, part_of_line
from drivers.memory import Memory
from drivers.reading import Scan, Status, Tag, TagGroup, Value, nothing_new

look_s: Final = 5.0
"""How often it is looked whether something is overdue: said at most this much late."""
version: Final = 1


@dataclass(frozen=True, slots=True)
class Last:
    """What was entered last of a tag. `taken_ms` is the wall time at which it was measured."""

    value: Value
    taken_ms: int
    status: int = Status.GOOD


class ManualDriver:
    """See `drivers.driver.Driver` and `drivers.abilities.Enterable` for the contracts."""

    def __init__(self, options: DeviceOptions, clock: Clock, memory: Memory) -> None:
        """Begin with what the memory holds: last values of an earlier start, uncertain because nobody entered them since."""
        self._options, self._clock, self._memory = options, clock, memory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gauge")  # starts with its first job
        self._since_ms = clock.wall_ms()
        self._forgotten = memory.forgotten
        self._last = _recalled(memory)
        self._missing: set[int] = set()
        """Tags of which it was said that their first value is overdue."""

    async def __aenter__(self) -> Self:
        """Nothing to take; a gauge's port is opened by `subscribe`."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to release."""

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        """Return what was entered last of every tag, each with its own time."""
        self._look()
        rows = [self._last.get(tag.uid) for tag in group.tags]
        statuses = [int(row.status if row is not None else Status.BAD_WAITING_FOR_INITIAL_DATA) for row in rows]
        sources = [row.taken_ms if row is not None else None for row in rows]
        return _scan(
            group, range(len(rows)), [row.value if row is not None else None for row in rows], statuses, self._clock.wall_ms(), sources
        )

    async def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        """Yield what is known, what a gauge sends, and what becomes overdue. Raises DriverError when the gauge's port is gone."""
        from drivers.manual.gauge_port import GaugePort

        async with AsyncExitStack() as stack:
            gauge = self._options.gauge
            port = await stack.enter_async_context(GaugePort(gauge, self._clock, self._thread)) if gauge is not None else None
            known = [n for n, tag in enumerate(group.tags) if tag.uid in self._last]
            yield self._said_again(group, known) if known else nothing_new(group, self._clock.wall_ms())
            while True:
                overdue = self._overdue(group)
                if overdue is not None:
                    yield overdue
                if port is None:
                    await asyncio.sleep(look_s)
                elif (came := await port.line(look_s)) is not None:
                    yield self._measured(group, *came)
                    continue
                yield nothing_new(group, self._clock.wall_ms())

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        """People are not written to. Raises DriverError `write_not_supported`."""
        raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)

    def judge(self, tag: Tag, value: Value, by: str, taken_ms: int | None) -> Value:
        """See Enterable. Raises DriverError `enter_by`, `enter_time`, `enter_comma` and as `judged`."""
        address = _address(tag)
        if not by.strip() or len(by) > 64 or not by.isprintable() or (self._options.people and by not in self._options.people):
            raise DriverError("enter_by", Status.BAD_USER_ACCESS_DENIED, by=by[:64], people=", ".join(self._options.people)[:200])
        judge_time(taken_ms, self._clock.wall_ms(), address.late_ms)
        judge_comma(value, address, tag.exponent)
        return judged(value, address, tag.exponent)

    def enter(self, group: TagGroup, tag: Tag, value: Value, taken_ms: int | None) -> list[Scan]:
        """See Enterable. A value of the past, older than the newest one, is history: only recorded, and followed by the newest.

        The newest has a later read time then, if only by a millisecond, so that each of the two can be told, and proved, by its time.
        One with a time that is not over yet is older than any.
        """
        self._look()
        now_ms, place = self._clock.wall_ms(), group.tags.index(tag)
        scans = [_scan(group, [place], [value], [0], now_ms, [taken_ms])]
        newest = self._last.get(tag.uid)
        if taken_ms is not None and newest is not None and taken_ms < newest.taken_ms and not self._is_ahead(newest):
            scans[0].past = True
            return [*scans, self._said_again(group, [place], now_ms + 1)]
        self._note(tag, Last(value, taken_ms if taken_ms is not None else now_ms))
        return scans

    def due(self, tag: Tag) -> int | None:
        """See Enterable."""
        every_ms, row = _address(tag).every_ms, self._last.get(tag.uid)
        if every_ms is None:
            return None
        return every_ms + (row.taken_ms if row is not None and not self._is_ahead(row) else min(self._since_ms, self._clock.wall_ms()))

    def _is_ahead(self, last: Last) -> bool:
        """Tell whether a value has a time that is not over yet: the clock was wrong when it was entered, and nobody knows its time."""
        return last.taken_ms > self._clock.wall_ms() + ahead_ms_max

    def _said_again(self, group: TagGroup, places: Sequence[int], from_ms: int = 0) -> Scan:
        rows = [self._last[group.tags[n].uid] for n in places]
        sources = [row.taken_ms for row in rows]
        read_ms = max(from_ms, self._clock.wall_ms())
        return _scan(group, places, [row.value for row in rows], [int(row.status) for row in rows], read_ms, sources)

    def _overdue(self, group: TagGroup) -> Scan | None:
        """Return the tags whose next value is late and of which it was not said yet: their last values, uncertain; or none, bad."""
        self._look()
        now_ms = self._clock.wall_ms()
        late: list[tuple[int, Value, int, int | None]] = []
        for n, tag in enumerate(group.tags):
            due_ms, row = self.due(tag), self._last.get(tag.uid)
            if due_ms is None or now_ms <= due_ms:
                continue
            if row is not None and row.status == Status.GOOD:
                self._last[tag.uid] = Last(row.value, row.taken_ms, Status.UNCERTAIN_LAST_USABLE_VALUE)
                late.append((n, row.value, Status.UNCERTAIN_LAST_USABLE_VALUE, row.taken_ms))
            elif row is None and tag.uid not in self._missing:
                self._missing.add(tag.uid)
                late.append((n, None, Status.BAD_NO_DATA, None))
        if not late:
            return None
        places, values, statuses, sources = zip(*late, strict=True)
        return _scan(group, places, values, statuses, now_ms, sources)

    def _measured(self, group: TagGroup, at_ms: int, line: str | None) -> Scan:
        """Return what a gauge's line says. One that no tag's pattern fits is bad for every tag: nobody knows which it was about.

        So is None, a line that may be half of one.
        """
        places, values, statuses = list[int](), list[Value](), list[int]()
        for n, tag in enumerate(group.tags):
            address = _address(tag)
            part = part_of_line(line, address) if line is not None else None
            if part is None:
                continue
            value: Value = None
            status = Status.GOOD
            try:
                value = judged(part, address, tag.exponent)
                self._last[tag.uid] = Last(value, at_ms)  # not kept: a gauge may send each second, and flash wears
                self._missing.discard(tag.uid)
            except DriverError as error:
                if error.cause == "pattern_slow":  # not this line's fault
                    raise
                status = Status.BAD_DECODING_ERROR if error.cause == "enter_type" else Status.BAD_OUT_OF_RANGE
            places, values, statuses = [*places, n], [*values, value], [*statuses, int(status)]
        if not places:
            count = len(group.tags)
            places, values, statuses = list(range(count)), [None] * count, [int(Status.BAD_DECODING_ERROR)] * count
        return _scan(group, places, values, statuses, at_ms, [None] * len(places))

    def _note(self, tag: Tag, last: Last) -> None:
        self._last[tag.uid] = last
        self._missing.discard(tag.uid)
        rows = {str(uid): [row.value, row.taken_ms] for uid, row in self._last.items()}
        self._memory.keep({"version": version, "last": rows})

    def _look(self) -> None:
        """Begin anew when a person had the memory forgotten; a clock that was ahead counts from where it is now."""
        self._since_ms = min(self._since_ms, self._clock.wall_ms())
        if self._memory.forgotten != self._forgotten:
            self._forgotten, self._since_ms = self._memory.forgotten, self._clock.wall_ms()
            self._last.clear()
            self._missing.clear()


def _scan(
    group: TagGroup, places: Sequence[int], values: Sequence[Value], statuses: Sequence[int], read_ms: int, sources: Sequence[int | None]
) -> Scan:
    """Return a scan of some places of a group; the other columns run parallel to `places`."""
    count = len(group.tags)
    whole: list[Value] = [None] * count
    status_of, source_of, present = [0] * count, list[int | None]([None] * count), [False] * count
    for n, value, status, source in zip(places, values, statuses, sources, strict=True):
        whole[n], status_of[n], source_of[n], present[n] = value, status, source, True
    newest = max((source for source in source_of if source is not None), default=None)
    return Scan(
        group, whole, read_ms, status_of if any(status_of) else None, newest, None if all(present) else present,
        None, source_of if newest is not None else None,
    )  # fmt: skip


def _address(tag: Tag) -> Address:
    return tag.address if isinstance(tag.address, Address) else Address("text")


def _recalled(memory: Memory) -> dict[int, Last]:
    """Return what was entered last before this start; uncertain, because what happened since is not known."""
    facts = memory.recall()
    if facts is None:
        return {}
    found: dict[int, Last] = {}
    rows = facts.get("last")
    for uid, row in rows.items() if isinstance(rows, dict) and facts.get("version") == version else ():
        match row:
            case [bool() | int() | float() | str() as value, int(taken_ms)] if str(uid).isdecimal():
                found[int(uid)] = Last(value, taken_ms, Status.UNCERTAIN_LAST_USABLE_VALUE)
            case _:
                memory.reject("not the last values of a manual station")
                return {}
    return found
