"""The promises of `drivers.driver.Driver` as checks that any driver author can run on their own class.

Room: ground; shipped, so that a plug-in package can test itself. Give it a `Rig` that makes the driver and does things to
its device, and run `check_all(rig)`, or parametrize your test runner over `checks`, on each of `loops()`. A check raises
ConformanceError with the broken promise; it needs a running event loop, some seconds of real time, and no test framework.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, cast

from drivers.abilities import Rounder
from drivers.driver import Driver, DriverError
from drivers.promises import (
    ConformanceError,
    close_limit_s,
    demand,
    ended,
    exhaust,
    failure,
    generator,
    good_deadline_s,
    in_time,
    lost_deadline_s,
    other,
    other_errors,
    python_types,
    quietly,
    read,
    reopened,
    silent_deadline_s,
    slack_s,
    sound,
)
from drivers.reading import Quality, Tag, TagGroup, Value
from drivers.rig import CountingRig, LateRig, LosingRig, Rig

__all__ = ["Check", "ConformanceError", "Finding", "Rig", "check_all", "checks", "loops"]


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
    demand(isinstance(driver, Driver), "a driver has __aenter__, __aexit__, read, subscribe and write")
    async with driver:
        pass
    await _healed(rig)


async def a_scan_is_whole(rig: Rig) -> None:
    """A read returns this group, a value for each tag in the tag's type, parallel statuses, and the time of the read."""
    async with rig.make() as driver:
        before_ms = time.time_ns() // 1_000_000
        scan = await read(driver, rig.group)
        demand(scan.group is rig.group, "scan.group is the group that was asked for")
        demand(len(scan.values) == len(rig.group.tags), "one value per tag")
        demand(scan.statuses is None or len(scan.statuses) == len(rig.group.tags), "one status per tag, or None")
        demand(scan.cause is None, "a scan that was returned has no cause")
        demand(scan.present is None, "a polled scan holds every tag")
        demand("link" not in rig.features or abs(scan.read_ms - before_ms) < 60_000, "read_ms is wall time in ms")
        for reading in scan.readings():
            good = reading.quality is Quality.GOOD and type(reading.value) is python_types[reading.tag.type]
            demand(good, f"{reading.tag.name} is good and a {reading.tag.type}, not {reading.value!r} with status {reading.status:#x}")


async def reads_follow_the_device(rig: Rig) -> None:
    """A value that changed on the device is in the next scan."""
    async with rig.make() as driver:
        for tag, value in zip(rig.group.tags, (await read(driver, rig.group)).values, strict=True):
            await rig.set_value(tag, other(value))
            place = rig.group.tags.index(tag)
            demand((await read(driver, rig.group)).values[place] == other(value), f"{tag.name} follows the device")
            await rig.set_value(tag, value)


async def deadlines_hold_when_the_device_is_silent(rig: Rig) -> None:
    """A read of a silent device ends within its deadline, with a DriverError; on a new connection and on an old one."""
    for warm in (False, True):
        async with rig.make() as driver:
            if warm:
                await read(driver, rig.group)
            await rig.stall()
            for _ in range(3):
                error, took_s = await failure(driver.read(rig.group, silent_deadline_s), "a read of a silent device")
                in_time("a read of a silent device", took_s, silent_deadline_s)
                sound(error)
            await rig.heal()


async def a_broken_link_fails_and_mends_by_itself(rig: Rig) -> None:
    """With the link broken every read raises a sound DriverError at once; with the link back, reads come back."""
    async with rig.make() as driver:
        await read(driver, rig.group)
        await rig.break_link()
        for _ in range(4):
            error, took_s = await failure(driver.read(rig.group, 1.0), "a read with a broken link")
            sound(error)
            in_time("a read with a broken link", took_s, 1.0)
        await rig.heal()
        await reopened(driver, rig.group)


async def a_cancelled_read_leaves_no_trace(rig: Rig) -> None:
    """A read that is cancelled ends at once and raises nothing else; later reads give the right values of the right tags."""
    async with rig.make() as driver:
        wanted = (await read(driver, rig.group)).values
        await rig.stall()
        for _ in range(2):
            started = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(quietly(driver.read(rig.group, 3.0)))
                await asyncio.sleep(0.05)
                reading.cancel()
            took_s = time.monotonic() - started
            demand(took_s < 0.05 + slack_s, f"a read cancelled after 0.05 s ends at once; this one took {took_s:.2f} s")
        await rig.heal()
        demand((await reopened(driver, rig.group)).values == wanted, "values after a cancelled read are the device's")


