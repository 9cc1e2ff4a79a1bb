"""A scan whose tags have different source times, as several scans of one source time each: a body holds one per scan. Pure.

Room: hall, acquisition. The pipeline calls it for what the report rules let through, so for a few tags as a rule. It never gives a
reading a time that is not its own.
"""

from __future__ import annotations

from typing import Final

from drivers.reading import Scan

TIMES_MAX: Final = 64
"""Scans that one scan may become; each costs a pass over the columns. Beyond, readings with the rarest times are kept without one."""


def by_source_time(scan: Scan) -> list[Scan]:
    """Return scans that together hold the same readings, oldest source time first; the scan itself where one time serves all."""
    if scan.sources is None:
        return [scan]
    places: dict[int | None, list[int]] = {}
    for i, time in enumerate(scan.sources):
        if scan.present is None or scan.present[i]:
            places.setdefault(time, []).append(i)
    if len(places) > TIMES_MAX:
        timeless = places.setdefault(None, [])
        for time in sorted((time for time in places if time is not None), key=lambda time: (len(places[time]), time))[
            : len(places) - TIMES_MAX
        ]:
            timeless += places.pop(time)
    return [_part(scan, time, places[time]) for time in sorted(places, key=lambda time: (time is not None, time or 0))]


def _part(scan: Scan, time: int | None, places: list[int]) -> Scan:
    present = [False] * len(scan.values)
    for i in places:
        present[i] = True
    return Scan(
        scan.group, scan.values, scan.read_ms, scan.statuses, time, None if all(present) else present, scan.cause, None, scan.server_ms
    )
