"""What faces are shown of alarms: a row for each that is not normal, counts, the past, and figures about it.

Room: hall, alarms. The feed and the core's answers ask it. Plain data, codes only, never words. The order is that of urgency: what waits
for somebody first, by priority, the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from runtime.alarms.alarm import Alarm, Told, plain_of
from runtime.alarms.definition import ADVISORY
from runtime.alarms.engine import AlarmEngine
from runtime.alarms.machine import UNANSWERED, Shown
from runtime.alarms.metrics import Raise, figures
from runtime.clock import Clock

ROWS_SENT_MAX: Final = 50
"""Of one feed frame; the counts speak of all, and `alarms` pages through the rest."""
PAGE_MAX: Final = 500
PAGE_BYTES: Final = 800_000
"""Of the rows of one answer, which must fit into a frame whatever people write into alarms and notes."""
ROW_BYTES: Final = 700
"""A row without its texts."""
RANK: Final[Mapping[str, int]] = {"high": 3, "medium": 2, "low": 1, ADVISORY: 0}
URGENCY: Final = (
    Shown.UNACKED, Shown.RETURNED, Shown.LATCHED_UNACKED, Shown.ACKED, Shown.LATCHED, Shown.SHELVED, Shown.SUPPRESSED,
    Shown.OUT_OF_SERVICE, Shown.NORMAL,
)  # fmt: skip
ORDER: Final[Mapping[Shown, int]] = {state: place for place, state in enumerate(URGENCY)}
RECORDED, PENDING, UNRECORDED = "recorded", "pending", "unrecorded"


class AlarmView:
    """Implements `faces.feed.AlarmSource`."""

    def __init__(self, engine: AlarmEngine, clock: Clock, notified: Callable[[], Iterable[Mapping[str, Any]]] = tuple) -> None:
        """`notified` gives the rows of those whom alarms call."""
        self._engine, self._clock, self._notified = engine, clock, notified
        self._frame: tuple[int, dict[str, Any]] | None = None

    @property
    def generation(self) -> int:
        """Grows with whatever is shown."""
        return self._engine.generation

    def frame(self) -> dict[str, Any]:
        """Return the summary and the most urgent rows; made once for all faces that ask in the same state."""
        if self._frame is None or self._frame[0] != self.generation:
            rows = self._rows()
            shown = [alarm_row(alarm) for alarm in rows[:ROWS_SENT_MAX]]
            self._frame = self.generation, {"summary": self.summary(rows), "rows": shown}
        return self._frame[1]

    def summary(self, alarms: list[Alarm] | None = None) -> dict[str, Any]:
        """Return counts of all, and the alarm that matters most of those that wait."""
        alarms = self._rows() if alarms is None else alarms
        unacked = {"high": 0, "medium": 0, "low": 0}
        counts = dict.fromkeys((state.value for state in Shown), 0)
        advisories = 0
        for alarm in alarms:
            if alarm.definition.priority == ADVISORY and alarm.state.shown is Shown.ACKED:
                advisories += 1
                continue
            counts[alarm.state.shown] += 1
            if alarm.state.shown in UNANSWERED and alarm.definition.priority in unacked:
                unacked[alarm.definition.priority] += 1
        first = next((alarm for alarm in alarms if alarm.state.shown in UNANSWERED), None)
        journal = self._engine.journal
        return {
            "defined": len(self._engine.alarms), "waiting": unacked, "states": counts, "advisories": advisories,
            "newest": alarm_row(first) if first is not None else None, "ready": self._engine.ready,
            "unrecorded": journal.pending if journal.fault is not None else 0, "cause": journal.fault.code if journal.fault else None,
            "params": dict(journal.fault.params) if journal.fault else {}, "lost": journal.lost, "notify": list(self._notified()),
        }  # fmt: skip

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `alarms`: {offset?, limit?, all?, name?}: rows of those that are not normal, or of all, or of one; fewer of long ones."""
        offset, limit = _int(params, "offset", 0, 1 << 31), _int(params, "limit", PAGE_MAX, PAGE_MAX)
        rows = self._rows()
        chosen = sorted(self._engine.alarms.values(), key=_urgency) if params.get("all") is True else rows
        if isinstance(name := params.get("name"), str):
            chosen = [alarm for alarm in chosen if alarm.definition.name == name]
        return {
            "summary": self.summary(rows),
            "total": len(chosen),
            "rows": _fitting(map(alarm_row, chosen[offset : offset + limit])),
        }

    def titles(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `alarm_titles`: {offset?}: sentences by name of those that have one, PAGE_MAX of all alarms at a time, and what is `next`.

        They change with the configuration alone, so that a face asks once for each revision.
        """
        offset = _int(params, "offset", 0, 1 << 31)
        defined = [alarm.definition for alarm in islice(self._engine.alarms.values(), offset, offset + PAGE_MAX)]
        more = offset + PAGE_MAX < len(self._engine.alarms)
        return {"titles": {each.name: each.text for each in defined if each.text}, "next": offset + PAGE_MAX if more else None}

    def history(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `alarm_history`: {before_ms?, since_ms?, name?, limit?}: the newest transitions first, as far back as memory goes."""
        before, since = _int(params, "before_ms", 1 << 62, 1 << 62), _int(params, "since_ms", 0, 1 << 62)
        limit, name = _int(params, "limit", PAGE_MAX, PAGE_MAX), params.get("name")
        history = self._engine.journal.history
        found = (told for told in reversed(history) if since <= told.row.at_ms < before and name in {None, told.row.name})
        rows = _fitting(map(history_row, islice(found, limit)))
        return {"rows": rows, "from_ms": history[0].row.at_ms if history else None}

    def metrics(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `alarm_metrics`: {hours?}: the figures of EEMUA 191 over the past, as far back as memory goes."""
        now = self._clock.wall_ms()
        history = self._engine.journal.history
        from_ms = now - _int(params, "hours", 24, 24 * 31) * 3_600_000
        if history and len(history) == history.maxlen:
            from_ms = max(from_ms, history[0].row.at_ms)
        raised = [
            Raise(told.row.name, told.row.at_ms, told.row.priority)
            for told in history
            if told.row.after == Shown.UNACKED and told.row.before != Shown.UNACKED and from_ms <= told.row.at_ms <= now
        ]
        standing = [
            (alarm.definition.name, alarm.since_ms) for alarm in self._engine.alarms.values()
            if alarm.state.holds and alarm.since_ms is not None and not alarm.state.hidden and alarm.definition.priority != ADVISORY
        ]  # fmt: skip
        return figures(raised, standing, from_ms, now)

    def _rows(self) -> list[Alarm]:
        return sorted(self._engine.not_normal(), key=_urgency)


def alarm_row(alarm: Alarm) -> dict[str, Any]:
    """Return one alarm as faces show it."""
    definition, told = alarm.definition, alarm.newest
    return {
        "name": definition.name, "text": definition.text, "state": alarm.state.shown.value, "holds": alarm.state.holds,
        "priority": definition.priority, "condition": definition.condition, "tag": definition.tag, "device": definition.device,
        "model": definition.model, "limit": plain_of(definition.limit), "unit": definition.unit, "value": plain_of(alarm.value),
        "status": alarm.status, "raised_ms": alarm.raised_ms, "since_ms": alarm.since_ms, "changed_ms": alarm.changed_ms, "by": alarm.by,
        "note": alarm.note, "until_ms": alarm.until_ms, "action": definition.action, "consequence": definition.consequence,
        "response_min": definition.response_min, "shelve_max_min": definition.shelve_max_ms // 60_000, "count": alarm.count,
        "recorded": _recorded(told), "seq": told.seq if told is not None else None,
    }  # fmt: skip


def history_row(told: Told) -> dict[str, Any]:
    """Return one transition as faces show it."""
    row = told.row
    return {
        "name": row.name, "what": row.what, "before": row.before, "after": row.after, "at_ms": row.at_ms, "hidden": bool(row.hidden),
        "priority": row.priority, "value": row.value, "limit": row.limit, "by": row.by, "note": row.note, "until_ms": row.until_ms,
        "recorded": _recorded(told), "seq": told.seq,
    }  # fmt: skip


def _fitting(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first rows, as many as fit into an answer."""
    found, size = [], 0
    for row in rows:
        size += ROW_BYTES + sum(len(value.encode()) for value in row.values() if isinstance(value, str))
        if size > PAGE_BYTES:
            break
        found.append(row)
    return found


def _recorded(told: Told | None) -> str:
    if told is None or told.seq is not None:
        return RECORDED
    return PENDING if told.cause is None else UNRECORDED


def _urgency(alarm: Alarm) -> tuple[int, int, int, str]:
    definition = alarm.definition
    return ORDER[alarm.state.shown], -RANK[definition.priority], -(alarm.raised_ms or alarm.changed_ms or 0), definition.name


def _int(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = params.get(name, default)
    return min(max(value, 0), most) if type(value) is int else default
