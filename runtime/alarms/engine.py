"""All alarms of one core: told of conditions, of time and of people, it keeps their states, notes what happens, and calls for somebody.

Room: hall, alarms. `app` makes and runs it; the pipeline tells it through `watch`, the door through `tenants`, notifiers listen. Everything
but `run` returns at once. A slow disk, face or mail server costs the field nothing. It decides nothing about states: `machine` does.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol

from drivers.shared import NewestOf
from ledger_client.alarm_bodies import AlarmRow
from runtime.alarms.alarm import Alarm, Told, plain_of, restored
from runtime.alarms.book import AlarmBook, Entries, Remembered, take_page
from runtime.alarms.condition import STALE
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.journal import Journal, Ledger
from runtime.alarms.keeper import Keeper
from runtime.alarms.leftover import Left, Leftover
from runtime.alarms.machine import UNANSWERED, Condition, Event, Plain, Shelve, Shown, Suppress, Transition, due_ms, step
from runtime.alarms.removed import left_behind, removed_row
from runtime.alarms.watch import AlarmWatch
from runtime.clock import Clock
from runtime.points import DevicePoints

TICK_MS: Final = 500
LOOK_TICKS: Final = 2
STEPS_AT_ONCE: Final = 20
"""Between two of these the loop sees to others."""
DUES_SPARE: Final = 64
Listener = Callable[[Alarm, AlarmRow], None]


class Outlook(Protocol):
    """What conditions that are no tag's look at. Returns at once."""

    def holds(self, definition: AlarmDefinition, before: bool) -> bool:
        """Tell whether the condition holds now; `before`: whether it did."""
        ...


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something to alarms, why, and by which act."""

    by: str = ""
    note: str = ""
    act: bytes | None = None


NOBODY: Final = Who()


class AlarmEngine:
    """`alarms` by name. `generation` grows with whatever faces show."""

    def __init__(
        self, ledger: Ledger, entries: Entries, book: AlarmBook, leftover: Leftover, clock: Clock, outlook: Outlook, newest: NewestOf,
        work: Executor,
    ) -> None:  # fmt: skip
        """`entries` is read by nobody else, in `work`, which writes `book` and `leftover` too."""
        self._entries, self._clock, self._outlook, self._newest = entries, clock, outlook, newest
        self.alarms: dict[str, Alarm] = {}
        self._by_outlook: list[Alarm] = []
        self.journal = Journal(ledger, clock, self.changed)
        self.keeper = Keeper(book, leftover, self.journal, clock, work, lambda: list(self.alarms.values()))
        self.watch = AlarmWatch(clock, self._told_by_field)
        self._devices: Mapping[str, DevicePoints] = {}
        self._dues: list[tuple[int, int, Alarm]] = []
        self._number = 0
        self._turned: deque[tuple[Alarm, Event, int]] = deque()
        self._more = asyncio.Event()
        self._any = asyncio.Event()
        """There are alarms: until then nothing ticks, for two wake-ups a second are a twentieth of what a small gateway does."""
        self._listeners: list[Listener] = []
        self.generation = 0
        self.ready = False
        self._opening: tuple[Remembered, Left, Iterator[None]] | None = None
        """What was read, and how far it is taken in; between `open` and `ready`."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` for each transition; it must return at once."""
        self._listeners.append(listener)

    def set_up(self, definitions: Iterable[AlarmDefinition], devices: Mapping[str, DevicePoints]) -> None:
        """Keep these alarms from now on. One that was there keeps its state; one that is gone and was not normal is said to be removed."""
        before, self.alarms = self.alarms, {}
        for definition in definitions:
            alarm = before.pop(definition.name, None) or Alarm(definition, fresh_mono_ms=self._clock.mono_ms())
            alarm.definition = definition
            self.alarms[definition.name] = alarm
        for alarm in before.values():
            if self.ready and (alarm.state.holds or alarm.state.shown is not Shown.NORMAL):
                self._note(alarm, removed_row(alarm.definition.name, alarm.state.shown, alarm.definition.priority, self._clock.wall_ms()))
        self._devices = devices
        self._by_outlook = [
            alarm for alarm in self.alarms.values() if alarm.definition.on_tag is None or alarm.definition.on_tag.kind == STALE
        ]
        self.watch.set_up(self.alarms.values(), devices)
        if self.alarms:
            self._any.set()
        if self.ready:
            self._take_turned(len(self._turned))
            self._fit()
            self._look_at_what_is_known()
        self.changed()

    async def run(self) -> None:
        """Learn from the ledger how the alarms stood, then keep them until cancelled. Raises LedgerError, OSError.

        The journal runs beside it, not in it: a fault here would cancel its append, which may be recorded all the same, and then again.
        """
        if not self.ready:
            await self.open()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="alarm turns")
            group.create_task(self._tick(), name="alarm tick")
            group.create_task(self.keeper.run(), name="alarm book")

    async def open(self) -> None:
        """Read the book, what the ledger has since, and what was left over of the last end. Raises LedgerError, OSError.

        Called again after it was cancelled it goes on where it was: what the journal has been handed is not handed to it twice.
        """
        if self._opening is None:
            remembered, left = await self.keeper.load(self._entries)
            self._opening = remembered, left, self._restore(remembered, left)
        remembered, left, restoring = self._opening
        for _ in restoring:
            await asyncio.sleep(0)  # nobody is shown a state, or called for one, before it is ready
        for alarm in self.alarms.values():
            alarm.fresh_mono_ms, alarm.told_raw, alarm.told_suppressed = self._clock.mono_ms(), alarm.state.raw, alarm.state.suppressed
        for name, (shown, priority) in left_behind(remembered, left.rows, self.alarms).items():
            self.journal.note(removed_row(name, shown, priority, self._clock.wall_ms()))
        self._turned.clear()  # of before it was known how they stood; what holds is looked at again
        self._fit()
        self.ready, self._opening = True, None
        self._look_at_what_is_known()
        self.changed()

    def _restore(self, remembered: Remembered, left: Left) -> Iterator[None]:
        """Let states be as they were and hand the journal what was left over, a few rows at a time."""
        mono, wall = self._clock.mono_ms(), self._clock.wall_ms()
        for page in remembered.pages:
            if page.name in self.alarms:
                take_page(self.alarms[page.name], page, mono, wall)
        for row, seq in remembered.known:
            self.journal.take_old(row, seq)
        for place, (row, known) in enumerate(chain(remembered.since, ((row, None) for row in left.rows))):
            if place % STEPS_AT_ONCE == STEPS_AT_ONCE - 1:
                yield
            if place == len(remembered.since):
                self.journal.note_lost(left.lost)  # told with the first row, never before it
            told = self.journal.note(row) if known is None else self.journal.take_old(row, known)
            alarm = self.alarms.get(row.name)
            if alarm is not None:
                definition = alarm.definition
                alarm.state = restored(alarm.state, definition.rules, row, mono, wall, definition.shelve_max_ms)
                alarm.note_row(told)
        if not left.rows:
            self.journal.note_lost(left.lost)

    async def close(self, deadline_s: float) -> None:
        """Record what is pending, and write down how alarms stand and what could not be recorded. For an end in order, after `run`."""
        if self.ready:
            self._take_turned(len(self._turned))
            await self.journal.flush(deadline_s)
            await self.keeper.close(deadline_s)

    def not_normal(self) -> list[Alarm]:
        """Return the alarms that are in any state but normal; none before it is known how they stand."""
        return [alarm for alarm in self.alarms.values() if self.ready and alarm.state.shown is not Shown.NORMAL]

    # ------------------------------------------------------------------------------------------ what is told to it

    def do(self, names: Iterable[str], event: Event, who: Who, seen_ms: int | None = None) -> tuple[int, int]:
        """Let a person do something to alarms; return how many it changed, and how many it meant nothing to.

        `seen_ms`: what was raised after that was not on the person's screen, and stays as it is.
        """
        self._take_turned(len(self._turned))
        changed = skipped = 0
        for name in dict.fromkeys(names):
            alarm = self.alarms.get(name)
            unseen = alarm is None or (seen_ms is not None and alarm.raised_ms is not None and alarm.raised_ms > seen_ms)
            if alarm is None or unseen or not self._step(alarm, event, who):
                skipped += 1
            else:
                changed += 1
        return changed, skipped

    def shelve(self, names: Iterable[str], for_ms: int, who: Who) -> tuple[int, int]:
        """Shelve alarms for a time; see `do`."""
        return self.do(names, Shelve(self._clock.mono_ms() + for_ms), who)

    def _told_by_field(self, alarm: Alarm, event: Event, at_mono_ms: int) -> None:
        """Keep what turned until there is time for it: 500 alarms of one scan hold no poller up."""
        self._turned.append((alarm, event, at_mono_ms))
        self._more.set()

    def _take_turned(self, most: int) -> None:
        """Step what turned, oldest first."""
        while self._turned and most > 0:
            most -= 1
            alarm, event, at_mono_ms = self._turned.popleft()
            if self.alarms.get(alarm.definition.name) is alarm:
                self._step(alarm, event, NOBODY, at_mono_ms)

    async def _follow(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            await self._catch_up()

    async def _catch_up(self) -> None:
        while self._turned:
            self._take_turned(STEPS_AT_ONCE)
            await asyncio.sleep(0)

    def _fit(self) -> None:
        """Let states follow another configuration: what suppressed an alarm is gone, it is an advisory now, its delays are others."""
        for alarm in self.alarms.values():
            definition = alarm.definition
            if definition.suppression is None and alarm.state.suppressed:
                alarm.told_suppressed = False
                self._step(alarm, Suppress(on=False), NOBODY)
            if definition.rules.advisory and alarm.state.life in UNANSWERED:
                self._step(alarm, Plain.ACK, NOBODY)
        self._await_all()

    def _look_at_what_is_known(self) -> None:
        self.watch.look_again(self._newest)
        self._look_out()

    def _look_out(self) -> None:
        now = self._clock.mono_ms()
        for alarm in self._by_outlook:
            definition = alarm.definition
            if definition.on_tag is not None:
                raw = now - alarm.fresh_mono_ms >= definition.seconds * 1000
            else:
                raw = self._outlook.holds(definition, alarm.told_raw)
            if raw is not alarm.told_raw:
                alarm.told_raw = raw
                self._told_by_field(alarm, Condition(raw), now)

    # ------------------------------------------------------------------------------------------ what comes of it

    def _step(self, alarm: Alarm, event: Event, who: Who, at_mono_ms: int | None = None) -> bool:
        """Step one alarm, as of now or of a moment ago; return whether the event itself did something."""
        now = self._clock.mono_ms() if at_mono_ms is None else at_mono_ms
        before = alarm.state
        alarm.state, transitions = step(before, alarm.definition.rules, event, now)
        if alarm.state is not before:
            self._await_due(alarm)
        own = 0
        for transition in transitions:
            is_own = who is not NOBODY and transition is transitions[-1] and event is not Plain.TICK
            own += is_own
            self._note(alarm, self._row(alarm, transition, who if is_own else NOBODY, event))
        if transitions:
            self.changed()
        return bool(own)

    def _row(self, alarm: Alarm, transition: Transition, who: Who, event: Event) -> AlarmRow:
        definition, wall, mono = alarm.definition, self._clock.wall_ms(), self._clock.mono_ms()
        until = wall + event.until_ms - mono if isinstance(event, Shelve) and who is not NOBODY else None
        return AlarmRow(
            definition.name, transition.what, transition.before, transition.after, wall - (mono - transition.at_ms), int(transition.hidden),
            definition.priority, plain_of(alarm.value), plain_of(definition.limit), who.by, who.note, until, who.act,
        )  # fmt: skip

    def _note(self, alarm: Alarm, row: AlarmRow) -> None:
        told: Told = self.journal.note(row)
        alarm.note_row(told)
        for listener in self._listeners:
            listener(alarm, row)

    def _await_due(self, alarm: Alarm) -> None:
        due = due_ms(alarm.state, alarm.definition.rules)
        if due is not None:
            self._number += 1
            heapq.heappush(self._dues, (due, self._number, alarm))
            if len(self._dues) > 2 * len(self.alarms) + DUES_SPARE:
                self._await_all()

    def _await_all(self) -> None:
        """Begin the dues anew, one for each alarm: those of states that are gone fill the list where a condition flickers."""
        dues = ((due_ms(alarm.state, alarm.definition.rules), place, alarm) for place, alarm in enumerate(self.alarms.values()))
        self._dues = [(due, place, alarm) for due, place, alarm in dues if due is not None]
        heapq.heapify(self._dues)
        self._number = max(self._number, len(self.alarms))

    def _step_dues(self) -> bool:
        """Step a few alarms whose time has come; return whether there are more."""
        now = self._clock.mono_ms()
        for _ in range(STEPS_AT_ONCE):
            if not self._dues or self._dues[0][0] > now:
                return False
            alarm = heapq.heappop(self._dues)[2]
            if self.alarms.get(alarm.definition.name) is alarm:
                self._step(alarm, Plain.TICK, NOBODY)
        return True

    def changed(self) -> None:
        """Let faces look again."""
        self.generation += 1

    async def _tick(self) -> None:
        await self._any.wait()
        ticks, due = 0, self._clock.mono_ms()
        while True:
            await self._catch_up()
            while self._step_dues():
                await self._catch_up()
            if ticks % LOOK_TICKS == 0:
                self._look_out()
            ticks += 1
            due = max(due + TICK_MS, self._clock.mono_ms())
            await self._clock.sleep_until_mono(due)
