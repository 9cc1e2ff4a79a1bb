"""The same registers under every type and order: what the driver would read, in the right column, with all digits."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.tag_options import TagOptions, make_address
from runtime.commissioning.ways import CLASSES, MEASURED_LEAST, characters, entity_of, plausible, readings_at, register_rows, side_by_side

FEW = 1000 if os.environ.get("WITNESSMARK_TEST_SIZE") == "full" else 30
"""Examples of what takes long."""
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4)


def rows_of(words: list[int | None]) -> dict[str, dict[str, object]]:
    return {row["data"]: row for row in side_by_side("holding", 100, words)}


def cell(words: list[int | None], data: str, order: str) -> str:
    return str(rows_of(words)[data]["cells"][CLASSES.index(order)]["text"])  # type: ignore[index]


def test_a_float_stands_in_the_column_of_its_order() -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", 230.5))
    assert cell([high, low, 0, 0], "float32", "big") == "230.5"
    assert cell([low, high, 0, 0], "float32", "word") == "230.5"
    swapped = [int.from_bytes(word.to_bytes(2, "little"), "big") for word in (high, low)]
    assert cell([swapped[0], swapped[1], 0, 0], "float32", "byte") == "230.5"
    assert cell([swapped[1], swapped[0], 0, 0], "float32", "little") == "230.5"


@given(WORDS)
def test_whole_numbers_have_all_their_digits(words: list[int]) -> None:
    data = struct.pack(">4H", *words)
    assert cell([*words], "uint64", "big") == str(int.from_bytes(data, "big"))
    assert cell([*words], "int32", "big") == str(int.from_bytes(data[:4], "big", signed=True))
    assert cell([*words], "uint16", "big") == str(words[0])


@settings(max_examples=FEW)
@given(WORDS)
def test_every_cell_is_what_a_tag_with_its_options_reads(words: list[int]) -> None:
    for row in side_by_side("holding", 100, words):
        for found in filter(None, row["cells"]):
            options = {"address": "holding:100", "data": row["data"]}
            if found["order"] in ("high", "low"):
                options["byte"] = found["order"]
            elif found["order"]:
                options["order"] = found["order"]
            address = make_address(TagOptions.model_validate(options))
            value = compile_registers([Field(0, 0, address)]).decode(struct.pack(f">{row['registers']}H", *words[: row["registers"]]), {})[
                0
            ]
            assert isinstance(value, int | float)
            assert found["text"] == (str(value) if isinstance(value, int) else f"{value:.9g}")


def test_a_register_that_is_missing_leaves_out_what_needs_it() -> None:
    rows = rows_of([1, None, 3, 4])
    assert rows["uint16"]["cells"] != [None] * 4
    assert "uint32" not in rows
    assert "float64" not in rows


def test_addresses_are_shown_in_the_three_ways_of_manuals() -> None:
    row = register_rows("holding", {107: 0xFFFE})[0]
    assert (row["at"], row["one"], row["entity"], row["hex"], row["unsigned"], row["signed"]) == (107, 108, "40108", "FFFE", 65534, -2)
    assert [entity_of("input", at) for at in (0, 9998, 9999, 65535)] == ["30001", "39999", "310000", "365536"]


def test_text_is_printable_in_both_orders() -> None:
    words = [0x4D2D, 0x3720, 0x0007]
    assert (characters(words), characters(words, swapped=True)) == ("M-7 ..", "-M 7..")


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("value", [38.41, 230.43, 0.0512, -12.34, 49.98])
def test_a_float_is_marked_under_its_order_and_its_bytes_are_not(value: float, order: str) -> None:
    wire = struct.pack(">f", value)
    words = struct.unpack(">2H", bytes(wire["ABCD".index(letter)] for letter in order))
    rows = readings_at("holding", 100, {("holding", 100 + at): word for at, word in enumerate(words)})
    marked = {(row["data"], row["order"]) for row in rows if row["plausible"]}
    assert ("float32", order) in marked
    assert not {("uint32", "ABCD"), ("int32", "ABCD"), ("uint8", "high"), ("uint8", "low"), ("int8", "low")} & marked
    if order == "ABCD" and abs(value) >= MEASURED_LEAST:
        assert not {("uint16", "AB"), ("int16", "AB")} & marked


@pytest.mark.parametrize(
    ("low", "upper", "is_marked"), [(0x6666, 0x4248, False), (0x9999, 0x4248, False), (230, 0x4248, True), (0x1340, 0x0906, True)]
)
def test_half_of_a_float_whose_words_are_swapped_is_marked_where_it_is_small(low: int, upper: int, is_marked: bool) -> None:
    """A float of unusual order, such as (0x1340, 0x0906) is, leaves the one register as it is."""
    rows = readings_at("holding", 100, {("holding", 100): low, ("holding", 101): upper})
    assert {row["plausible"] for row in rows if (row["data"], row["order"]) in {("uint16", "AB"), ("int16", "AB")}} == {is_marked}


@pytest.mark.parametrize("words", [(0, 2304), (18, 54919), (0, 1), (2304, 2310)])
def test_whole_numbers_stay_marked_where_no_float_stands(words: tuple[int, int]) -> None:
    rows = readings_at("holding", 100, {("holding", 100 + at): word for at, word in enumerate(words)})
    marked = {(row["data"], row["order"]) for row in rows if row["plausible"]}
    assert {("uint32", "ABCD"), ("uint16", "AB"), ("uint8", "low")} <= marked


@pytest.mark.parametrize(
    ("kind", "order", "value", "is_plausible"),
    [
        ("float32", "CDAB", 230.5, True), ("float32", "ABCD", -107615216.0, False), ("int32", "ABCD", -107615216, False),
        ("uint32", "ABCD", 107615216, True), ("int32", "CDAB", -1200, True), ("float32", "ABCD", 1e-20, False), ("int16", "AB", 0, True),
        ("float32", "ABCD", 4.2e9, False), ("float16", "AB", 21.5, False),
    ],
)  # fmt: skip
def test_a_large_counter_may_be_and_what_is_far_below_zero_is_no_measured_value(
    kind: str, order: str, value: float, is_plausible: bool
) -> None:
    assert plausible(kind, order, value) is is_plausible
