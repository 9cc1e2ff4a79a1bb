"""How the conformance suite demands a promise of a driver, and what it says when one is broken.

Room: ground; shipped. Called by the checks of `conformance.py`, and of use in an author's own tests. Never touches the device: that is
the rig's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import Final, TypeVar, cast

from drivers.causes import cause_codes
from drivers.driver import Driver, DriverError
from drivers.reading import Quality, Scan, TagGroup, Value, quality_of

slack_s: Final = 0.25
"""How late a deadline may be kept: the event loop and a loaded machine need some room."""
reopen_limit_s: Final = 15.0
"""How long after the device came back the first good read may take: pauses between attempts end within 5 s."""
end_limit_s: Final = 20.0
"""After so long a call is given up that has longer than its deadline, or a subscription whose link broke and that says nothing."""
close_limit_s: Final = 2.0
silent_deadline_s: Final = 0.3
good_deadline_s: Final = 5.0
lost_deadline_s: Final = 1.5
"""For a write that is not going to be answered: long enough for a driver that asks again by itself to do so."""

other_errors: Final = (OSError, ValueError, LookupError, ArithmeticError, EOFError, TypeError, AttributeError, RuntimeError)
"""What a driver lets through by mistake, where a DriverError belongs: a finding, not the end of the suite."""
T = TypeVar("T")
python_types: Final = {"bool": bool, "int": int, "float32": float, "float64": float, "text": str}


class ConformanceError(AssertionError):
    """A promise of the driver protocol that was not kept."""


def demand(kept: bool, promise: str) -> None:
    """Raise ConformanceError with the promise where it was not kept."""
    if not kept:
        raise ConformanceError(f"broken promise: {promise}")


def in_time(call: str, took_s: float, deadline_s: float) -> None:
    """Demand that a call took no longer than its deadline, and a little."""
    demand(took_s <= deadline_s + slack_s, f"{call} ends within {deadline_s} s; this one took {took_s:.2f} s")


def sound(error: DriverError) -> None:
    """Demand that a fault has a known cause, or one of the type's own, and a bad status."""
    known = error.cause in cause_codes or "." in error.cause
    demand(known, f"a cause is one of drivers/causes.py or begins with the type and a dot, not {error.cause}")
    demand(quality_of(error.status) is Quality.BAD, f"the status of a fault is bad, not {error.status:#x}")


async def ended(call: Awaitable[T], what: str) -> T:
    """Await a call that has to come to an end: one that does not is a finding, and not the end of the suite."""
    try:
        async with asyncio.timeout(end_limit_s) as limit:
            return await call
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ConformanceError(f"broken promise: {what} comes to an end; this one was given up after {end_limit_s:.0f} s") from error


async def read(driver: Driver, group: TagGroup) -> Scan:
    """Read with time to spare."""
    return await ended(driver.read(group, good_deadline_s), "a read")


async def failure(call: Awaitable[object], what: str) -> tuple[DriverError, float]:
    """Await a call that must raise DriverError; return it and the time it took (s). `what` names the call where it does not."""
    started = time.monotonic()
    try:
        await ended(call, what)
    except DriverError as error:
        return error, time.monotonic() - started
    except other_errors as error:
        raise ConformanceError(f"broken promise: {what} raises DriverError; this one raised {error!r}") from error
    raise ConformanceError(f"broken promise: {what} raises DriverError; this one returned")


async def quietly(call: Awaitable[object]) -> None:
    """Await a call that is going to be cancelled, or may fail: how it ends is no matter here."""
    try:
        await ended(call, "a call that is cancelled or not answered")
    except DriverError:
        pass


async def reopened(driver: Driver, group: TagGroup) -> Scan:
    """Read until all is good again, and demand that this takes no longer than `reopen_limit_s`."""
    time_s = asyncio.get_running_loop().time
    until, last = time_s() + reopen_limit_s, ""
    while time_s() < until:
        try:
            scan = await ended(driver.read(group, 1.0), "a read")
            if all(reading.quality is Quality.GOOD for reading in scan.readings()):
                return scan
            last = "a scan that was not all good"
        except DriverError as error:
            sound(error)
            last = error.cause
        await asyncio.sleep(0.05)
    raise ConformanceError(f"broken promise: reads come back within {reopen_limit_s:.0f} s of the device; the last one gave {last}")


async def exhaust(scans: AsyncGenerator[Scan, None]) -> None:
    """Take scans until the subscription ends."""
    async for _ in scans:
        pass


def generator(driver: Driver, group: TagGroup) -> AsyncGenerator[Scan, None]:
    """A subscription as something that can be closed: a driver's subscribe is an async generator."""
    return cast(AsyncGenerator[Scan, None], driver.subscribe(group))


def other(value: Value) -> Value:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value[::-1] + "x" if len(value) < 3 else value[:-1] + ("x" if value[-1] != "x" else "y")
    return (value or 0) + 1
