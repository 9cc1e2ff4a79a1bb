"""Captures: what was written comes back, and nothing that is not sound is believed."""

from __future__ import annotations

import io

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.capture import ScanReader, ScanWriter
from drivers.driver import DriverError
from drivers.reading import Scan, Tag, TagGroup, failed_scan, type_names

values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)


@st.composite
def scans(draw: st.DrawFn) -> list[Scan]:
    groups = []
    for g in range(draw(st.integers(1, 3))):
        kinds = draw(st.lists(st.sampled_from(type_names), min_size=1, max_size=4))
        groups.append(TagGroup(g, "dev", f"g{g}", 100, tuple(Tag(n, f"t{n}", "dev", kind, "Cel", None) for n, kind in enumerate(kinds))))
    made = []
    for _ in range(draw(st.integers(0, 8))):
        group = draw(st.sampled_from(groups))
        count = len(group.tags)

        def column(of: st.SearchStrategy, size: int = count) -> st.SearchStrategy:  # type: ignore[type-arg]
            return st.lists(of, min_size=size, max_size=size)

        made.append(
            Scan(
                group,
                draw(column(values)),
                draw(st.integers(0, 2**45)),
                draw(st.none() | column(st.integers(0, 2**32 - 1))),
                draw(st.none() | st.integers(0, 2**45)),
                draw(st.none() | column(st.booleans())),
                draw(st.none() | st.text(max_size=10)),
            )
        )
    return made


def written(made: list[Scan]) -> bytes:
    file = io.BytesIO()
    writer = ScanWriter(file)
    for scan in made:
        writer.write(scan)
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@given(scans())
def test_what_was_written_comes_back(made: list[Scan]) -> None:
    back = list(ScanReader(io.BytesIO(written(made))))
    for scan, again in zip(made, back, strict=True):
        assert again.group.name == scan.group.name
        assert [(t.name, t.type, t.unit) for t in again.group.tags] == [(t.name, t.type, t.unit) for t in scan.group.tags]
        assert (again.values, again.read_ms, again.statuses) == (scan.values, scan.read_ms, scan.statuses)
        assert (again.source_ms, again.present, again.cause) == (scan.source_ms, scan.present, scan.cause)
        assert [type(v) for v in again.values] == [type(v) for v in scan.values]


group = TagGroup(0, "dev", "g", 100, (Tag(0, "t", "dev", "int", "", None),))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_raises_anything_but_our_error_and_never_invents_scans(data: st.DataObject) -> None:
    good = written([Scan(group, [n], 1000 + n) for n in range(5)])
    raw = bytearray(good)
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = list(ScanReader(io.BytesIO(bytes(raw))))
    except DriverError as error:
        back, cause = [], error.cause
    else:
        cause = "capture_unreadable"
    assert cause == "capture_unreadable"
    assert all(len(scan.values) == len(scan.group.tags) for scan in back)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [["witnessmark-capture", 2]],
        [["witnessmark-capture", 1], [2, 0, 1, None, None, [1], None, None]],
        [["witnessmark-capture", 1], [1, 1, "d", "g", 100, "poll", [["t", "int", ""]]]],
        [["witnessmark-capture", 1], [1, 0, "d", "g", 0, "poll", [["t", "int", ""]]]],
        [["witnessmark-capture", 1], [1, 0, "d", "g", 100, "poll", [["t", "money", ""]]]],
        [["witnessmark-capture", 1], [1, 0, "d", "g", 100, "poll", [["t", "int", ""]]], [2, 0, 1, None, None, [1, 2], None, None]],
        [["witnessmark-capture", 1], [1, 0, "d", "g", 100, "poll", [["t", "int", ""]]], [2, 0, 1, None, None, [[1]], None, None]],
        [["witnessmark-capture", 1], [1, 0, "d", "g", 100, "poll", [["t", "int", ""]]], [2, 0, 1, None, None, [1], [-1], None]],
        [["witnessmark-capture", 1], [3]],
        [["witnessmark-capture", 1], None],
    ],
)
def test_unsound_records_are_refused(records: list[object]) -> None:
    with pytest.raises(DriverError, match="capture_unreadable"):
        list(ScanReader(io.BytesIO(b"".join(cbor2.dumps(record) for record in records))))


def test_history_is_left_out_because_it_would_be_replayed_as_of_now() -> None:
    past = Scan(group, [2], 6, past=True)
    assert [scan.values for scan in ScanReader(io.BytesIO(written([past, Scan(group, [1], 5), past])))] == [[1]]


def test_a_failed_poll_keeps_its_cause_and_status() -> None:
    (back,) = ScanReader(io.BytesIO(written([failed_scan(group, 5, 0x800A0000, "no_answer")])))
    assert (back.cause, back.statuses, back.values) == ("no_answer", [0x800A0000], [None])
