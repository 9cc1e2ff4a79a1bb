"""The physics of the filler: eight valves under a heated bowl, a supply tank, a drive, and counters that only rise.

Room: ground, sim board; pure. `plant.py` steps it; `maps.py` says where its signals stand on the wire.
"""

from __future__ import annotations

import random
from enum import IntEnum
from typing import Final

from boards.sim.lag import Wander, ramp, toward

Signal = bool | int | float | str

SPEED_LIMITS: Final = (20.0, 160.0)
"""Bottles a minute that the drive accepts as setpoint."""
TEMPERATURE_LIMITS: Final = (15.0, 32.0)
"""Degrees Celsius that the heater accepts as setpoint."""
BOTTLE_L: Final = 0.5
TANK_L: Final = 2000.0
SUPPLY_L_PER_MIN: Final = 95.0
BOWL_KJ_PER_K: Final = 250.0
"""Heat that a bowl of 60 litres takes up."""
INLET_C: Final = 18.0
AMBIENT_C: Final = 21.5
HEATER_KW: Final = 48.0
CHILLER_KW: Final = 15.0
TRIP_EVERY_S: Final = 7200.0
TRIP_LASTS_S: Final = 25.0
RECIPE_CODES: Final = {1: 4711, 2: 4712, 3: 4720}


class FillerState(IntEnum):
    """What the PLC says it is doing."""

    STOPPED = 0
    WAITING_FOR_TEMPERATURE = 1
    FILLING = 2
    BACKED_UP = 3
    STARVED = 4
    FAULT = 5


