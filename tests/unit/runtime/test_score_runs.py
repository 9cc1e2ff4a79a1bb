"""Scores over time: what a chart may join. Nothing is joined over a gap or an abstention, and no score is lost or made up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.faces.web.score_runs import LATE_MS, SPACINGS_MAX, score_runs
from tests.rigs.judged_plant import CELL_MS, day_of_scores

END = 1_000_000


def answer(points: list[Any]) -> dict[str, Any]:
    return {"points": points, "threshold": 2.4, "cell_ms": CELL_MS}


def test_a_hole_and_an_abstention_are_told_apart() -> None:
    found = score_runs(answer(day_of_scores(END)), END - 600_000, END)
    assert (len(found.runs), len(found.gaps), len(found.abstained)) == (3, 1, 1)
    assert found.gaps == [(END - 410_000, END - 330_000)]
    assert found.abstained == [(END - 259_000, END - 200_000)]
    assert found.score_max == max(point[1] for run in found.runs for point in run)


def test_silence_at_either_end_is_a_gap() -> None:
    points = [[END - 300_000 + n * CELL_MS, 1.0, False] for n in range(60)]
    found = score_runs(answer(points), END - 600_000, END)
    assert found.gaps == [(END - 600_000, END - 300_000), (END - 241_000, END)]
    late = [[END - LATE_MS - n * CELL_MS, 1.0, False] for n in range(60)]
    assert score_runs(answer(late), late[-1][0], END).gaps == [], "scores that are still on their way are no gap"
    assert score_runs(answer([]), 0, END).gaps == [(0, END)]
    assert score_runs({}, 0, END).gaps == [(0, END)]


def test_scores_that_were_not_read_are_no_gap() -> None:
    points = day_of_scores(END)
    cut_ms = points[100][0]
    found = score_runs(answer(points[100:]) | {"cut_ms": cut_ms}, END - 600_000, END)
    assert found.untold == [(END - 600_000, cut_ms)]
    assert found.gaps == score_runs(answer(points), END - 600_000, END).gaps, "the time before is not said to have no data"
    assert score_runs(answer(points) | {"cut_ms": None}, END - 600_000, END).untold == []
    assert score_runs(answer(points) | {"cut_ms": END - 700_000}, END - 600_000, END).untold == []
    nothing = score_runs(answer([]) | {"cut_ms": END + 5}, 0, END)
    assert (nothing.untold, nothing.gaps) == ([(0, END)], [])


def test_the_time_of_an_earlier_model_is_no_gap() -> None:
    points = [[END - 100_000 + n * CELL_MS, 1.0, False] for n in range(100)]
    old = {"earlier": [[END - 500_000, END - 120_000]]}
    found = score_runs(answer(points) | old, END - 600_000, END)
    assert found.earlier == [(END - 500_000, END - 120_000)]
    assert found.gaps == [(END - 600_000, END - 500_000), (END - 120_000, END - 100_000)], "what nobody scored is one still"
    assert score_runs(answer(points) | {"earlier": [[0, END - 101_000]]}, END - 600_000, END).gaps == []
    nothing = score_runs(answer([]) | {"earlier": [[0, END - 1_000]]}, 0, END)
    assert (nothing.earlier, nothing.gaps) == ([(0, END - 1_000)], [])
    back = score_runs(answer([*points[:10], *points[60:]]) | {"earlier": [[END - 90_000, END - 41_000]]}, END - 100_000, END)
    assert (back.earlier, back.gaps) == ([(END - 90_000, END - 41_000)], []), "between two spans of one that came back"
    assert score_runs(answer(points) | {"earlier": [[1], "x", None]}, END - 100_000, END).earlier == []


steps = st.lists(st.tuples(st.integers(1, 40_000), st.one_of(st.none(), st.floats(0, 1e6)), st.booleans()), max_size=60)


@given(steps)
def test_every_score_is_drawn_once_and_no_line_crosses_a_hole(rows: list[tuple[int, float | None, bool]]) -> None:
    at, points = 0, []
    for step, score, alarming in rows:
        at += step
        points.append([at, score, alarming])
    found = score_runs(answer(points), 0, at + 1)
    assert [list(point) for run in found.runs for point in run] == [point for point in points if point[1] is not None]
    holes = [*found.gaps, *found.abstained]
    for run in found.runs:
        for before, after in pairwise(run):
            assert not [hole for hole in holes if hole[0] < after[0] and before[0] < hole[1]]
    spacing = max([CELL_MS, *sorted(b[0] - a[0] for a, b in pairwise(points))[len(points[1:]) // 2 :][:1]])
    assert all(b[0] - a[0] <= SPACINGS_MAX * spacing for run in found.runs for a, b in pairwise(run))
    silent = [point[0] for point in points if point[1] is None]
    assert all(any(start <= ms <= end for start, end in found.abstained) for ms in silent)


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


@given(st.lists(hostile, max_size=12), hostile)
def test_what_is_no_point_is_left_out(points: list[Any], other: Any) -> None:
    found = score_runs({"points": points, "threshold": other, "cell_ms": other, "cut_ms": other}, 0, END)
    assert all(0 <= point[0] <= END for run in found.runs for point in run)