async def reads_at_the_same_time_do_not_mix(rig: Rig) -> None:
    """Several groups asked at once each get their own values."""
    async with rig.make() as driver:
        wanted = (await read(driver, rig.group)).values
        parts = [TagGroup(10_000 + n, rig.group.device, f"{rig.group.name}-{n}", 1000, (tag,)) for n, tag in enumerate(rig.group.tags)]
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(driver.read(part, good_deadline_s)) for part in parts * 3]
        for n, done in enumerate(reads):
            demand(done.result().values == [wanted[n % len(parts)]], "each group got its own values")


async def writes_are_confirmed(rig: Rig) -> None:
    """When a write returns, the device has the value; a tag that is not writable is refused."""
    async with rig.make() as driver:
        tag = cast(Tag, rig.writable)
        await ended(driver.write(tag, rig.written, good_deadline_s), "a write")
        held = await rig.get_value(tag)
        demand(held == rig.written, f"when the write has returned the device has {rig.written!r}, not {held!r}")
        if isinstance(driver, Rounder):
            said = driver.sent(tag, rig.written)
            demand(said == held, f"`sent` says what the device has after a write: {held!r}, not {said!r}")
        fixed = Tag(tag.uid, tag.name, tag.device, tag.type, tag.unit, tag.address, tag.exponent, writable=False)
        error, _ = await failure(driver.write(fixed, rig.written, good_deadline_s), "a write of a tag that is not writable")
        demand(error.cause == "write_not_supported", f"a tag that is not writable is refused with write_not_supported, not {error.cause}")


async def a_write_that_was_not_confirmed_is_not_called_done(rig: Rig) -> None:
    """A write to a silent device raises within its deadline: `write_unknown` when it was sent."""
    async with rig.make() as driver:
        await read(driver, rig.group)
        await rig.stall()
        write = driver.write(cast(Tag, rig.writable), rig.written, silent_deadline_s)
        error, took_s = await failure(write, "a write to a silent device")
        sound(error)
        in_time("a write to a silent device", took_s, silent_deadline_s)
        await rig.heal()


async def a_late_answer_is_not_believed(rig: Rig) -> None:
    """The answer to a read that was given up comes before that of the next: the next read has the device's value of now."""
    tag = rig.group.tags[0]
    part = TagGroup(10_000, rig.group.device, f"{rig.group.name}-0", 1000, (tag,))
    async with rig.make() as driver:
        value = first = (await read(driver, part)).values[0]
        for way in ("at its deadline", "when it was cancelled"):
            cast(LateRig, rig).hold_answer()
            if way == "at its deadline":
                await quietly(driver.read(part, silent_deadline_s))
            else:
                async with asyncio.TaskGroup() as tasks:
                    reading = tasks.create_task(quietly(driver.read(part, good_deadline_s)))
                    await asyncio.sleep(silent_deadline_s)
                    reading.cancel()
            value = other(value)
            await rig.set_value(tag, value)
            got = (await reopened(driver, part)).values[0]
            demand(got == value, f"after a read that ended {way}, its late answer is not taken for the next: {value!r}, not {got!r}")
        await rig.set_value(tag, first)


async def a_write_is_sent_once(rig: Rig) -> None:
    """One write is one request, also when the answer to it was lost and the device answers again."""
    counting, tag = cast(CountingRig, rig), cast(Tag, rig.writable)
    async with rig.make() as driver:
        await read(driver, rig.group)
        before = counting.writes()
        await ended(driver.write(tag, rig.written, good_deadline_s), "a write")
        sent = await _writes_since(counting, before, driver)
        demand(sent == 1, f"a write is sent once, not {sent} times")
        if "lose" in rig.features:
            cast(LosingRig, rig).lose_answer()
            await quietly(driver.write(tag, rig.written, lost_deadline_s))
            sent = await _writes_since(counting, before + sent, driver)
            demand(sent == 1, f"a write whose answer was lost is sent once, not {sent} times")


