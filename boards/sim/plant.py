"""The filling line as a whole: filler -> conveyor -> capper, and the meter that feeds them.

Room: ground, sim board; pure: the same seed and the same steps give the same plant, always. `servers.py` steps it at
10 Hz of plant time and shows it through real protocol servers. It knows no clock, no wire and no fault.
"""

from __future__ import annotations

import math
import random
from typing import Final

from boards.sim import capper, filler
from boards.sim.capper import Capper
from boards.sim.filler import Filler, Signal
from boards.sim.meter import Load, Meter

DEVICES: Final = ("filler", "meter", "capper")
STEP_S: Final = 0.1
"""The longest step that is taken at once; longer ones are cut."""
STEP_S_MAX: Final = 3600.0
CONVEYOR_BOTTLES: Final = 60
_LIMITS: Final = {
    ("filler", "speed_setpoint"): filler.SPEED_LIMITS,
    ("filler", "temperature_setpoint"): filler.TEMPERATURE_LIMITS,
    ("capper", "speed_setpoint"): capper.SPEED_LIMITS,
}


class Plant:
    """The line. `filler`, `capper` and `meter` are its machines; `waiting` is the bottles between the first two."""

    def __init__(self, seed: int) -> None:
        """Start a line that is already running."""
        self.filler = Filler(random.Random(f"{seed} filler"))
        self.capper = Capper(random.Random(f"{seed} capper"))
        self.meter = Meter(random.Random(f"{seed} meter"))
        self.waiting = 12
        self.elapsed_s = 0.0

    def step(self, dt_s: float) -> None:
        """Advance by `dt_s` seconds (more than 0, at most an hour). Raises ValueError outside that."""
        if not math.isfinite(dt_s) or not 0 < dt_s <= STEP_S_MAX:
            raise ValueError(f"a step is more than 0 and at most {STEP_S_MAX:.0f} s, not {dt_s!r}")
        parts = max(math.ceil(dt_s / STEP_S - 1e-9), 1)
        for _ in range(parts):
            self._step(dt_s / parts)

    def signals(self, device: str) -> dict[str, Signal | None]:
        """Return what one device knows, by signal name. Raises KeyError for a device that is not in DEVICES."""
        if device == "filler":
            return {**self.filler.signals(), "conveyor": self.waiting}
        if device == "capper":
            return {**self.capper.signals(), "infeed": self.waiting}
        if device == "meter":
            return {**self.meter.signals()}
        raise KeyError(device)

    def write(self, device: str, signal: str, value: Signal) -> bool:
        """Take what a client wrote, in engineering units; False when the device does not accept it."""
        if device == "filler" and signal == "beacon":
            self.filler.beacon = bool(value)
            return True
        if isinstance(value, str | bool):
            return False
        if device == "capper" and signal == "program_wanted":
            return self.capper.select_program(int(value))
        if device == "capper" and signal == "command":
            return self.capper.command(int(value))
        limits = _LIMITS.get((device, signal))
        # NaN compares false both ways, so it is refused as well.
        if limits is None or not limits[0] <= value <= limits[1]:
            return False
        setattr(self.filler if device == "filler" else self.capper, signal, float(value))
        return True

    def reboot(self, device: str) -> None:
        """Make one device lose what it does not keep over a loss of power."""
        if device == "filler":
            self.filler.reboot()
        elif device == "capper":
            self.capper.reboot()
        else:
            self.meter.reboot()

    def _step(self, dt_s: float) -> None:
        self.waiting += self.filler.step(dt_s, room=CONVEYOR_BOTTLES - self.waiting)
        self.waiting -= self.capper.step(dt_s, waiting=self.waiting)
        belt_kw = 0.3 + 0.0015 * self.filler.speed
        drives_kw = self.filler.motor_kw + self.capper.motor_kw + self.filler.chiller_kw + belt_kw
        self.meter.step(dt_s, Load(self.filler.heater_kw, drives_kw, controls_kw=0.62))
        self.elapsed_s += dt_s
