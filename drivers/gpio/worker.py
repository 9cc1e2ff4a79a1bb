"""One thread for the calls to a chip, because a chip behind a hung bus answers when it likes.

Room: ground, driver `gpio`. `lines.py` gives it jobs. At most one job with a deadline is under way; what is over its deadline goes on alone
and everybody else waits for it within their own deadlines, so that nothing piles up behind a chip that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from drivers.driver import DriverError

T = TypeVar("T")


class Worker:
    """See the module's text. All calls are of the event loop's thread."""

    def __init__(self, name: str) -> None:
        """Make the thread's place; it starts with the first job."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._job: asyncio.Future[Any] | None = None

    async def do(self, call: Callable[[], T], until: float, *, waiting: DriverError, begun: DriverError) -> T:
        """Return what the call returns.

        Raises `waiting` when it did not begin by `until` (event loop time), `begun` when it began and has not ended.
        """
        try:
            async with asyncio.timeout_at(until):
                while self._job is not None and not self._job.done():
                    await asyncio.wait((self._job,))
        except TimeoutError:
            raise waiting from None
        job = asyncio.get_running_loop().run_in_executor(self._thread, call)
        job.add_done_callback(_seen)
        self._job = job
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(job)
        except TimeoutError:
            if job.done() and not job.cancelled() and (error := job.exception()) is not None:
                raise error from None  # it ended in this very moment, or with a timeout of its own
            raise begun from None

    def post(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Do it after what is under way, whatever time that takes. Whoever calls this posts few."""
        job = asyncio.get_running_loop().run_in_executor(self._thread, call)
        job.add_done_callback(_seen)
        return job

    def end(self) -> None:
        """Take no more jobs; those that were taken are still done."""
        self._thread.shutdown(wait=False)


def _seen(job: asyncio.Future[T]) -> None:
    """Take note of an exception: whoever waited for it may have gone."""
    if not job.cancelled():
        job.exception()
