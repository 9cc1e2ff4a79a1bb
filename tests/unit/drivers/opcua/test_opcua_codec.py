"""OPC UA values in scans: types, statuses, several samples of one tag in one notification, source times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.binary import Array, Extension, Moment, too_large
from drivers.opcua.codec import Sample, convert, overflowed, pick, scan_of, scans_of, structures_in
from drivers.opcua.config import TagOptions
from drivers.opcua.nodes import NodeId, parse_part
from drivers.reading import Status, Tag, TagGroup

group = TagGroup(1, "dev", "g", 100, tuple(Tag(n, f"t{n}", "dev", "int", "", None) for n in range(3)))
types = [int, int, int]
noon_ms = 1767268800000
noon = Moment(noon_ms * 10_000 + 116_444_736_000_000_000)


@pytest.mark.parametrize(
    ("value", "wanted", "result"),
    [
        (1.5, float, (1.5, 0)),
        (2, float, (2.0, 0)),
        (True, bool, (True, 0)),
        ("x", str, ("x", 0)),
        (noon, str, ("2026-01-01T12:00:00+00:00", 0)),
        (None, float, (None, Status.BAD_DECODING_ERROR)),
        (True, int, (None, Status.BAD_DECODING_ERROR)),
        (True, float, (None, Status.BAD_DECODING_ERROR)),
        (1.5, int, (None, Status.BAD_DECODING_ERROR)),
        ("1", int, (None, Status.BAD_DECODING_ERROR)),
        ([1, 2], int, (None, Status.BAD_DECODING_ERROR)),
        ((1 << 53) + 1, float, (None, Status.BAD_DECODING_ERROR)),
        (b"x", str, (None, Status.BAD_DECODING_ERROR)),
        (too_large, str, (None, 0x80080000)),
        (Array((1, 2), (2,)), int, (None, Status.BAD_DECODING_ERROR)),
        (Moment(1 << 63), str, ("9999-12-31T23:59:59+00:00", 0)),
        (Moment(-1), str, ("1601-01-01T00:00:00+00:00", 0)),
    ],
)
def test_values_keep_or_widen_their_type_and_are_never_guessed(value: object, wanted: type, result: object) -> None:
    assert convert(value, 0, wanted) == result


def test_a_bad_status_without_a_value_stays_the_servers_own() -> None:
    assert convert(None, 0x80340000, int) == (None, 0x80340000)
    assert convert(5, 0x40900000, int) == (5, 0x40900000)


def test_a_polled_scan_has_statuses_and_times_of_each_tag_only_where_they_differ() -> None:
    good: list[Sample] = [(n, 0, noon_ms, noon_ms + 5 + n) for n in range(3)]
    scan = scan_of(group, types, good, 7)
    assert (scan.values, scan.statuses, scan.read_ms) == ([0, 1, 2], None, 7)
    assert (scan.source_ms, scan.sources, scan.server_ms) == (noon_ms, None, noon_ms + 7)
    mixed: list[Sample] = [(0, 0, None, None), (1.5, 0, noon_ms, None), (2, 0x40900000, noon_ms - 9, None)]
    scan = scan_of(group, types, mixed, 7)
    assert (scan.values, scan.statuses) == ([0, None, 2], [0, Status.BAD_DECODING_ERROR, 0x40900000])
    assert (scan.source_ms, scan.sources, scan.server_ms) == (noon_ms, [None, noon_ms, noon_ms - 9], None)
    assert [reading.source_ms for reading in scan.readings()] == [None, noon_ms, noon_ms - 9]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), max_size=40))
def test_a_notification_loses_nothing_and_keeps_each_tags_order(changes: list[tuple[int, int]]) -> None:
    scans = scans_of(group, types, [(place, (value, 0, noon_ms + value, None)) for place, value in changes], 7)
    seen = [(r.tag.uid, r.value) for scan in scans for r in scan.readings()]
    for place in range(3):
        assert [v for p, v in seen if p == place] == [v for p, v in changes if p == place]
    assert len(seen) == len(changes)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), max_size=40))
def test_every_notified_value_keeps_its_own_source_time(changes: list[tuple[int, int]]) -> None:
    scans = scans_of(group, types, [(place, (value, 0, noon_ms + value, noon_ms)) for place, value in changes], 7)
    assert all(reading.source_ms == noon_ms + int(reading.value or 0) for scan in scans for reading in scan.readings())


def test_a_way_into_a_value_gives_the_element_or_says_that_there_is_none() -> None:
    motors = Array(({"Speed": 7, "Limits": Array((1, 2, 3), (3,))}, {"Speed": 8, "Limits": None}), (2,))
    value = {"Motors": motors, "Grid": Array((1, 2, 3, 4, 5, 6), (2, 3))}
    for path, wanted in (("Motors[1].Speed", 8), ("Motors[0].Limits[2]", 3), ("Grid[1,0]", 4), ("Grid[0,2]", 3)):
        assert pick((value, 0, 1, 2), parse_part(path)) == (wanted, 0, 1, 2)
    for path in ("Motors[2].Speed", "Motors[1].Limits[0]", "Grid[1]", "Grid[2,0]", "Nothing", "Motors.Speed", "[0]"):
        assert pick((value, 0, 1, 2), parse_part(path)) == (None, 0x80370000, 1, 2)
    assert pick((value, 0x808C0000, 1, 2), parse_part("Nothing")) == (None, 0x808C0000, 1, 2)
    assert pick((None, 0x80340000, None, None), parse_part("[3]")) == (None, 0x80340000, None, None)


@pytest.mark.parametrize("part", ["[", "[a]", "a.", ".a", "a b", "a[1", "[1]a", "a..b", "[-1]", "a" * 101, "[1,2,3,4,5]", "[0]" * 13])
def test_what_is_no_way_into_a_value_is_refused(part: str) -> None:
    with pytest.raises(ValueError):
        parse_part(part)


def test_structures_are_found_in_a_value_and_in_an_array() -> None:
    structure = Extension(NodeId(2, "i", 5), b"")
    assert structures_in(structure) == structures_in(Array((structure, 1), (2,))) == [structure]
    assert structures_in(5) == []


def test_overflow_bits() -> None:
    assert overflowed(0x00000480)
    assert not overflowed(0x00000400)
    assert not overflowed(0x80000080)


@pytest.mark.parametrize("node", ["", "s", "ns=2;s=", "ns=x;i=1", "i=abc", "ns=2;g=12"])
def test_what_is_no_node_id_is_refused(node: str) -> None:
    with pytest.raises(ValueError):
        TagOptions(node=node)


@pytest.mark.parametrize(
    "node", ["i=85", "ns=2;s=Filler.Speed", "ns=2;s=a;b=c", "ns=3;g=12345678-1234-1234-1234-123456789abc", "ns=1;b=AAEC"]
)
def test_node_ids(node: str) -> None:
    assert TagOptions(node=node).node == node
