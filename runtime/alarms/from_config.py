"""[[alarms]] judged against the devices and models of the same file, and turned into definitions.

Room: hall, alarms. `runtime.config` calls it. Every fault is found in one pass and named by alarm. It opens nothing and contacts nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.alarms import options
from runtime.alarms.condition import ABOVE, BAD_QUALITY, BELOW, EQUALS, OF_TAGS, STALE, TagCondition
from runtime.alarms.definition import ADVISORY, AlarmDefinition, Suppression
from runtime.alarms.machine import Rules
from runtime.config_faults import Faults, Place

ALARMS_MAX: Final = 5_000
NEEDS_LIMIT: Final = frozenset({ABOVE, BELOW, STALE, "backlog_old", "disk_low"})
NAMES: Final = {"device_down": "device", "finding": "model", **dict.fromkeys(OF_TAGS, "tag")}
"""What a condition is about, by the key that names it."""
NO_NUMBER: Final = frozenset({"bool", "text"})


class Known:
    """What the file has besides: tags with their type, unit and whether they may be written, devices, models. None: it cannot be told."""

    def __init__(self, tags: Mapping[str, tuple[str, str, bool]] | None, devices: frozenset[str], models: frozenset[str] | None) -> None:
        self.tags, self.devices, self.models = tags, devices, models

    def lacks(self, tag: str) -> bool:
        """Whether a tag is surely not there."""
        return self.tags is not None and tag not in self.tags


def alarms_of(faults: Faults, rows: Any, known: Known) -> tuple[AlarmDefinition, ...]:
    """Return the alarms of a file; faults are noted."""
    rows = rows if isinstance(rows, list) else []
    if len(rows) > ALARMS_MAX:
        faults.add(("alarms",), "alarms", "config_too_many", value="[…]", limit=ALARMS_MAX)
        return ()
    found: dict[str, AlarmDefinition] = {}
    for at, row in enumerate(rows):
        name = row.get("name", at) if isinstance(row, dict) else at
        place: Place = ("alarms", at)
        where = f"alarms.{name}"
        alarm = faults.judge(options.Alarm, row, place, where)
        if alarm is None:
            continue
        _check(faults, place, where, alarm, known)
        if alarm.name in found:
            faults.add(place, where, "config_name_twice", name=alarm.name)
        found[alarm.name] = _definition(alarm, known)
    return tuple(found.values())


def _check(faults: Faults, place: Place, where: str, alarm: options.Alarm, known: Known) -> None:
    """Note what does not go together, and what is not there."""
    about = NAMES.get(alarm.condition, "")
    for key in ("tag", "device", "model"):
        given = getattr(alarm, key)
        if key == about and not given:
            faults.add(place, where, "config_alarm_needs", condition=alarm.condition, key=key)
        elif key != about and given:
            faults.add((*place, key), f"{where}.{key}", "config_alarm_not_for", condition=alarm.condition, key=key)
    if alarm.condition == EQUALS and alarm.limit is None:
        faults.add(place, where, "config_alarm_needs", condition=alarm.condition, key="limit")
    elif alarm.condition in NEEDS_LIMIT and (isinstance(alarm.limit, bool) or not isinstance(alarm.limit, int | float)):
        faults.add((*place, "limit"), f"{where}.limit", "config_alarm_limit_number", condition=alarm.condition)
    elif alarm.condition not in NEEDS_LIMIT and alarm.condition != EQUALS and alarm.limit is not None:
        faults.add((*place, "limit"), f"{where}.limit", "config_alarm_not_for", condition=alarm.condition, key="limit")
    elif alarm.condition in {STALE, "backlog_old", "disk_low"} and isinstance(alarm.limit, int | float) and alarm.limit <= 0:
        faults.add((*place, "limit"), f"{where}.limit", "config_not_above", value=str(alarm.limit), limit=0)
    if alarm.deadband and alarm.condition not in {ABOVE, BELOW}:
        faults.add((*place, "deadband"), f"{where}.deadband", "config_alarm_not_for", condition=alarm.condition, key="deadband")
    if about == "tag" and alarm.tag:
        _check_tag(faults, place, where, alarm, known)
    if about == "device" and alarm.device and alarm.device not in known.devices:
        faults.add((*place, "device"), f"{where}.device", "config_alarm_device_unknown", device=alarm.device)
    if about == "model" and alarm.model and known.models is not None and alarm.model not in known.models:
        faults.add((*place, "model"), f"{where}.model", "config_alarm_model_unknown", model=alarm.model)
    if alarm.suppress is not None and known.lacks(alarm.suppress.tag):
        faults.add((*place, "suppress"), f"{where}.suppress", "config_alarm_tag_unknown", tag=alarm.suppress.tag)


def _check_tag(faults: Faults, place: Place, where: str, alarm: options.Alarm, known: Known) -> None:
    if known.lacks(alarm.tag):
        faults.add((*place, "tag"), f"{where}.tag", "config_alarm_tag_unknown", tag=alarm.tag)
    elif known.tags is not None and alarm.condition in {ABOVE, BELOW} and known.tags[alarm.tag][0] in NO_NUMBER:
        faults.add((*place, "condition"), f"{where}.condition", "config_alarm_no_number", tag=alarm.tag, type=known.tags[alarm.tag][0])


def _definition(alarm: options.Alarm, known: Known) -> AlarmDefinition:
    on_tag = None
    if alarm.condition in OF_TAGS:
        on_tag = TagCondition(alarm.condition, None if alarm.condition == BAD_QUALITY else alarm.limit, float(alarm.deadband))
    suppression = None if alarm.suppress is None else Suppression(alarm.suppress.tag, tuple(alarm.suppress.values))
    rules = Rules(round(alarm.on_delay_s * 1000), round(alarm.off_delay_s * 1000), alarm.latching, alarm.is_advisory)
    unit = (known.tags or {}).get(alarm.tag, ("", "", False))[1] if alarm.condition in {ABOVE, BELOW, EQUALS} else ""
    return AlarmDefinition(
        alarm.name, alarm.condition, alarm.text, alarm.tag, alarm.device, alarm.model, alarm.limit, on_tag, rules,
        ADVISORY if alarm.is_advisory else alarm.priority, alarm.consequence, alarm.action, alarm.response_min,
        round(alarm.shelve_max_h * 3_600_000), suppression, unit,
    )  # fmt: skip
