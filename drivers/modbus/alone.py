"""Who may ask a unit: everybody, or one task alone for some requests in a row.

Room: ground, driver `modbus`. `line.py` has one for each unit; `proving.py` holds it while it reads over a hole, because whoever asked next
might get the answer that the hole spoiled: a second device of the configuration that is the same unit, a read-back, a look. Never sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from drivers.modbus.request import Request

sent_causes: Final = frozenset({"no_answer", "bad_answer", "connection_lost"})
"""Faults of a request that went out: what it left behind is not the next one's."""


class Alone:
    """One unit's. Nobody waits longer than he says: who holds it asks a few requests, and those that waited go before it is held again."""

    def __init__(self) -> None:
        self._holder: asyncio.Task[object] | None = None
        self._asking = self._wanting = self._queued = 0
        self.owed: Request | None = None
        """What has to be asked before anything else, its answer thrown away; whoever holds the unit sets it and knows better."""
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_held(self) -> bool:
        """Whether some task holds it."""
        return self._holder is not None

    @property
    def is_open(self) -> bool:
        """Whether the running task may ask now."""
        return self._holder is asyncio.current_task() if self._holder is not None else not self._wanting

    async def enter(self, until: float) -> None:
        """Wait until the running task may ask (event loop time at most); `leave` afterwards. Raises TimeoutError."""
        if not self.is_open:
            self._queued += 1
            try:
                while not self.is_open:
                    await self._change(until)
            finally:
                self._queued -= 1
                self._wake()
        self._asking += 1

    def leave(self) -> None:
        """The request is over."""
        self._asking -= 1
        self._wake()

    @asynccontextmanager
    async def hold(self, until: float) -> AsyncIterator[None]:
        """Keep all others from asking, once those that do or wait to have their answers. Raises TimeoutError."""
        while self._queued:
            await self._change(until)
        self._wanting += 1
        try:
            while self._holder is not None or self._asking:
                await self._change(until)
            self._holder = asyncio.current_task()
        finally:
            self._wanting -= 1
            self._wake()
        try:
            yield
        finally:
            self._holder = None
            self._wake()

    async def _change(self, until: float) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        async with asyncio.timeout_at(until):
            await change

    def _wake(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
