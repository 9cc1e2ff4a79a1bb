"""Every data type in every order of bytes, against struct, pymodbus and plain arithmetic, read and written; and hostile bytes."""

from __future__ import annotations

import math
import struct
from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from drivers.driver import DriverError
from drivers.modbus.address import Address, flag_kinds, part_kinds, time_kinds, value_type
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.encode import encode_mask, encode_registers, sent_value
from drivers.modbus.tag_options import Kind, parse_address
from drivers.reading import Status, Value

kinds = get_args(Kind)
pymodbus_types = ModbusClientMixin.DATATYPE
numbers = [k for k in kinds if k not in (*flag_kinds, *time_kinds, "string")]
limits = {
    "int8": (-128, 127), "uint8": (0, 255), "int24": (-(2**23), 2**23 - 1), "uint24": (0, 2**24 - 1), "int48": (-(2**47), 2**47 - 1),
    "uint48": (0, 2**48 - 1), "signmag16": (-(2**15) + 1, 2**15 - 1), "signmag32": (-(2**31) + 1, 2**31 - 1),
    "signmag64": (-(2**63) + 1, 2**63 - 1), "bcd16": (0, 10**4 - 1), "bcd32": (0, 10**8 - 1), "bcd64": (0, 10**16 - 1),
    "m10k32": (-(10**8) + 1, 10**8 - 1), "m10k48": (-(10**12) + 1, 10**12 - 1), "m10k64": (-(10**16) + 1, 10**16 - 1),
}  # fmt: skip
for bits in (16, 32, 64):
    limits |= {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), f"uint{bits}": (0, 2**bits - 1)}


def address_of(kind: str, **more: Any) -> Address:
    extra: dict[str, Any] = {"length": 5} if kind == "string" else {"parts": "YMDhms"} if kind in part_kinds else {}
    return parse_address({"address": "holding:0", "data": kind, **extra, **more})


def decode(address: Address, wire: bytes) -> tuple[Value, int]:
    bad: dict[int, int] = {}
    decoder = compile_registers([Field(0, 0, address)])
    return decoder.decode(wire, bad)[0], bad.get(0, 0)


def registers_of(wire: bytes) -> list[int]:
    return list(struct.unpack(f">{len(wire) // 2}H", wire))


def most_significant_first(kind: str, raw: float, size: int) -> bytes:
    if kind.startswith("float"):
        return struct.pack({2: ">e", 4: ">f", 8: ">d"}[size], raw)
    number = int(raw)
    if kind.startswith("bcd"):
        return bytes.fromhex(f"{number:0{size * 2}d}")
    if kind.startswith("m10k"):
        digits = f"{abs(number):0{size * 2}d}"
        groups = [int(digits[n : n + 4]) for n in range(0, len(digits), 4)]
        return b"".join((-g if number < 0 else g).to_bytes(2, "big", signed=True) for g in groups)
    if kind.startswith("signmag"):
        return (abs(number) + (2 ** (size * 8 - 1) if number < 0 else 0)).to_bytes(size, "big")
    return number.to_bytes(size, "big", signed=kind.startswith("int"))


@st.composite
def laid_numbers(draw: st.DrawFn) -> tuple[Address, float, bytes]:
    kind = draw(st.sampled_from([k for k in numbers if k not in ("int8", "uint8")]))
    plain = address_of(kind)
    size = plain.count * 2
    width: Any = int(kind[5:]) if kind.startswith("float") else 0
    raw = draw(st.floats(width=width, allow_nan=False)) if width else draw(st.integers(*limits[kind]))
    value = most_significant_first(kind, raw, size)
    letters = "ABCDEFGH"[:size]
    way = draw(st.sampled_from(["byte_order", "order"]))
    if way == "order":
        order = "".join(draw(st.permutations(letters)))
        return address_of(kind, order=order), raw, bytes(value[letters.index(letter)] for letter in order)
    byte_order, word_order = draw(st.sampled_from(["big", "little"])), draw(st.sampled_from(["big", "little"]))
    words = [value[n : n + 2] for n in range(0, size, 2)]
    words = words[::-1] if word_order == "little" else words
    wire = b"".join(word[::-1] if byte_order == "little" else word for word in words)
    return address_of(kind, byte_order=byte_order, word_order=word_order), raw, wire


