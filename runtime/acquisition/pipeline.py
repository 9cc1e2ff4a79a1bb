"""A scan's fork: live shows all of it at once, evidence gets what the report rules let through.

Room: hall, acquisition. The pollers' sink. Everything here happens in the call of a poller, so it is columns and no waiting. It holds no
reading back from `live` and gives nothing to evidence that was not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from drivers.reading import Scan, TagGroup
from runtime.acquisition.live import Live
from runtime.acquisition.report_rules import ReportFilter
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


class Pipeline:
    """Implements `poller.ScanSink`."""

    def __init__(self, live: Live, collector: Collector) -> None:
        self._live, self._collector = live, collector
        self._filters: dict[int, ReportFilter] = {}
        self._groups: dict[int, TagGroup] = {}
        self._failing: set[int] = set()

    def set_devices(self, devices: Iterable[DevicePoints]) -> None:
        """Use these devices' rules; a group whose rules stayed keeps its memory."""
        before, self._filters = self._filters, {}
        groups, self._groups = self._groups, {}
        for device in devices:
            self._groups.update((group.uid, group) for group in device.groups)
            for uid, rules in device.rules.items():
                known = before.get(uid)
                stays = known is not None and known.rules == rules and groups.get(uid) == self._groups[uid]
                self._filters[uid] = known if known is not None and stays else ReportFilter(rules)
        self._failing &= set(self._filters)

    def take(self, scan: Scan) -> None:
        """See ScanSink. A read that was under way while its group was configured anew has other columns: a counted miss."""
        uid = scan.group.uid
        report_filter, group = self._filters.get(uid), self._groups.get(uid)
        if report_filter is None or (group is not scan.group and group != scan.group):
            if group is not None:
                self._collector.missed(group, scan.read_ms, scan.read_ms, "group_reconfigured", 1)
            return
        if scan.cause is not None:
            self._failing.add(uid)
        elif uid in self._failing:
            self._failing.discard(uid)
            self._collector.came_back(uid)
        self._live.publish(scan)
        reported = report_filter.apply(scan)
        if reported is not None:
            ticket, cause = self._collector.add(reported)
            self._live.collected(reported, ticket, cause)

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        """See ScanSink."""
        self._collector.missed(group, from_ms, to_ms, cause, count)
