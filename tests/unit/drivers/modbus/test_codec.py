"""The codec against an oracle that shares no code with it: values are laid out by letters (ABCD, CDAB, ...), then read back."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.address import Address
from drivers.modbus.codec import Field, compile_bits, compile_registers
from drivers.modbus.encode import encode_mask, encode_registers
from drivers.modbus.tag_options import TagOptions, make_address
from drivers.reading import Value
from drivers.scaling import Scaling

# byte letters on the wire for a value ABCD... (A most significant): (byte_order, word_order) -> letters
letters = {
    1: {("big", "big"): "AB", ("little", "big"): "BA", ("big", "little"): "AB", ("little", "little"): "BA"},
    2: {("big", "big"): "ABCD", ("little", "big"): "BADC", ("big", "little"): "CDAB", ("little", "little"): "DCBA"},
    4: {
        ("big", "big"): "ABCDEFGH",
        ("little", "big"): "BADCFEHG",
        ("big", "little"): "GHEFCDAB",
        ("little", "little"): "HGFEDCBA",
    },
}
bounds = {
    "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1), "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1), "bcd16": (0, 9999), "bcd32": (0, 99_999_999), "bool": (0, 1),
}  # fmt: skip
floats = {"float16": ("e", 16), "float32": ("f", 32), "float64": ("d", 64)}
counts = {"int32": 2, "uint32": 2, "float32": 2, "bcd32": 2, "int64": 4, "uint64": 4, "float64": 4}
scales = [(1.0, 0.0), (0.1, 0.0), (0.001, 0.0), (10.0, 0.0), (0.25, 3.0), (-2.0, 0.0)]


def big_endian(kind: str, raw: float) -> bytes:
    size = counts.get(kind, 1) * 2
    if kind in floats:
        return struct.pack(">" + floats[kind][0], raw)
    if kind.startswith("bcd"):
        return bytes.fromhex(str(int(raw)).zfill(size * 2))
    return int(raw).to_bytes(size, "big", signed=kind.startswith("int"))


def on_the_wire(kind: str, raw: float, order: tuple[str, str]) -> bytes:
    value = big_endian(kind, raw)
    return bytes(value["ABCDEFGH".index(letter)] for letter in letters[len(value) // 2][order])


def expected(kind: str, raw: float, scaling: Scaling) -> Value:
    if kind == "bool":
        return raw != 0
    scale, offset = scaling.scale, scaling.offset
    if (scale, offset) == (1.0, 0.0):
        return raw
    if offset == 0 and scale in (0.1, 0.001):
        exact = Fraction(raw) / (10 if scale == 0.1 else 1000)
        return exact.numerator / exact.denominator
    if scale == 10.0:
        value = raw * 10
        return value if isinstance(value, float) or -(2**63) <= value < 2**64 else None  # an entry holds no longer number
    return raw * scale + offset


@st.composite
def cells(draw: st.DrawFn) -> tuple[Address, float]:
    kind = draw(st.sampled_from([*bounds, *floats]))
    order = (draw(st.sampled_from(["big", "little"])), draw(st.sampled_from(["big", "little"])))
    scaling = Scaling() if kind == "bool" else Scaling(*draw(st.sampled_from(scales)))
    if kind in floats:
        raw: float = draw(st.floats(width=floats[kind][1], allow_nan=False, allow_infinity=False))  # type: ignore[arg-type]
    else:
        raw = draw(st.integers(*bounds[kind]))
    return Address("holding", 0, kind, counts.get(kind, 1), *order, scaling=scaling), raw


@settings(max_examples=300, deadline=None)
@given(st.lists(cells(), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_block_of_any_mix_of_types_orders_scales_and_holes(picked: list[tuple[Address, float]], rng) -> None:  # type: ignore[no-untyped-def]
    wire, fields, wanted = bytearray(), [], {}
    for index, (address, raw) in enumerate(picked):
        wire += rng.randbytes(2 * rng.choice((0, 0, 1, 3)))
        if len(wire) + address.count * 2 > 250:
            break
        fields.append(Field(index, len(wire) // 2, address))
        wire += on_the_wire(address.kind, raw, (str(address.byte_order), str(address.word_order)))
        wanted[index] = expected(address.kind, raw, address.scaling)
    rng.shuffle(fields)
    decoder = compile_registers(fields)
    got = dict(zip(decoder.order, decoder.decode(bytes(wire), {}), strict=True))
    assert got == wanted
    assert {i: type(v) for i, v in got.items()} == {i: type(v) for i, v in wanted.items()}


@settings(max_examples=300, deadline=None)
@given(cells())
def test_writing_gives_the_registers_that_were_read(cell: tuple[Address, float]) -> None:
    address, raw = cell
    wire = on_the_wire(address.kind, raw, (str(address.byte_order), str(address.word_order)))
    decoder = compile_registers([Field(0, 0, address)])
    value = decoder.decode(wire, {})[0]
    if value is None:
        assert not -(2**63) <= raw * 10 < 2**64
        return  # scaled beyond what an entry holds
    if (
        isinstance(value, float)
        and (not math.isfinite(value) or address.scaling != Scaling())
        and (address.kind in floats or abs(raw) > 2**50)
    ):
        return  # a rounded quotient cannot always name one raw number beyond 2**50, nor any float scaled twice
    registers = encode_registers(address, value)
    assert struct.pack(f">{len(registers)}H", *registers) == wire


@given(st.binary(min_size=1, max_size=250), st.data())
def test_bits_of_coils(raw: bytes, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(raw) * 8 - 1), min_size=1, max_size=300))
    decoder = compile_bits([Field(i, at, Address("coil", at, "bool", 1)) for i, at in enumerate(places)])
    whole = int.from_bytes(raw, "little")
    assert decoder.decode(raw, {}) == [bool(whole >> at & 1) for at in places]


@given(st.integers(0, 0xFFFF), st.integers(0, 15), st.integers(1, 16), st.sampled_from(["big", "little"]))
def test_bit_fields_and_the_mask_that_writes_them(register: int, bit: int, bit_count: int, order: str) -> None:
    bit_count = min(bit_count, 16 - bit)
    address = Address("holding", 0, "bits", 1, byte_order=order, bit=bit, bit_count=bit_count)
    seen = register if order == "big" else int.from_bytes(register.to_bytes(2, "little"), "big")
    value = compile_registers([Field(0, 0, address)]).decode(register.to_bytes(2, "big"), {})[0]
    assert value == seen >> bit & (1 << bit_count) - 1
    assert isinstance(value, bool) == (bit_count == 1)
    keep, put = encode_mask(address, (1 << bit_count) - 1)
    written = register & keep | put & ~keep
    after = compile_registers([Field(0, 0, address)]).decode(written.to_bytes(2, "big"), {})[0]
    assert after == (1 << bit_count) - 1
    assert written & keep == register & keep


@pytest.mark.parametrize("order", ["big", "little"])
def test_text_ends_at_nul_and_loses_its_padding(order: str) -> None:
    address = Address("holding", 0, "string", 4, byte_order=order, word_order="little")
    wire = b"Flasche\0" if order == "big" else b"lFsahc\0e"
    decoder = compile_registers([Field(0, 0, address)])
    assert decoder.decode(wire, {}) == ["Flasche"]
    assert decoder.decode(b"ab  \0xyz" if order == "big" else b"ba  x\0zy", {}) == ["ab"]
    assert decoder.decode(b"\xff\xff\xff\xff\xff\xff\xff\xff", {}) == [None]
    assert encode_registers(address, "Flasche") == list(struct.unpack(">4H", wire))


def test_bcd_digits_above_nine_mean_nothing() -> None:
    decoder = compile_registers([Field(0, 0, Address("holding", 0, "bcd16", 1, "big", "big"))])
    assert decoder.decode(b"\x12\x3a", {}) == [None]
    assert decoder.decode(b"\x12\x34", {}) == [1234]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int16", 40000),
        ("uint16", -1),
        ("uint32", 2**32),
        ("bcd16", 10000),
        ("float16", 1e9),
        ("int16", "12"),
        ("int16", float("nan")),
        ("int16", None),
    ],
)
def test_what_a_type_cannot_hold_is_refused(kind: str, value: Value) -> None:
    with pytest.raises(DriverError, match="write_out_of_range"):
        encode_registers(Address("holding", 0, kind, counts.get(kind, 1), "big", "big"), value)


def test_too_long_text_and_too_wide_fields_are_refused() -> None:
    with pytest.raises(DriverError, match="write_out_of_range"):
        encode_registers(Address("holding", 0, "string", 2, "big", "big"), "fives")
    with pytest.raises(DriverError, match="write_out_of_range"):
        encode_mask(Address("holding", 0, "bits", 1, "big", "big", bit=3, bit_count=2), 4)


def test_setpoints_round_to_the_step_that_the_device_can_hold() -> None:
    tenth = Address("holding", 0, "int16", 1, "big", "big", scaling=Scaling(0.1))
    assert encode_registers(tenth, 21.5) == [215]
    assert encode_registers(tenth, 21.57) == [216]
    assert encode_registers(tenth, -0.1) == [0xFFFF]


@pytest.mark.parametrize(
    "raw",
    [
        {"address": "holding:65536"},
        {"address": "holding:65535", "data": "float32"},
        {"address": "coil:1", "data": "int16"},
        {"address": "holding:1", "data": "string"},
        {"address": "holding:1", "data": "bits", "bit": 12, "bit_count": 5},
        {"address": "holding:1", "data": "bool", "scale": 0.1},
        {"address": "holding:1", "scale": 0.0},
        {"address": "40000"},
        {"address": "holding:1", "bit": 3},
    ],
)
def test_unsound_addresses_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        make_address(TagOptions.model_validate(raw))


def test_defaults_of_an_address() -> None:
    assert make_address(TagOptions(address="coil:5")) == Address("coil", 5, "bool", 1)
    assert make_address(TagOptions(address="input:7")).kind == "uint16"
