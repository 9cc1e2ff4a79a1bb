"""Who came in, who went and who was refused, as event entries: soon, and never so many that an attacker fills the ledger.

Room: hall, accounts. `desk` notes and runs it. A login or logout is an entry of its own as long as there are few; what fails is one
entry a minute for each account and place, and beyond ROWS_PER_MINUTE one for all the rest. A ledger that cannot be written keeps nobody
out and loses the notes; how many, `unrecorded` tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol

from ledger_client.access_events import ACCESS, VERSION, AccessBody
from ledger_client.errors import LedgerError
from ledger_client.kinds import Kind
from runtime.clock import Clock

MINUTE_MS: Final = 60_000
ROWS_PER_MINUTE: Final = 10
KEYS_MAX: Final = 256
Key = tuple[str, str, str, str, str]
"""(what, name, session, source, face)."""


class Ledger(Protocol):
    """The part of `ledger_client.chain.Chain` that accounts use."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    @property
    def size(self) -> int:
        """Durable entries."""
        ...

    async def append(self, kind: int, detail: tuple[Any, ...], body: bytes = b"") -> object:
        """Make an entry durable. Raises LedgerError."""
        ...


@dataclass(slots=True)
class _Notes:
    count: int
    from_ms: int
    to_ms: int


class AccessLog:
    """`note` from the desk, `run` under the supervisor. `heard` is told of every note at once (syslog)."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._waiting: dict[Key, _Notes] = {}
        self._told_ms: dict[Key, int] = {}
        self._minute: list[int] = []
        self._more = asyncio.Event()
        self.heard: Callable[[AccessBody], None] = lambda _: None
        self.unrecorded = 0

    def note(self, what: str, name: str, session: str, source: str, face: str) -> None:
        """Take note; a new one of the same kind adds to one that waits."""
        now_ms = self._clock.wall_ms()
        self.heard(AccessBody(what, name, session, source, face, 1, now_ms, now_ms))
        key = (what, name, session, source, face)
        if key not in self._waiting and len(self._waiting) >= KEYS_MAX:
            key = (what, "", "", "", "")
        found = self._waiting.setdefault(key, _Notes(0, now_ms, now_ms))
        found.count, found.from_ms, found.to_ms = found.count + 1, min(found.from_ms, now_ms), max(found.to_ms, now_ms)
        self._more.set()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._more.wait()
            for body in self.due(self._clock.mono_ms()):
                await self._append(body)
            if not self._waiting:
                self._more.clear()
            else:
                await self._clock.sleep_until_mono(self._clock.mono_ms() + 1_000)

    async def flush(self) -> None:
        """Write all that waits, as the core ends; a row for each kind where there are too many."""
        waiting, self._waiting = self._waiting, {}
        rows = [AccessBody(*key, notes.count, notes.from_ms, notes.to_ms) for key, notes in waiting.items()]
        for body in rows[:ROWS_PER_MINUTE] + gathered(rows[ROWS_PER_MINUTE:]):
            await self._append(body)

    def due(self, now_ms: int) -> list[AccessBody]:
        """Take out what may be written now: of each key one a minute, ROWS_PER_MINUTE of all keys, and one a minute for the rest."""
        self._minute = [at for at in self._minute if now_ms - at < MINUTE_MS]
        self._told_ms = {key: at for key, at in self._told_ms.items() if now_ms - at < MINUTE_MS}
        rows: list[AccessBody] = []
        for key in [key for key in self._waiting if key not in self._told_ms]:
            if len(self._minute) >= ROWS_PER_MINUTE:
                break
            self._minute.append(now_ms)
            self._told_ms[key] = now_ms
            notes = self._waiting.pop(key)
            rows.append(AccessBody(*key, notes.count, notes.from_ms, notes.to_ms))
        late = [key for key, notes in self._waiting.items() if key not in self._told_ms]
        rest: Key = ("rest", "", "", "", "")
        if late and rest not in self._told_ms:
            self._told_ms[rest] = now_ms
            found = [(key, self._waiting.pop(key)) for key in late]
            rows += gathered([AccessBody(*key, notes.count, notes.from_ms, notes.to_ms) for key, notes in found])
        return rows

    async def _append(self, body: AccessBody) -> None:
        encoded = body.encode()
        try:
            await self._ledger.append(Kind.EVENT, (ACCESS, VERSION, sha256(encoded).digest(), len(encoded)), encoded)
        except LedgerError:
            self.unrecorded += body.count


def gathered(rows: list[AccessBody]) -> list[AccessBody]:
    """Return one row for each kind of thing that happened, wherever and to whomever."""
    found: dict[str, AccessBody] = {}
    for row in rows:
        same = found.get(row.what, AccessBody(row.what, "", "", "", "", 0, row.from_ms, row.to_ms))
        first, last = min(same.from_ms, row.from_ms), max(same.to_ms, row.to_ms)
        found[row.what] = AccessBody(row.what, "", "", "", "", same.count + row.count, first, last)
    return list(found.values())
