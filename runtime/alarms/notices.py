"""What people and programs are told of alarms: subject and text of a mail, content of a POST. Pure.

Room: hall, alarms. `word_lane` calls it. Many alarms are one notice: counts, and the first of them by priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from runtime.alarms.alarm import Alarm, plain_of
from runtime.messages.alarm_words import short
from runtime.messages.catalogue import word

NAMED_MAX: Final = 20
RANK: Final = {"high": 0, "medium": 1, "low": 2}


def in_order(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Return them by priority, then the newest first."""
    return sorted(alarms, key=lambda alarm: (RANK.get(alarm.definition.priority, 3), -(alarm.raised_ms or 0), alarm.definition.name))


def subject_of(gateway: str, alarms: Sequence[Alarm], lang: str) -> str:
    """Return one line: the gateway, and the alarm or how many."""
    if not alarms:
        return word("notice.test.subject", {"gateway": gateway}, lang)
    first = in_order(alarms)[0]
    values = {"gateway": gateway, "name": title_of(first), "count": len(alarms), "priority": _priority(first, lang)}
    return word("notice.subject.one" if len(alarms) == 1 else "notice.subject", values, lang)


def text_of(gateway: str, alarms: Sequence[Alarm], lang: str, zone: str, by: str = "") -> str:
    """Return the whole text; without alarms that of a test, which `by` asked for."""
    if not alarms:
        return word("notice.test", {"gateway": gateway, "by": by}, lang) + "\n"
    ordered = in_order(alarms)
    parts = [_paragraph(alarm, lang, zone) for alarm in ordered[:NAMED_MAX]]
    if len(ordered) > NAMED_MAX:
        parts.append(word("notice.more", {"count": len(ordered) - NAMED_MAX}, lang))
    return "\n\n".join([*parts, word("notice.end", {"gateway": gateway}, lang)]) + "\n"


def content_of(gateway: str, alarms: Sequence[Alarm], at_ms: int, by: str = "") -> dict[str, Any]:
    """Return what a program is told; `kind` is test or alarms. Times are ms since 1970 UTC."""
    ordered = in_order(alarms)
    rows = [
        {
            "name": alarm.definition.name, "text": alarm.definition.text, "priority": alarm.definition.priority,
            "state": alarm.state.shown.value, "condition": alarm.definition.condition,
            "about": alarm.definition.tag or alarm.definition.device or alarm.definition.model, "value": plain_of(alarm.value),
            "limit": plain_of(alarm.definition.limit), "unit": alarm.definition.unit, "raised_ms": alarm.raised_ms,
            "action": alarm.definition.action, "consequence": alarm.definition.consequence,
        }
        for alarm in ordered[:NAMED_MAX]
    ]  # fmt: skip
    content: dict[str, Any] = {"version": 1, "kind": "alarms" if alarms else "test", "gateway": gateway, "sent_ms": at_ms}
    return content | ({"alarms": rows, "count": len(ordered)} if alarms else {"by": by})


def title_of(alarm: Alarm) -> str:
    """Return what people call an alarm."""
    return alarm.definition.text or alarm.definition.name


def _paragraph(alarm: Alarm, lang: str, zone: str) -> str:
    definition = alarm.definition
    lines = [word("notice.alarm", {"priority": _priority(alarm, lang), "name": title_of(alarm)}, lang)]
    if alarm.raised_ms is not None:
        at = datetime.fromtimestamp(alarm.raised_ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(word("notice.since", {"at": at, "zone": zone}, lang))
    if alarm.value is not None and definition.tag:
        values = {"tag": definition.tag, "value": short(plain_of(alarm.value), lang), "unit": definition.unit}
        lines.append(word("notice.value", values, lang).rstrip())
    if definition.action:
        lines.append(word("notice.action", {"action": definition.action}, lang))
    if definition.consequence:
        lines.append(word("notice.consequence", {"consequence": definition.consequence}, lang))
    return "\n".join(lines)


def _priority(alarm: Alarm, lang: str) -> str:
    return word(f"alarm.priority.{alarm.definition.priority}", None, lang)
