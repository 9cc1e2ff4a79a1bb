"""The physics of the energy meter: three phases whose power is what the machines draw, and registers that only rise.

Room: ground, sim board; pure. `plant.py` steps it; `maps.py` says where its signals stand on the wire.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from boards.sim.filler import Signal
from boards.sim.lag import Wander, toward

PHASES: Final = (1, 2, 3)
VOLTS: Final = 231.0
DEMAND_S: Final = 900.0
MOTOR_TAN: Final = math.tan(math.acos(0.78))
CONTROL_TAN: Final = math.tan(math.acos(0.92))


@dataclass(frozen=True, slots=True)
class Load:
    """What the line draws now, in kW: heat (cos phi 1, three phases), drives (0.78, three phases), controls (0.92, L1)."""

    heat_kw: float
    drives_kw: float
    controls_kw: float


class Meter:
    """The meter. P, Q, S, I and pf of each phase agree with each other at every moment."""

    def __init__(self, rng: random.Random) -> None:
        """Start with the registers of a meter that has been in service for some weeks."""
        self.import_kwh = 7_422.31
        self.import_kvarh = 2_404.77
        self.volts = [VOLTS] * 3
        self.watts = [0.0] * 3
        self.vars = [0.0] * 3
        self.frequency = 50.0
        self.demand_w = 14_000.0
        self.demand_max_w = 14_000.0
        self.uptime_s = 0.0
        self._sag = [Wander(rng, 1.1, 40.0) for _ in PHASES]
        self._share = [Wander(rng, 0.006, 15.0) for _ in PHASES]
        self._hertz = Wander(rng, 0.018, 30.0)

    def step(self, dt_s: float, load: Load) -> None:
        """Advance by `dt_s` seconds under this load."""
        self.uptime_s += dt_s
        self.frequency = 50.0 + self._hertz.step(dt_s)
        tilt = [1 + share.step(dt_s) for share in self._share]
        for n in range(3):
            lone = load.controls_kw if n == 0 else 0.0
            self.watts[n] = 1000 * ((load.heat_kw + load.drives_kw) / 3 * tilt[n] + lone)
            self.vars[n] = 1000 * (load.drives_kw / 3 * tilt[n] * MOTOR_TAN + lone * CONTROL_TAN)
            self.volts[n] = VOLTS - 0.00018 * self.watts[n] + self._sag[n].step(dt_s)
        total_w = sum(self.watts)
        self.import_kwh += total_w * dt_s / 3_600_000
        self.import_kvarh += sum(self.vars) * dt_s / 3_600_000
        self.demand_w = toward(self.demand_w, total_w, dt_s, DEMAND_S / 3)
        self.demand_max_w = max(self.demand_max_w, self.demand_w)

    def reboot(self) -> None:
        """Lose what is not retentive: the demand figures and the uptime. Energy registers stay."""
        self.demand_w = sum(self.watts)
        self.demand_max_w = self.demand_w
        self.uptime_s = 0.0

    def signals(self) -> dict[str, Signal]:
        """Return what the meter shows: volt, ampere, watt, volt-ampere, var, hertz, kWh, kvarh."""
        apparent = [math.hypot(p, q) for p, q in zip(self.watts, self.vars, strict=True)]
        amperes = [s / u for s, u in zip(apparent, self.volts, strict=True)]
        watts, vars_ = sum(self.watts), sum(self.vars)
        volt_amperes = math.hypot(watts, vars_)
        shown: dict[str, Signal] = {
            "power_total": watts,
            "apparent_total": volt_amperes,
            "reactive_total": vars_,
            "power_factor_total": watts / volt_amperes if volt_amperes else 1.0,
            "frequency": self.frequency,
            "import_kwh": self.import_kwh,
            "export_kwh": 0.0,
            "import_kvarh": self.import_kvarh,
            "total_kwh": self.import_kwh,
            "demand": self.demand_w,
            "demand_max": self.demand_max_w,
            "voltage_average": sum(self.volts) / 3,
            "current_average": sum(amperes) / 3,
            "current_sum": sum(amperes),
            "current_neutral": _neutral(amperes),
        }
        for n, phase in enumerate(PHASES):
            after = self.volts[(n + 1) % 3]
            shown[f"voltage_l{phase}"] = self.volts[n]
            shown[f"current_l{phase}"] = amperes[n]
            shown[f"power_l{phase}"] = self.watts[n]
            shown[f"apparent_l{phase}"] = apparent[n]
            shown[f"reactive_l{phase}"] = self.vars[n]
            shown[f"power_factor_l{phase}"] = self.watts[n] / apparent[n] if apparent[n] else 1.0
            shown[f"voltage_l{phase}_l{phase % 3 + 1}"] = math.sqrt(self.volts[n] ** 2 + after**2 + self.volts[n] * after)
        return shown


def _neutral(amperes: list[float]) -> float:
    """Return the current in the neutral of three currents 120 degrees apart."""
    a, b, c = amperes
    return math.sqrt(max(a * a + b * b + c * c - a * b - b * c - c * a, 0.0))
