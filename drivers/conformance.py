"""The promises of `drivers.driver.Driver` as checks that any driver author can run on their own class.

Room: ground; shipped, so that a plug-in package can test itself. Give it a `Rig` that makes the driver and does things to
its device, and run `check_all(rig)`, or parametrize your test runner over `checks`. A check raises ConformanceError with the
broken promise; it needs a running event loop, some seconds of real time, and no test framework.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol, cast

from drivers.causes import cause_codes
from drivers.driver import Driver, DriverError
from drivers.reading import Quality, Scan, Tag, TagGroup, Value, quality_of

slack_s: Final = 0.25
"""How late a deadline may be kept: the event loop and a loaded machine need some room."""
reopen_limit_s: Final = 15.0
"""How long after the device came back the first good read may take: pauses between attempts end within 5 s."""
close_limit_s: Final = 2.0
silent_deadline_s: Final = 0.3
good_deadline_s: Final = 5.0

other_errors: Final = (OSError, ValueError, LookupError, ArithmeticError, EOFError, TypeError, AttributeError, RuntimeError)
"""What a driver lets through by mistake, where a DriverError belongs: a finding, not the end of the suite."""
python_types: Final = {"bool": bool, "int": int, "float32": float, "float64": float, "text": str}


class ConformanceError(AssertionError):
    """A promise of the driver protocol that was not kept."""


class Rig(Protocol):
    """A device under the author's control, and the driver for it. All times are real.

    `features` says what the rig can do: `link` (break_link, stall, heal), `set` (set_value), `write` (`writable` is a tag that
    the device accepts `written` for), `push` (the driver's subscribe works for `group`).
    """

    features: frozenset[str]
    group: TagGroup
    """At least one tag; all of them readable."""
    writable: Tag | None
    written: Value

    def make(self) -> Driver:
        """Return a new driver of the device, not entered."""
        ...

    async def set_value(self, tag: Tag, value: Value) -> None:
        """Give the tag another value, on the device."""
        ...

    async def get_value(self, tag: Tag) -> Value:
        """Return the value that the device itself has."""
        ...

    async def break_link(self) -> None:
        """Close the device's connections and refuse new ones."""
        ...

    async def stall(self) -> None:
        """Let the device accept everything and answer nothing."""
        ...

    async def heal(self) -> None:
        """Undo `break_link` and `stall`."""
        ...

    def connections(self) -> int:
        """Return how many connections the device has open."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: `passed`, `failed` or `not_applicable`, with the broken promise."""

    check: str
    verdict: str
    detail: str = ""


Check = Callable[[Rig], Awaitable[None]]


async def opens_without_a_device(rig: Rig) -> None:
    """Entering and leaving needs no answer from the device."""
    if "link" in rig.features:
        await rig.break_link()
    driver = rig.make()
    _demand(isinstance(driver, Driver), "a driver has __aenter__, __aexit__, read, subscribe and write")
    async with driver:
        pass
    await rig.heal()


async def a_scan_is_whole(rig: Rig) -> None:
    """A read returns this group, a value for each tag in the tag's type, parallel statuses, and the time of the read."""
    async with rig.make() as driver:
        before_ms = time.time_ns() // 1_000_000
        scan = await _read(driver, rig.group)
        _demand(scan.group is rig.group, "scan.group is the group that was asked for")
        _demand(len(scan.values) == len(rig.group.tags), "one value per tag")
        _demand(scan.statuses is None or len(scan.statuses) == len(rig.group.tags), "one status per tag, or None")
        _demand(scan.cause is None, "a scan that was returned has no cause")
        _demand(scan.present is None, "a polled scan holds every tag")
        _demand("link" not in rig.features or abs(scan.read_ms - before_ms) < 60_000, "read_ms is wall time in ms")
        for reading in scan.readings():
            good = reading.quality is Quality.GOOD and type(reading.value) is python_types[reading.tag.type]
            _demand(good, f"{reading.tag.name} is good and a {reading.tag.type}, not {reading.value!r} with status {reading.status:#x}")


async def reads_follow_the_device(rig: Rig) -> None:
    """A value that changed on the device is in the next scan."""
    async with rig.make() as driver:
        for tag, value in zip(rig.group.tags, (await _read(driver, rig.group)).values, strict=True):
            await rig.set_value(tag, _other(value))
            place = rig.group.tags.index(tag)
            _demand((await _read(driver, rig.group)).values[place] == _other(value), f"{tag.name} follows the device")
            await rig.set_value(tag, value)


async def deadlines_hold_when_the_device_is_silent(rig: Rig) -> None:
    """A read of a silent device ends within its deadline, with a DriverError; on a new connection and on an old one."""
    for warm in (False, True):
        async with rig.make() as driver:
            if warm:
                await _read(driver, rig.group)
            await rig.stall()
            for _ in range(3):
                error, took_s = await _failure(driver.read(rig.group, silent_deadline_s), "a read of a silent device")
                _in_time("a read of a silent device", took_s, silent_deadline_s)
                _sound(error)
            await rig.heal()


async def a_broken_link_fails_and_mends_by_itself(rig: Rig) -> None:
    """With the link broken every read raises a sound DriverError at once; with the link back, reads come back."""
    async with rig.make() as driver:
        await _read(driver, rig.group)
        await rig.break_link()
        for _ in range(4):
            error, took_s = await _failure(driver.read(rig.group, 1.0), "a read with a broken link")
            _sound(error)
            _in_time("a read with a broken link", took_s, 1.0)
        await rig.heal()
        await _reopened(driver, rig.group)


async def a_cancelled_read_leaves_no_trace(rig: Rig) -> None:
    """A read that is cancelled ends at once and raises nothing else; later reads give the right values of the right tags."""
    async with rig.make() as driver:
        wanted = (await _read(driver, rig.group)).values
        await rig.stall()
        for _ in range(2):
            started = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_quietly(driver.read(rig.group, 3.0)))
                await asyncio.sleep(0.05)
                reading.cancel()
            took_s = time.monotonic() - started
            _demand(took_s < 0.05 + slack_s, f"a read cancelled after 0.05 s ends at once; this one took {took_s:.2f} s")
        await rig.heal()
        _demand((await _reopened(driver, rig.group)).values == wanted, "values after a cancelled read are the device's")


