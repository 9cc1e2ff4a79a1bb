"""Columns: the codec suits the values, every kind and bit comes back, and what no writer makes is refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client import columns
from ledger_client.codecs import BOOL, CONSTANT, DECIMAL, FLOAT32, FLOAT64, INT, MIXED, NONE, PATCHED, TEXT, Cursor
from ledger_client.columns import decode_cells, decode_values, encode_cells, encode_values, put_places
from ledger_client.errors import FormatError
from ledger_client.float_columns import CodecHints, _encode_plainly
from ledger_client.leaf import Value
from tests.rigs.batches import exactly, floats, ints

NAN_OF_ITS_OWN = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]


def f32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


@pytest.mark.parametrize(
    ("values", "codec"),
    [
        ([], NONE),
        ([1, 2, 3], INT),
        ([2**64 - 1, 0], INT),
        ([21.5, 21.6, 22.0], DECIMAL),
        ([0.0, 1.0, 2.0], DECIMAL),
        ([1e14, 2.5], DECIMAL),
        ([math.pi, 2.5], DECIMAL),
        ([1e15, 2.5], FLOAT64),
        ([f32(math.pi), f32(math.e)], FLOAT32),
        ([-0.0, 0.0], FLOAT32),
        ([math.inf, 1.5], FLOAT32),
        ([0.1 + 0.2, math.e], FLOAT64),
        ([1e300, 0.1], FLOAT64),
        ([math.nan, 0.5], FLOAT64),
        ([0.5, 0.25, -0.0, 0.0, 0.75], PATCHED),
        ([0.1, 0.25, NAN_OF_ITS_OWN, 0.3, 0.75, math.inf, 0.1, 9.5], PATCHED),
        ([math.nan, f32(math.pi), f32(math.e), f32(0.1)], PATCHED),
        ([-math.inf, f32(math.pi), f32(math.e), f32(0.1)], FLOAT32),
        ([math.nan, 0.1 + 0.2, math.e, 0.7], FLOAT64),
        ([True, False], BOOL),
        (["a", "b", "a"], TEXT),
        ([0.1, 0.1], CONSTANT),
        (["idle"] * 9, CONSTANT),
        ([-0.0, -0.0], CONSTANT),
        ([NAN_OF_ITS_OWN] * 3, FLOAT64),
        ([1, 1.0], MIXED),
        ([True, 1], MIXED),
    ],
)
def test_the_codec_suits_the_values(values: list[Value], codec: int) -> None:
    chosen, data = encode_values(values, 1, CodecHints())
    assert chosen == codec
    cursor = Cursor(data)
    assert [exactly(v) for v in decode_values(cursor, chosen, len(values))] == [exactly(v) for v in values]
    cursor.end()


@given(st.lists(st.lists(floats, min_size=1, max_size=12), min_size=1, max_size=6))
def test_hints_of_an_earlier_batch_never_change_a_value(rounds: list[list[float]]) -> None:
    hints = CodecHints()
    for values in rounds:
        codec, data = encode_values(list(values), 1, hints)
        assert [exactly(v) for v in decode_values(Cursor(data), codec, len(values))] == [exactly(v) for v in values]


@given(st.lists(ints | floats | st.booleans() | st.text(max_size=4), min_size=1, max_size=20))
def test_mixed_columns_come_back(values: list[Value]) -> None:
    codec, data = encode_values(values, 1, CodecHints())
    assert [exactly(v) for v in decode_values(Cursor(data), codec, len(values))] == [exactly(v) for v in values]


def test_a_hint_is_tried_afresh_now_and_then_and_digits_shrink_again() -> None:
    hints = CodecHints()
    encode_values([0.123456, 1.5], 1, hints)
    assert hints.get(1) == 6
    assert encode_values([1.5, 2.5], 1, hints) == encode_values([1.5, 2.5], 1, CodecHints())
    assert hints.get(1) == 6  # fewer digits in one batch are chance
    found = []
    for _ in range(128):
        hints.next_batch()
        encode_values([1.5, 2.5], 1, hints)
        found.append(hints.get(1))
    assert found.count(None) == 2
    assert set(found[:63]) == {6, None}
    assert found[-1] == 1


@pytest.mark.parametrize("hint", [6, 1, 0, -1, -2])
@given(value=st.floats() | st.sampled_from([0.0, -0.0, 21.5, 0.1, 1e16, 2.0**60, struct.unpack("<f", b"\x12\x34\x56\x40")[0]]))
def test_one_value_is_packed_as_a_column_of_it_would_be(hint: int, value: float) -> None:
    """The short way for a single float must give what the long way gives, with any hint."""
    hints = CodecHints()
    hints.put(1, hint)
    codec, data = encode_values([value], 1, hints)
    hints.put(1, hint)
    assert (codec, data) == _encode_plainly([value], 1, hints)
    assert [exactly(v) for v in decode_values(Cursor(data), codec, 1)] == [exactly(value)]


@given(st.lists(st.booleans(), min_size=1, max_size=200).filter(lambda there: not all(there)))
def test_places_are_written_as_cells_would_be(there: list[bool]) -> None:
    out = bytearray()
    put_places(out, [i for i, is_there in enumerate(there) if is_there], len(there))
    assert out == encode_cells([(0, 0) if is_there else (2, 0) for is_there in there])


cell = st.tuples(st.integers(0, 2), st.sampled_from([0, 5, 0x80000000])).map(lambda c: (c[0], 0 if c[0] == 2 else c[1]))


@given(st.lists(cell, min_size=1, max_size=40))
def test_cells_come_back(cells: list[tuple[int, int]]) -> None:
    if set(cells) == {(0, 0)}:
        return
    cursor = Cursor(encode_cells(cells))
    assert decode_cells(cursor, len(cells)) == cells
    cursor.end()


OTHER_CELLS = ["", "000005", "00000400000100", "030005", "020105", "010006", "0000030000020000", "000000010005", "00008080808080010a"]


@pytest.mark.parametrize("data", OTHER_CELLS)
def test_other_cells_are_refused(data: str) -> None:
    with pytest.raises(FormatError):
        decode_cells(Cursor(bytes.fromhex(data)), 5)


@pytest.mark.parametrize(
    ("codec", "count", "data"),
    [
        (NONE, 1, ""),
        (INT, 0, "0000"),
        (10, 1, "0000"),
        (PATCHED, 1, "020000000000000000000000"),
        (PATCHED, 1, "0400" + "0000000000000000" + "0002"),
        (PATCHED, 1, "0901" + "00" + "0000000000000000" + "0201"),
        (PATCHED, 1, "020101" + "0000000000000000" + "010002"),
        (PATCHED, 1, "020100" + "00000000000000"),
        (0x7F, 1, "0000"),
        (INT, 1, "00808080808080808080" + "8001"),
        (INT, 1, "00" + "80" * 9 + "04"),
        (DECIMAL, 1, "100002"),
        (DECIMAL, 1, "0100ffffffffffffff3f"),
        (FLOAT32, 1, "0080808080" + "20"),
        (FLOAT32, 1, "00" + "80808080" + "1f"),
        (BOOL, 3, "b0"),
        (BOOL, 9, "80"),
        (TEXT, 1, "00"),
        (TEXT, 1, "0201610162" + "000180"),
        (TEXT, 1, "01ffff04"),
        (TEXT, 1, "0102ff61"),
        (TEXT, 2, "02016101620001c1"),
        (CONSTANT, 2, "07010002"),
        (CONSTANT, 2, "00"),
        (MIXED, 1, "08010002"),
        (MIXED, 2, "010002"),
    ],
)
def test_other_values_are_refused(codec: int, count: int, data: str) -> None:
    with pytest.raises(FormatError):
        cursor = Cursor(bytes.fromhex(data))
        decode_values(cursor, codec, count)
        cursor.end()


def test_constants_of_columns_are_the_published_numbers() -> None:
    assert list(range(9)) == [NONE, INT, DECIMAL, FLOAT32, FLOAT64, BOOL, TEXT, CONSTANT, MIXED]
    assert columns.HAS_CELLS == 0x80
