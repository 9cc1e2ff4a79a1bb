"""The search for what a device refused: it finds exactly the smallest refused stretches, and asks little and nothing twice."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log2

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.finder import Found, Known, Stretch, search
from drivers.modbus.intervals import Intervals


def run(count: int, faults: list[Stretch], known: Known = lambda _a, _b: None) -> tuple[list[Stretch], list[Stretch]]:
    """Play a device that refuses what contains a fault; return what was found and what was asked."""
    found: list[Found] = []
    asked: list[Stretch] = []
    steps = search(count, found.append, known)
    try:
        stretch = next(steps)
        while True:
            asked.append(stretch)
            assert 0 <= stretch[0] <= stretch[1] < count
            stretch = steps.send(not any(stretch[0] <= a and b <= stretch[1] for a, b in faults))
    except StopIteration:
        return [(each.first, each.last) for each in found], asked


def smallest(faults: list[Stretch]) -> list[Stretch]:
    kept = set(faults)
    return sorted(a for a in kept if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in kept))


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, list[Stretch]]:
    count = draw(st.integers(1, 40))
    faults = []
    for _ in range(draw(st.integers(1, 8))):
        first = draw(st.integers(0, count - 1))
        faults.append((first, min(count - 1, first + draw(st.sampled_from([0, 0, 0, 1, 1, 5])))))
    return count, faults


@settings(max_examples=500, deadline=None)
@given(maps())
def test_exactly_the_smallest_refused_stretches_are_found(case: tuple[int, list[Stretch]]) -> None:
    count, faults = case
    found, asked = run(count, faults)
    assert set(found) <= set(smallest(faults))
    assert all(any(m + 1 < k and m < a < k for m, k in found) for a, _ in set(smallest(faults)) - set(found))
    assert len(set(asked)) == len(asked)


@settings(max_examples=200, deadline=None)
@given(maps(), st.data())
def test_what_is_known_is_not_asked_again(case: tuple[int, list[Stretch]], data: st.DataObject) -> None:
    count, faults = case
    found, asked = run(count, faults)
    kept = data.draw(st.sets(st.sampled_from(asked))) if asked else set()
    truth = {(a, b): not any(a <= x and y <= b for x, y in faults) for a, b in kept}
    again, asked_again = run(count, faults, lambda a, b: truth.get((a, b)))
    assert again == found
    assert not kept & set(asked_again)


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 125), st.sets(st.integers(0, 124), min_size=1, max_size=12))
def test_it_asks_about_the_logarithm_of_the_distance_for_each(count: int, places: set[int]) -> None:
    faults = [(place, place) for place in sorted(places) if place < count] or [(0, 0)]
    found, asked = run(count, faults)
    assert found == faults
    assert len(asked) <= len(faults) * (2 * ceil(log2(count / len(faults) + 1)) + 4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 80), st.integers(1, 12)), max_size=30))
def test_intervals_are_sets_of_addresses(steps: list[tuple[bool, int, int]]) -> None:
    kept, truth = Intervals(), set[int]()
    for add, start, length in steps:
        some = set(range(start, start + length))
        changed = kept.add(start, start + length) if add else kept.remove(start, start + length)
        assert changed == (not some <= truth if add else bool(some & truth))
        truth = truth | some if add else truth - some
        rows = kept.rows()
        assert {n for a, b in rows for n in range(a, b)} == truth
        assert all(a[1] < b[0] for a, b in pairwise(rows))
        assert kept.covers(start, start + length) == (some <= truth)