async def reads_at_the_same_time_do_not_mix(rig: Rig) -> None:
    """Several groups asked at once each get their own values."""
    async with rig.make() as driver:
        wanted = (await _read(driver, rig.group)).values
        parts = [TagGroup(10_000 + n, rig.group.device, f"{rig.group.name}-{n}", 1000, (tag,)) for n, tag in enumerate(rig.group.tags)]
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(driver.read(part, good_deadline_s)) for part in parts * 3]
        for n, read in enumerate(reads):
            _demand(read.result().values == [wanted[n % len(parts)]], "each group got its own values")


async def writes_are_confirmed(rig: Rig) -> None:
    """When a write returns, the device has the value; a tag that is not writable is refused."""
    async with rig.make() as driver:
        tag = cast(Tag, rig.writable)
        await driver.write(tag, rig.written, good_deadline_s)
        held = await rig.get_value(tag)
        _demand(held == rig.written, f"when the write has returned the device has {rig.written!r}, not {held!r}")
        fixed = Tag(tag.uid, tag.name, tag.device, tag.type, tag.unit, tag.address, tag.exponent, writable=False)
        error, _ = await _failure(driver.write(fixed, rig.written, good_deadline_s), "a write of a tag that is not writable")
        _demand(error.cause == "write_not_supported", f"a tag that is not writable is refused with write_not_supported, not {error.cause}")


async def a_write_that_was_not_confirmed_is_not_called_done(rig: Rig) -> None:
    """A write to a silent device raises within its deadline: `write_unknown` when it was sent."""
    async with rig.make() as driver:
        await _read(driver, rig.group)
        await rig.stall()
        write = driver.write(cast(Tag, rig.writable), rig.written, silent_deadline_s)
        error, took_s = await _failure(write, "a write to a silent device")
        _sound(error)
        _in_time("a write to a silent device", took_s, silent_deadline_s)
        await rig.heal()


async def pushes_say_what_they_hold_and_break_loudly(rig: Rig) -> None:
    """A subscription yields scans of its group with parallel columns, and raises DriverError when the link breaks."""
    async with rig.make() as driver:
        held: dict[str, Value] = {}
        async with asyncio.timeout(good_deadline_s), aclosing(_generator(driver, rig.group)) as scans:
            async for scan in scans:
                _demand(scan.group is rig.group, "scan.group is the group that was asked for")
                held |= {reading.tag.name: reading.value for reading in scan.readings()}
                if len(held) == len(rig.group.tags):
                    break
        async with aclosing(_generator(driver, rig.group)) as scans:
            await anext(scans)
            await rig.break_link()
            error, _ = await _failure(_exhaust(scans), "a subscription whose link broke")
            _sound(error)
        await rig.heal()


