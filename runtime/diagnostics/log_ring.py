"""The newest log lines of the core and of its children, kept in memory for whoever looks at them. Bounded.

Room: hall, diagnostics. `cli.log` notes each line of this process, the supervisor relays those of children; the page, the bundle and nobody
else read it. Lines are redacted when they leave, and kept as they came but for what no frame of the feed can carry: half a character, a
number beyond 64 bits, hundreds of fields. Any thread may note one; noting never waits for a disk or a peer.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Any, Final

LINES_MAX: Final = 2_000
CHARS_MAX: Final = 1 << 20
"""Of all lines together."""
TEXT_MAX: Final = 4_096
"""Of one line; the rest of a longer one is not kept."""
FIELDS_MAX: Final = 64
"""Of one line; the others are not kept."""
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
OWN: Final = frozenset({"event", "level", "timestamp", "exc_info", "stack_info"})
Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `code` is the event, `params` its fields; `text` is what else there was: a traceback, or a line that is no event."""

    number: int
    wall_ms: int
    level: str
    source: str
    code: str
    params: Mapping[str, Plain] = field(default_factory=dict)
    text: str = ""


class LogRing:
    """`note` and `relay` from anywhere, `since` from the loop. `pass_on` writes a child's line where our own go, as `worded` has it."""

    def __init__(self, wall_ms: Callable[[], int], *, lines_max: int = LINES_MAX, chars_max: int = CHARS_MAX) -> None:
        self._wall_ms, self._lines_max, self._chars_max = wall_ms, lines_max, chars_max
        self._lines: deque[tuple[LogLine, int]] = deque()
        self._chars = self._number = 0
        self._lock = Lock()
        self.pass_on: Callable[[str], object] = _to_standard_error
        self.worded: Callable[[Mapping[str, Any] | str], str] | None = None
        """Returns the plain line of what a child wrote, an event as JSON or any text; None: passed on as it came."""

    @property
    def newest(self) -> int:
        """The number of the newest line; the first one ever was 1."""
        return self._number

    def note(self, level: str, source: str, code: str, params: Mapping[str, Any] | None = None, text: str = "") -> None:
        """Keep one line. Values that are not plain are kept as their text; long ones are cut."""
        kept = {_whole(str(name)[:80]): _plain(value) for name, value in islice((params or {}).items(), FIELDS_MAX)}
        level = level if level in LEVELS else "info"
        code, text = _whole(code[:TEXT_MAX]), _whole(text[:TEXT_MAX])
        size = 64 + len(code) + len(text) + sum(len(name) + len(str(value)) for name, value in kept.items())
        with self._lock:
            self._number += 1
            self._lines.append((LogLine(self._number, self._wall_ms(), level, source, code, kept, text), size))
            self._chars += size
            while self._lines and (len(self._lines) > self._lines_max or self._chars > self._chars_max):
                self._chars -= self._lines.popleft()[1]

    def relay(self, source: str, line: str) -> None:
        """Keep a line that a child wrote, a JSON event or any text, and pass it on."""
        found, said = _event_of(line), line
        if self.worded is not None:
            try:
                said = self.worded(line if found is None else found)
            except RecursionError:
                said = self.worded(line)
        self.pass_on(said + "\n")
        if found is not None:
            params = {name: value for name, value in found.items() if name not in OWN and name != "exception"}
            self.note(str(found.get("level", "info")), source, found["event"], params, str(found.get("exception", "")))
        elif line.strip():
            self.note("info", source, "", text=line)

    def since(self, after: int, limit: int) -> tuple[list[LogLine], int]:
        """Return up to `limit` of the newest lines after a number, oldest first, and how many of those after it are not among them."""
        with self._lock:
            found = [line for line, _ in self._lines if line.number > after]
            newest = self._number
        shown = found[-limit:] if limit > 0 else []
        return shown, max(0, newest - max(after, 0) - len(shown))


def _event_of(line: str) -> dict[str, Any] | None:
    """Return the event that a line is as JSON, None where it is something else."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def _to_standard_error(line: str) -> None:
    """Where lines go before `cli.log` says otherwise."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(line)


def _plain(value: Any) -> Plain:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63):
        return value
    return _whole(str(value)[:TEXT_MAX])


def _whole(text: str) -> str:
    """Return a text that UTF-8 has: half of a surrogate pair, as JSON lets it through, is a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
