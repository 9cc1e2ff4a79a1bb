"""When what was read back is what was written: whatever a device really keeps, and none of what it does not."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.address import exponent, value_type, whole_kinds
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.encode import encode_mask, encode_registers, resolution_of, sent_value
from drivers.modbus.tag_options import parse_address
from drivers.reading import Scan, Tag, TagGroup, Value
from runtime.device_write import write_and_look
from runtime.faces.feed import RequestRefusedError
from runtime.setpoint import SetpointRules, fitting, fitting_sent, is_kept
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


def test_a_clock_that_runs_on_was_set() -> None:
    address = parse_address({"address": "holding:0", "data": "unix_ms64", "time_as": "ms"})
    tag, asked = Tag(1, "t", "d", value_type(address), "", address, None, writable=True), 1_790_000_000_000
    assert is_kept(asked, asked + 300, tag, 0.0, resolution_of(address, asked))
    assert not is_kept(asked, asked - 3_600_000, tag, 0.0, resolution_of(address, asked))


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
