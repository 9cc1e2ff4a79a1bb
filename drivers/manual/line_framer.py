"""Where the lines of a serial gauge begin and end in the bytes that come, and which of them may be halves or two in one. Pure.

Room: ground, driver `manual`. `gauge_port.py` feeds it and waits for the pauses that it asks for. An instrument sends a line in one burst
(at 300 baud a character takes some 33 ms); what came when no line was known to begin, or with a pause within, is told and never judged.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

line_bytes_max: Final = 256
"""Of a line without its end."""
pause_ms: Final = 500
"""No instrument pauses so long within a line: after it, an open port is at the beginning of one, and a line that stands open is none."""
long_pause_ms: Final = 2_000
"""After it, what comes behind half a line or noise begins a line of its own: it may be the other half before."""


class _At(Enum):
    """What the next byte is part of."""

    LINE = "a line of which everything came"
    PART = "maybe a line of which the beginning is missing"
    TOLD = "what was told already, up to the end of its line"


class LineFramer:
    """One for each opening of a port. Lines are texts; None is one that must not be judged: a half, too long, or of other characters."""

    def __init__(self, encoding: str) -> None:
        """`encoding` is that of the instrument; a line with other bytes is None."""
        self._encoding = encoding
        self._at = _At.PART
        self._held = b""
        self._newest_ms = 0

    @property
    def waits_ms(self) -> int | None:
        """After how long without a byte `paused` has to be called; None: there is nothing to learn from a pause."""
        if self._at is _At.TOLD:
            return long_pause_ms
        return pause_ms if self._held or self._at is _At.PART else None

    def fed(self, data: bytes, now_ms: int) -> list[str | None]:
        """Return the lines that these bytes bring to an end. `now_ms` is monotonic."""
        told = self._spoiled() if self._held.strip() and now_ms - self._newest_ms >= pause_ms else []
        self._newest_ms = now_ms
        *ended, rest = (self._held + data.replace(b"\r", b"\n")).split(b"\n")
        for line in ended:
            told += self._ended(line)
            self._at = _At.LINE
        self._held = rest if self._at is not _At.TOLD else b""
        if len(self._held) > line_bytes_max:
            return [*told, *self._spoiled()]
        return told

    def paused(self) -> list[str | None]:
        """No byte came for `waits_ms`. Return what that spoils: a line without an end."""
        if self._held.strip():
            return self._spoiled()
        self._at, self._held = _At.LINE, b""
        return []

    def _ended(self, line: bytes) -> list[str | None]:
        if self._at is _At.TOLD or not line.strip():
            return []
        if self._at is _At.PART or len(line) > line_bytes_max:
            return [None]
        try:
            return [line.decode(self._encoding)]
        except UnicodeDecodeError:
            return [None]

    def _spoiled(self) -> list[str | None]:
        self._at, self._held = _At.TOLD, b""
        return [None]
