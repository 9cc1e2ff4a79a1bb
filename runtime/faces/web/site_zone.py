"""Times as the site reads them: which zone is the site's, a moment in it, its distance from UTC. Pure.

Room: hall, face. `face` gives every template a `moment` of the zone, and the exports write their times with it; `static/words.js` does the
same in the browser. It reads no clock; where no zone is configured the server writes UTC, and the browser its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runtime.faces.feed import RequestRefusedError


def zone_name(health: Mapping[str, Any], who: Mapping[str, Any] | None) -> str:
    """Return the site's zone, where none is configured the person's own, or nothing."""
    return str((health.get("gateway") or {}).get("zone") or (who or {}).get("zone") or "")


def zone_of(name: str) -> tzinfo:
    """Return the zone of a name, UTC for what is none here."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # `America` is a folder of zones
        return UTC


def iso(wall_ms: int | None, zone: tzinfo) -> str:
    """Return a moment as ISO 8601 with ms and its offset (`Z` for UTC itself); as a number where no calendar reaches, `-` for none."""
    if wall_ms is None:
        return "-"
    try:
        at = datetime.fromtimestamp(wall_ms // 1000, zone)
        text = at.isoformat()
        return f"{text[:19]}.{wall_ms % 1000:03}{'Z' if zone is UTC else text[19:]}"
    except (ValueError, OverflowError, OSError):
        return f"{wall_ms} ms"


def moment_in(wall_ms: int | None, zone: tzinfo) -> str:
    """Return the same for a page that no script has put into the reader's own form yet."""
    return iso(wall_ms, zone).replace("T", " ")


def offset(wall_ms: int | None, zone: tzinfo) -> str:
    """Return the zone's distance from UTC at a moment, `+08:00`; of no moment that of 1970."""
    try:
        return datetime.fromtimestamp((wall_ms or 0) // 1000, zone).isoformat()[19:]
    except (ValueError, OverflowError, OSError):
        return "+00:00"


def wall_ms(text: str, zone: tzinfo) -> int:
    """Return a time of a form, such as `2026-03-01T06:00`, of this zone where it names no offset, as wall time. Raises `time_invalid`."""
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise RequestRefusedError("time_invalid", text=text[:40]) from error
