"""What is marked in a scan before anybody sees it: values outside their range, and those of an instrument that is overdue. Pure.

Room: hall, acquisition. The pipeline makes one per tag group that has anything to check; the others cost nothing. What is read
besides the polls, and not recorded, is marked with `marked_alone`, so that people see what would be recorded. It changes no value and
no status but a good one: what a driver said to be uncertain or bad stays as it said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from drivers.reading import Scan, Status
from runtime.points import DevicePoints
from runtime.tag_checks import TagCheck

NEVER: Final = 1 << 62
OVERDUE: Final = int(Status.UNCERTAIN_SENSOR_CALIBRATION)


class ScanChecks:
    """The checks of one group's tags, by column."""

    def __init__(self, checks: Sequence[TagCheck], knows_time: Callable[[], bool]) -> None:
        """`knows_time` tells whether the wall clock was ever set: before that nothing is overdue."""
        infinity = float("inf")
        self._ranges = [
            (i, -infinity if each.low is None else each.low, infinity if each.high is None else each.high, int(each.outside))
            for i, each in enumerate(checks)
            if each.has_range
        ]
        dues = ((i, each.instrument.overdue_ms) for i, each in enumerate(checks))
        self._dues = sorted((due_ms, i) for i, due_ms in dues if due_ms is not None)
        self._first_due_ms = self._dues[0][0] if self._dues else NEVER
        self._knows_time = knows_time

    def marked(self, scan: Scan) -> Scan:
        """Return the scan with the statuses that its values deserve; the scan itself when it has them."""
        if scan.cause is not None:
            return scan
        found = self._overdue(scan.read_ms) if scan.read_ms >= self._first_due_ms else {}
        values = scan.values
        for i, low, high, outside in self._ranges:
            value = values[i]
            # NaN is within no range.
            if isinstance(value, int | float) and not low <= value <= high:
                found[i] = outside
        if not found:
            return scan
        old = scan.statuses
        statuses = [0] * len(values) if old is None else old.copy()  # a driver may keep its own list
        for i, status in found.items():
            if statuses[i] >> 30 == 0:
                statuses[i] = status
        return Scan(
            scan.group, values, scan.read_ms, statuses, scan.source_ms, scan.present, scan.cause, scan.sources, scan.server_ms
        )  # fmt: skip

    def _overdue(self, read_ms: int) -> dict[int, int]:
        if not self._knows_time():
            return {}
        return {i: OVERDUE for due_ms, i in self._dues if read_ms >= due_ms}


def checks_of(checks: Sequence[TagCheck], knows_time: Callable[[], bool]) -> ScanChecks | None:
    """Return the checks of a group, None when there is nothing to check."""
    if any(each.has_range or each.instrument.due is not None for each in checks):
        return ScanChecks(checks, knows_time)
    return None


def marked_alone(points: DevicePoints, scan: Scan, knows_time: Callable[[], bool]) -> Scan:
    """Return a scan of any tags of a device with the statuses that the pipeline would give it."""
    known = {tag.uid: check for group in points.groups for tag, check in zip(group.tags, points.checks[group.uid], strict=True)}
    rules = checks_of([known[tag.uid] for tag in scan.group.tags], knows_time)
    return scan if rules is None else rules.marked(scan)
