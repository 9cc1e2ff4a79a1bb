"""When what was read back is what was written: whatever a device really keeps, and none of what it does not."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.address import exponent, value_type, whole_kinds
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.encode import encode_mask, encode_registers, resolution_of, sent_value
from drivers.modbus.tag_options import parse_address
from drivers.reading import Scan, Tag, TagGroup, Value
from drivers.shared import Shared
from runtime.device_write import write_and_look
from runtime.faces.feed import RequestRefusedError
from runtime.setpoint import SetpointRules, fitting, fitting_sent, is_as_shown, is_kept
from tests.rigs.clock import StillClock
from tests.simulation.loop import VirtualClock, run


def tag_of(kind: str = "float64", places: int | None = None) -> Tag:
    return Tag(1, "t", "d", kind, "", None, places, writable=True)


@pytest.mark.parametrize(
    ("wrote", "read", "tag"),
    [
        (20261127, 20261120, tag_of("int")),
        (20261127, 20261128, tag_of("int", 0)),
        (5_000_000, 5_000_004, tag_of("int", 0)),
        (2**40, 2**40 + 10**6, tag_of("int")),
        (2**63, 2**63 - 1, tag_of("int")),
        (2_000_000.0, 2_000_001.5, tag_of("float64", -1)),
        (20261127, 20261120.0, tag_of("float64")),
        (20261127.0, 20261128.0, tag_of("float64")),  # also where 32 bits would make it that
        (2_000_000.5, 2_000_000.7, tag_of("float64")),
        (262_144.311, 262_144.312, tag_of("float64", -3)),  # though 32 bits print one as the other
        (1e308, -1e308, tag_of("float64")),
        pytest.param(10**400, 1.0, tag_of("float64"), id="beyond"),
        (1e308, math.inf, tag_of("float64")),
        (100.0, 101.0, tag_of("float32")),
    ],
)
def test_another_value_is_not_kept_however_large_it_is(wrote: Value, read: Value, tag: Tag) -> None:
    assert not is_kept(wrote, read, tag, 0.0)
    assert not is_kept(read, wrote, tag, 0.0)


@pytest.mark.parametrize(
    ("wrote", "read", "tag", "tolerance"),
    [
        (20261127, 20261120, tag_of("int"), 7.0),
        (2**63, 2**63, tag_of("int"), 0.0),
        (20261127, 20261127.0, tag_of("float64"), 0.0),
        (21.5, 21.6, tag_of("float64"), 0.1),  # 0.10000000000000142
        (21.55, 21.6, tag_of("float64", -1), 0.0),
        (0.1 + 0.2, 0.3, tag_of("float64"), 0.0),
        (21.53, struct.unpack("<f", struct.pack("<f", 21.53))[0], tag_of("float64"), 0.0),
        (21.53, 21.5300007, tag_of("float64"), 0.0),  # 32 bits as they are printed
        (20261127, 20261128.0, tag_of("float32"), 0.0),
        (math.inf, math.inf, tag_of("float64"), 0.0),
    ],
)
def test_what_a_device_makes_of_a_number_is_kept(wrote: Value, read: Value, tag: Tag, tolerance: float) -> None:
    assert is_kept(wrote, read, tag, tolerance)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([*whole_kinds, "float16", "float32", "float64"]),
    st.sampled_from([1, 5, 10, 0.1, 0.7, 0.01, 0.05, 0.25, 1e-3]),
    st.sampled_from([0, -40, 2.5, 1000, 100_000]),
    st.floats(1e-3, 1e6) | st.integers(0, 10**9) | st.integers(0, 300),
)
def test_whatever_a_modbus_device_has_after_a_write_is_kept_and_its_next_step_is_not(
    kind: str, scale: float, offset: float, asked: Any
) -> None:
    address = parse_address({"address": "holding:0", "data": kind, "scale": scale, "offset": offset})
    tag = Tag(1, "t", "d", value_type(address), "", address, exponent(address), writable=True)
    if tag.type == "int" and isinstance(asked, float):
        asked = round(asked)
    try:
        sent = sent_value(address, asked)
    except DriverError:
        return
    registers = [encode_mask(address, sent)[1]] if address.written_by_mask else encode_registers(address, sent)
    held = compile_registers([Field(0, 0, address)]).decode(struct.pack(f">{len(registers)}H", *registers), {})[0]
    assert is_kept(sent, held, tag, 0.0, resolution_of(address, sent))
    if kind in whole_kinds:
        assert isinstance(held, int | float)
        assert not is_kept(sent, held + scale, tag, 0.0, resolution_of(address, sent))


@pytest.mark.parametrize("time_as", ["ms", "text"])
@pytest.mark.parametrize("kind", ["unix_s32", "unix_ms64", "cp56", "s7_datetime"])
def test_a_clock_that_runs_on_was_set_and_one_that_is_behind_was_not(kind: str, time_as: str) -> None:
    address = parse_address({"address": "holding:0", "data": kind, "time_as": time_as})
    tag = Tag(1, "t", "d", value_type(address), "", address, None, writable=True)
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)

    def shown(gone_ms: int) -> Value:
        moment = noon + timedelta(milliseconds=gone_ms)
        return round(moment.timestamp() * 1000) if time_as == "ms" else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    sent = sent_value(address, shown(0))
    resolution = resolution_of(address, sent)
    for gone_ms in (-1_000, 0, 130, 5_000):
        assert is_kept(sent, shown(gone_ms), tag, 0.0, resolution, runs=True), gone_ms
        assert is_kept(sent, shown(gone_ms), tag, 0.0, resolution) is ((gone_ms == 0 and sent == shown(0)) or time_as == "ms")
    for gone_ms in (-4_000, -1_001, 5_001, -3_600_000, 3_600_000):
        assert not is_kept(sent, shown(gone_ms), tag, 0.0, resolution, runs=True), gone_ms
    assert is_kept(sent, shown(9_000), tag, 10_000.0, resolution, runs=True)
    for other in (None, True, "noon", "2026-11-27T12:00:00", math.nan):
        assert not is_kept(sent, other, tag, 0.0, resolution, runs=True)


def test_a_driver_says_which_of_its_tags_are_clocks() -> None:
    driver = ModbusDriver(DeviceOptions(host="nowhere"), StillClock(), Shared())
    kinds = ("unix_s32", "cp56", "uint32", "float64")
    told = [driver.runs(Tag(1, "t", "d", "text", "", parse_address({"address": "holding:0", "data": kind}))) for kind in kinds]
    assert told == [True, True, False, False]


@pytest.mark.parametrize(
    ("shown", "now", "tag", "tolerance", "wanted"),
    [
        (1234.567, 1234.5671, tag_of("float64"), 0.0, True),  # a position feedback that trembles
        (1234.567, 1234.570, tag_of("float64"), 0.0, False),
        (1234.567, 1234.570, tag_of("float32"), 0.01, True),
        (21.5, 21.54, tag_of("float64", -1), 0.0, True),
        (20261127, 20261128, tag_of("int"), 0.0, False),
        (20261127, 20261128, tag_of("int", 0), 1.0, True),
        (2**63, 2**63 + 1, tag_of("int"), 0.0, False),
        pytest.param(10**400, 1.0, tag_of("float64"), 0.0, False, id="beyond"),
        (math.nan, math.nan, tag_of("float64"), 0.0, True),
        (math.nan, 1.0, tag_of("float64"), 0.0, False),
        (True, 1, tag_of("bool"), 0.0, False),
        ("a", "a", tag_of("text"), 0.0, True),
        ("a", "b", tag_of("text"), 9.0, False),
        (None, None, tag_of("int"), 0.0, True),
        (None, 0, tag_of("int"), 0.0, False),
    ],
)
def test_what_a_person_was_shown_is_still_so(shown: Value, now: Value, tag: Tag, tolerance: float, wanted: bool) -> None:
    assert is_as_shown(shown, now, tag, tolerance) is wanted
    assert is_as_shown(now, shown, tag, tolerance) is wanted


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, pytest.param(10**400, id="beyond")])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_what_is_no_finite_number_is_no_setpoint(value: float, kind: str) -> None:
    with pytest.raises(RequestRefusedError, match="value_out_of_limits"):
        fitting(value, tag_of(kind), SetpointRules())
    with pytest.raises(RequestRefusedError, match="value_rounds_out_of_limits"):
        fitting_sent(value, 1.0, SetpointRules())


class Marking:
    """A device that answers with info bits in its status, as some OPC UA servers do, and keeps what was written, or not."""

    def __init__(self, clock: VirtualClock, status: int, *, keeps: bool) -> None:
        self._clock, self._status, self._keeps = clock, status, keeps
        self.value: Value = 20261120

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        self.value = value if self._keeps else self.value

    def sent(self, device: str, tag: Tag, value: Value) -> Value:
        return value

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        return Scan(TagGroup(-1, device, "back", 1000, (tag,)), [self.value], self._clock.wall_ms(), [self._status])


@pytest.mark.parametrize(
    ("status", "keeps", "code"),
    [
        (0, False, "write_not_kept"),
        (0x00000400, True, "done"),
        (0x00960000, True, "done"),
        (0x00000400, False, "write_not_kept"),
        (0x40000000, True, "write_not_verified"),
        (0x80000400, True, "write_not_verified"),
    ],
)
def test_what_is_read_with_a_good_status_counts_whatever_else_the_status_says(status: int, keeps: bool, code: str) -> None:
    async def program(clock: VirtualClock) -> None:
        outcome = await write_and_look(Marking(clock, status, keeps=keeps), clock, tag_of("int"), 20261127, SetpointRules())
        assert outcome.code == code, json.dumps(dict(outcome.params))

    run(program, seed=1)
