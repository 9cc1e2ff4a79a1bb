"""Whose turn it is on a connection: writes, then reads, then reads of units that are slow or do not answer.

Room: ground, driver `modbus`. `lane.py` takes a turn for each exchange. A unit has one read waiting at a time, so first come, first served
within a row is one request per unit and round. Never waits for the answer itself.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from enum import IntEnum
from typing import Final


class Row(IntEnum):
    """Where a request waits."""

    URGENT = 0
    PLAIN = 1
    PATIENT = 2


passes_max: Final = (4, 16)
"""So many writes may overtake waiting reads, and so many writes and reads the patient ones; then one of those goes."""
waiting_max: Final = 1024
"""Beyond it a turn is refused: 247 units with some groups each never need more."""


class Turns:
    """`places` may go at a time; the others wait in three rows. No row is starved: see `passes_max`."""

    def __init__(self, places: int = 1) -> None:
        self._free = places
        self._rows: tuple[deque[Future[None]], ...] = (deque(), deque(), deque())
        self._passed = [0, 0, 0]

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._rows))

    @property
    def is_free(self) -> bool:
        """Whether a turn would come at once."""
        return self._free > 0

    async def take(self, row: Row = Row.PLAIN) -> None:
        """Wait for a turn; the caller gives it back with `give`. Raises TimeoutError when too many wait already."""
        if self._free:
            self._free -= 1
            return
        if self.waiting >= waiting_max:
            raise TimeoutError
        turn: Future[None] = asyncio.get_running_loop().create_future()
        self._rows[row].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()  # it came in the moment of giving up
            raise

    def give(self) -> None:
        """Give a turn back, to whoever is next."""
        while (row := self._next()) is not None:
            turn = self._rows[row].popleft()
            if turn.done():  # given up meanwhile
                continue
            for later in range(row + 1, len(self._rows)):
                self._passed[later] = self._passed[later] + 1 if self._rows[later] else 0
            self._passed[row] = 0
            turn.set_result(None)
            return
        self._free += 1

    def _next(self) -> Row | None:
        """Return the row whose turn it is: the last one that was passed over often enough, else the first that has anybody."""
        for row in (Row.PATIENT, Row.PLAIN):
            if self._rows[row] and self._passed[row] >= passes_max[row - 1]:
                return row
        return next((row for row in Row if self._rows[row]), None)
