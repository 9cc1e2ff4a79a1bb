"""A value that is not there never becomes a number: marks of SunSpec, stated ones, and powers of ten in registers of their own."""

from __future__ import annotations

import ast
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.address import Address, native_codes
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import Cost
from drivers.modbus.encode import encode_registers
from drivers.modbus.expressions import compose
from drivers.modbus.layout import Arrangement, Layout
from drivers.modbus.planner import Rules, plan_blocks
from drivers.modbus.tag_options import parse_address
from drivers.reading import Scan, Status, Tag, TagGroup, Value

no_data = (None, Status.BAD_NO_DATA)


def holding(data: str, **more: Any) -> Address:
    return parse_address({"address": "holding:0", "data": data, **more})


def read(address: Address, wire: bytes) -> tuple[Value, int]:
    bad: dict[int, int] = {}
    return compile_registers([Field(0, 0, address)]).decode(wire, bad)[0], bad.get(0, 0)


@pytest.mark.parametrize(
    ("data", "mark", "other"),
    [
        ("int16", "8000", -32767), ("uint16", "ffff", 65534), ("int32", "80000000", 7), ("uint32", "ffffffff", 0),
        ("int64", "8000000000000000", 0),
        ("uint64", "ffffffffffffffff", 1), ("float32", "7fc00000", 1.5), ("float64", "7ff8000000000000", 0.0), ("bits", "ffff", False),
        ("bits32", "ffffffff", False), ("int24", "ff800000", 1), ("uint48", "ffffffffffff", 1),
    ],
)  # fmt: skip
def test_the_marks_of_sunspec(data: str, mark: str, other: Value) -> None:
    address = holding(data, missing="sunspec")
    assert read(address, bytes.fromhex(mark)) == no_data
    assert read(holding(data), bytes.fromhex(mark))[1] == 0
    if data not in ("bits", "bits32"):
        wire = struct.pack(f">{address.count}H", *encode_registers(address, other))
        assert read(address, wire) == (other, 0)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-32768, 32767), st.booleans()), min_size=1, max_size=60), st.sets(st.integers(-32768, 32767), max_size=3)
)
def test_stated_marks_are_compared_before_scaling(rows: list[tuple[int, bool]], marks: set[int]) -> None:
    plain, watched = holding("int16", scale=0.1), holding("int16", scale=0.1, missing=sorted(marks))
    fields = [Field(n, n, watched if watch else plain) for n, (_, watch) in enumerate(rows)]
    bad: dict[int, int] = {}
    values = compile_registers(fields).decode(struct.pack(f">{len(rows)}h", *(raw for raw, _ in rows)), bad)
    gone = {n for n, (raw, watch) in enumerate(rows) if watch and raw in marks}
    assert bad == dict.fromkeys(gone, Status.BAD_NO_DATA)
    assert values == [None if n in gone else raw / 10 for n, (raw, _) in enumerate(rows)]


def test_marks_of_all_sorts() -> None:
    assert read(holding("int16", missing=[0x8000, 0x7FFF]), b"\x80\x00") == no_data
    assert read(holding("float32", missing=[-9999.0]), struct.pack(">f", -9999)) == no_data
    assert read(holding("float32", missing="nan"), struct.pack(">f", float("nan"))) == no_data
    assert read(holding("string", length=2, missing="sunspec"), bytes(4)) == no_data
    assert read(holding("string", length=2, missing=["n/a"]), b"n/a\0") == no_data
    assert read(holding("bcd16", missing=[9999]), b"\x99\x99") == no_data
    assert read(holding("bcd16", missing=[9999]), b"\x99\x9a") == (None, Status.BAD_DECODING_ERROR)
    with pytest.raises(DriverError, match="write_out_of_range"):
        encode_registers(holding("int16", missing=[0x8000]), -32768)


@pytest.mark.parametrize(("data", "mark"), [("float32", -999.9), ("float32", 3.4028235e38), ("float16", 0.1), ("float64", 1e300)])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_mark_is_compared_as_the_type_holds_it(data: str, mark: float, scale: float) -> None:
    address = holding(data, missing=[mark], scale=scale)
    assert read(address, struct.pack(">" + native_codes[data], mark)) == no_data
    if scale == 1:
        with pytest.raises(DriverError, match="write_out_of_range"):
            encode_registers(address, mark)


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        ("float32", [1e39]),
        ("float16", [70000]),
        ("int16", "nan"),
        ("int16", [70000]),
        ("uint16", [-1]),
        ("int16", ["x"]),
        ("float32", [float("nan")]),
        ("string", [3]),
        ("bcd16", "sunspec"),
        ("bcd16", [10000]),
    ],
)
def test_marks_that_a_type_cannot_send_are_refused(data: str, missing: object) -> None:
    with pytest.raises(ValueError, match="config_missing_value"):
        holding(data, missing=missing, **({"length": 4} if data == "string" else {}))


