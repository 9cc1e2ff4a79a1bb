"""When a tag was not read, and why: gap entries and the times between two boots, as intervals of a chart.

Room: hall, history. `trends` asks. Gap entries say a long outage in several rows; those that touch become one interval again, and in a wide
view so do those that no eye could tell apart. It invents none: between two readings without a gap the tag was simply not reported anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from runtime.history.catalogue import Catalogue

TOUCHING_MS: Final = 2_000
"""Rows of one outage follow each other within a poll or two."""
GAPS_MAX: Final = 300
ROWS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Gap:
    """[from, to] ms; `scans` that did not come, 0 where nobody counted. `cause` is that of the most of it."""

    from_ms: int
    to_ms: int
    cause: str
    scans: int


class Gaps:
    """Asks the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def of(self, groups: Collection[int], t0_ms: int, t1_ms: int, width_ms: int) -> list[Gap]:
        """Return the gaps of tags that were read in these groups, in [t0, t1], in order; not more than GAPS_MAX."""
        rows = self._rows("group_uid IS NULL", (), t0_ms, t1_ms)
        for group in sorted(groups):
            rows += self._rows("group_uid = ?", (group,), t0_ms, t1_ms)
        found = joined((Gap(*row) for row in sorted(rows)), max(TOUCHING_MS, width_ms))
        apart_ms = max(TOUCHING_MS, width_ms)
        while len(found) > GAPS_MAX:
            apart_ms *= 2
            found = joined(found, apart_ms)
        return found

    def _rows(self, whose: str, groups: tuple[int, ...], t0_ms: int, t1_ms: int) -> list[tuple[int, int, str, int]]:
        question = f"SELECT t0, t1, cause, count FROM gap WHERE {whose} AND t1 >= ? AND t0 <= ? ORDER BY t1 LIMIT ?"  # noqa: S608  ours
        return [tuple(row) for row in self._catalogue.ask(question, (*groups, t0_ms, t1_ms, ROWS_MAX))]


def joined(gaps: Iterable[Gap], apart_ms: int) -> list[Gap]:
    """Return gaps in order of their begin with those made one that are at most so far apart."""
    found: list[Gap] = []
    longest_ms = 0
    for gap in gaps:
        if not found or gap.from_ms - found[-1].to_ms > apart_ms:
            found.append(gap)
            longest_ms = gap.to_ms - gap.from_ms
            continue
        last, length_ms = found[-1], gap.to_ms - gap.from_ms
        cause = gap.cause if length_ms > longest_ms else last.cause
        longest_ms = max(longest_ms, length_ms)
        found[-1] = Gap(last.from_ms, max(last.to_ms, gap.to_ms), cause, last.scans + gap.scans)
    return found
