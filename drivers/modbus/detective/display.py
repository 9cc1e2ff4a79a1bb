"""What a person reads off a display: a name, a number with the digits that were shown, a unit.

Room: ground, driver `modbus`; pure. The verb `detect` gives the text of `--shows` to `read_shown`; the judgement asks what a shown number
allows and how much it tells.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from drivers.option_error import OptionError

_shape: Final = re.compile(
    r"\s*(?:(?P<name>[^=]{1,64}?)\s*=\s*)?(?P<number>[-+−]?[0-9][0-9 '_.,\u00a0\u202f]*)"
    r"\s*(?P<unit>(?![eE][-+]?[0-9])[^0-9\s][^\s]{0,15})?\s*"
)
_grouped: Final = re.compile(r"[ '_\u00a0\u202f](?=[0-9]{3}(?:[^0-9]|$))")
_points_max: Final = 9
_float32_step: Final = 2.0**-22
"""Twice the relative step of a 24-bit mantissa: a float32 device shows what its own number rounds to."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One number as it was shown: `decimals` digits after the point, `digits` of it that say something (see `telling_digits`)."""

    value: float
    decimals: int
    unit: str = ""
    digits: int = 0

    @property
    def step(self) -> float:
        """What one more in the last digit is worth."""
        return 10.0**-self.decimals

    def fit(self, number: float) -> float:
        """Return how well a number goes with what was shown: 1 when it rounds to it, 0.5 when it is cut off to it, 0 when neither."""
        if not math.isfinite(number):
            return 0.0
        slack = abs(number) * _float32_step + self.step * 1e-9
        if abs(number - self.value) <= self.step / 2 + slack:
            return 1.0
        toward_zero = abs(number) - abs(self.value)
        same_side = self.value == 0 or (number < 0) == (self.value < 0)
        return 0.5 if same_side and 0 <= toward_zero < self.step * (1 - 1e-9) else 0.0


def read_shown(text: str) -> tuple[str, Shown]:
    """Return name and number of a text such as `Voltage L1=230.4 V` or `1 234,5 kWh` (a comma alone is a decimal point).

    Raises OptionError `detect_shows_shape`, or `detect_shows_comma` for a number that can be read in two ways, such as `1,234`.
    """
    found = _shape.fullmatch(text)
    if found is None:
        raise OptionError("detect_shows_shape", value=text[:80])
    digits = _grouped.sub("", found["number"].strip().replace("−", "-"))
    marks = [mark for mark in digits if mark in ".,"]
    if len(marks) == 1 and re.fullmatch(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}", digits):
        raise OptionError(
            "detect_shows_comma", value=found["number"].strip(), first=digits.replace(",", ""), second=digits.replace(",", ".")
        )
    if len(marks) > 1:
        last = marks[-1]
        if marks.count(last) > 1:
            digits = digits.replace(",", "").replace(".", "") if len(set(marks)) == 1 else ""
        else:
            digits = digits.replace("," if last == "." else ".", "")
    digits = digits.replace(",", ".")
    if not re.fullmatch(r"[-+]?[0-9]{1,15}(\.[0-9]*)?", digits) or len(digits.partition(".")[2]) > _points_max:
        raise OptionError("detect_shows_shape", value=text[:80])
    shown = Shown(float(digits), len(digits.partition(".")[2]), found["unit"] or "", telling_digits(digits))
    return (found["name"] or "").strip(), shown


def telling_digits(number: str) -> int:
    """Return how many digits of a shown number say something: zeros in front and at the end could be anything (0.00, 50.0, 100)."""
    return len(number.replace(".", "").replace(",", "").lstrip("+-0").rstrip("0"))