class Filler:
    """The machine. `speed_setpoint` (bottles/min) and `temperature_setpoint` (deg C) may be written at any time."""

    def __init__(self, rng: random.Random) -> None:
        """Start warm and running, with the totals of a machine that has worked before."""
        self._rng = rng
        self.speed_setpoint = 90.0
        self.temperature_setpoint = 24.0
        self.beacon = False
        self.bottles_total = 1_204_331
        self.rejects_total = 3_862
        self.product_ml_total = 602_165_500_000 // 1000
        self.bottles_batch = 0
        self.uptime_s = 0.0
        self.run_s = 41_522_100.0
        self.state = FillerState.FILLING
        self.recipe = 1
        self.bowl_c = 23.2
        self.measured_c = 23.2
        self.element_kw = 12.0
        self._integral_kw = 12.0
        self.speed = 40.0
        self.tank_l = 1240.0
        self.supply_open = False
        self.pressure_bar = 1.18
        self.motor_a = 3.0
        self.motor_c = 44.0
        self.fill_ml = 500.0
        self.trip_left_s = 0.0
        self._part = 0.0
        self._angle = 0.0
        self._pressure_noise = Wander(rng, 0.012, 1.5)
        self._torque_noise = Wander(rng, 0.06, 0.8)
        self._volume_noise = Wander(rng, 0.7, 20.0)
        self._temperature_noise = Wander(rng, 0.03, 0.5)

    def step(self, dt_s: float, *, room: int) -> int:
        """Advance by `dt_s` seconds; return how many good bottles went onto the conveyor, at most `room`."""
        self.uptime_s += dt_s
        self._choose_state(dt_s, room)
        running = self.state is FillerState.FILLING
        target = self.speed_setpoint if running else 0.0
        self.speed = ramp(self.speed, target, dt_s, 12.0 if running else 40.0)
        made = self._fill(dt_s, room)
        self._move_liquid(dt_s, made)
        self._heat(dt_s)
        self._drive(dt_s)
        return self._inspect(made)

    def reboot(self) -> None:
        """Lose what is not retentive: the batch counter, the uptime, the setpoints and the drive's speed."""
        self.bottles_batch = 0
        self.uptime_s = 0.0
        self.speed_setpoint = 90.0
        self.temperature_setpoint = 24.0
        self.beacon = False
        self.speed = 0.0
        self.trip_left_s = 0.0

    @property
    def heater_kw(self) -> float:
        """Electric power of the heating element."""
        return max(self.element_kw, 0.0)

    @property
    def chiller_kw(self) -> float:
        """Electric power of the chiller: a third of the heat that it takes away."""
        return max(-self.element_kw, 0.0) / 3

    @property
    def motor_kw(self) -> float:
        """Shaft drive: 400 V, three phases, cos phi 0.78."""
        return 1.732 * 0.4 * self.motor_a * 0.78

    @property
    def in_band(self) -> bool:
        """Whether the product is within one degree of its setpoint."""
        return abs(self.measured_c - self.temperature_setpoint) <= 1.0

    def signals(self) -> dict[str, Signal]:
        """Return what the PLC knows, by signal name, in engineering units."""
        heads = self._heads()
        return {
            "status_word": self._status_word(),
            "fault_word": (1 if self.trip_left_s > 0 else 0) | (2 if self.tank_l < 0.08 * TANK_L else 0),
            "valves": heads | (0x100 if self.supply_open else 0) | (0x200 if heads else 0) | 0x400,
            "state": int(self.state),
            "heartbeat": int(self.uptime_s) & 0xFFFF,
            "recipe": self.recipe,
            "product_code": RECIPE_CODES.get(self.recipe, 4711),
            "product_temperature": self.measured_c,
            "element_temperature": self.bowl_c + 1.6 * self.element_kw,
            "head_pressure": self.pressure_bar,
            "fill_speed": self.speed,
            "tank_level": 100 * self.tank_l / TANK_L,
            "product_flow": self.speed * BOTTLE_L,
            "motor_current": self.motor_a,
            "heater_power": self.heater_kw,
            "fill_volume": self.fill_ml,
            "ambient_temperature": AMBIENT_C,
            "motor_temperature": self.motor_c,
            "bowl_level": 62.0 + 30 * (self.pressure_bar - 1.2),
            "speed_setpoint": self.speed_setpoint,
            "temperature_setpoint": self.temperature_setpoint,
            "bottles_total": self.bottles_total,
            "bottles_batch": self.bottles_batch,
            "rejects_total": self.rejects_total,
            "run_seconds": int(self.run_s),
            "uptime_seconds": int(self.uptime_s),
            "product_ml_total": self.product_ml_total,
            "serial_number": "WM-FILL-0008",
            "beacon": self.beacon,
            "guard_closed": True,
            "air_ok": True,
            "emergency_stop_ok": self.trip_left_s <= 0,
            "infeed_blocked": self.state is FillerState.STARVED,
            "outfeed_blocked": self.state is FillerState.BACKED_UP,
        }

    def _choose_state(self, dt_s: float, room: int) -> None:
        self.trip_left_s = max(self.trip_left_s - dt_s, 0.0)
        if self._rng.random() < dt_s / TRIP_EVERY_S:
            self.trip_left_s = TRIP_LASTS_S
        off_by = abs(self.measured_c - self.temperature_setpoint)
        waiting = self.state is FillerState.WAITING_FOR_TEMPERATURE
        backed_up = self.state is FillerState.BACKED_UP
        if self.trip_left_s > 0:
            self.state = FillerState.FAULT
        elif self.tank_l < 0.05 * TANK_L:
            self.state = FillerState.STARVED
        elif off_by > (1.0 if waiting else 4.0):
            self.state = FillerState.WAITING_FOR_TEMPERATURE
        elif room < (20 if backed_up else 1):
            self.state = FillerState.BACKED_UP
        else:
            self.state = FillerState.FILLING

    def _fill(self, dt_s: float, room: int) -> int:
        self._part += self.speed / 60 * dt_s
        made = min(int(self._part), room)
        self._part = min(self._part - made, 1.0)
        self._angle = (self._angle + self.speed / 60 * dt_s / 8) % 1.0
        if self.speed > 0.5:
            self.run_s += dt_s
        return made

    def _move_liquid(self, dt_s: float, made: int) -> None:
        if self.tank_l < 0.45 * TANK_L:
            self.supply_open = True
        elif self.tank_l > 0.82 * TANK_L:
            self.supply_open = False
        supplied = SUPPLY_L_PER_MIN / 60 * dt_s if self.supply_open else 0.0
        self.tank_l = max(self.tank_l + supplied - made * self.fill_ml / 1000, 0.0)
        self.product_ml_total += round(made * self.fill_ml)
        level_effect = 0.08 * (self.tank_l / TANK_L - 0.6)
        target = 1.2 + level_effect - 0.0006 * self.speed + self._pressure_noise.step(dt_s)
        self.pressure_bar = toward(self.pressure_bar, target, dt_s, 0.6)
        volume = 500.0 + 18 * (self.pressure_bar - 1.15) + self._volume_noise.step(dt_s)
        self.fill_ml = toward(self.fill_ml, volume, dt_s, 3.0)

    def _heat(self, dt_s: float) -> None:
        """Heat balance of the bowl under a PI controller; the element and the probe lag."""
        error = self.temperature_setpoint - self.measured_c
        wanted = min(max(4.0 * error + self._integral_kw, -CHILLER_KW), HEATER_KW)
        if abs(error) < 3:
            self._integral_kw = min(max(self._integral_kw + 0.05 * error * dt_s, -CHILLER_KW), HEATER_KW)
        self.element_kw = toward(self.element_kw, wanted, dt_s, 6.0)
        flow_kg_s = self.speed * BOTTLE_L / 60
        loss_kw = 0.06 * (self.bowl_c - AMBIENT_C) + flow_kg_s * 4.18 * (self.bowl_c - INLET_C)
        self.bowl_c += (0.96 * self.element_kw - loss_kw) / BOWL_KJ_PER_K * dt_s
        probe = self.bowl_c + self._temperature_noise.step(dt_s)
        self.measured_c = toward(self.measured_c, probe, dt_s, 4.0)

    def _drive(self, dt_s: float) -> None:
        turning = self.speed > 0.5
        load = (1.6 + 0.028 * self.speed + 0.4 * (self.pressure_bar - 1.0)) if turning else 0.35
        self.motor_a = max(toward(self.motor_a, load + self._torque_noise.step(dt_s) * turning, dt_s, 0.5), 0.05)
        self.motor_c = toward(self.motor_c, AMBIENT_C + 2.1 * self.motor_a**2, dt_s, 420.0)

    def _inspect(self, made: int) -> int:
        """Count what was filled; return how many passed."""
        share = 0.003 + (0.0 if self.in_band else 0.02) + 0.002 * abs(self.fill_ml - 500.0)
        bad = sum(self._rng.random() < share for _ in range(made))
        self.bottles_total += made
        self.bottles_batch += made
        self.rejects_total += bad
        return made - bad

    def _heads(self) -> int:
        """Return which of the eight fill valves are open: three neighbours of a turning carousel."""
        if self.speed <= 0.5:
            return 0
        first = int(self._angle * 8)
        return sum(1 << ((first + n) % 8) for n in range(3))

    def _status_word(self) -> int:
        bits = (
            self.trip_left_s <= 0,
            self.state is FillerState.FILLING,
            self.state is FillerState.STARVED,
            self.state is FillerState.BACKED_UP,
            self.element_kw > 0.2,
            self.in_band,
            self.supply_open,
            self.state is FillerState.FAULT,
            self.tank_l < 0.08 * TANK_L,
            self.measured_c > self.temperature_setpoint + 4,
            self.trip_left_s > 0,
            False,
            self.element_kw < -0.2,
            self.beacon,
            self.speed >= self.speed_setpoint - 1,
            int(self.uptime_s) % 2 == 1,
        )
        return sum(1 << n for n, bit in enumerate(bits) if bit)
