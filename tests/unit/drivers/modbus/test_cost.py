"""What a request costs on a serial line, held against the frames that really go over it."""

from __future__ import annotations

from math import ceil

import pytest

from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import line_cost
from drivers.modbus.end_point import line_of
from drivers.modbus.framing import Ascii, Rtu
from drivers.modbus.request import Request, read_request


@pytest.mark.parametrize("transport", ["rtu", "ascii"])
@pytest.mark.parametrize(("table", "count"), [("holding", 1), ("holding", 60), ("coil", 9)])
def test_bus_time_is_that_of_the_frames_and_their_silences(transport: str, table: str, count: int) -> None:
    options = DeviceOptions.model_validate({"transport": transport, "serial_port": "/dev/ttyS1", "baud": 9600, "parity": "none"})
    wire: Rtu | Ascii = Ascii() if transport == "ascii" else Rtu()
    request = read_request(1, table, 0, count)
    answer = Request(1, bytes(request.answer_bytes), request.answer_bytes)
    character_us = line_of(options).points[0].character_s * 1e6
    assert character_us == pytest.approx((9 if transport == "ascii" else 10) / 9600 * 1e6)  # seven or eight data bits
    expected_us = (len(wire.wrap(request)) + len(wire.wrap(answer))) * character_us + 7 * character_us
    assert line_cost(options).least(table, count) == pytest.approx(ceil(expected_us), abs=2)