async def a_write_whose_answer_was_lost_is_unknown(rig: Rig) -> None:
    """The device carried it out and its answer was lost: `write_unknown`, never a cause that says that nothing was sent."""
    async with rig.make() as driver:
        await read(driver, rig.group)
        cast(LosingRig, rig).lose_answer()
        write = driver.write(cast(Tag, rig.writable), rig.written, lost_deadline_s)
        error, took_s = await failure(write, "a write whose answer was lost")
        sound(error)
        in_time("a write whose answer was lost", took_s, lost_deadline_s)
        demand(error.cause == "write_unknown", f"a write that was sent and not answered is write_unknown, not {error.cause}")
        await reopened(driver, rig.group)


async def pushes_say_what_they_hold_and_break_loudly(rig: Rig) -> None:
    """A subscription yields scans of its group with parallel columns, and raises DriverError when the link breaks."""
    async with rig.make() as driver:
        held: dict[str, Value] = {}
        async with asyncio.timeout(good_deadline_s), aclosing(generator(driver, rig.group)) as scans:
            async for scan in scans:
                demand(scan.group is rig.group, "scan.group is the group that was asked for")
                held |= {reading.tag.name: reading.value for reading in scan.readings()}
                if len(held) == len(rig.group.tags):
                    break
        async with aclosing(generator(driver, rig.group)) as scans:
            await ended(anext(scans), "the first scan of a subscription")
            await rig.break_link()
            error, _ = await failure(exhaust(scans), "a subscription whose link broke")
            sound(error)
        await rig.heal()


async def nothing_outlives_the_driver(rig: Rig) -> None:
    """After leaving, also after faults, no task runs and no connection is open; leaving a silent device takes no 2 s."""
    for fault in ("none", "stall") if "link" in rig.features else ("none",):
        before = asyncio.all_tasks()
        async with rig.make() as driver:
            await read(driver, rig.group)
            if fault == "stall":
                await rig.stall()
                await failure(driver.read(rig.group, silent_deadline_s), "a read of a silent device")
            leaving = time.monotonic()
        took_s = time.monotonic() - leaving
        demand(took_s < close_limit_s, f"leaving takes less than {close_limit_s} s, not {took_s:.2f} s")
        await _healed(rig)
        left: set[asyncio.Task[object]] = set()
        for _ in range(round(close_limit_s * 100)):
            left = asyncio.all_tasks() - before
            if not left and not rig.connections():
                break
            await asyncio.sleep(0.01)
        demand(not rig.connections(), f"no connection outlives the driver; the rig counts {rig.connections()}")
        demand(not left, f"no task outlives the driver: {left}")


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
    a_late_answer_is_not_believed: frozenset({"set", "late"}),
    a_write_is_sent_once: frozenset({"write", "count"}),
    a_write_whose_answer_was_lost_is_unknown: frozenset({"write", "lose"}),
    pushes_say_what_they_hold_and_break_loudly: frozenset({"push", "link"}),
    nothing_outlives_the_driver: frozenset(),
}
"""Each check, and the features of the rig that it needs."""


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return what makes each event loop that a gateway may run on, by name: asyncio's own, and uvloop's where it is installed.

    A gateway runs on uvloop where it can. Its transports are no subclasses of asyncio's, and it hands over errors at other moments.
    """
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ImportError:
        return found
    return {**found, "uvloop": uvloop.new_event_loop}


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
            await _healed(rig)
        except (DriverError, ExceptionGroup, *other_errors) as error:
            findings.append(Finding(name, "failed", f"raised {error!r}"))
            await _healed(rig)
    return findings


async def _healed(rig: Rig) -> None:
    """Mend what a check broke; a rig without a link has nothing that breaks."""
    if "link" in rig.features:
        await rig.heal()


async def _writes_since(rig: CountingRig, before: int, driver: Driver) -> int:
    """Return how many writes came. One may be confirmed by a value that the device had already, and arrive a moment later."""
    await reopened(driver, rig.group)  # what was sent after the first has come by then
    for _ in range(round(close_limit_s * 100)):
        if rig.writes() > before:
            break
        await asyncio.sleep(0.01)
    return rig.writes() - before
