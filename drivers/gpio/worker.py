"""One thread for the calls to a chip, because a chip behind a hung bus answers when it likes.

Room: ground, driver `gpio`. `lines.py` gives it jobs. At most one job with a deadline is under way; what is over its deadline goes on alone
and everybody else waits for it within their own deadlines, so that nothing piles up behind a chip that hangs. The thread is a daemon: an
executor's would keep the whole process from ending as long as the chip hangs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from drivers.driver import DriverError

T = TypeVar("T")


class Worker:
    """See the module's text. All calls are of the event loop's thread."""

    def __init__(self, name: str) -> None:
        """Make the thread's place; it starts with the first job."""
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=_work, args=(self._jobs,), name=name, daemon=True)
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
        job = self.post(call)
        self._job = job
        await asyncio.wait((job,), timeout=max(0.0, until - asyncio.get_running_loop().time()))
        if not job.done():
            raise begun
        return job.result()

    def post(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Do it after what is under way, whatever time that takes. Whoever calls this posts few."""
        loop = asyncio.get_running_loop()
        job: asyncio.Future[T] = loop.create_future()
        job.add_done_callback(_seen)

        def run() -> None:
            outcome: list[T] = []
            try:
                outcome.append(call())
            finally:
                _tell(loop, job, outcome, sys.exc_info()[1])

        self._jobs.put(run)
        if self._thread.ident is None:
            self._thread.start()
        return job

    def end(self) -> None:
        """Take no more jobs; those that were taken are still done."""
        self._jobs.put(None)


def _work(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job()
        except (DriverError, OSError, RuntimeError, ValueError):
            pass  # whoever waits for the job is told; so it is of a fault of ours, which ends the thread besides


def _tell(loop: asyncio.AbstractEventLoop, job: asyncio.Future[T], outcome: list[T], error: BaseException | None) -> None:
    def settle() -> None:
        if error is not None:
            job.set_exception(error)
        else:
            job.set_result(outcome[0])

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        pass  # the event loop has ended; so has everybody who could have wanted this


def _seen(job: asyncio.Future[T]) -> None:
    """Take note of an exception: whoever waited for it may have gone."""
    if not job.cancelled():
        job.exception()
