"""The Modbus maps of the filler and of the energy meter. README.md beside this file shows them as tables.

Room: ground, sim board; data. Addresses are 0-based protocol addresses (a manual's 40001 is holding 0, 30001 input 0).
"""

from __future__ import annotations

from typing import Final

from boards.sim.filler import SPEED_LIMITS, TEMPERATURE_LIMITS
from boards.sim.register_map import Cell, RegisterMap

SWITCH: Final = (0.0, 1.0)

FILLER_CELLS: Final = (
    Cell("holding", 0, "status_word", "uint16"),
    Cell("holding", 1, "fault_word", "uint16"),
    Cell("holding", 2, "valves", "uint16"),
    Cell("holding", 3, "state", "uint16"),
    Cell("holding", 4, "heartbeat", "uint16"),
    Cell("holding", 5, "recipe", "uint16"),
    Cell("holding", 6, "product_code", "bcd16"),
    Cell("holding", 10, "product_temperature", "float32", "°C"),
    Cell("holding", 12, "element_temperature", "float32", "°C"),
    Cell("holding", 14, "head_pressure", "float32", "bar"),
    Cell("holding", 16, "fill_speed", "float32", "1/min"),
    Cell("holding", 18, "tank_level", "float32", "%"),
    Cell("holding", 20, "product_flow", "float32", "l/min"),
    Cell("holding", 22, "motor_current", "float32", "A"),
    Cell("holding", 24, "heater_power", "float32", "kW"),
    Cell("holding", 26, "fill_volume", "float32", "ml"),
    Cell("holding", 30, "ambient_temperature", "int16", "°C", 0.1),
    Cell("holding", 31, "motor_temperature", "int16", "°C", 0.1),
    Cell("holding", 32, "bowl_level", "uint16", "%", 0.01),
    Cell("holding", 33, "conveyor", "uint16"),
    # 36 to 39 do not exist: a read over them answers exception 2.
    Cell("holding", 40, "speed_setpoint", "uint16", "1/min", 0.1, SPEED_LIMITS),
    Cell("holding", 41, "temperature_setpoint", "int16", "°C", 0.1, TEMPERATURE_LIMITS),
    Cell("holding", 50, "bottles_total", "uint32"),
    Cell("holding", 52, "bottles_batch", "uint32"),
    Cell("holding", 54, "rejects_total", "uint32"),
    Cell("holding", 56, "run_seconds", "uint32", "s"),
    Cell("holding", 58, "uptime_seconds", "uint32", "s"),
    Cell("holding", 60, "clock_seconds", "uint32", "s"),
    Cell("holding", 62, "product_ml_total", "uint64", "ml"),
    Cell("holding", 70, "serial_number", "string", length=8),
    Cell("coil", 0, "beacon", "bool", limits=SWITCH),
    Cell("discrete", 0, "guard_closed", "bool"),
    Cell("discrete", 1, "air_ok", "bool"),
    Cell("discrete", 2, "emergency_stop_ok", "bool"),
    Cell("discrete", 3, "infeed_blocked", "bool"),
    Cell("discrete", 4, "outfeed_blocked", "bool"),
)
_FILLER_SPARE: Final = tuple(("holding", n) for n in (7, 8, 9, 28, 29, 34, 35, *range(42, 50), *range(66, 70)))


def filler_map() -> RegisterMap:
    """Return the filler's map: low word first (CDAB) in everything longer than a register."""
    return RegisterMap(FILLER_CELLS, spare=_FILLER_SPARE, word_order="little")


def _floats(rows: tuple[tuple[int, str, str], ...]) -> tuple[Cell, ...]:
    return tuple(Cell("input", address, signal, "float32", unit) for address, signal, unit in rows)


# The addresses are those of the Eastron SDM630 (protocol document V1.8); what such a meter leaves free reads 0.
METER_CELLS: Final = _floats(
    (
        (0, "voltage_l1", "V"),
        (2, "voltage_l2", "V"),
        (4, "voltage_l3", "V"),
        (6, "current_l1", "A"),
        (8, "current_l2", "A"),
        (10, "current_l3", "A"),
        (12, "power_l1", "W"),
        (14, "power_l2", "W"),
        (16, "power_l3", "W"),
        (18, "apparent_l1", "VA"),
        (20, "apparent_l2", "VA"),
        (22, "apparent_l3", "VA"),
        (24, "reactive_l1", "var"),
        (26, "reactive_l2", "var"),
        (28, "reactive_l3", "var"),
        (30, "power_factor_l1", ""),
        (32, "power_factor_l2", ""),
        (34, "power_factor_l3", ""),
        (42, "voltage_average", "V"),
        (46, "current_average", "A"),
        (48, "current_sum", "A"),
        (52, "power_total", "W"),
        (56, "apparent_total", "VA"),
        (60, "reactive_total", "var"),
        (62, "power_factor_total", ""),
        (70, "frequency", "Hz"),
        (72, "import_kwh", "kWh"),
        (74, "export_kwh", "kWh"),
        (76, "import_kvarh", "kvarh"),
        (84, "demand", "W"),
        (86, "demand_max", "W"),
        (200, "voltage_l1_l2", "V"),
        (202, "voltage_l2_l3", "V"),
        (204, "voltage_l3_l1", "V"),
        (224, "current_neutral", "A"),
        (342, "total_kwh", "kWh"),
    )
)
METER_REGISTERS_MAX: Final = 80


def meter_map() -> RegisterMap:
    """Return the meter's map: big-endian floats in input registers; at most 80 a request, always in pairs."""
    spare = [("input", n) for block in (range(108), range(200, 270), range(334, 382)) for n in block]
    return RegisterMap(METER_CELLS, spare=spare, registers_max=METER_REGISTERS_MAX, even_only=True)
