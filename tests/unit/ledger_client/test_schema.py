"""Schema states: deltas lead from any state to any other, and what does not hang together is refused."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.deflate import deflate
from ledger_client.errors import FormatError
from ledger_client.schema import Descriptor, GroupRow, SchemaState

words = st.text(max_size=6)


@st.composite
def states(draw: st.DrawFn) -> SchemaState:
    uids = draw(st.lists(st.integers(0, 9), unique=True, max_size=8))
    tags = {
        u: Descriptor(u, draw(words), draw(words), "Cel", "float64", draw(st.none() | st.integers(-9, 9)), draw(words), "") for u in uids
    }
    left, groups = list(uids), {}
    for uid in draw(st.lists(st.integers(0, 4), unique=True, max_size=3)):
        take = draw(st.integers(0, len(left)))
        groups[uid] = GroupRow(uid, "filler", draw(words), draw(st.integers(0, 9)), "poll", tuple(left[:take]))
        left = left[take:]
    return SchemaState(groups, tags)


@given(states(), states())
def test_a_delta_or_a_full_body_leads_to_the_same_state(old: SchemaState, new: SchemaState) -> None:
    body = old.delta_to(new)
    assert (body is None) == (old == new)
    if body is not None:
        after = old.apply(body, full=False)
        assert after == new
        assert after.state_hash == new.state_hash
    assert old.apply(new.full_body(), full=True) == new


def test_the_hash_is_the_published_one() -> None:
    tag = Descriptor(7, "plant/line", "filler/level", "mm", "int", -1, "holding:100", "cal-3")
    row = bytes.fromhex("88") + b"\x07\x6aplant/line\x6cfiller/level\x62mm\x63int\x20\x6bholding:100\x65cal-3"
    assert cbor.encode(tag.row()) == row
    assert SchemaState({}, {7: tag}).state_hash == sha256(b"\x82\x80\x81" + row).digest()


TAG = [1, "a", "d/t", "", "int", None, "", ""]
GROUP = [1, "d", "g", 100, "poll", [1]]


@pytest.mark.parametrize(
    "value",
    [
        [2, [], [], [], []],
        [1, [], [], []],
        [1, [], [TAG, TAG], [], []],
        [1, [], [[2, *TAG[1:]], TAG], [], []],
        [1, [GROUP], [], [], []],
        [1, [GROUP, [2, "d", "h", 1, "poll", [1]]], [TAG], [], []],
        [1, [[1, "d", "g", 1, "poll", [1, 1]]], [TAG], [], []],
        [1, [[1, "d", "g", -1, "poll", []]], [], [], []],
        [1, [[1, "d", "g", 1, "poll", list(range(1025))]], [], [], []],
        [1, [], [[1, "a", "d/t", "", "int", True, "", ""]], [], []],
        [1, [], [[1, "a", "d/t", "", "int", 10**30, "", ""]], [], []],
        [1, [], [[1, "a", b"d/t", "", "int", None, "", ""]], [], []],
        [1, [], [], [9], []],
        [1, [], [], [], [9]],
        [True, [], [], [], []],
        {1: 1},
        1,
    ],
)
def test_a_state_that_does_not_hang_together_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        SchemaState().apply(deflate(cbor.encode(value)), full=False)


def test_removals_are_refused_in_a_full_body_and_where_a_group_still_needs_the_tag() -> None:
    state = SchemaState().apply(deflate(cbor.encode([1, [GROUP], [TAG], [], []])), full=True)
    with pytest.raises(FormatError):
        state.apply(deflate(cbor.encode([1, [], [], [1], []])), full=False)
    with pytest.raises(FormatError):
        state.apply(deflate(cbor.encode([1, [], [], [1], [1]])), full=True)
    assert state.apply(deflate(cbor.encode([1, [], [], [1], [1]])), full=False) == SchemaState()


def test_a_bomb_and_damaged_streams_are_refused() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = b"".join([bomb.compress(bytes(1 << 20)) for _ in range(64)] + [bomb.flush()])
    good = SchemaState().full_body()
    for body in (stream, good + b"\x00", good[:-1], b"", b"\xff" * 20):
        with pytest.raises(FormatError):
            SchemaState().apply(body, full=True)
