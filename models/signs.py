"""Signs of sensor faults: sizes of what readings do, to be held against what they do in normal operation.

Room: ground, models; pure. `rules` makes findings of signs that are larger than their limits; `natural_limits` runs the same code over
normal readings and keeps the largest of each: so a rule that is learned from readings is silent on those readings.

It looks at reported readings, not at the grid: a tag that is reported on change only says something by the report itself.
What each sign is: see SIGNS. Those of a value's course and of lateness count only while the plan's gates are open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from models.gate_watch import SHUT, GateWatch
from models.grid import VALUE_MAX
from models.input_plan import InputPlan, TagInput

SIGNS: Final = {
    "step": "from one report to the next, a value's change that stays; of a counter, its growth",
    "spike": "the same, and the report after it is back",
    "same_reports": "reports of the very same value in a row",
    "constant_ms": "time for which a value was reported, or stood, without a change",
    "missing_ms": "time without a good value",
    "missing_times": "how often in a minute a good value was lost",
    "late_ms": "time between two reports of a device",
    "clock_ms": "by how much a device's clock tag moved against the gateway's clock",
    "source_early_ms": "by how much a source time lies after the read time",
    "source_late_ms": "by how much the source time of a changed value lies before its read time",
}
CONFIRM_MS: Final = 3000
"""A step waits so long for its return (then it is a spike), and for a gate's tag that says that the machine stopped."""
MINUTE_MS: Final = 60_000
TIMES_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Sign:
    """Something of a size larger than its bar. `at_ms` is when it happened or began; `before` and `value` as far as it has them."""

    kind: str
    tag_index: int
    size: float
    at_ms: int
    before: float | None = None
    value: float | None = None


@dataclass(slots=True)
class _Course:
    """What is remembered of one tag. `clock_unit_ms` is 0 of a tag that is no clock, `clock_range_ms` of one that does not roll over."""

    hold_ms: int
    device: int
    clock_unit_ms: float
    clock_range_ms: float
    counts: bool
    value: float | None = None
    time_ms: int = -(1 << 62)
    since_ms: int = 0
    reports: int = 0
    missing_ms: int | None = None
    had_value: bool = False
    """It had a good value at some time: without one it is missing. One that never had any is not there."""
    is_lost: bool = False
    """It was missing when everything was forgotten, and has not come back."""
    is_awaited: bool = False
    """It had a value before everything was forgotten, and has shown none since."""
    stood: tuple[float, int] | None = None
    """The value that it had when everything was forgotten, and since when; None once it showed another, or was lost."""
    offset_ms: float | None = None
    departed: Sign | None = None
    lost_ms: deque[int] = field(default_factory=lambda: deque(maxlen=TIMES_KEPT))


