"""What has begun is carried to its end: an entry that is under way is taken in also when the judge that asked for it is gone.

Room: hall, judgement. `desk` records the judge's words through it. A connection that breaks cancels its requests, and an append that is
cancelled may become durable all the same: the core would not know what its own ledger says, and record it once more. It queues nothing
beyond its bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from ledger_client.errors import LedgerError
from runtime.faces.feed import RequestRefusedError

Result = TypeVar("Result")


class Unbroken:
    """At most `most` pieces of work at once. Entered by who runs it; outside of that work is as breakable as any."""

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Begin to carry through."""
        group = asyncio.TaskGroup()
        self._group = await group.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End; what is under way is cancelled when this was."""
        group, self._group = self._group, None
        assert group is not None
        await group.__aexit__(kind, error, trace)

    async def carry_out(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what comes of it. Raises RequestRefusedError `judge_too_many`, and what it raises."""
        if self._count >= self._most:
            work.close()
            raise RequestRefusedError("judge_too_many")
        if self._group is None:
            return await work
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._count += 1
        self._group.create_task(self._carry(work, answer), name="judgement entry")
        return await answer

    async def _carry(self, work: Coroutine[Any, Any, Result], answer: asyncio.Future[Result]) -> None:
        try:
            result = await work
        except (RequestRefusedError, LedgerError, OSError) as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)
        finally:
            self._count -= 1
            answer.cancel()  # does nothing to one that is answered