@settings(max_examples=1500, deadline=None)
@given(laid_numbers())
def test_numbers_of_every_type_and_order_are_read_and_written(laid: tuple[Address, float, bytes]) -> None:
    address, raw, wire = laid
    value, status = decode(address, wire)
    assert (value, status) == (raw, 0)
    assert type(value) is type(raw)
    assert encode_registers(address, value) == registers_of(wire)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(numbers), st.sampled_from([1, 5, 10, 0.1, 0.01, 0.05, 0.25]), st.sampled_from([0, -40, 2.5]), st.data())
def test_what_a_write_sends_is_what_reads_back(kind: str, scale: float, offset: float, data: st.DataObject) -> None:
    address = address_of(kind, scale=scale, offset=offset)
    asked = data.draw(st.floats(0, 99, allow_nan=False) | st.integers(0, 99))
    try:
        sent = sent_value(address, asked)
    except DriverError:
        with pytest.raises(DriverError, match="write_out_of_range"):
            (encode_mask if address.written_by_mask else encode_registers)(address, asked)
        return
    if address.written_by_mask:
        wire = encode_mask(address, asked)[1].to_bytes(2, "big")
    else:
        registers = encode_registers(address, asked)
        wire = struct.pack(f">{len(registers)}H", *registers)
    held = decode(address, wire)[0]
    if kind in ("float32", "float64"):
        assert sent == asked
        assert held == pytest.approx(sent, rel=1e-6, abs=1e-5)
    else:
        assert (sent, type(sent)) == (held, type(held))
    assert sent_value(address, sent) == sent, "what is sent is sent as it is"


@pytest.mark.parametrize(
    ("data", "scale", "asked", "sent"),
    [
        ("int16", 5, 13, 15), ("int16", 5, 1, 0), ("int16", 0.1, 33.97, 34.0), ("uint16", 10, 14, 10), ("float16", 1, 33.97, 33.96875),
        ("float32", 1, 33.97, 33.97), ("bool", 1, True, True), ("string", 1, "ab", "ab"),
    ],
)  # fmt: skip
def test_what_a_write_really_sends(data: str, scale: float, asked: Value, sent: Value) -> None:
    address = address_of(data, **({"scale": scale} if scale != 1 else {}))
    assert sent_value(address, asked) == sent


def test_what_is_never_sent_is_said_before() -> None:
    with pytest.raises(DriverError, match="write_out_of_range"):
        sent_value(address_of("int16"), 40_000)
    with pytest.raises(DriverError, match="write_not_supported"):
        sent_value(address_of("bits32"), 1)


@pytest.mark.parametrize("letters", ["AB", "ABCD"])
def test_an_order_spelled_out_reads_every_arrangement(letters: str) -> None:
    for order in map("".join, permutations(letters)):
        wire = bytes(0x11 * (letters.index(letter) + 1) for letter in order)
        assert decode(address_of(f"uint{len(letters) * 8}", order=order), wire)[0] == int(
            "".join(f"{n + 1}" * 2 for n in range(len(letters))), 16
        )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]), st.data())
def test_pymodbus_reads_and_writes_the_same(kind: str, data: st.DataObject) -> None:
    word_order: Any = data.draw(st.sampled_from(["big", "little"]))
    width: Any = int(kind[-2:])
    value = data.draw(st.integers(*limits[kind]) if "int" in kind else st.floats(width=width, allow_nan=False))
    address = address_of(kind, word_order=word_order)
    theirs = ModbusClientMixin.convert_to_registers(value, pymodbus_types[kind.upper()], word_order)
    assert encode_registers(address, value) == theirs
    ours = decode(address, struct.pack(f">{len(theirs)}H", *theirs))[0]
    assert ours == ModbusClientMixin.convert_from_registers(theirs, pymodbus_types[kind.upper()], word_order) == value


@given(st.integers(-(2**23), 2**23 - 1), st.integers(0, 255))
def test_the_upper_byte_of_24_bits_is_not_looked_at(number: int, rubbish: int) -> None:
    wire = bytes((rubbish,)) + number.to_bytes(3, "big", signed=True)
    assert decode(address_of("int24"), wire)[0] == number
    assert decode(address_of("uint24"), wire)[0] == number % 2**24


