"""How much a meter's report rule has held back: the integral of what its readings differ from the one reported last. Pure.

Room: hall, acquisition. `report_rules` makes one for a tag group in which a tag has an integral deadband, and asks it at every scan. It
decides for those columns only, and holds back nothing by itself.

A value is taken to hold until the next one. A tag is to be reported when what was held back, together with what this value will add until
the next scan, exceeds its limit: so as long as scans keep their period, the energy (volume, …) that one reckons from the reported
readings differs between two of them by no more than the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivers.reading import Scan, Value


class HeldBack:
    """The sums of one tag group's columns. Limits are in the tags' unit times seconds, 0: no limit."""

    def __init__(self, limits: Sequence[float]) -> None:
        self._limits = [(i, limit) for i, limit in enumerate(limits) if limit > 0]
        self._sums = [0.0] * len(limits)
        self._values: list[Value] = [None] * len(limits)
        """The value that holds, of each column that has a limit."""
        self._at_ms: int | None = None

    def beyond(self, scan: Scan, reported: Sequence[Value]) -> list[int]:
        """Go on to this scan; return the columns that have to be reported. `reported` holds the values that were reported last."""
        period_ms = scan.group.period_ms
        since_ms = 0 if self._at_ms is None else scan.read_ms - self._at_ms
        if since_ms < 0:  # the wall clock was set back
            since_ms = period_ms
        self._at_ms = scan.read_ms
        found = []
        for i, limit in self._limits:
            last = reported[i]
            self._sums[i] += _distance(self._values[i], last) * since_ms / 1000
            if scan.present is None or scan.present[i]:
                self._values[i] = scan.values[i]
                if self._sums[i] + _distance(scan.values[i], last) * period_ms / 1000 > limit:
                    found.append(i)
        return found

    def reported(self, columns: Iterable[bool]) -> None:
        """These columns are reported now: nothing of them is held back any more."""
        self._sums = [0.0 if each else held for each, held in zip(columns, self._sums, strict=True)]


def _distance(value: Value, last: Value) -> float:
    """Return how far two numbers are apart; 0 where there is none to compare, which the other rules judge."""
    if not isinstance(value, int | float) or not isinstance(last, int | float) or value == last:
        return 0.0
    distance = abs(value - last)
    return distance if distance == distance else 0.0  # noqa: PLR0124  NaN: the other rules report it
