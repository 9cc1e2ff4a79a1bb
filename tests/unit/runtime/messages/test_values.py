"""Numbers on the command line: the fewest digits that name the recorded value, never another value."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.values import value_text


@given(st.floats(width=32, allow_nan=False))
def test_a_single_comes_back_as_the_same_single(value: float) -> None:
    assert struct.pack("<f", float(value_text(value))) == struct.pack("<f", value)


@given(st.floats(allow_nan=False))
def test_any_number_comes_back(value: float) -> None:
    text = float(value_text(value))
    assert text == value or struct.pack("<f", text) == struct.pack("<f", value)


def test_as_an_instrument_shows_it() -> None:
    assert [value_text(v) for v in (23.42777442932129, 0.1, 21.5, None, 7, True)] == ["23.427774", "0.1", "21.5", "no value", "7", "True"]
