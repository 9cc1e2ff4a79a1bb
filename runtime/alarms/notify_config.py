"""[notify] judged against the devices of the same file, and turned into targets.

Room: hall, alarms. `runtime.config` calls it. It opens nothing and contacts nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from runtime.alarms import notify_options as options
from runtime.alarms.from_config import Known
from runtime.alarms.notify_plan import NotifyPlan, Target
from runtime.config_faults import Faults, Place

KINDS: Final[Mapping[str, type[options.Target]]] = {
    "email": options.EmailTarget,
    "webhook": options.WebhookTarget,
    "light": options.LightTarget,
}


def notify_of(faults: Faults, raw: Any, known: Known) -> NotifyPlan:
    """Return whom alarms call; faults are noted."""
    plan = faults.judge(options.Notify, raw, ("notify",), "notify")
    if plan is None:
        return NotifyPlan()
    try:
        ZoneInfo(plan.zone)
    except (OSError, ValueError, KeyError):
        faults.add(("notify", "zone"), "notify.zone", "config_zone", value=plan.zone[:80])
    found: dict[str, Target] = {}
    for at, row in enumerate(plan.targets):
        place: Place = ("notify", "targets", at)
        where = f"notify.targets.{row.get('name', at)}"
        if faults.judge(options.TargetKind, row, place, where) is None:
            continue
        target = faults.judge(KINDS[row["type"]], row, place, where)
        if target is None:
            continue
        if target.name in found:
            faults.add(place, where, "config_name_twice", name=target.name)
        if isinstance(target, options.LightTarget):
            _check_light(faults, place, where, target, known)
        found[target.name] = _target(target)
    return NotifyPlan(plan.zone, tuple(found.values()))


def _check_light(faults: Faults, place: Place, where: str, light: options.LightTarget, known: Known) -> None:
    if known.lacks(light.tag):
        faults.add((*place, "tag"), f"{where}.tag", "config_alarm_tag_unknown", tag=light.tag)
    elif known.tags is not None and not known.tags[light.tag][2]:
        faults.add((*place, "tag"), f"{where}.tag", "config_alarm_light_not_writable", tag=light.tag)


def _target(target: options.Target) -> Target:
    common = (target.name, target.type, frozenset(target.priorities))
    if not isinstance(target, options.Told):
        return Target(*common, options=target)
    quiet = (_minutes(target.quiet_from), _minutes(target.quiet_to)) if target.quiet_from and target.quiet_to else None
    return Target(
        *common, round(target.after_min * 60_000), round(target.repeat_min * 60_000), target.lang, quiet, frozenset(target.quiet_breaks),
        target,
    )  # fmt: skip


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
