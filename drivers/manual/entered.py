"""What may be entered: a value's type, limits, decimals, choices and pattern, its time, and how a gauge's line is read. Pure.

Room: ground, driver `manual`. `driver.py` asks; nothing here reads a clock, a file or a port.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from drivers.driver import DriverError
from drivers.manual.config import Address, Data
from drivers.manual.patterns import within_limit
from drivers.reading import Status, Value

text_max: Final = 200
ahead_ms_max: Final = 60_000
"""How far in the future a time may lie: clocks of people and gateways differ."""
words: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
number: Final = re.compile(r"[+-]?(\d{1,17}(\.\d{0,17})?|\.\d{1,17})([eE][+-]?\d{1,3})?", re.ASCII)
thousands: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
"""A thousand and more where a comma stands between thousands, a little more than one where it is a point."""
integer: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def judged(value: Value, address: Address, exponent: int | None) -> Value:
    """Return what was entered as its tag's type. A text is read as people and instruments write numbers and yes or no.

    Raises DriverError `enter_type`, `enter_limits`, `enter_decimals`, `enter_choice`, `enter_pattern`, `pattern_slow`.
    """
    found = _typed(value, address.data)
    if isinstance(found, str):
        if address.choices and found not in address.choices:
            raise DriverError("enter_choice", Status.BAD_OUT_OF_RANGE, value=found, choices=", ".join(address.choices))
        if address.pattern is not None and not _is_shaped(found, address.pattern):
            raise DriverError("enter_pattern", Status.BAD_OUT_OF_RANGE, value=found, pattern=address.pattern)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        low = address.low if address.low is not None else -math.inf
        high = address.high if address.high is not None else math.inf
        if not low <= found <= high:
            raise DriverError("enter_limits", Status.BAD_OUT_OF_RANGE, value=found, min=low, max=high)
        if exponent is not None and _last_digit(found) < exponent:
            raise DriverError("enter_decimals", Status.BAD_OUT_OF_RANGE, value=found, decimals=max(0, -exponent))
    return found


def judge_comma(value: Value, address: Address, exponent: int | None) -> None:
    """Refuse what a person may have meant in two ways, where no number of decimals says which. Raises DriverError `enter_comma`."""
    written = value.strip() if isinstance(value, str) else ""
    if address.data == "float64" and exponent is None and thousands.fullmatch(written):
        first, second = written.replace(",", ""), written.replace(",", ".")
        raise DriverError("enter_comma", Status.BAD_OUT_OF_RANGE, value=written, first=first, second=second)


def judge_time(taken_ms: int | None, now_ms: int, late_ms: int) -> None:
    """Refuse a time that is not over yet, or longer ago than the tag allows. Raises DriverError `enter_time`."""
    if taken_ms is not None and not now_ms - late_ms <= taken_ms <= now_ms + ahead_ms_max:
        raise DriverError("enter_time", Status.BAD_OUT_OF_RANGE, late_max_s=late_ms // 1000)


def part_of_line(line: str, address: Address) -> str | None:
    """Return what a gauge's line says of a tag: the group `value` of its pattern, else its first group, else all of the match.

    None when the line is not about this tag. Raises DriverError `pattern_slow`.
    """
    wanted = address.line
    match = within_limit(lambda: re.search(wanted, line)) if wanted is not None else None
    if match is None:
        return None
    found = match["value"] if "value" in match.re.groupindex else match[1] if match.re.groups else match[0]
    return found or ""


def _typed(value: Value, data: Data) -> Value:
    if isinstance(value, bool):
        if data == "bool":
            return value
    elif isinstance(value, str):
        text = value.strip()
        if len(text) > text_max or not text.isprintable() or not text:
            raise DriverError("enter_type", Status.BAD_OUT_OF_RANGE, type=data, value=value[:40])
        if data == "text":
            return text
        if data == "bool" and text.lower() in words:
            return words[text.lower()]
        written = text.replace(" ", "")
        if data == "int" and integer.fullmatch(written) and -(1 << 63) <= int(written) < 1 << 63:
            return int(written)
        if data == "float64" and number.fullmatch(_pointed(written)) and math.isfinite(float(_pointed(written))):
            return float(_pointed(written))
    elif data == "int" and isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return value
    elif data == "float64" and isinstance(value, int | float) and abs(value) <= 1e300:  # NaN is not
        return float(value)
    raise DriverError("enter_type", Status.BAD_OUT_OF_RANGE, type=data, value=str(value)[:40])


def _is_shaped(text: str, pattern: str) -> bool:
    return within_limit(lambda: re.fullmatch(pattern, text)) is not None


def _last_digit(found: float) -> int:
    """Return the power of ten of a number's last digit other than 0, as the shortest decimal that means it; 0 for 0."""
    last = Decimal(repr(found)).normalize().as_tuple().exponent
    return last if isinstance(last, int) else 0


def _pointed(text: str) -> str:
    """A comma is a point where it is the only mark: half of the world writes 21,5."""
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
