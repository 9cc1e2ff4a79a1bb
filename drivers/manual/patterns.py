"""A regular expression of the configuration, applied for no longer than the event loop can spare.

Room: ground, driver `manual`. `entered.py` calls it. Some expressions, `(a+)+b` for one, take longer than a life for a short text that
nearly fits; Python's `re` cannot be given a time, but looks for signals while it searches (sre: every 4,096 steps), which is used here.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeVar

from drivers.driver import DriverError
from drivers.reading import Status

Result = TypeVar("Result")
limit_s: Final = 0.05
"""CPU time of the process. An expression and a text as people and instruments write them take some microseconds."""


class _TooSlowError(Exception):
    pass


def within_limit(find: Callable[[], Result]) -> Result:
    """Return what `find` gives. Raises DriverError `pattern_slow` when it takes too long; off the main thread nothing stops it."""
    if threading.current_thread() is not threading.main_thread():
        return find()
    running = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        if running:
            raise _TooSlowError

    signal.signal(signal.SIGVTALRM, stop)  # stays: one that was on its way when we are done does nothing
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
        try:
            return find()
        finally:
            running = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooSlowError:
        raise DriverError("pattern_slow", Status.BAD_CONFIGURATION_ERROR, limit_ms=round(limit_s * 1000)) from None