@given(st.integers(0, 0xFFFF), st.integers(-128, 127), st.sampled_from(["high", "low"]), st.sampled_from(["big", "little"]))
def test_half_registers_and_the_mask_that_writes_them(register: int, number: int, byte: str, order: str) -> None:
    wire = register.to_bytes(2, "big")
    at = (byte == "low") != (order == "little")
    for kind, wanted in (("int8", number), ("uint8", number % 256)):
        address = address_of(kind, byte=byte, byte_order=order)
        assert address.written_by_mask
        assert decode(address, wire)[0] == int.from_bytes(wire[at : at + 1], "big", signed=kind == "int8")
        keep, put = encode_mask(address, wanted)
        written = (register & keep | put & ~keep).to_bytes(2, "big")
        assert decode(address, written)[0] == wanted
        assert written[1 - at] == wire[1 - at]


@given(st.integers(0, 2**64 - 1), st.integers(0, 63), st.integers(1, 64), st.sampled_from(["bits32", "bits64"]), st.booleans())
def test_bits_of_longer_values(number: int, bit: int, bit_count: int, kind: str, swapped: bool) -> None:
    size = int(kind[4:])
    number, bit = number % 2**size, bit % size
    bit_count = min(bit_count, size - bit)
    words = [number.to_bytes(size // 8, "big")[n : n + 2] for n in range(0, size // 8, 2)]
    address = address_of(kind, bit=bit, bit_count=bit_count, word_order="little" if swapped else "big")
    value = decode(address, b"".join(words[::-1] if swapped else words))[0]
    assert value == number >> bit & (1 << bit_count) - 1
    assert isinstance(value, bool) == (bit_count == 1)
    with pytest.raises(DriverError, match="write_not_supported"):
        encode_registers(address, value)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["utf-8", "latin-1", "ascii"]), st.sampled_from(["nul", "space"]), st.sampled_from([None, "high", "low"]),
    st.sampled_from(["big", "little"]), st.data(),
)  # fmt: skip
def test_texts_in_every_encoding_padding_and_packing(
    encoding: str, padding: str, byte: str | None, order: str, data: st.DataObject
) -> None:
    alphabet = st.characters(codec=encoding, exclude_characters="\0", exclude_categories=["Cs"])
    text = data.draw(st.text(alphabet, max_size=10)).rstrip(" ")
    address = address_of("string", encoding=encoding, padding=padding, byte=byte, byte_order=order)
    size = 5 if byte else 10
    if len(text.encode(encoding)) > size:
        with pytest.raises(DriverError, match="write_out_of_range"):
            encode_registers(address, text)
        return
    registers = encode_registers(address, text)
    wire = struct.pack(">5H", *registers)
    assert decode(address, wire) == (text, 0)
    ends = text.encode(encoding).ljust(size, b" " if padding == "space" else b"\0")
    if byte is None and order == "big":
        assert wire == ends
    elif byte is not None:
        high_half = (byte == "high") == (order == "big")
        assert wire[0 if high_half else 1 :: 2] == ends
        assert set(wire[1 if high_half else 0 :: 2]) == {0}


def test_a_text_as_pymodbus_writes_it() -> None:
    registers = ModbusClientMixin.convert_to_registers("Füller", pymodbus_types.STRING)
    assert (
        decode(
            parse_address({"address": "holding:0", "data": "string", "length": len(registers)}),
            struct.pack(f">{len(registers)}H", *registers),
        )[0]
        == "Füller"
    )


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("bcd64", "123456789012345a"),
        ("m10k32", "00012710"),
        ("m10k32", "0001ffff"),
        ("m10k48", "00018ad00000"),
        ("string", "c3280000000000000000"),
    ],
)
def test_bytes_that_mean_nothing_are_no_value(kind: str, wire: str) -> None:
    assert decode(address_of(kind), bytes.fromhex(wire)) == (None, Status.BAD_DECODING_ERROR)


def test_one_bad_value_of_a_run_spoils_no_other() -> None:
    fields = [Field(n, n, address_of("bcd16", scale=0.1)) for n in range(4)]
    decoder, bad = compile_registers(fields), {}
    assert decoder.decode(bytes.fromhex("1234123a00019999"), bad) == [123.4, None, 0.1, 999.9]
    assert bad == {1: Status.BAD_DECODING_ERROR}


