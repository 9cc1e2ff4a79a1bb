"""What a request costs on its line, in microseconds of bus time.

Room: ground, driver `modbus`; pure. The planner weighs requests with it, `budget.py` adds them up. It knows figures, no device.

Sources: MODBUS over serial line V1.02, 2.5.1 (RTU: 11 bits a character, 3.5 characters of silence, 1.75 ms above 19200 baud) and
2.5.2 (ASCII: two characters a byte, framed by colon, LRC and CR LF); MODBUS Application Protocol V1.1b3, 6.1 to 6.4 (lengths).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from drivers.modbus.address import data_bytes
from drivers.modbus.config import DeviceOptions, is_serial
from drivers.modbus.end_point import line_of

serial_turnaround_us: Final = 5_000
"""What a serial unit takes to begin its answer: a common figure, many take less and some 20 ms."""
tcp_round_trip_us: Final = 2_000
"""A request and its answer on a plant's network, with the device's own time."""
tcp_byte_us: Final = 2.0
"""A byte of an answer on the network and in the device, which mostly copies register by register."""
answer_share: Final = 0.5
"""Of `request_timeout_s`: how long a planned answer may take on the wire, so that a device may think as long again."""

rtu_frame_chars: Final = 8 + 5
ascii_frame_chars: Final = 17 + 11
"""Characters of a read request, and of what its answer has besides the data."""
registers_max: Final = 125
"""Registers in one request (V1.1b3, 6.3)."""
bits_max: Final = 2000
"""Bits in one request (V1.1b3, 6.1)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bus time of one request (us), of a data byte of its answer (us), and the part of the former that is not the device's own time."""

    request_us: int
    byte_us: float
    wire_us: int

    def of(self, table: str, count: int) -> float:
        """Return what reading `count` registers or bits costs, us."""
        return self.of_ns(table, count) / 1000

    def of_ns(self, table: str, count: int) -> int:
        """Return the same in ns: whole numbers, so that sums of costs can be compared."""
        return self.request_us * 1000 + self.byte_ns * data_bytes(table, count)

    def least(self, table: str, count: int) -> float:
        """Return what it costs with a device that answers at once, us."""
        return self.wire_us + self.byte_ns * data_bytes(table, count) / 1000

    @property
    def byte_ns(self) -> int:
        """`byte_us` in whole ns."""
        return round(self.byte_us * 1000)


def line_cost(options: DeviceOptions) -> Cost:
    """Return the cost of requests to a device with these options."""
    if not is_serial(options.transport):
        return Cost(tcp_round_trip_us, tcp_byte_us, 0)
    char_us = line_of(options).points[0].character_s * 1e6
    frame_chars, byte_chars = (ascii_frame_chars, 2) if options.transport == "ascii" else (rtu_frame_chars, 1)
    wire_us = ceil(frame_chars * char_us + 2 * max(1750.0, 3.5 * char_us))
    return Cost(wire_us + serial_turnaround_us, byte_chars * char_us, wire_us)


def longest_request(options: DeviceOptions) -> tuple[int, int]:
    """Return the registers and the bits that one request may ask for: the protocol's limits, the device's, and the line's time.

    An answer that takes longer on the wire than half of `request_timeout_s` is not asked for: a slow line would never bring it in time.
    """
    cost = line_cost(options)
    bytes_max = int(max(0.0, options.request_timeout_s * 1e6 * answer_share - cost.wire_us) / cost.byte_us)
    registers = max(min_registers, min(options.max_registers, registers_max, bytes_max // 2))
    return min(registers, options.max_registers), max(8 * min_registers, min(bits_max, bytes_max * 8))


min_registers: Final = 4
"""What is asked for on any line: a 64-bit value."""
