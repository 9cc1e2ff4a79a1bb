"""Registers and requests of the simulated Modbus devices: known bytes, limits, and any bytes at all."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boards.sim.maps import FILLER_CELLS, METER_CELLS, filler_map, meter_map
from boards.sim.pdu import answer
from boards.sim.plant import Plant
from boards.sim.register_map import Cell, RefusedError, RegisterMap
from boards.sim.view import DeviceView, RegisterMemory


def _memory(device: str = "filler") -> tuple[Plant, RegisterMemory]:
    plant = Plant(1)
    view = DeviceView(device, plant, 1, lambda: 1_700_000_000.0)
    return plant, RegisterMemory(view, filler_map() if device == "filler" else meter_map())


def test_known_values_have_known_registers() -> None:
    cells = [
        Cell("holding", 0, "f", "float32"),
        Cell("holding", 2, "u", "uint32"),
        Cell("holding", 4, "q", "uint64"),
        Cell("holding", 8, "i", "int16", scale=0.1),
        Cell("holding", 9, "b", "bcd16"),
        Cell("holding", 10, "s", "string", length=2),
    ]
    values = {"f": 123.5, "u": 0x00010002, "q": 0x0001000200030004, "i": -12.3, "b": 4711, "s": "ABC"}
    big = RegisterMap(cells).encode(values)["holding"]
    little = RegisterMap(cells, word_order="little").encode(values)["holding"]
    assert [big[n] for n in range(12)] == [0x42F7, 0, 1, 2, 1, 2, 3, 4, 0x10000 - 123, 0x4711, 0x4142, 0x4300]
    assert [little[n] for n in range(12)] == [0, 0x42F7, 2, 1, 4, 3, 2, 1, 0x10000 - 123, 0x4711, 0x4142, 0x4300]


def test_two_cells_on_one_address_are_refused() -> None:
    with pytest.raises(ValueError, match="second"):
        RegisterMap([Cell("input", 0, "first", "float32"), Cell("input", 1, "second", "uint16")])


def test_values_beyond_the_kind_stop_at_its_ends() -> None:
    layout = RegisterMap([Cell("holding", 0, "u", "uint16"), Cell("holding", 1, "i", "int16", scale=0.1)])
    image = layout.encode({"u": -5, "i": 1e9})["holding"]
    assert image == {0: 0, 1: 0x7FFF}


def test_the_hole_of_the_filler_answers_exception_2() -> None:
    _, memory = _memory()
    assert len(memory.read("holding", 30, 6)) == 6
    for start, count in ((35, 2), (30, 12), (36, 4), (39, 2), (78, 1), (65535, 1)):
        with pytest.raises(RefusedError) as refused:
            memory.read("holding", start, count)
        assert refused.value.code == 2


def test_the_meter_takes_pairs_and_at_most_80_registers() -> None:
    _, memory = _memory("meter")
    assert len(memory.read("input", 0, 80)) == 80
    for start, count in ((0, 82), (1, 2), (0, 3), (0, 0)):
        with pytest.raises(RefusedError) as refused:
            memory.read("input", start, count)
        assert refused.value.code == 3
    with pytest.raises(RefusedError) as refused:
        memory.read("input", 108, 2)
    assert refused.value.code == 2


def test_every_signal_of_the_maps_exists_and_reads_back() -> None:
    for device, cells in (("filler", FILLER_CELLS), ("meter", METER_CELLS)):
        plant, memory = _memory(device)
        plant.step(30)
        shown = plant.signals(device) | {"clock_seconds": 1_700_000_000}
        for cell in cells:
            words = memory.read(cell.table, cell.address, cell.count)
            if cell.kind == "float32":
                ordered = words[::-1] if device == "filler" else words
                assert struct.unpack(">f", struct.pack(">HH", *ordered))[0] == pytest.approx(shown[cell.signal], rel=1e-6), cell


def test_setpoints_are_written_whole_within_limits_and_all_or_none() -> None:
    plant, memory = _memory()
    memory.write("holding", 40, [1200, 300])
    assert (plant.filler.speed_setpoint, plant.filler.temperature_setpoint) == (120.0, 30.0)
    for start, words, code in (
        (40, [900, 401], 3),
        (40, [1601], 3),
        (39, [0, 900], 2),
        (41, [250, 0], 2),
        (50, [0, 0], 2),
        (41, [0xFFFF], 3),
    ):
        with pytest.raises(RefusedError) as refused:
            memory.write("holding", start, words)
        assert refused.value.code == code
    assert (plant.filler.speed_setpoint, plant.filler.temperature_setpoint) == (120.0, 30.0)


def test_a_written_float_that_is_no_number_is_refused() -> None:
    layout = RegisterMap([Cell("holding", 0, "f", "float32", limits=(0.0, 10.0))])
    for value in (math.nan, math.inf, -0.5):
        with pytest.raises(RefusedError):
            layout.decode_write("holding", 0, list(struct.unpack(">HH", struct.pack(">f", value))))
    assert layout.decode_write("holding", 0, list(struct.unpack(">HH", struct.pack(">f", 2.5)))) == {"f": 2.5}


@pytest.mark.parametrize(
    ("request_hex", "response_hex"),
    [
        ("0300280001", "03020384"),  # speed setpoint 90.0
        ("0600280384", "0600280384"),
        ("050000ff00", "050000ff00"),
        ("0500001234", "8503"),
        ("0f0000000101 01", "0f00000001"),
        ("100028000204 0384 00f0", "1000280002"),
        ("100028000203 0384 00", "9003"),
        ("0200000005", "020107"),
        ("0400000002", "8402"),
        ("0300000000", "8303"),
        ("03000000", "8303"),
        ("2b0e0100", "ab01"),
        ("03fffc0009", "8302"),
    ],
)
def test_requests_have_known_responses(request_hex, response_hex) -> None:
    _, memory = _memory()
    assert answer(memory, bytes.fromhex(request_hex)).hex() == response_hex.replace(" ", "")


@given(st.binary(min_size=1, max_size=253))
def test_any_bytes_get_an_answer_that_fits_a_frame(request_pdu) -> None:
    _, memory = _memory()
    response = answer(memory, request_pdu)
    assert 2 <= len(response) <= 253
    assert response[0] & 0x7F == request_pdu[0] & 0x7F
