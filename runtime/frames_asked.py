"""What the flight recorders of the lines hold, for a face that asks: a list of lines, or everything of one.

Room: hall. `app` answers the feed's request `frames` with it. It reads memory only; nothing is asked of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.recorder import FlightRecorder
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor


def frames_asked(recorders: Mapping[str, FlightRecorder], actor: Actor, params: Mapping[str, Any]) -> Any:
    """Return the summaries of all lines, or with param `line` one line's frames and faults. Raises RequestRefusedError."""
    if not actor.may("device.frames"):
        raise RequestRefusedError("permission_denied", action="device.frames")
    line = params.get("line")
    if line is None:
        return [recorder.summary() for _, recorder in sorted(recorders.items())]
    recorder = recorders.get(line) if isinstance(line, str) else None
    if recorder is None:
        raise RequestRefusedError("line_unknown", line=str(line)[:80], known=", ".join(sorted(recorders)) or "-")
    return recorder.show()
