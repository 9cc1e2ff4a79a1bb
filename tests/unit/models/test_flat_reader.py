"""The reader of flatbuffers: what the library writes comes back as it was, and each kind of lie is found where it stands.

Room: tests. The oracle is the flatbuffers library's own builder.
"""

from __future__ import annotations

import struct

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.flat_reader import FlatFile, FlatTable
from models.model_fault import ModelFault

TAG = b"TEST"


def written(number: int, small: int, real: float, text: str, values: list[int], wide: list[int]) -> bytes:
    """A table of six fields: i32, u8, f32, string, [i32], [i64]."""
    builder = flatbuffers.Builder(64)
    name = builder.CreateString(text)
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependInt32(value)
    first = builder.EndVector()
    builder.StartVector(8, len(wide), 8)
    for value in reversed(wide):
        builder.PrependInt64(value)
    second = builder.EndVector()
    builder.StartObject(6)
    builder.PrependInt32Slot(0, number, 0)
    builder.PrependUint8Slot(1, small, 0)
    builder.PrependFloat32Slot(2, real, 0.0)
    builder.PrependUOffsetTRelativeSlot(3, name, 0)
    builder.PrependUOffsetTRelativeSlot(4, first, 0)
    builder.PrependUOffsetTRelativeSlot(5, second, 0)
    builder.Finish(builder.EndObject(), TAG)
    return bytes(builder.Output())


def root(raw: bytes, fields: int = 6) -> FlatTable:
    return FlatFile(raw, TAG).root(fields)


@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 255),
    st.floats(width=32, allow_nan=False),
    st.text(max_size=40),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9),
)
def test_what_the_library_writes_is_read_as_it_was(
    number: int, small: int, real: float, text: str, values: list[int], wide: list[int]
) -> None:
    table = root(written(number, small, real, text, values, wide))
    assert (table.whole(0, "i"), table.whole(1, "B"), table.number(2, "f", 0.0)) == (number, small, real)
    assert table.text(3, 400) == text
    assert (table.wholes(4, "i", 9), table.wholes(5, "q", 9)) == (tuple(values), tuple(wide))
    table.finish()


def test_what_nobody_read_is_refused() -> None:
    table = root(written(1, 2, 3.0, "x", [1], [2]))
    table.whole(0, "i")
    with pytest.raises(ModelFault, match="field 1"):
        table.finish()


def test_fields_beyond_the_schema_are_refused() -> None:
    with pytest.raises(ModelFault, match="unknown field"):
        root(written(1, 2, 3.0, "x", [1], [2]), fields=5)


def test_bounds_on_counts_hold() -> None:
    table = root(written(1, 2, 3.0, "long text", [1, 2, 3], [2]))
    with pytest.raises(ModelFault):
        table.text(3, 4)
    with pytest.raises(ModelFault):
        table.wholes(4, "i", 2)


def test_parts_may_be_shared_whole_but_not_overlap() -> None:
    file = FlatFile(bytes(4) + TAG + bytes(56), TAG)
    file.claim(16, 24, "vector of 4")
    file.claim(16, 24, "vector of 4")
    for start, end, kind in (
        (16, 24, "vtable"),
        (20, 28, "table"),
        (12, 17, "table"),
        (12, 40, "table"),
        (18, 20, "table"),
        (0, 4, "table"),
    ):
        with pytest.raises(ModelFault, match="overlap"):
            file.claim(start, end, kind)
    file.claim(24, 28, "table")
    file.claim(12, 16, "table")


@given(st.data())
def test_no_single_changed_word_makes_it_fall_over(data: st.DataObject) -> None:
    raw = bytearray(written(1, 2, 3.0, "text", [1, 2, 3], [4, 5]))
    at = data.draw(st.integers(0, len(raw) // 2 - 1)) * 2
    struct.pack_into("<H", raw, at, data.draw(st.integers(0, 65_535)))
    code = "model_malformed"
    try:
        table = root(bytes(raw))
        (
            table.whole(0, "i"),
            table.whole(1, "B"),
            table.number(2, "f", 0.0),
            table.text(3, 99),
            table.wholes(4, "i", 99),
            table.wholes(5, "q", 99),
        )
        table.finish()
    except ModelFault as fault:
        code = fault.code
    assert code == "model_malformed"