class Signs:
    """Readings in by `take`, in order of time within a tag; what is larger than its bar goes to `tell`, which may raise the bar.

    `bars`: kind -> a bar per tag; infinity is off. `late_ms` stands at the first tag of each device.
    """

    def __init__(self, plan: InputPlan, bars: Mapping[str, list[float]], tell: Callable[[Sign], None]) -> None:
        self._bars, self._tell = bars, tell
        self._gates = GateWatch(plan)
        self._tags = [_course(tag, device) for tag, device in zip(plan.tags, devices_of(plan), strict=True)]
        self._follows = [t.role in {"level", "counter"} for t in plan.tags]
        self._reported_ms: dict[int, int] = {}
        self._waiting: list[Sign] = []
        self._anew_ms: int | None = None
        """The first close after everything was forgotten."""
        self._gates_unsure = False
        """Everything was forgotten while the gates were open, and they have not opened or shut since."""

    def take(self, tag_index: int, time_ms: int, value: float | None, source_ms: int | None = None) -> None:
        """Take a reading; None means missing from then on. One that is older than the tag's newest says nothing."""
        tag = self._tags[tag_index]
        if time_ms < tag.time_ms:
            return
        self._expire(tag_index, tag, time_ms)
        if value is None or not -VALUE_MAX <= value <= VALUE_MAX:
            self._lose(tag_index, tag, time_ms)
            return
        self._look_at_device(tag.device, time_ms)
        tag.had_value, tag.is_lost, tag.is_awaited = True, False, False
        if tag.missing_ms is not None:
            self._size("missing_ms", tag_index, time_ms - tag.missing_ms, tag.missing_ms)
            tag.missing_ms = None
        if tag_index in self._gates:
            self._take_gate(tag_index, time_ms, value)
        if source_ms is not None:
            self._look_at_source(tag_index, tag, time_ms - source_ms, time_ms, value)
        if tag.clock_unit_ms:
            self._look_at_clock(tag_index, tag, time_ms, value)
        elif self._follows[tag_index]:
            self._follow(tag_index, tag, time_ms, value)
        tag.value, tag.time_ms = value, time_ms

    def close(self, until_ms: int) -> None:
        """Tell what time alone brings, up to `until_ms`: silence, constancy, steps that did not return."""
        self._anew_ms = until_ms if self._anew_ms is None else self._anew_ms
        for i, tag in enumerate(self._tags):
            self._expire(i, tag, until_ms)
            if tag.is_awaited and until_ms > self._anew_ms + tag.hold_ms:
                self._miss(i, tag, self._anew_ms)
        for i, tag in enumerate(self._tags):
            if tag.departed is not None and until_ms >= tag.departed.at_ms + CONFIRM_MS:
                self._waiting.append(tag.departed)
                tag.departed = None
            if tag.missing_ms is not None:
                self._size("missing_ms", i, until_ms - tag.missing_ms, tag.missing_ms)
            self._stand(i, tag, until_ms, self._gates.since_ms)
        waiting, self._waiting = self._waiting, []
        for sign in waiting:
            if until_ms < sign.at_ms + CONFIRM_MS:
                self._waiting.append(sign)
            elif not self._gates.shut_between(sign.at_ms, sign.at_ms + CONFIRM_MS):
                self._tell(sign)

    def forget(self) -> None:
        """Take up anew behind a time of which nothing is known: what was so before it is no measure of what comes. Clocks stay compared.

        A tag that had a value is awaited: it is missing when it shows none for as long as a value is held, and that from here on.
        """
        self._anew_ms, self._gates_unsure = None, self._gates_unsure or self._gates.since_ms != SHUT
        for i, tag in enumerate(self._tags):
            tag.is_lost, tag.is_awaited = tag.is_lost or tag.missing_ms is not None, tag.had_value
            if tag.value is not None and (tag.stood is None or tag.stood[0] != tag.value):
                tag.stood = (tag.value, tag.since_ms)
            tag.value, tag.missing_ms, tag.departed, tag.reports = None, None, None, 0
            tag.lost_ms.clear()
            if i in self._gates:
                self._gates.take(i, tag.time_ms, None)
        self._reported_ms.clear()
        self._waiting.clear()

    def expect(self, tag_index: int) -> None:
        """Await a tag that had a value before anything was taken: it is missing when it shows none for as long as a value is held."""
        tag = self._tags[tag_index]
        tag.had_value = tag.is_awaited = tag.is_lost = True

    def is_constant(self, tag_index: int, since_ms: int) -> bool:
        """Whether a tag's value has not changed since then, and is there, and the gates are open."""
        tag = self._tags[tag_index]
        return tag.value is not None and tag.since_ms <= since_ms and self._gates.is_open(tag.time_ms)

    def still_stands(self, tag_index: int, since_ms: int) -> bool:
        """Whether nothing says that a value that stood since then has changed: what was forgotten in between does not say so."""
        tag = self._tags[tag_index]
        if self.is_constant(tag_index, since_ms):
            return True
        if tag.stood is None or tag.stood[1] > since_ms:
            return False
        if tag.value is None:  # awaited
            return not self._gates.is_shut
        return self._gates_unsure or self._gates.since_ms != SHUT

    def is_missing(self, tag_index: int) -> bool:
        """Whether a tag that had a value has none."""
        return self._tags[tag_index].missing_ms is not None or self._tags[tag_index].is_lost

    def _size(self, kind: str, tag_index: int, size: float, at_ms: int, before: float | None = None, value: float | None = None) -> None:
        if size > self._bars[kind][tag_index]:
            self._tell(Sign(kind, tag_index, size, at_ms, before, value))

    def _lose(self, i: int, tag: _Course, time_ms: int) -> None:
        """A tag has no good value from now on. One that never had any is not at fault, it is not there."""
        if tag.value is not None:
            self._stand(i, tag, time_ms, self._gates.since_ms)
            tag.missing_ms, tag.stood = time_ms, None
            self._gates_unsure = self._gates_unsure and i not in self._gates
            tag.lost_ms.append(time_ms)
            self._size("missing_times", i, sum(lost > time_ms - MINUTE_MS for lost in tag.lost_ms), time_ms)
        tag.value, tag.time_ms, tag.departed = None, max(time_ms, tag.time_ms), None
        if i in self._gates:
            self._take_gate(i, time_ms, None)

    def _miss(self, i: int, tag: _Course, since_ms: int) -> None:
        """A tag that was awaited has not come."""
        tag.missing_ms, tag.stood, tag.is_awaited = since_ms, None, False
        self._gates_unsure = self._gates_unsure and i not in self._gates

    def _take_gate(self, i: int, time_ms: int, value: float | None) -> None:
        open_since_ms = self._gates.since_ms
        self._gates.take(i, time_ms, value)
        self._gates_unsure = self._gates_unsure and self._gates.since_ms == SHUT and not self._gates.is_shut
        if self._gates.since_ms == SHUT != open_since_ms:  # what stood until now counts until now
            for k, tag in enumerate(self._tags):
                self._stand(k, tag, time_ms, open_since_ms)

    def _stand(self, i: int, tag: _Course, now_ms: int, open_since_ms: int) -> None:
        """Tell for how long a value has stood by now, while the gates were open."""
        began_ms = max(tag.since_ms, open_since_ms)
        if tag.value is not None and self._follows[i] and now_ms > began_ms:
            self._size("constant_ms", i, now_ms - began_ms, began_ms, value=tag.value)

    def _expire(self, i: int, tag: _Course, now_ms: int) -> None:
        """A value counts no longer than it is held."""
        if tag.value is not None and now_ms > tag.time_ms + tag.hold_ms:
            self._lose(i, tag, tag.time_ms + tag.hold_ms)

    def _look_at_device(self, device: int, time_ms: int) -> None:
        """Readings of one scan have one time; a device whose values were lost in between was late for another reason."""
        before_ms = self._reported_ms.get(device)
        if before_ms is None or time_ms > before_ms:
            self._reported_ms[device] = time_ms
            if before_ms is not None and not self.is_missing(device) and self._gates.is_open(before_ms):
                self._size("late_ms", device, time_ms - before_ms, before_ms)

    def _look_at_source(self, i: int, tag: _Course, lag_ms: int, time_ms: int, value: float) -> None:
        self._size("source_early_ms", i, -lag_ms, time_ms)
        if tag.value is not None and value != tag.value:
            self._size("source_late_ms", i, lag_ms, time_ms)

    def _look_at_clock(self, i: int, tag: _Course, time_ms: int, value: float) -> None:
        """Compare with the last time that it told, also across a silence: that is when clocks are lost. One that stands moves backwards."""
        offset_ms = value * tag.clock_unit_ms - time_ms
        if tag.offset_ms is not None:
            moved_ms = offset_ms - tag.offset_ms
            if tag.clock_range_ms:  # it starts again at 0
                moved_ms = (moved_ms + tag.clock_range_ms / 2) % tag.clock_range_ms - tag.clock_range_ms / 2
            self._size("clock_ms", i, abs(moved_ms), time_ms, value=moved_ms)
        if tag.offset_ms is None or value != tag.value:
            tag.offset_ms = offset_ms

    def _follow(self, i: int, tag: _Course, time_ms: int, value: float) -> None:
        """Follow a value's course while the gates are open."""
        since_ms, before = self._gates.since_ms, tag.value
        if tag.stood is not None and value != tag.stood[0]:
            tag.stood = None
        if before is None or tag.time_ms < since_ms:  # the first of its kind: nothing to compare with
            tag.since_ms, tag.reports, tag.departed = time_ms, 1, None
            return
        if value == before:
            tag.reports += 1
            self._size("same_reports", i, tag.reports, tag.since_ms, value=value)
            return
        self._stand(i, tag, time_ms, since_ms)
        tag.since_ms, tag.reports = time_ms, 1
        bar, departed = self._bars["step"][i], tag.departed
        if departed is not None and departed.before is not None:
            back = abs(value - departed.before) <= bar < abs(value - before)
            self._waiting.append(Sign("spike" if back else "step", i, departed.size, departed.at_ms, departed.before, departed.value))
            tag.departed = None
            if back:
                return
        size = value - before if tag.counts else abs(value - before)  # a counter that falls was reset or rolled over
        if size > bar:
            tag.departed = Sign("step", i, size, time_ms, before, value)


def devices_of(plan: InputPlan) -> list[int]:
    """Return for each tag the index of the first tag of its device: the part of the name before the last slash."""
    first: dict[str, int] = {}
    names = [tag.name.rpartition("/")[0] or f"\0{tag.name}" for tag in plan.tags]
    return [first.setdefault(name, i) for i, name in enumerate(names)]


def _course(tag: TagInput, device: int) -> _Course:
    is_clock = tag.role in {"clock", "uptime"}
    unit_ms = {"ms": 1.0, "us": 1e-3, "min": 60_000.0, "h": 3_600_000.0}.get(tag.unit, 1000.0) if is_clock else 0.0
    range_ms = 0.0 if tag.counter_max is None else (tag.counter_max + 1) * unit_ms
    return _Course(tag.hold_ms, device, unit_ms, range_ms, counts=tag.role == "counter")
