"""The nouns of calling people: targets and their quiet hours, and which alarms a target is to hear of now. Pure.

Room: hall, alarms. `notify_config` makes targets, `lanes` asks `Calls` each second. It sends nothing and words nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.alarms.alarm import Alarm
from runtime.alarms.machine import UNANSWERED

Failure = tuple[str, dict[str, str | int | float]]
"""Why a target was not told: a code with its parameters."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom alarms call. `kind` is email, webhook or light; `options` are those of its kind, as `notify_options` judged them.

    `after_ms`: it hears of an alarm that has waited so long unacknowledged; `repeat_ms`: and again, 0 never. `quiet`: minutes of the day
    from and to, in `NotifyPlan.zone`, in which only priorities of `quiet_breaks` get through.
    """

    name: str
    kind: str
    priorities: frozenset[str]
    after_ms: int = 0
    repeat_ms: int = 0
    lang: str = "en"
    quiet: tuple[int, int] | None = None
    quiet_breaks: frozenset[str] = frozenset()
    options: object = None

    def is_quiet(self, minute: int | None) -> bool:
        """Tell whether its quiet hours are now; `minute` of the day, None when nobody knows the time: then they are not."""
        if self.quiet is None or minute is None:
            return False
        begin, end = self.quiet
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


@dataclass(frozen=True, slots=True)
class NotifyPlan:
    """All of [notify]."""

    zone: str = "UTC"
    targets: tuple[Target, ...] = ()


@dataclass(slots=True)
class Call:
    """One alarm that waits for somebody, as one target knows it: since when, and when the target was told last."""

    raised_ms: int | None
    since_mono_ms: int
    told_mono_ms: int | None = None


@dataclass(slots=True)
class Calls:
    """What one target knows. Only what it was told counts as told: a message that failed is due again."""

    target: Target
    known: dict[str, Call] = field(default_factory=dict)

    def due(self, alarms: Iterable[Alarm], now_mono_ms: int, minute: int | None) -> list[Alarm]:
        """Return the alarms that it is to hear of now. `alarms` are those that wait for somebody."""
        is_quiet = self.target.is_quiet(minute)
        found, known = [], {}
        for alarm in alarms:
            definition = alarm.definition
            if definition.priority not in self.target.priorities or alarm.state.shown not in UNANSWERED:
                continue
            call = self.known.get(definition.name)
            if call is None or call.raised_ms != alarm.raised_ms:
                call = Call(alarm.raised_ms, now_mono_ms)
            known[definition.name] = call
            is_held = is_quiet and definition.priority not in self.target.quiet_breaks
            if is_held or now_mono_ms - call.since_mono_ms < self.target.after_ms:
                continue
            again = self.target.repeat_ms and call.told_mono_ms is not None and now_mono_ms - call.told_mono_ms >= self.target.repeat_ms
            if call.told_mono_ms is None or again:
                found.append(alarm)
        self.known = known
        return found

    def told(self, names: Iterable[str], now_mono_ms: int) -> None:
        """Note that it was told of these."""
        for name in names:
            if (call := self.known.get(name)) is not None:
                call.told_mono_ms = now_mono_ms