def layout_of(*raws: dict[str, Any]) -> Layout:
    tags = tuple(Tag(n, f"t{n}", "dev", "float64", "", parse_address(raw)) for n, raw in enumerate(raws))
    return Layout(TagGroup(1, "dev", "g", 100, tags), DeviceOptions(host="plc"))


def arranged(layout: Layout) -> Arrangement:
    return layout.arrange(plan_blocks(layout.spans, Rules(Cost(1000, 1.0, 0))), {})


def scan_of(layout: Layout, registers: dict[int, int]) -> Scan:
    arrangement = arranged(layout)
    blocks = [read.block for read in arrangement.reads]
    return layout.scan(
        arrangement, [struct.pack(f">{b.count}H", *(registers.get(b.start + n, 0) & 0xFFFF for n in range(b.count))) for b in blocks], 0
    )


power = {"address": "holding:10", "data": "int16", "scale_factor": "holding1:13", "missing": "sunspec"}


@given(st.integers(-32767, 32767), st.lists(st.integers(-10, 10), min_size=1, max_size=4))
def test_a_power_of_ten_from_a_register_follows_it_and_is_exact(raw: int, factors: list[int]) -> None:
    layout = layout_of(power, {"address": "holding:11"}, {"address": "holding:12", "data": "int16"})
    for factor in factors:
        scan = scan_of(layout, {10: raw, 11: 5, 12: factor})
        assert scan.values == [float(f"{raw}e{factor}"), 5, factor]
        assert type(scan.values[0]) is float
        assert scan.statuses is None


def test_two_tags_share_a_factor_and_another_block_may_hold_it() -> None:
    far = [{"address": f"holding:{n}", "data": "int16", "scale_factor": "holding:5000"} for n in (10, 11)]
    layout = layout_of(*far)
    assert scan_of(layout, {10: 5, 11: -7, 5000: -1}).values == [0.5, -0.7]
    arrangement = arranged(layout)
    at = next(n for n, read in enumerate(arrangement.reads) if read.block.start == 5000)
    answers: list[bytes | int] = [bytes(read.size_bytes) for read in arrangement.reads]
    answers[at] = Status.BAD_TIMEOUT
    scan = layout.scan(arrangement, answers, 0)
    assert (scan.values, scan.statuses) == ([None, None], [Status.BAD_TIMEOUT] * 2)


@pytest.mark.parametrize(
    ("factor", "status"), [(-0x8000, Status.BAD_NO_DATA), (11, Status.BAD_DECODING_ERROR), (-11, Status.BAD_DECODING_ERROR)]
)
def test_without_a_factor_there_is_no_value(factor: int, status: int) -> None:
    scan = scan_of(layout_of(power, {"address": "holding:11"}), {10: 123, 11: 5, 12: factor})
    assert (scan.values, scan.statuses) == ([None, 5], [status, 0])


def test_a_value_that_is_missing_stays_so_whatever_its_factor_says() -> None:
    scan = scan_of(layout_of(power), {10: 0x8000, 12: 2})
    assert (scan.values, scan.statuses) == ([None], [Status.BAD_NO_DATA])


def test_a_scaled_value_is_not_written_and_takes_no_other_scale() -> None:
    with pytest.raises(DriverError, match="write_not_supported"):
        encode_registers(parse_address(power), 5.0)
    with pytest.raises(ValueError, match="config_scale_factor_alone"):
        parse_address(power | {"scale": 0.1})
    with pytest.raises(ValueError, match="config_data_table"):
        parse_address(power | {"scale_factor": "coil:1"})


def test_nothing_that_an_option_says_becomes_code() -> None:
    hostile = "__import__('os')"
    allowed = {"lost", "bad", "v", "of_bcd"}
    for raw in (
        {"data": "string", "length": 3, "missing": [hostile]},
        {"data": "float64", "scale": -1e308, "offset": 5e-324, "missing": [1e999]},
        {"data": "uint64", "scale": 1.7976931348623157e308, "missing": [2**64 - 1]},
        {"data": "datetime_registers", "parts": "u-smhDMY", "zone": "Europe/Berlin"},
        {"data": "bcd64", "scale": 3.3, "missing": [1]},
        {"data": "m10k64", "offset": -7.5},
        {"data": "cp56", "order": "HGFEDCBA"},
    ):
        made = compose(3, 0, 0, parse_address({"address": "holding:0", **raw}))
        tree = ast.parse(made.code, mode="eval")
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert names <= allowed | set(made.cells) | set(made.names)
        assert not [
            node
            for node in ast.walk(tree)
            if isinstance(node, (ast.Attribute, ast.Lambda)) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        ]
