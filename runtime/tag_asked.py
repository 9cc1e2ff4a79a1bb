"""The feed's request `tag`: all that the configuration and the models say of one tag, for the page that shows it alone.

Room: hall. `core_questions` answers with it. What the tag reads now is not here: the feed pushes that. It looks and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drivers.reading import Status, Tag, TagGroup
from runtime.config import TagConfig
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.desk import JudgementDesk
from runtime.points import DevicePoints


def tag_asked(devices: Iterable[DevicePoints], desk: JudgementDesk, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer {uid}: {uid, tag, group, period_ms, mode, source, report, range, instrument, write, bands}.

    Numbers are in the tag's unit, shares 0 to 1, times ms, days ISO 8601; `write` is None where nobody commands it; `bands` are
    [model, its state, low, high] of every model that looks at the tag. Raises RequestRefusedError `tag_unknown`.
    """
    uid = params.get("uid")
    for device in devices:
        for group in device.groups:
            for tag in group.tags:
                if tag.uid == uid and (known := device.find(tag.name)) is not None:
                    return _told(device, group, *known) | {"bands": bands_of(desk, tag.uid)}
    raise RequestRefusedError("tag_unknown", tag=str(uid)[:40])


def bands_of(desk: JudgementDesk, uid: int) -> list[list[Any]]:
    """Return [model, state, low, high] of each model that has learned what is normal for a tag."""
    found: list[list[Any]] = []
    for name, page in desk.book.pages.items():
        manifest = desk.rows.manifest(page.manifest)
        if manifest is not None:
            places = (place for place, tag in enumerate(manifest.plan.tags) if tag.uid == uid)
            found += ([name, page.state, *manifest.bands[place]] for place in places)
    return found


def _told(device: DevicePoints, group: TagGroup, tag: Tag, config: TagConfig) -> dict[str, Any]:
    report, check, instrument, rules = config.report, config.check, config.check.instrument, config.write
    days = {"calibrated": instrument.calibrated, "due": instrument.due}
    return {
        "uid": tag.uid, "tag": f"{device.name}/{tag.name}", "group": group.name, "period_ms": group.period_ms, "mode": group.mode,
        "source": tag.source,
        "report": {
            "on_change": report.on_change, "deadband": report.deadband, "deadband_share": report.deadband_share,
            "deadband_integral": report.deadband_integral, "heartbeat_ms": report.heartbeat_ms,
        },
        "range": {"low": check.low, "high": check.high, "outside": "bad" if check.outside == Status.BAD_OUT_OF_RANGE else "uncertain"},
        "instrument": {
            "serial": instrument.serial, "certificate": instrument.certificate, "uncertainty": instrument.uncertainty,
            "uncertainty_percent": instrument.uncertainty_percent, "coverage": instrument.coverage, "overdue_ms": instrument.overdue_ms,
            "text": config.calibration, **{name: day.isoformat() if day else None for name, day in days.items()},
        },
        "write": None if rules is None else {"low": rules.low, "high": rules.high},
    }  # fmt: skip