@pytest.mark.parametrize(
    ("kind", "scale"), [("uint64", 1000), ("int64", 10), ("int64", 1e18), ("signmag64", 100), ("bcd64", 1e4), ("int48", 1e9)]
)
def test_a_number_scaled_beyond_what_is_kept_is_no_value_and_spoils_no_other(kind: str, scale: float) -> None:
    address, (low, high), size = address_of(kind, scale=scale), limits[kind], 6 if kind == "int48" else 8
    for raw in (low, low + 1, -(2**63) // int(scale), 0, (2**64 - 1) // int(scale), (2**64 - 1) // int(scale) + 1, high):
        if low <= raw <= high:
            value, bad = raw * int(scale), (None, Status.BAD_OUT_OF_RANGE)
            wire = most_significant_first(kind, raw, size)
            assert decode(address, wire) == ((value, 0) if -(2**63) <= value < 2**64 else bad)
    assert decode(address, most_significant_first(kind, high, size))[1] == Status.BAD_OUT_OF_RANGE
    assert decode(address_of(kind), most_significant_first(kind, high, size)) == (high, 0)


def test_fixed_point_and_decimal_scales_are_exact() -> None:
    assert decode(address_of("int16", fraction_bits=15), b"\xc0\x00")[0] == -0.5
    assert decode(address_of("int32", fraction_bits=16), b"\x00\x01\x80\x00")[0] == 1.5
    assert decode(address_of("int16", scale=0.05), b"\x00\x03")[0] == 0.15
    assert decode(address_of("uint16", scale=0.1, offset=-40.0), b"\x02\x67")[0] == 21.5
    assert decode(address_of("uint16", scale=1.8, offset=32.0), b"\x00\x15")[0] == 69.8
    assert encode_registers(address_of("int16", fraction_bits=15), -0.5) == [0xC000]


@pytest.mark.parametrize("kind", [k for k in numbers if not k.startswith("float")])
def test_numbers_just_beyond_a_type_are_refused(kind: str) -> None:
    address, (low, high) = address_of(kind), limits[kind]
    for value in (low - 1, high + 1, math.nan, math.inf, "1", None):
        with pytest.raises(DriverError, match="write_out_of_range"):
            if address.written_by_mask:
                encode_mask(address, value)
            else:
                encode_registers(address, value)


@st.composite
def any_address(draw: st.DrawFn) -> Address:
    kind = draw(st.sampled_from(kinds))
    more: dict[str, Any] = {}
    if kind in part_kinds:
        more["parts"] = draw(
            st.sampled_from(["YMDhms", "DMY", "smhDMY", "Y-MDhm", *(["YYMD-hms----"] if kind == "datetime_bytes" else [])])
        )
    elif kind == "string":
        more |= {"length": draw(st.integers(1, 8)), "encoding": draw(st.sampled_from(["utf-8", "latin-1", "ascii"]))}
    if kind in time_kinds:
        more |= {
            "zone": draw(st.sampled_from(["UTC", "Europe/Berlin", "+08:00", "-03:30"])),
            "time_as": draw(st.sampled_from(["text", "ms"])),
        }
    if kind in numbers:
        more |= draw(
            st.sampled_from([{}, {"scale": 0.1}, {"scale": 1e30, "offset": -5.0}, {"scale": 0.3}, {"offset": 1e-30}, {"missing": [0, 1]}])
        )
    if kind in ("bits", "bits32", "bits64"):
        more |= {"bit": draw(st.integers(0, 7)), "bit_count": draw(st.integers(1, 8))}
    for key in ("byte_order", "word_order"):
        more[key] = draw(st.sampled_from(["big", "little"]))
    return address_of(kind, **more)


@settings(max_examples=700, deadline=None)
@given(st.lists(any_address(), min_size=1, max_size=15), st.data())
def test_no_bytes_make_a_decoder_fail_and_every_value_has_the_type_that_was_told(addresses: list[Address], data: st.DataObject) -> None:
    fields, at = [], 0
    for index, address in enumerate(addresses):
        fields.append(Field(index, at, address))
        at += address.count
    wire = data.draw(st.binary(min_size=at * 2, max_size=at * 2)) if at <= 125 else bytes(250)
    if at > 125:
        return
    decoder, bad = compile_registers(fields), {}
    types = {"bool": bool, "int": int, "float32": float, "float64": float, "text": str}
    for index, value in zip(decoder.order, decoder.decode(wire, bad), strict=True):
        assert (value is None) == (index in bad)
        assert value is None or type(value) is types[value_type(addresses[index])]
