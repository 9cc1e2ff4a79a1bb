"""A time as people write it on the command line, in ms since 1970.

Room: hall. Verbs that take a time call it; one that cannot be read ends the verb, in words.
"""

from __future__ import annotations

import time
from datetime import datetime

from runtime.cli.console import fail


def wall_ms(text: str, *, as_json: bool) -> int:
    """Return "now", ms since 1970, or ISO 8601 (this machine's time where it names no zone) in ms."""
    if text == "now":
        return time.time_ns() // 1_000_000
    try:
        if text.lstrip("-").isdigit() and len(text) <= 16:
            return int(text)
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        fail("time_invalid", {"text": text[:80]}, as_json=as_json)
