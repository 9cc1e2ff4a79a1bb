"""OPC UA values in scans: types, statuses, several samples of one tag in one notification, source times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.codec import Sample, convert, newest_ms, overflowed, scan_of, scans_of
from drivers.opcua.config import TagOptions
from drivers.reading import Status, Tag, TagGroup

group = TagGroup(1, "dev", "g", 100, tuple(Tag(n, f"t{n}", "dev", "int", "", None) for n in range(3)))
types = [int, int, int]
noon = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class LocalizedText:
    Text: str | None


@pytest.mark.parametrize(
    ("value", "wanted", "result"),
    [
        (1.5, float, (1.5, 0)),
        (2, float, (2.0, 0)),
        (True, bool, (True, 0)),
        ("x", str, ("x", 0)),
        (LocalizedText("Riegel"), str, ("Riegel", 0)),
        (noon, str, ("2026-01-01T12:00:00+00:00", 0)),
        (None, float, (None, Status.BAD_DECODING_ERROR)),
        (True, int, (None, Status.BAD_DECODING_ERROR)),
        (True, float, (None, Status.BAD_DECODING_ERROR)),
        (1.5, int, (None, Status.BAD_DECODING_ERROR)),
        ("1", int, (None, Status.BAD_DECODING_ERROR)),
        ([1, 2], int, (None, Status.BAD_DECODING_ERROR)),
        ((1 << 53) + 1, float, (None, Status.BAD_DECODING_ERROR)),
        (LocalizedText(None), str, (None, Status.BAD_DECODING_ERROR)),
    ],
)
def test_values_keep_or_widen_their_type_and_are_never_guessed(value: object, wanted: type, result: object) -> None:
    assert convert(value, 0, wanted) == result


def test_a_bad_status_without_a_value_stays_the_servers_own() -> None:
    assert convert(None, 0x80340000, int) == (None, 0x80340000)
    assert convert(5, 0x40900000, int) == (5, 0x40900000)


def test_a_polled_scan_has_statuses_only_when_one_is_not_good() -> None:
    good: list[Sample] = [(n, 0, noon + timedelta(milliseconds=n)) for n in range(3)]
    scan = scan_of(group, types, good, 7)
    assert (scan.values, scan.statuses, scan.read_ms) == ([0, 1, 2], None, 7)
    assert scan.source_ms == 1767268800002
    mixed: list[Sample] = [(0, 0, None), (1.5, 0, None), (2, 0x40900000, None)]
    scan = scan_of(group, types, mixed, 7)
    assert (scan.values, scan.statuses) == ([0, None, 2], [0, Status.BAD_DECODING_ERROR, 0x40900000])
    assert scan.source_ms is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), max_size=40))
def test_a_notification_loses_nothing_and_keeps_each_tags_order(changes: list[tuple[int, int]]) -> None:
    scans = scans_of(group, types, [(place, (value, 0, noon)) for place, value in changes], 7)
    seen = [(r.tag.uid, r.value) for scan in scans for r in scan.readings()]
    for place in range(3):
        assert [v for p, v in seen if p == place] == [v for p, v in changes if p == place]
    assert len(seen) == len(changes)


def test_source_times_with_and_without_a_zone() -> None:
    naive = noon.replace(tzinfo=None)
    east = noon.astimezone(timezone(timedelta(hours=8)))
    assert newest_ms([(1, 0, naive)]) == newest_ms([(1, 0, east)]) == newest_ms([(1, 0, noon)])
    assert newest_ms([]) is None


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
