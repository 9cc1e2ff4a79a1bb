"""Which alarms a scan concerns, and what it says to them. In the call of a poller: columns and comparisons, no waiting.

Room: hall, alarms. The pipeline gives it every scan as live values show it; `engine` sets it up with each configuration. A group that no
alarm looks at costs one look-up; each alarm costs one comparison a scan, and a word to the engine only when its condition turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from drivers.reading import Quality, Scan, Status, Value, quality_of
from drivers.shared import NewestOf
from runtime.alarms.alarm import Alarm
from runtime.alarms.condition import BAD, STALE, TagCondition
from runtime.alarms.machine import Condition, Event, Suppress
from runtime.clock import Clock
from runtime.points import DevicePoints

Tell = Callable[[Alarm, Event, int], None]
"""An alarm, what happened to it, and when (mono ms)."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One alarm looks at one column of a group; without a condition it asks whether it is suppressed."""

    column: int
    alarm: Alarm
    condition: TagCondition | None


class AlarmWatch:
    """Implements `acquisition.pipeline.AlarmTap`."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        """`tell` hands an event to the engine and returns at once."""
        self._clock, self._tell = clock, tell
        self._by_group: dict[int, list[_Look]] = {}
        self._tags: list[tuple[str, _Look]] = []

    def set_up(self, alarms: Iterable[Alarm], devices: Mapping[str, DevicePoints]) -> None:
        """Watch for these alarms from now on."""
        places = {
            f"{name}/{tag.name}": (group.uid, column)
            for name, points in devices.items() for group in points.groups for column, tag in enumerate(group.tags)
        }  # fmt: skip
        self._by_group, self._tags = {}, []
        for alarm in alarms:
            definition = alarm.definition
            if definition.on_tag is not None:
                self._add(places, definition.tag, alarm, definition.on_tag)
            if definition.suppression is not None:
                self._add(places, definition.suppression.tag, alarm, None)

    def look_again(self, newest: NewestOf) -> None:
        """Judge what is known already, for alarms that are new while their tags are quiet."""
        for tag, look in self._tags:
            known = newest(tag)
            if known is not None and known.status != Status.BAD_WAITING_FOR_INITIAL_DATA:
                self._judge(look, known.value, known.status, self._clock.mono_ms())

    def saw(self, scan: Scan) -> None:
        """See AlarmTap."""
        looks = self._by_group.get(scan.group.uid)
        if looks is None:
            return
        values, statuses, present, now = scan.values, scan.statuses, scan.present, self._clock.mono_ms()
        for look in looks:
            column = look.column
            if present is None or present[column]:
                self._judge(look, values[column], statuses[column] if statuses is not None else 0, now)

    def alive(self, group_uid: int) -> None:
        """See AlarmTap."""
        for look in self._by_group.get(group_uid, ()):
            if look.condition is not None and quality_of(look.alarm.status) is not Quality.BAD:
                look.alarm.fresh_mono_ms = self._clock.mono_ms()

    def _judge(self, look: _Look, value: Value, status: int, now_mono_ms: int) -> None:
        alarm, condition = look.alarm, look.condition
        is_bad = status >= BAD
        if condition is None:
            suppression = alarm.definition.suppression
            if suppression is not None and not is_bad and (applies := suppression.applies(value)) is not alarm.told_suppressed:
                alarm.told_suppressed = applies
                self._tell(alarm, Suppress(applies), now_mono_ms)
            return
        alarm.value, alarm.status = value, status
        if not is_bad:
            alarm.fresh_mono_ms = now_mono_ms
        elif condition.kind == STALE:
            return  # a failed read is no fresh value
        raw = condition.holds(value, status, alarm.told_raw)
        if raw is not alarm.told_raw:
            alarm.told_raw = raw
            self._tell(alarm, Condition(raw), now_mono_ms)

    def _add(self, places: Mapping[str, tuple[int, int]], tag: str, alarm: Alarm, condition: TagCondition | None) -> None:
        place = places.get(tag)
        if place is not None:
            look = _Look(place[1], alarm, condition)
            self._by_group.setdefault(place[0], []).append(look)
            self._tags.append((tag, look))
