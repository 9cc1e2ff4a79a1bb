"""A scan's fork: live shows all of it at once, evidence gets what the report rules let through.

Room: hall, acquisition. The pollers' sink. Everything here happens in the call of a poller, so it is columns and no waiting. It holds no
reading back from `live` and gives nothing to evidence that was not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from drivers.reading import Scan, TagGroup
from runtime.acquisition.checks import ScanChecks, checks_of
from runtime.acquisition.live import Live
from runtime.acquisition.read_times import ReadTimes
from runtime.acquisition.report_rules import ReportFilter
from runtime.acquisition.source_times import by_source_time
from runtime.points import DevicePoints


class Collector(Protocol):
    """What evidence offers to the pipeline."""

    def add(self, scan: Scan) -> tuple[int, str | None]:
        """Take a scan into the open batch: (its ticket, None), or (0, why it will not be recorded)."""
        ...

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """Count scans that did not come."""
        ...

    def came_back(self, group_uid: int) -> None:
        """A group that had failed gave a good scan."""
        ...


class AlarmTap(Protocol):
    """What alarms offer to the pipeline. Every call returns at once."""

    def saw(self, scan: Scan) -> None:
        """A scan came, as live values show it."""
        ...

    def alive(self, group_uid: int) -> None:
        """A subscription had nothing new: its last values still hold."""
        ...


class Pipeline:
    """Implements `poller.ScanSink`."""

    def __init__(
        self, live: Live, collector: Collector, knows_time: Callable[[], bool] = lambda: True, mono_ms: Callable[[], int] | None = None
    ) -> None:
        """`knows_time` tells whether the wall clock was ever set. Heartbeats go by `mono_ms`, without one by the times of scans.

        `alarms` is set by whoever has any.
        """
        self._live, self._collector, self._knows_time, self._mono_ms = live, collector, knows_time, mono_ms
        self.alarms: AlarmTap | None = None
        self._checks: dict[int, ScanChecks] = {}
        """Of the groups that have any."""
        self._filters: dict[int, ReportFilter] = {}
        self._groups: dict[int, TagGroup] = {}
        self._failing: set[int] = set()
        self._newest: dict[int, Scan] = {}
        """Group uid -> the newest value of each tag that a subscription brought, as one scan, not marked yet."""
        self._times: dict[int, ReadTimes] = {}
        """Of the pushed groups."""

    def set_devices(self, devices: Iterable[DevicePoints]) -> None:
        """Use these devices' rules; a group whose rules stayed keeps its memory."""
        before, self._filters = self._filters, {}
        groups, self._groups = self._groups, {}
        self._checks = {}
        for device in devices:
            self._groups.update((group.uid, group) for group in device.groups)
            found = ((uid, checks_of(checks, self._knows_time)) for uid, checks in device.checks.items())
            self._checks.update((uid, checks) for uid, checks in found if checks is not None)
            for uid, rules in device.rules.items():
                known = before.get(uid)
                stays = known is not None and known.rules == rules and groups.get(uid) == self._groups[uid]
                self._filters[uid] = known if known is not None and stays else ReportFilter(rules)
        self._failing &= set(self._filters)
        self._newest = {uid: scan for uid, scan in self._newest.items() if self._filters.get(uid) is before.get(uid)}
        self._times = {uid: self._times.get(uid, ReadTimes()) for uid, group in self._groups.items() if group.mode == "subscribe"}

    def take(self, scan: Scan) -> None:
        """See ScanSink. A read that was under way while its group was configured anew has other columns: a counted miss.

        One that failed was counted by who says so. History is recorded, whatever the report rules compare new values with, and is nobody's
        newest value: not of live values, alarms, interlocks and heartbeats. Nor of the ledger: what comes next of its tags is recorded,
        changed or not. It ends no failure. A live scan of the same millisecond is read one later: each has a time by which it is proved.
        """
        uid = scan.group.uid
        report_filter, group = self._filters.get(uid), self._groups.get(uid)
        if report_filter is None or (group is not scan.group and group != scan.group):
            if group is not None and scan.cause is None:
                self._collector.missed(group, scan.read_ms, scan.read_ms, "group_reconfigured", 1)
            return
        if scan.past:
            self._record(scan, report_filter)
            return
        if scan.cause is not None:
            self._failing.add(uid)
        elif uid in self._failing:
            self._failing.discard(uid)
            self._collector.came_back(uid)
        times = self._times.get(uid)
        if times is not None and (read_ms := times.live(scan.read_ms)) != scan.read_ms:
            scan = replace(scan, read_ms=read_ms)
        self._show(scan, report_filter)
        if times is not None:
            self.alive(scan.group, scan.read_ms)  # while others change, a quiet tag has its heartbeat too

    def alive(self, group: TagGroup, read_ms: int) -> None:
        """See ScanSink. What is due by its heartbeat, or has become overdue meanwhile, is collected again, as read now."""
        if self.alarms is not None:
            self.alarms.alive(group.uid)
        newest, report_filter = self._newest.get(group.uid), self._filters.get(group.uid)
        if newest is None or report_filter is None or newest.group != group:
            return
        holding = Scan(newest.group, newest.values, read_ms, newest.statuses, None, newest.present)
        if (checks := self._checks.get(group.uid)) is not None:
            holding = checks.marked(holding)
        repeated = report_filter.repeat(holding, self._now_ms())
        if repeated is not None:
            if (times := self._times.get(group.uid)) is not None:
                repeated.read_ms = times.live(repeated.read_ms)
            self._live.publish(repeated)
            self._collect(repeated)

    def _show(self, scan: Scan, report_filter: ReportFilter) -> None:
        """Tell everybody the newest values, and collect what is to be reported of them."""
        if scan.group.mode == "subscribe":
            self._keep(scan)
        if (checks := self._checks.get(scan.group.uid)) is not None:
            scan = checks.marked(scan)
        self._live.publish(scan)
        if self.alarms is not None:
            self.alarms.saw(scan)
        reported = report_filter.apply(scan, self._now_ms())
        if reported is not None:
            self._collect(reported)

    def _record(self, scan: Scan, report_filter: ReportFilter) -> None:
        """Collect a scan of the past. What becomes of it says nothing of the values that are shown; those are due behind it."""
        times = self._times.setdefault(scan.group.uid, ReadTimes())
        scan = replace(scan, read_ms=times.past(scan.read_ms))
        if (checks := self._checks.get(scan.group.uid)) is not None:
            scan = checks.marked(scan)
        for part in by_source_time(scan):
            self._collector.add(part)
        report_filter.expect(scan.present)

    def _now_ms(self) -> int | None:
        return None if self._mono_ms is None else self._mono_ms()

    def _keep(self, scan: Scan) -> None:
        """Remember a subscription's values; after a failure none of them is known to hold."""
        uid = scan.group.uid
        known = self._newest.get(uid)
        if scan.cause is not None:
            self._newest.pop(uid, None)
        elif scan.present is None or known is None:
            self._newest[uid] = scan
        else:
            self._newest[uid] = _laid_over(known, scan, scan.present)

    def _collect(self, scan: Scan) -> None:
        for part in by_source_time(scan):
            ticket, cause = self._collector.add(part)
            self._live.collected(part, ticket, cause)

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """See ScanSink."""
        self._collector.missed(group, from_ms, to_ms, cause, count)


def _laid_over(old: Scan, new: Scan, here: list[bool]) -> Scan:
    """Return the newest of two scans, tag by tag."""
    values = [n if h else o for h, n, o in zip(here, new.values, old.values, strict=True)]
    zeros = [0] * len(here)
    statuses = [n if h else o for h, n, o in zip(here, new.statuses or zeros, old.statuses or zeros, strict=True)]
    present = None if old.present is None else [h or o for h, o in zip(here, old.present, strict=True)]
    return Scan(new.group, values, new.read_ms, statuses if any(statuses) else None, None, present)
