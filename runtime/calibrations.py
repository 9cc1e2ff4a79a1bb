"""Which instruments of a configuration have to be calibrated again, and when. Pure.

Room: hall. `health` lists them, the verb `check` advises. It marks no reading (`acquisition.checks` does) and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from runtime.config import Config
from runtime.config_faults import Fault
from runtime.tag_checks import DAY_MS

LISTED_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Calibration:
    """A tag (`device/tag`, in the file at `where`) whose instrument has to be calibrated again by the end of the day `due`."""

    tag: str
    where: str
    serial: str
    due: date
    overdue_ms: int

    def days_left(self, now_ms: int) -> int:
        """Return the days until the day it is due: 0 on that day, below 0 after it."""
        return (self.due - (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).date()).days


class Calibrations:
    """All due dates of a configuration, the earliest first."""

    def __init__(self, config: Config) -> None:
        tags = ((device, group, tag) for device in config.devices for group in device.groups for tag in group.tags)
        found = []
        for device, group, tag in tags:
            instrument, where = tag.check.instrument, f"devices.{device.name}.groups.{group.name}.tags.{tag.name}.instrument"
            if instrument.due is not None and (overdue_ms := instrument.overdue_ms) is not None:
                found.append(Calibration(f"{device.name}/{tag.name}", where, instrument.serial, instrument.due, overdue_ms))
        self._all = sorted(found, key=lambda each: (each.overdue_ms, each.tag))
        self._warn_days = config.gateway.calibration_warn_days

    def now(self, now_ms: int) -> list[Calibration]:
        """Return those that are overdue at this wall time, or will be within the days that the configuration wants to be warned."""
        until_ms = now_ms + self._warn_days * DAY_MS
        return [each for each in self._all if each.overdue_ms <= until_ms]

    def plain(self, now_ms: int) -> list[dict[str, Any]]:
        """Return the first LISTED_MAX of `now` as plain data."""
        return [
            {"tag": each.tag, "serial": each.serial, "due": each.due.isoformat(), "days_left": each.days_left(now_ms)}
            for each in self.now(now_ms)[:LISTED_MAX]
        ]

    def advice(self, now_ms: int) -> list[Fault]:
        """Return what `check` says of `now`."""
        found = []
        for each in self.now(now_ms):
            code = "calibration_overdue" if each.overdue_ms <= now_ms else "calibration_due"
            found.append(Fault(each.where, code, {"serial": each.serial, "due": each.due.isoformat(), "days": abs(each.days_left(now_ms))}))
        return found
