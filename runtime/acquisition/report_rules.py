"""Which readings of a scan are worth collecting: change, deadbands against the last reported value, heartbeat. Pure.

Room: hall, acquisition. The pipeline calls `ReportFilter.apply` for every scan, so it works on columns: an unchanged scan costs one list
comparison. It never changes a value; what it holds back is absent from the scan that it returns, not altered.
A tag's status change always reports that tag; a scan that failed as a whole, and the first good one after it, report every tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.reading import Scan, Value
from runtime.acquisition.held_back import HeldBack
from runtime.config import ReportRule

NEVER: Final = 1 << 62
INFINITY: Final = float("inf")
STEP_MS: Final = 250
"""A time that lies this far before the one before it: the wall clock was set back, and every heartbeat is due."""


class ReportFilter:
    """The memory of one tag group: what was reported last, and when."""

    def __init__(self, rules: Sequence[ReportRule]) -> None:
        count = len(rules)
        self.rules = tuple(rules)
        self._every_scan = [not rule.on_change for rule in rules]
        self._bands = [_first_band(rule) for rule in rules] if any(rule.has_deadband for rule in rules) else None
        self._relative = [rule.deadband_share for rule in rules] if any(rule.deadband_share for rule in rules) else None
        integrals = [rule.deadband_integral for rule in rules]
        self._held_back = HeldBack(integrals) if any(integrals) else None
        self._heartbeats = [rule.heartbeat_ms or NEVER for rule in rules]
        self._always = any(self._every_scan)
        self._values: list[Value] = [None] * count
        self._statuses: list[int] | None = None
        self._failed: bool | None = None  # the first scan reports every tag
        self._due_ms = [0] * count
        self._first_due_ms = 0
        self._newest_ms = 0

    def apply(self, scan: Scan, now_ms: int | None = None) -> Scan | None:
        """Return the scan reduced to what has to be collected, None when that is nothing.

        Heartbeats are counted by `now_ms`, best a monotonic time; by the scan's read time where there is none.
        """
        now = self._looked_at(scan.read_ms if now_ms is None else now_ms)
        over = self._held_back.beyond(scan, self._values) if self._held_back is not None else ()
        same = (scan.cause is not None) is self._failed and scan.statuses == self._statuses and scan.values == self._values
        if same and scan.present is None and now < self._first_due_ms and not self._always and not over:
            return None
        wanted = self._wanted(scan, now)
        for i in over:
            wanted[i] = True
        if not any(wanted):
            return None
        return self._reported(scan, wanted, now)

    def expect(self, present: Sequence[bool] | None) -> None:
        """Something older than the newest value of these columns was recorded: the newest is due, changed or not."""
        self._due_ms = [0 if present is None or present[i] else due for i, due in enumerate(self._due_ms)]
        self._first_due_ms = min(self._due_ms)

    def repeat(self, scan: Scan, now_ms: int | None = None) -> Scan | None:
        """Return of a subscription's last values, which still hold, those that time alone lets through; None when that is nothing.

        Their heartbeat is due, their status has changed, or too much of them was held back. `now_ms` as in `apply`.
        """
        now = self._looked_at(scan.read_ms if now_ms is None else now_ms)
        over = self._held_back.beyond(scan, self._values) if self._held_back is not None else ()
        if now < self._first_due_ms and scan.statuses == self._statuses and not over:
            return None
        wanted = [now >= due for due in self._due_ms]
        for i in over:
            wanted[i] = True
        if scan.statuses != self._statuses:
            wanted = self._with_new_statuses(scan, wanted)
        if scan.present is not None:
            wanted = [w and here for w, here in zip(wanted, scan.present, strict=True)]
        return self._reported(scan, wanted, now) if any(wanted) else None

    def _looked_at(self, now: int) -> int:
        if now < self._newest_ms - STEP_MS:  # heartbeats would wait until the clock is there again
            self._due_ms, self._first_due_ms = [0] * len(self._due_ms), 0
        self._newest_ms = now
        return now

    def _reported(self, scan: Scan, wanted: list[bool], now: int) -> Scan:
        self._remember(scan, wanted, now)
        present = None if all(wanted) else wanted
        return Scan(scan.group, scan.values, scan.read_ms, scan.statuses, scan.source_ms, present, scan.cause, scan.sources, scan.server_ms)

    def _wanted(self, scan: Scan, now: int) -> list[bool]:
        if (scan.cause is not None) is not self._failed:
            wanted = [True] * len(scan.values)
        else:
            wanted = self._changed(scan.values)
            if scan.statuses != self._statuses:
                wanted = self._with_new_statuses(scan, wanted)
            if now >= self._first_due_ms:
                wanted = [w or now >= due for w, due in zip(wanted, self._due_ms, strict=True)]
            if self._always:
                wanted = [w or always for w, always in zip(wanted, self._every_scan, strict=True)]
        if scan.present is not None:
            wanted = [w and here for w, here in zip(wanted, scan.present, strict=True)]
        return wanted

    def _with_new_statuses(self, scan: Scan, wanted: list[bool]) -> list[bool]:
        zeros = [0] * len(wanted)
        return [w or a != b for w, a, b in zip(wanted, self._statuses or zeros, scan.statuses or zeros, strict=True)]

    def _changed(self, values: list[Value]) -> list[bool]:
        """A NaN equals a NaN here: it would otherwise be news for ever."""
        if self._bands is None:
            return [new != old and (new == new or old == old) for new, old in zip(values, self._values, strict=True)]  # noqa: PLR0124
        return [_beyond(new, old, band) for new, old, band in zip(values, self._values, self._bands, strict=True)]

    def _remember(self, scan: Scan, wanted: list[bool], now: int) -> None:
        if all(wanted):
            self._values = scan.values.copy()
            self._due_ms = [now + beat for beat in self._heartbeats]
        else:
            self._values = [new if w else old for w, new, old in zip(wanted, scan.values, self._values, strict=True)]
            self._due_ms = [now + beat if w else due for w, beat, due in zip(wanted, self._heartbeats, self._due_ms, strict=True)]
        if self._held_back is not None:
            self._held_back.reported(wanted)
        if self._relative is not None:
            self._set_bands(self._relative, wanted)
        self._statuses = self._merged_statuses(scan, wanted)
        self._failed = scan.cause is not None
        self._first_due_ms = min(self._due_ms)

    def _set_bands(self, relative: list[float], wanted: list[bool]) -> None:
        """Put the deadbands that are a share of the reported value where that value is new. Never below the rule's absolute one."""
        columns = zip(wanted, relative, self.rules, self._values, self._bands or [], strict=True)
        self._bands = [_band_at(value, rule) if new and share else band for new, share, rule, value, band in columns]

    def _merged_statuses(self, scan: Scan, wanted: list[bool]) -> list[int] | None:
        """Return the statuses reported last; None when all are good."""
        if scan.statuses is None and self._statuses is None:
            return None
        zeros = [0] * len(wanted)
        merged = [new if w else old for w, new, old in zip(wanted, scan.statuses or zeros, self._statuses or zeros, strict=True)]
        return merged if any(merged) else None


def _first_band(rule: ReportRule) -> float:
    """Return the deadband while nothing was reported; where only the integral decides, no difference is too big by itself."""
    return INFINITY if rule.deadband_integral and not rule.deadband and not rule.deadband_share else rule.deadband


def _band_at(value: Value, rule: ReportRule) -> float:
    """Return the deadband around a reported value, of a rule that has a share of it."""
    if isinstance(value, int | float) and abs(value) < INFINITY:  # NaN is not
        return max(rule.deadband, rule.deadband_share * abs(value))
    return rule.deadband


def _beyond(new: Value, old: Value, band: float) -> bool:
    if band and isinstance(new, int | float) and isinstance(old, int | float) and not isinstance(new, bool):
        difference = new - old
        # Not `> band` alone: a comparison with NaN is False, and a value that becomes NaN, or stops being it, is news.
        return difference > band or difference < -band or (new != new) != (old != old)  # noqa: PLR0124
    return new != old and (new == new or old == old)  # noqa: PLR0124
