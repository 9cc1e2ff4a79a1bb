"""A scan with different source times becomes scans of one each: nothing lost, nothing given another's time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Scan, Tag, TagGroup
from runtime.acquisition.source_times import TIMES_MAX, by_source_time


def scan_of(sources: list[int | None] | None, present: list[bool] | None, count: int) -> Scan:
    group = TagGroup(1, "d", "g", 100, tuple(Tag(n, f"t{n}", "d", "int", "", None) for n in range(count)))
    return Scan(group, list(range(count)), 1000, [n % 3 for n in range(count)], 7, present, None, sources, 900)


rows = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.booleans()), min_size=1, max_size=30)


@given(rows)
def test_the_parts_hold_the_same_readings(given_rows: list[tuple[int | None, bool]]) -> None:
    scan = scan_of([time for time, _ in given_rows], [here for _, here in given_rows], len(given_rows))
    parts = by_source_time(scan)
    readings = sorted((r for part in parts for r in part.readings()), key=lambda r: r.tag.uid)
    assert readings == list(scan.readings())
    assert all(part.sources is None and (part.read_ms, part.server_ms) == (1000, 900) for part in parts)
    assert len({part.source_ms for part in parts}) == len(parts)


def test_one_time_for_all_is_left_alone() -> None:
    scan = scan_of(None, None, 3)
    assert by_source_time(scan) == [scan]


def test_beyond_the_bound_the_rarest_times_are_left_out_never_changed() -> None:
    sources: list[int | None] = [*range(200)] + [500] * 50
    parts = by_source_time(scan_of(sources, None, 250))
    assert len(parts) <= TIMES_MAX + 1
    kept = {r.tag.uid: r.source_ms for part in parts for r in part.readings()}
    assert len(kept) == 250
    assert all(time is None or time == sources[uid] for uid, time in kept.items())
    assert all(kept[uid] == 500 for uid in range(200, 250))
