"""What names, numbers and plain values are in the bodies of events. Pure.

Room: ground. The readers of event bodies, and whoever checks words before they become bodies, ask it. Source: docs/ledger-format.md section
3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ledger_client.details import is_int, is_text

Plain = str | int | float | bool | bytes | None


def is_name(value: object) -> bool:
    """A text of 1 to 200 characters."""
    return isinstance(value, str) and 0 < len(value) <= 200


def is_number(value: object) -> bool:
    """A finite float."""
    return isinstance(value, float) and math.isfinite(value)


def is_plain(value: object) -> bool:
    """None, a bool, an int64, a finite float, a text, or at most 64 bytes."""
    if isinstance(value, bytes):
        return len(value) <= 64
    return value is None or isinstance(value, bool) or is_int(value) or is_number(value) or is_text(value)


def pairs_of(rows: list[Any]) -> dict[str, Plain] | None:
    """Return (name, value) rows as a dict; None unless they are sorted by name and plain."""
    pairs: dict[str, Plain] = {}
    for row in rows[:65]:
        if not isinstance(row, list) or len(row) != 2 or not is_name(row[0]) or not is_plain(row[1]) or (pairs and row[0] <= max(pairs)):
            return None
        pairs[row[0]] = row[1]
    return pairs if len(rows) <= 64 else None


def rows_of(params: Mapping[str, Plain]) -> list[list[Any]]:
    """Return a dict as (name, value) rows, sorted by name."""
    return [[name, value] for name, value in sorted(params.items())]
