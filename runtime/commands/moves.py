"""How far each setpoint was moved within the last minute, for `max_rate`; kept in a small file, so that a restart is no way around it.

Room: hall, commands. The desk asks it when a command is looked at, and has a move kept before it happens. What the file holds counts from
the start on as if it had happened just then: no clock that could be wrong decides, and a restart never allows more than the rate does.

    private/moves.cbor   cbor [1, [* [target, distance]]]
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import structlog

from ledger_client import cbor
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.clock import Clock
from runtime.commands.evaluation import RATE_MS
from runtime.faces.feed import RequestRefusedError

VERSION: Final = 1
FILE_NAME: Final = "moves.cbor"
FILE_SIZE_MAX: Final = 1 << 20


class Moves:
    """`lately` before a write, `note` and `keep` when it is about to happen."""

    def __init__(self, disk: Disk, private: Path, clock: Clock, work: Executor) -> None:
        """`work` writes the file. Call `load` first."""
        self._disk, self._path, self._clock, self._work = disk, private / FILE_NAME, clock, work
        self._moved: dict[str, deque[tuple[int, float]]] = {}
        self._not_known_until_ms = 0

    def load(self) -> None:
        """Read the file. Never raises; while it cannot be read, nothing that keeps a rate is moved for a minute."""
        now_ms = self._clock.mono_ms()
        try:
            data = read_whole(self._disk, self._path, FILE_SIZE_MAX)
            self._moved = {} if data is None else {target: deque([(now_ms, moved)]) for target, moved in _parse(data)}
        except (FormatError, OSError) as error:
            structlog.get_logger("commands").warning("moves_file_invalid", path=str(self._path), reason=str(error))
            self._not_known_until_ms = now_ms + RATE_MS

    def lately(self, target: str) -> float:
        """Return how far a setpoint was moved within the last minute. Raises RequestRefusedError `rate_not_known`."""
        now_ms = self._clock.mono_ms()
        if now_ms < self._not_known_until_ms:
            raise RequestRefusedError("rate_not_known", wait_s=-(-(self._not_known_until_ms - now_ms) // 1_000))
        moved = self._moved.get(target)
        if moved is None:
            return 0.0
        while moved and moved[0][0] <= now_ms - RATE_MS:
            moved.popleft()
        if not moved:
            del self._moved[target]
        return sum(distance for _, distance in moved)

    def note(self, target: str, distance: float) -> None:
        """Count a move that is about to happen."""
        self._moved.setdefault(target, deque()).append((self._clock.mono_ms(), distance))

    async def keep(self) -> None:
        """Make what was noted within the last minute durable. Raises OSError."""
        since_ms = self._clock.mono_ms() - RATE_MS
        sums = {target: math.fsum(far for at_ms, far in rows if at_ms > since_ms) for target, rows in self._moved.items()}
        data = cbor.encode([VERSION, [[target, far] for target, far in sorted(sums.items()) if 0 < far < math.inf]])
        await asyncio.get_running_loop().run_in_executor(self._work, write_atomically, self._disk, self._path, data)


def _parse(data: bytes) -> list[tuple[str, float]]:
    match cbor.decode(data, size_max=FILE_SIZE_MAX, what=FILE_NAME):
        case [1, list(rows)]:
            found = []
            for row in rows:
                match row:
                    case [str(target), float(moved)] if 0 < moved < math.inf:
                        found.append((target, moved))
                    case _:
                        raise FormatError("moves_file_invalid")
            return found
    raise FormatError("moves_file_invalid")
