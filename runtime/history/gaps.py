"""When a tag was not read, and why: gap entries and the times between two boots, as intervals of a chart.

Room: hall, history. `trends` asks. Gap entries say a long outage in several rows; those that touch become one interval again, and in a wide
view so do those that no eye could tell apart. It invents none: between two readings without a gap the tag was simply not reported anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from runtime.history.catalogue import Catalogue

TOUCHING_MS: Final = 2_000
"""Rows of one outage follow each other within a poll or two."""
GAPS_MAX: Final = 300
ROWS_AT_ONCE: Final = 20_000
"""Of a part that is read; a group may have more rows than that, and each of them counts."""
KEPT_MAX: Final = 20_000
"""Between two parts; a view of so many is coarser long before."""


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
        """Return the gaps of tags that were read in these groups, in [t0, t1], in order; not more than GAPS_MAX, and nothing left out."""
        apart_ms, found = max(TOUCHING_MS, width_ms), list[Gap]()
        for group in (None, *sorted(groups)):
            for rows in self._parts(group, t0_ms, t1_ms):
                found, apart_ms = _few([*found, *rows], apart_ms, KEPT_MAX)
        return _few(found, apart_ms, GAPS_MAX)[0]

    def _parts(self, group: int | None, t0_ms: int, t1_ms: int) -> Iterator[list[Gap]]:
        """Yield the rows of one group (None: those of all groups) by their ends, ROWS_AT_ONCE of them together."""
        whose = "group_uid IS NULL" if group is None else "group_uid = ?"
        question = (
            f"SELECT t0, t1, cause, count, seq, place FROM gap WHERE {whose} AND (t1, seq, place) > (?, ?, ?) AND t0 <= ? "  # noqa: S608  ours
            "ORDER BY t1, seq, place LIMIT ?"
        )
        whom, after = () if group is None else (group,), (t0_ms, -1, -1)
        while rows := self._catalogue.ask(question, (*whom, *after, t1_ms, ROWS_AT_ONCE)):
            yield [Gap(*row[:4]) for row in rows]
            if len(rows) < ROWS_AT_ONCE:
                return
            after = (rows[-1][1], rows[-1][4], rows[-1][5])


def _few(gaps: list[Gap], apart_ms: int, most: int) -> tuple[list[Gap], int]:
    """Return gaps joined into at most so many, and how far apart those may be that were made one."""
    found = joined(sorted(gaps, key=lambda gap: (gap.from_ms, gap.to_ms)), apart_ms)
    while len(found) > most:
        apart_ms *= 2
        found = joined(found, apart_ms)
    return found, apart_ms


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
