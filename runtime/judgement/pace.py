"""How often somebody may do something: so many at once, so many a second after that. Pure.

Room: hall, judgement. `desk` holds the judge to it, the judge its findings. It waits for nobody: it only says yes or no.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """`most` at once, `per_s` after that."""

    most: float
    per_s: float
    left: float = -1.0
    at_ms: int | None = None

    def allows(self, now_ms: int) -> bool:
        """Take one, if there is one. A time that goes back, as wall time may, counts as none that passed."""
        if self.at_ms is None:
            self.left, self.at_ms = self.most, now_ms
        self.left = min(self.most, self.left + max(0, now_ms - self.at_ms) * self.per_s / 1000)
        self.at_ms = now_ms
        if self.left < 1:
            return False
        self.left -= 1
        return True