async def nothing_outlives_the_driver(rig: Rig) -> None:
    """After leaving, also after faults, no task runs and no connection is open; leaving a silent device takes no 2 s."""
    for fault in ("none", "stall") if "link" in rig.features else ("none",):
        before = asyncio.all_tasks()
        async with rig.make() as driver:
            await _read(driver, rig.group)
            if fault == "stall":
                await rig.stall()
                await _failure(driver.read(rig.group, silent_deadline_s), "a read of a silent device")
            leaving = time.monotonic()
        took_s = time.monotonic() - leaving
        _demand(took_s < close_limit_s, f"leaving takes less than {close_limit_s} s, not {took_s:.2f} s")
        await rig.heal()
        left: set[asyncio.Task[object]] = set()
        for _ in range(round(close_limit_s * 100)):
            left = asyncio.all_tasks() - before
            if not left and not rig.connections():
                break
            await asyncio.sleep(0.01)
        _demand(not rig.connections(), f"no connection outlives the driver; the rig counts {rig.connections()}")
        _demand(not left, f"no task outlives the driver: {left}")


checks: Final[dict[Check, frozenset[str]]] = {
    opens_without_a_device: frozenset(),
    a_scan_is_whole: frozenset(),
    reads_follow_the_device: frozenset({"set"}),
    deadlines_hold_when_the_device_is_silent: frozenset({"link"}),
    a_broken_link_fails_and_mends_by_itself: frozenset({"link"}),
    a_cancelled_read_leaves_no_trace: frozenset({"link"}),
    reads_at_the_same_time_do_not_mix: frozenset({"set"}),
    writes_are_confirmed: frozenset({"write"}),
    a_write_that_was_not_confirmed_is_not_called_done: frozenset({"write", "link"}),
    pushes_say_what_they_hold_and_break_loudly: frozenset({"push", "link"}),
    nothing_outlives_the_driver: frozenset(),
}
"""Each check, and the features of the rig that it needs."""


async def check_all(rig: Rig) -> list[Finding]:
    """Run every check that the rig has the features for; return one finding per check, in order."""
    findings = []
    for check, needs in checks.items():
        name = getattr(check, "__name__", repr(check))
        if not needs <= rig.features:
            findings.append(Finding(name, "not_applicable", f"needs {', '.join(sorted(needs - rig.features))}"))
            continue
        try:
            await check(rig)
            findings.append(Finding(name, "passed"))
        except ConformanceError as error:
            findings.append(Finding(name, "failed", str(error)))
            await rig.heal()
        except (DriverError, ExceptionGroup, *other_errors) as error:
            findings.append(Finding(name, "failed", f"raised {error!r}"))
            await rig.heal()
    return findings


def _demand(kept: bool, promise: str) -> None:
    if not kept:
        raise ConformanceError(f"broken promise: {promise}")


def _in_time(call: str, took_s: float, deadline_s: float) -> None:
    """Demand that a call took no longer than its deadline, and a little."""
    _demand(took_s <= deadline_s + slack_s, f"{call} ends within {deadline_s} s; this one took {took_s:.2f} s")


def _sound(error: DriverError) -> None:
    known = error.cause in cause_codes or "." in error.cause
    _demand(known, f"a cause is one of drivers/causes.py or begins with the type and a dot, not {error.cause}")
    _demand(quality_of(error.status) is Quality.BAD, f"the status of a fault is bad, not {error.status:#x}")


async def _read(driver: Driver, group: TagGroup) -> Scan:
    return await driver.read(group, good_deadline_s)


async def _failure(call: Awaitable[object], what: str) -> tuple[DriverError, float]:
    """Await a call that must raise DriverError; return it and the time it took (s). `what` names the call where it does not."""
    started = time.monotonic()
    try:
        await call
    except DriverError as error:
        return error, time.monotonic() - started
    except other_errors as error:
        raise ConformanceError(f"broken promise: {what} raises DriverError; this one raised {error!r}") from error
    raise ConformanceError(f"broken promise: {what} raises DriverError; this one returned")


async def _quietly(call: Awaitable[object]) -> None:
    """Await a call that is going to be cancelled; a fault that comes first is no matter here."""
    try:
        await call
    except DriverError:
        pass


async def _reopened(driver: Driver, group: TagGroup) -> Scan:
    until = time.monotonic() + reopen_limit_s
    while True:
        try:
            scan = await driver.read(group, 1.0)
            if scan.statuses is None:
                return scan
        except DriverError as error:
            _sound(error)
            _demand(time.monotonic() < until, f"reads come back within {reopen_limit_s:.0f} s of the device")
        await asyncio.sleep(0.05)


async def _exhaust(scans: AsyncGenerator[Scan, None]) -> None:
    async with asyncio.timeout(reopen_limit_s):
        async for _ in scans:
            pass


def _generator(driver: Driver, group: TagGroup) -> AsyncGenerator[Scan, None]:
    """A subscription as something that can be closed: a driver's subscribe is an async generator."""
    return cast(AsyncGenerator[Scan, None], driver.subscribe(group))


def _other(value: Value) -> Value:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value[::-1] + "x" if len(value) < 3 else value[:-1] + ("x" if value[-1] != "x" else "y")
    return (value or 0) + 1
