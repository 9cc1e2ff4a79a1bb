"""Calls that may hang, such as asking what a name means, each in a thread that nobody has to wait for.

Room: hall, diagnostics. `probes` has one. The loop's own executor is left to drivers, which look up names there; the thread is a daemon,
so it delays neither the core nor its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from runtime.diagnostics.reach import ProbeError

Result = TypeVar("Result")


class Aside:
    """One call at a time. `is_free`: none goes on, also none that was given up."""

    def __init__(self) -> None:
        self._under_way: list[Future[Any]] = []

    @property
    def is_free(self) -> bool:
        """Whether every call has come back."""
        return all(each.done() for each in self._under_way)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Return what a call returns. One that is given up goes on. Raises OSError, ValueError, ProbeError as the call does.

        Raises RuntimeError when the system gives no thread; the next call may have one.
        """
        told: Future[Result] = Future()
        told.set_running_or_notify_cancel()  # so that giving it up does not make it look ended

        def work() -> None:
            try:
                told.set_result(call())
            except (OSError, ValueError, ProbeError) as error:
                told.set_exception(error)
            finally:
                if not told.done():
                    told.set_exception(RuntimeError("a call aside failed"))

        threading.Thread(target=work, name="probe", daemon=True).start()
        # only now: a thread that could not be started never comes back
        self._under_way = [*(each for each in self._under_way if not each.done()), told]
        return await asyncio.wrap_future(told)
