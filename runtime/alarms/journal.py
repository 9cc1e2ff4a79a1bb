"""What happened to alarms, on its way into the ledger, and the newest of it in memory.

Room: hall, alarms. `engine` notes transitions and runs it. Many that come together become one entry. Where the ledger cannot be written
they stay shown, marked unrecorded, and are recorded later with the times at which they happened, after a start if need be (`keeper`);
beyond PENDING_MAX the oldest are lost, and the next entry says how many. It waits for nobody but the ledger, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, Protocol

from ledger_client.alarm_bodies import ALARMS, ALARMS_VERSION, SIZE_MAX, AlarmRow, AlarmsBody
from ledger_client.errors import LedgerError
from ledger_client.kinds import Kind
from runtime.alarms.alarm import Told
from runtime.clock import Clock

HISTORY_MAX: Final = 5_000
PENDING_MAX: Final = 20_000
ROWS_PER_ENTRY: Final = 200
REST_MS: Final = 500
"""Between two entries: a flood is a few large ones."""
RETRY_MS: Final = 5_000
LOST: Final = "alarm_rows_lost"


class Appended(Protocol):
    """What an append gives back."""

    @property
    def seq(self) -> int:
        """The entry's number."""
        ...


class Ledger(Protocol):
    """The part of `ledger_client.chain.Chain` that is used here."""

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Appended:
        """Make an entry durable. Raises LedgerError."""
        ...


class Journal:
    """`history`: the newest transitions, oldest first. `fault`: why the newest cannot be recorded, None while they can."""

    def __init__(self, ledger: Ledger, clock: Clock, settled: Callable[[], None]) -> None:
        """`settled` is called when something was recorded, or cannot be."""
        self._ledger, self._clock, self._settled = ledger, clock, settled
        self.history: deque[Told] = deque(maxlen=HISTORY_MAX)
        self._pending: deque[Told] = deque()
        self._more, self._idle, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._idle.set()
        self._lost, self._is_cut = 0, False
        self.lost = 0
        """All in all."""
        self.fault: LedgerError | None = None

    @property
    def pending(self) -> int:
        """Transitions that are not recorded yet."""
        return len(self._pending)

    def is_settled(self) -> bool:
        """The ledger has every transition that was noted, and says how many were lost."""
        return not self._pending and not self._lost

    def note(self, row: AlarmRow) -> Told:
        """Keep a transition; it is recorded as soon as the ledger can."""
        told = Told(row, cause=self.fault.code if self.fault is not None else None)
        self.history.append(told)
        self._pending.append(told)
        if len(self._pending) > PENDING_MAX:
            self._pending.popleft().cause = LOST
            self._lost += 1
            self.lost += 1
        self._idle.clear()
        self._more.set()
        return told

    def note_lost(self, count: int) -> None:
        """So many were lost before what is noted next; the next entry says so, which waits for no transition."""
        if count:
            self._lost += count
            self.lost += count
            self._idle.clear()
            self._more.set()

    def left(self) -> tuple[tuple[AlarmRow, ...], int]:
        """Return what is not recorded, and how many were lost before it. An append that was cut off may be recorded all the same."""
        return tuple(told.row for told in self._pending), self._lost

    def take_old(self, row: AlarmRow, seq: int) -> Told:
        """Take in what the ledger has already."""
        told = Told(row, seq)
        self.history.append(told)
        return told

    async def run(self) -> None:
        """Record what is noted, until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            while not self.is_settled():
                rest_ms = REST_MS if await self._record() else RETRY_MS
                if not self.is_settled() or self.fault is None:
                    await self._clock.sleep_until_mono(self._clock.mono_ms() + rest_ms)

    async def flush(self, deadline_s: float) -> None:
        """Record what is pending, for an end in order, also while `run` still does; what cannot be recorded in time stays pending.

        An append that is cut off may be recorded all the same; nothing is appended after it, by `run` neither, or it would be told twice.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not self.is_settled() and await self._record():
                    pass
        except TimeoutError:
            return

    async def _record(self) -> bool:
        """Append one entry of what is pending; return whether that was possible. One at a time, or rows would be told twice."""
        async with self._turn:
            return self.is_settled() or (not self._is_cut and await self._append())

    async def _append(self) -> bool:
        rows = [self._pending[i] for i in range(min(ROWS_PER_ENTRY, len(self._pending)))]
        lost = self._lost
        while len(body := AlarmsBody(tuple(told.row for told in rows), lost).encode()) > SIZE_MAX:
            del rows[len(rows) // 2 :]
        try:
            seq = (await self._ledger.append(Kind.EVENT, (ALARMS, ALARMS_VERSION, sha256(body).digest(), len(body)), body)).seq
        except asyncio.CancelledError:
            self._is_cut = True
            raise
        except LedgerError as error:
            self.fault = error
            for told in self._pending:
                told.cause = error.code
            self._settled()
            return False
        self._lost -= lost  # not before it is durable
        for told in rows:
            told.seq, told.cause = seq, None
        taken = set(map(id, rows))
        while self._pending and id(self._pending[0]) in taken:  # the oldest may have been given up meanwhile
            self._pending.popleft()
        if self.fault is not None:
            self.fault = None
            for told in self._pending:
                told.cause = None
        if self.is_settled():
            self._idle.set()
        self._settled()
        return True

    async def idle(self) -> None:
        """Wait until everything that was noted is recorded."""
        await self._idle.wait()
