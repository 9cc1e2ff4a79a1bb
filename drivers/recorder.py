"""The flight recorder of one line: the last bytes that went over it, and those around each fault.

Room: ground. A driver that sees bytes makes one, puts it into `Shared.recorders`, and notes every piece as it passes; the runtime shows
it to whoever asks over the feed. Bounded: `frames_max` pieces and `frozen_max` faults. Costs one append a piece. It is no evidence:
nothing is signed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

frames_max: Final = 256
frozen_max: Final = 4
frozen_frames_max: Final = 64
again_s: Final = 60.0
"""A cause that was frozen is not frozen again for so long, so that the first of a series is kept."""
cut_bytes: Final = 1024
"""Of a longer piece only the beginning is kept."""

Piece = tuple[float, int, bool, bytes]
"""Seconds of the recorder's time, number of the connection, True when we sent it, the bytes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece as it is shown. `wall_ms` is wall time; `sent` True: from us."""

    wall_ms: float
    connection: int
    sent: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What went over the line before a fault."""

    cause: str
    params: Mapping[str, str | int | float]
    at_s: float
    pieces: tuple[Piece, ...]


Explain = Callable[[Sequence[Frame]], list[str]]
"""What each frame means, in words, one text a frame: the driver's, because it knows the protocol and the tags."""


class FlightRecorder:
    """`framing` says how bytes look: `mbap`, `rtu`, `ascii`, or another that the driver names."""

    def __init__(self, line: str, framing: str, time: Callable[[], float], wall_ms: Callable[[], int]) -> None:
        """`time` gives seconds that never step; `wall_ms` is asked when somebody looks."""
        self.line, self.framing = line, framing
        self.explainers: list[Explain] = []
        self._time, self._wall_ms = time, wall_ms
        self._pieces: deque[Piece] = deque(maxlen=frames_max)
        self._faults: deque[Fault] = deque(maxlen=frozen_max)

    def note(self, connection: int, sent: bool, data: bytes) -> None:
        """Keep one piece."""
        self._pieces.append((self._time(), connection, sent, data if len(data) <= cut_bytes else data[:cut_bytes]))

    def freeze(self, cause: str, params: Mapping[str, str | int | float]) -> None:
        """Keep what came before a fault, unless the same cause was kept a moment ago."""
        now = self._time()
        if any(fault.cause == cause and now - fault.at_s < again_s for fault in self._faults):
            return
        self._faults.append(Fault(cause, dict(params), now, tuple(self._pieces)[-frozen_frames_max:]))

    def show(self) -> dict[str, Any]:
        """Return everything as plain data: frames as [wall ms, connection, sent, bytes, meaning], faults with theirs."""
        faults = [
            {"cause": fault.cause, "params": dict(fault.params), "wall_ms": self._wall(fault.at_s), "frames": self._rows(fault.pieces)}
            for fault in self._faults
        ]
        return {"line": self.line, "framing": self.framing, "frames": self._rows(tuple(self._pieces)), "faults": faults}

    def summary(self) -> dict[str, Any]:
        """Return what a list of lines shows."""
        faults = [[fault.cause, self._wall(fault.at_s)] for fault in self._faults]
        return {"line": self.line, "framing": self.framing, "frames": len(self._pieces), "faults": faults}

    def _wall(self, at_s: float) -> float:
        return self._wall_ms() - round((self._time() - at_s) * 1000, 3)

    def _rows(self, pieces: Sequence[Piece]) -> list[list[Any]]:
        offset_ms = self._wall_ms() - self._time() * 1000
        frames = [Frame(round(at_s * 1000 + offset_ms, 3), connection, sent, data) for at_s, connection, sent, data in pieces]
        texts = [""] * len(frames)
        for explain in self.explainers:
            texts = [said or text for said, text in zip(explain(frames), texts, strict=True)]
        return [[f.wall_ms, f.connection, f.sent, f.data, text] for f, text in zip(frames, texts, strict=True)]
