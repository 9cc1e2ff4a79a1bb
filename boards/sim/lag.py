"""First-order lag and bounded noise: the two shapes from which the simulated measurements are made.

Room: ground, sim board; pure. Called by `filler.py`, `capper.py` and `meter.py`.
"""

from __future__ import annotations

import math
import random


def toward(now: float, target: float, dt_s: float, tau_s: float) -> float:
    """Return where a first-order lag with time constant `tau_s` stands after `dt_s`; exact for a constant target."""
    return now + (target - now) * -math.expm1(-dt_s / tau_s)


def ramp(now: float, target: float, dt_s: float, per_s: float) -> float:
    """Return where a value stands that moves by at most `per_s` units a second."""
    reach = per_s * dt_s
    return min(max(target, now - reach), now + reach)


class Wander:
    """Noise that wanders around zero and always comes back (an Ornstein-Uhlenbeck walk).

    `sigma` is its standard deviation in the long run, `tau_s` how long it remembers.
    """

    def __init__(self, rng: random.Random, sigma: float, tau_s: float) -> None:
        """Start at zero."""
        self._rng = rng
        self._sigma = sigma
        self._tau_s = tau_s
        self.value = 0.0

    def step(self, dt_s: float) -> float:
        """Return the next value, kept within four sigma."""
        keep = math.exp(-dt_s / self._tau_s)
        spread = self._sigma * math.sqrt(1 - keep * keep)
        limit = 4 * self._sigma
        self.value = min(max(self.value * keep + spread * self._rng.gauss(0, 1), -limit), limit)
        return self.value
