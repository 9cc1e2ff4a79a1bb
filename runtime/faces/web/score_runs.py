"""The scores of a model over time, cut into what a chart may join and what it must leave open. Pure; no pixels, no sockets.

Room: hall, face. `judgement_pages` gives it the core's answer to `scores`. It joins nothing over a hole: a stretch without scores is a
gap, one where the model abstained is said to be that, and neither is drawn as a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from ledger_client.body_words import is_number
from ledger_client.details import is_int

SPACINGS_MAX: Final = 3
"""Points further apart than so many of their usual distance have a gap between them."""
LATE_MS: Final = 60_000
"""Scores come in receipts, which follow the flush of their batches: the last moments have none yet, which is no gap."""
Point = tuple[int, float, bool]
Span = tuple[int, int]


@dataclass(slots=True)
class ScoreRuns:
    """`runs` are stretches of [ms, score, alarming] to be joined; `abstained`, `gaps`, `untold` and `earlier` are [from_ms, to_ms].

    `untold`: there are scores, which were not read because the span has too many. `earlier`: those of a model that was in use before,
    which had another threshold. All but `runs` are spans.
    """

    from_ms: int
    to_ms: int
    threshold: float | None
    runs: list[list[Point]] = field(default_factory=list)
    abstained: list[Span] = field(default_factory=list)
    gaps: list[Span] = field(default_factory=list)
    untold: list[Span] = field(default_factory=list)
    earlier: list[Span] = field(default_factory=list)
    score_max: float = 0.0


def score_runs(answer: Any, from_ms: int, to_ms: int) -> ScoreRuns:
    """Return the core's answer to `scores` as runs within a range of times.

    Args:
        answer: {"points": [[ms, score | null, alarming], …] oldest first, "threshold": number | null, "cell_ms": grid,
            "cut_ms": scores before it were not read | null, "earlier": [[from ms, to ms], …] in which another model scored}.
        from_ms: where the chart begins.
        to_ms: where it ends; the time from the last point to here is a gap too, when it is long enough.
    """
    points = _points(answer, from_ms, to_ms)
    threshold = answer.get("threshold")
    found = ScoreRuns(from_ms, to_ms, threshold if is_number(threshold) else None)
    apart = SPACINGS_MAX * _spacing(points, answer.get("cell_ms"))
    at, silent_from = _told_from(found, answer.get("cut_ms")), None
    run: list[Point] = []
    for ms, score, alarming in points:
        if ms - at > apart:
            run, silent_from = _close(found, run, silent_from, at), None
            found.gaps.append((at, ms))
        if score is None:
            run = _close(found, run, None, at)
            silent_from = ms if silent_from is None else silent_from
        else:
            if silent_from is not None:
                found.abstained.append((silent_from, ms))
                silent_from = None
            run.append((ms, score, alarming))
            found.score_max = max(found.score_max, score)
        at = ms
    _close(found, run, silent_from, at)
    if to_ms - at > max(apart, LATE_MS):
        found.gaps.append((at, to_ms))
    return _without_earlier(found, answer.get("earlier"), apart)


def _without_earlier(found: ScoreRuns, earlier: Any, apart: float) -> ScoreRuns:
    """Take the times of another model out of the gaps: what is left of a gap is one when it is long enough."""
    for row in earlier if isinstance(earlier, list) else ():
        match row:
            case [int(first), int(last)]:
                inside = [(max(first, start), min(last, end)) for start, end in found.gaps if first < end and last > start]
                found.earlier += inside
                pieces = [piece for start, end in found.gaps for piece in _pieces(start, end, first, last)]
                found.gaps = [piece for piece in pieces if piece in found.gaps or piece[1] - piece[0] > apart]
    return found


def _pieces(start: int, end: int, first: int, last: int) -> list[Span]:
    """Return what is left of one span without another."""
    if first >= end or last <= start:
        return [(start, end)]
    return [piece for piece in ((start, first), (last, end)) if piece[0] < piece[1]]


def _told_from(found: ScoreRuns, cut_ms: Any) -> int:
    """Return from when on the answer tells scores; what is before is said to be untold."""
    if not is_int(cut_ms) or cut_ms <= found.from_ms:
        return found.from_ms
    found.untold.append((found.from_ms, min(cut_ms, found.to_ms)))
    return found.untold[0][1]


def _close(found: ScoreRuns, run: list[Point], silent_from: int | None, at: int) -> list[Point]:
    """End what is open at a time; return the empty run that follows."""
    if run:
        found.runs.append(run)
    if silent_from is not None:
        found.abstained.append((silent_from, at))
    return []


def _points(answer: Any, from_ms: int, to_ms: int) -> list[tuple[int, float | None, bool]]:
    found: list[tuple[int, float | None, bool]] = []
    for row in answer.get("points", ()):
        match row:
            case [int(ms), (float() | int() | None) as score, *more] if from_ms <= ms <= to_ms and not isinstance(score, bool):
                found.append((ms, None if score is None else float(score), bool(more and more[0])))
    return sorted(found, key=lambda point: point[0])


def _spacing(points: Sequence[tuple[int, float | None, bool]], cell_ms: Any) -> float:
    """Return the usual distance of points: the median, at least one cell. With gaps in them, the mean would say too much."""
    steps = sorted(after[0] - before[0] for before, after in pairwise(points))
    usual = steps[len(steps) // 2] if steps else 0
    return max(usual, cell_ms if is_int(cell_ms) else 1_000)
