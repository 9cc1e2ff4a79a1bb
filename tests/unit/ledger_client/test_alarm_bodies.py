"""Bodies of alarm entries: they come back as they were, and what is none is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.alarm_bodies import ALARMS, HAPPENINGS, PRIORITIES, ROWS_MAX, STATES, AlarmRow, AlarmsBody, read_alarms
from ledger_client.errors import FormatError
from ledger_client.event_bodies import check_event

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
PLAIN = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
ROW = AlarmRow("high", "raised", "normal", "unacked", 1_700_000_000_000, 0, "high", 81.5, 80)


@st.composite
def rows(draw: st.DrawFn) -> AlarmRow:
    states = st.sampled_from(sorted(STATES))
    return AlarmRow(
        draw(st.text(min_size=1, max_size=20)), draw(st.sampled_from(sorted(HAPPENINGS))), draw(states), draw(states), draw(INT64),
        draw(st.integers(0, 1)), draw(st.sampled_from(PRIORITIES)), draw(PLAIN), draw(PLAIN), draw(st.text(max_size=20)),
        draw(st.text(max_size=20)), draw(st.none() | INT64), draw(st.none() | st.binary(min_size=16, max_size=16)),
    )  # fmt: skip


@given(st.lists(rows(), min_size=1, max_size=5), st.integers(0, 1 << 40))
def test_a_body_comes_back_as_it_was(found: list[AlarmRow], lost: int) -> None:
    body = AlarmsBody(tuple(found), lost)
    assert read_alarms(1, body.encode()) == body


@given(st.data())
def test_another_value_in_any_place_is_read_as_itself_or_refused(data: st.DataObject) -> None:
    shape = cbor.decode(AlarmsBody((ROW,)).encode(), size_max=1 << 20, what="test")
    place = data.draw(st.integers(0, len(shape[2][0]) - 1))
    shape[2][0][place] = data.draw(PLAIN | st.binary(max_size=70) | st.lists(st.none(), max_size=2))
    raw = cbor.encode(shape)
    try:
        found = read_alarms(1, raw)
    except FormatError:
        return
    assert found is not None
    assert found.encode() == raw


@pytest.mark.parametrize(
    "raw",
    [
        AlarmsBody(()).encode(), AlarmsBody((ROW,) * (ROWS_MAX + 1)).encode(), AlarmsBody((replace(ROW, hidden=2),)).encode(), b"", b"\x80",
        cbor.encode([2, 0, [[]]]), cbor.encode([1, -1, []]), cbor.encode([1, 0, [[1] * 13]]),
    ],
)  # fmt: skip
def test_what_is_no_such_body_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        check_event(ALARMS, 1, raw)
    assert read_alarms(2, raw) is None
