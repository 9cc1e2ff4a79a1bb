"""What a tag's readings are held against: the range of what it measures, and the calibration of its instrument. Pure.

Room: hall. `config` makes them from the tag's keys, `acquisition.checks` applies them to scans, `calibrations` lists what is due.
Nothing here changes a value, reads a clock or knows a driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from drivers.reading import Status

DAY_MS: Final = 86_400_000
OUTSIDE: Final = {"uncertain": Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED, "bad": Status.BAD_OUT_OF_RANGE}
"""What a value outside its range is said to be."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What measures a tag. Days are UTC days; `uncertainty` is in the tag's unit, `uncertainty_percent` of the value; `coverage` is k."""

    serial: str = ""
    certificate: str = ""
    calibrated: date | None = None
    due: date | None = None
    uncertainty: float | None = None
    uncertainty_percent: float | None = None
    coverage: float | None = None

    def text(self, unit: str, note: str = "") -> str:
        """Return it as the descriptor's signed `calibration`, `note` (the tag's own text) last; empty when nothing is known."""
        spread = [f"{self.uncertainty!r} {unit}".strip()] if self.uncertainty is not None else []
        spread += [f"{self.uncertainty_percent!r} %"] if self.uncertainty_percent is not None else []
        rows = {
            "serial": self.serial,
            "certificate": self.certificate,
            "calibrated": self.calibrated.isoformat() if self.calibrated else "",
            "due": self.due.isoformat() if self.due else "",
            "uncertainty": " + ".join(spread),
            "k": f"{self.coverage:g}" if self.coverage is not None else "",
        }
        return "; ".join([*(f"{key}={value}" for key, value in rows.items() if value), *filter(None, [note])])

    @property
    def overdue_ms(self) -> int | None:
        """The first moment at which it is overdue (wall ms): the day after `due` begins, UTC."""
        if self.due is None:
            return None
        return round(datetime.combine(self.due, datetime.min.time(), UTC).timestamp() * 1000) + DAY_MS


@dataclass(frozen=True, slots=True)
class TagCheck:
    """What one tag's good values are held against. `outside` is the status of one below `low` or above `high`."""

    low: float | None = None
    high: float | None = None
    outside: Status = Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
    instrument: Instrument = Instrument()

    @property
    def has_range(self) -> bool:
        """Whether any value could be outside."""
        return self.low is not None or self.high is not None
