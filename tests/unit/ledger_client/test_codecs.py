"""Packed integers: every list comes back, in few bits, and bytes that no writer makes are refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.codecs import (
    DICTIONARY,
    DIFFERENCES,
    LEVELS,
    VARINTS,
    Cursor,
    pack_ints,
    put_rice,
    put_varint,
    read_ints,
    read_rice,
    zigzag,
)
from ledger_client.errors import FormatError

wide = st.integers(-(1 << 63), (1 << 64) - 1)
near = st.integers(-40, 40)


@given(st.lists(wide, min_size=1, max_size=40) | st.lists(near, min_size=1, max_size=200) | st.lists(near | wide, min_size=1, max_size=80))
def test_ints_come_back(values: list[int]) -> None:
    packed = pack_ints(values)
    cursor = Cursor(packed)
    assert read_ints(cursor, len(values)) == values
    cursor.end()


@given(st.lists(st.integers(0, 1 << 66) | st.integers(0, 9), max_size=60))
def test_rice_codes_come_back(values: list[int]) -> None:
    out = bytearray()
    put_rice(out, values)
    assert read_rice(Cursor(bytes(out)), len(values)) == values


@pytest.mark.parametrize(
    ("values", "way", "bits_max"),
    [
        ([5, 6, 7], VARINTS, 11),
        ([100_000 + 7 * i + i % 3 for i in range(100)], DIFFERENCES, 7),
        ([random.Random(i).randrange(1000) for i in range(200)], LEVELS, 11.5),
        ([(0, 981_234, 17_000_001)[i * 7 % 3] for i in range(300)], DICTIONARY, 3),
        ([0] * 90 + [1 << 40] + [1] * 90 + list(range(70)), DIFFERENCES, 3),
    ],
)
def test_the_way_suits_the_numbers(values: list[int], way: int, bits_max: float) -> None:
    packed = pack_ints(values)
    assert packed[0] == way
    assert len(packed) * 8 / len(values) <= bits_max


def test_rice_codes_are_the_published_bits() -> None:
    out = bytearray()
    put_rice(out, [5, 9, 2, 30, 7])
    bits = out[0]
    text = "".join("0" * (v >> bits) + "1" + f"{v & ((1 << bits) - 1):0{bits}b}" for v in [5, 9, 2, 30, 7])
    size = (len(text) + 7) // 8
    assert bits == 3
    assert bytes(out) == bytes([3, size]) + int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big")


def hexed(*numbers: int) -> bytes:
    return bytes(numbers)


@pytest.mark.parametrize(
    ("data", "count", "why"),
    [
        (b"", 1, "cut off"),
        (hexed(4), 1, "pack unknown"),
        (hexed(0, 1), 0, "pack unknown"),
        (hexed(0, 1), 2, "cut off"),
        (hexed(0, 0x80, 0), 1, "shortest"),
        (b"\0" + b"\xff" * 10 + b"\x01", 1, "too long"),
        (hexed(1, 0, 67, 1, 0xFF), 9, "rice length"),
        (hexed(1, 0, 0, 200, 1), 3, "rice length"),
        (hexed(1, 0, 0, 1, 0xC1), 3, "rice padding"),
        (hexed(1, 0, 0, 2, 0xC0, 0), 3, "rice padding"),
        (hexed(1, 0, 0, 1, 0x80), 3, "rice cut off"),
        (hexed(1, 0, 8, 1, 0x80), 2, "rice padding"),
        (hexed(1, 0, 0, 13, 0, 0, 0, 0x80) + bytes(8) + b"\x00", 2, "rice escape"),
        (hexed(1, 0, 0, 13, 0, 0, 0, 0x40) + bytes(8) + b"\x20", 2, "rice escape"),
        (hexed(3, 0), 1, "dictionary size"),
        (hexed(3, 0x81, 2), 1, "dictionary size"),
        (hexed(3, 2, 0, 2, 0, 1, 0x30), 2, "outside"),
    ],
)
def test_other_bytes_are_refused(data: bytes, count: int, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        read_ints(Cursor(data), count)


def test_varints_have_one_form() -> None:
    for value in (0, 1, 127, 128, 16_383, 16_384, (1 << 64) - 1, (1 << 70) - 1):
        out = bytearray()
        put_varint(out, value)
        cursor = Cursor(bytes(out))
        assert cursor.varint() == value
        cursor.end()
    assert [zigzag(v) for v in (0, -1, 1, -2)] == [0, 1, 2, 3]
