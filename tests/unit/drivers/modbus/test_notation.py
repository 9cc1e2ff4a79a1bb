"""Addresses as the trade writes them: each says what it counts from, and what two manuals read differently is refused with advice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.notation import read_notation
from drivers.option_error import OptionError
from runtime.messages.catalogue import word

digits = {"coil": "0", "discrete": "1", "input": "3", "holding": "4"}


@given(st.sampled_from(sorted(digits)), st.integers(0, 65535))
def test_every_notation_of_a_register_means_the_same_register(table: str, start: int) -> None:
    texts = [
        f"{table}:{start}",
        f"{table}:0x{start:x}",
        f"{table}:0X{start:04X}",
        f"{table}1:{start + 1}",
        f"{digits[table]}{start + 1:05d}",
    ]
    if start < 9999:
        texts.append(f"{digits[table]}{start + 1:04d}")
    if table != "coil":
        texts += [f"{digits[table]}x{start + 1}", f"{digits[table]}X{start + 1:05d}"]
    texts.append({"coil": "%M", "discrete": "%I", "input": "%IW", "holding": "%MW"}[table] + str(start))
    assert {read_notation(text) for text in texts} == {(table, start)}


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("100", {"holding:100", "holding1:100"}),
        ("0x0064", {"holding:0x0064", "coil1:64"}),
        ("0xAF", {"holding:0xAF"}),
        ("0x00070000", set()),
        ("40000", {"holding:40000", "holding:0"}),
        ("holding1:0", {"holding:0", "holding1:1"}),
        ("%MD50", {"%MW50", "%MW100"}),
        ("%MF3", {"%MW3", "%MW6"}),
        ("%IB7", {"%IW7", "%IW3"}),
        ("%MX5", {"%MW5", "%M5"}),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_what_to_write(text: str, advice: set[str]) -> None:
    with pytest.raises(OptionError) as caught:
        read_notation(text)
    params = caught.value.params
    assert {str(params[key]) for key in ("first", "second", "instead") if key in params} == advice
    for each in advice:
        read_notation(each)  # what is advised is itself an address
        assert all(each in word(caught.value.code, params, lang) for lang in ("en", "zh"))


def test_a_bit_after_a_dot_is_an_option_of_its_own() -> None:
    with pytest.raises(OptionError) as caught:
        read_notation("40101.3")
    assert (caught.value.code, caught.value.params["address"], caught.value.params["bit"]) == ("config_modbus_bit", "40101", 3)


@pytest.mark.parametrize("text", ["holding:65536", "holding1:65537", "465537", "4x65537", "%MW65536"])
def test_beyond_the_table(text: str) -> None:
    with pytest.raises(OptionError, match="config_address_beyond"):
        read_notation(text)


@settings(max_examples=500)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[0-9holding%MWIX:x.]{1,10}", fullmatch=True)))
def test_any_text_is_an_address_or_one_coded_fault(text: str) -> None:
    fault = None
    try:
        table, start = read_notation(text)
    except OptionError as error:
        fault = error
    if fault is None:
        assert (table in digits, 0 <= start < 65536) == (True, True)
    else:
        assert "{" not in word(fault.code, {key: "-" if isinstance(value, str) else value for key, value in fault.params.items()})
