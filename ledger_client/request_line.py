"""One request at a time, carried out to its end whatever becomes of who asked.

Room: ground. The chain serves its appends and checkpoints through one line: that serialises them, keeps a bound on how many
wait, and means that a caller who is cancelled never leaves half an entry behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ledger_client.errors import LedgerError, StoreError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Callable[[], Awaitable[Any]]
    answer: asyncio.Future[Any]
    hand_over: Callable[[], asyncio.Future[Any] | None] | None


class RequestLine:
    """`serve` runs as one task; the others are called from any task of the loop."""

    def __init__(self, waiting_max: int, *, before_each: Callable[[], Awaitable[None]] | None = None) -> None:
        """`before_each` is awaited in front of every request: what must have come to its end first."""
        self._before_each = before_each
        self._waiting: asyncio.Queue[_Asked | None] = asyncio.Queue(waiting_max)
        self._ended = False
        self._busy = False
        self.closing = False

    @property
    def idle(self) -> bool:
        """Whether nobody waits and nothing is being carried out."""
        return not self._busy and self._waiting.empty()

    async def ask(
        self, request: Callable[[], Awaitable[Result]], hand_over: Callable[[], asyncio.Future[Result] | None] | None = None,
    ) -> Result:  # fmt: skip
        """Return what the request returns or raise its LedgerError. Raises StoreError `store_closed` when nobody serves any more.

        `hand_over` is asked when the request's turn has come: it may give the answer's future instead, and the line goes on at once.
        """
        if self.closing:
            raise StoreError("store_closed")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self._waiting.put(_Asked(request, answer, hand_over))
        self._refuse_late()
        result: Result = await answer
        return result

    async def serve(self) -> None:
        """Serve until `close`. Any error but a LedgerError is a bug and ends the serving, loudly."""
        try:
            while (asked := await self._waiting.get()) is not None:
                self._busy = True
                elsewhere = None if asked.hand_over is None else asked.hand_over()
                if elsewhere is None:
                    await self._carry_out(asked.request, asked.answer)
                else:
                    elsewhere.add_done_callback(partial(_pass_on, asked.answer))
                self._busy = False
        finally:
            self.closing = self._ended = True
            self._refuse_late()

    async def close(self) -> None:
        """Let `serve` end once everything asked before is done."""
        self.closing = True
        await self._waiting.put(None)
        self._refuse_late()

    def _refuse_late(self) -> None:
        """Refuse what waits when nobody serves any more. Whoever stood in front of a full queue comes here too, and lets the next in."""
        while self._ended and not self._waiting.empty():
            if (asked := self._waiting.get_nowait()) is not None:
                _refuse(asked.answer)

    async def _carry_out(self, request: Callable[[], Awaitable[Any]], answer: asyncio.Future[Any]) -> None:
        try:
            if self._before_each is not None:
                await self._before_each()
            result = await request()
        except LedgerError as error:
            if not answer.done():
                answer.set_exception(error)
        except BaseException:
            _refuse(answer)
            raise
        else:
            if not answer.done():
                answer.set_result(result)


def _refuse(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(StoreError("store_closed"))


def _pass_on(answer: asyncio.Future[Any], elsewhere: asyncio.Future[Any]) -> None:
    error = elsewhere.exception()
    if answer.done():
        return
    if error is None:
        answer.set_result(elsewhere.result())
    else:
        answer.set_exception(error)
