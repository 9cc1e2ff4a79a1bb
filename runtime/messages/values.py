"""Values and times as people read them: the fewest digits that name a number, moments in UTC. Pure.

Room: hall. The command line and the pages call it, so that one value looks the same wherever it is shown. It needs the standard
library only.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any


def value_text(value: Any) -> str:
    """Return a reading's value as text."""
    if value is None:
        return "no value"
    return shortest(value) if isinstance(value, float) else str(value)


def shortest(value: float) -> str:
    """Return the fewest digits that name this number: as a binary32 where it is one (most registers are), else as a binary64."""
    try:
        is_single = struct.unpack("<f", struct.pack("<f", value))[0] == value
    except OverflowError:
        is_single = False
    if is_single:
        for digits in range(6, 10):
            text = f"{value:.{digits}g}"
            if struct.unpack("<f", struct.pack("<f", float(text)))[0] == value:
                return text
    return repr(value)


def moment(wall_ms: int | None) -> str:
    """Return a wall time in ms as UTC text; as a number where no calendar reaches."""
    if wall_ms is None:
        return "-"
    try:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return f"{wall_ms} ms"


def moment_s(time_s: int | None) -> str:
    """Return a time in POSIX seconds as UTC text."""
    if time_s is None:
        return "-"
    return moment(time_s * 1000).replace(".000Z", "Z")


def counted(count: int, noun: str, nouns: str = "") -> str:
    """Return a count with its English noun in the right number; `nouns` where the plural does not end in s alone."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
