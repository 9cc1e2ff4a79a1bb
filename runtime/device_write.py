"""A setpoint reaches its device: the write, and what the device has afterwards; and the door's tenant that writes at once.

Room: hall. `commands.desk` calls `write_and_look` for what was confirmed. `app` gives the tenant to the door, which records the intent
before `perform` and the outcome after it. Nothing here knows a protocol: a driver writes and reads. It never writes twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from drivers.driver import DriverError
from drivers.reading import Quality, Scan, Tag, Value, quality_of
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.commands.evaluation import KnownOf, allowed_now
from runtime.commands.guard import Guard
from runtime.commands.listed import Devices, find_point
from runtime.door_tenants import DONE, WRITE_S
from runtime.faces.feed import RequestRefusedError
from runtime.setpoint import HIGH, SetpointRules, fitting, fitting_sent, is_kept

READ_MS_FIRST: Final = 100
READ_S: Final = 2.0
NOT_KNOWN: Final = "write_unknown"
LOCAL: Final = "local"
"""The kind of actor that the machine's own command line is: everybody else prepares and confirms."""


class Writer(Protocol):
    """The part of `acquisition.field.Field` that a setpoint uses."""

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value. Raises DriverError."""
        ...

    def sent(self, device: str, tag: Tag, value: Value) -> Value:
        """Return what a write of a value really sends. Raises DriverError."""
        ...

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        """Read one tag now. Raises DriverError."""
        ...


@runtime_checkable
class Resolving(Protocol):
    """A Writer that also knows what numbers lose on their way to a device and back."""

    def resolution(self, device: str, tag: Tag, value: Value) -> float | None:
        """Return how far a value that the device kept may read from what was sent; None: not known. Raises DriverError."""
        ...


@runtime_checkable
class Running(Protocol):
    """A Writer that also knows which values go on by themselves, as a clock's does."""

    def runs(self, device: str, tag: Tag) -> bool:
        """Tell whether a tag's value is the time of a clock. Raises DriverError."""
        ...


class DeviceWrite:
    """`device.write`: target `device/tag`, param `value`; for the command line of the machine itself.

    It keeps to everything that a command keeps to, but for what needs a person's eyes: nobody was shown the present value. What needs a
    second person is refused. Off unless the configuration says `device_writes = true`.
    """

    def __init__(self, writer: Writer, known: KnownOf, devices: Callable[[], Devices], clock: Clock, guard: Guard) -> None:
        """`known` gives the newest value of a tag by its name."""
        self._writer, self._known, self._devices, self._clock, self._guard = writer, known, devices, clock, guard

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._judge(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. The plant is judged once more: it may have changed while the intent was recorded."""
        tag, value, rules = self._judge(act)
        return await write_and_look(self._writer, self._clock, tag, value, rules)

    def _judge(self, act: Act) -> tuple[Tag, Value, SetpointRules]:
        point = find_point(self._devices(), act.target)
        self._guard.check(point.device)
        if act.actor.kind != LOCAL or point.rules.risk == HIGH or point.tag is None or point.rules.max_rate is not None:
            raise RequestRefusedError("command_needs_confirming", tag=act.target)
        value = to_send(self._writer, act.params.get("value"), point.tag, point.rules)
        allowed_now(value, act.target, point.rules, self._known, self._clock.wall_ms())
        return point.tag, value, point.rules


def to_send(writer: Writer, asked: object, tag: Tag, rules: SetpointRules) -> Value:
    """Return what a write really sends: what was asked for, rounded to what the device can hold. Both are within the limits.

    From here on every rule is asked about this value, people are shown it, and it is what is read back. Raises RequestRefusedError as
    `fitting` and `fitting_sent`, and what the driver says of a value that it never sends.
    """
    value = fitting(asked, tag, rules)
    try:
        sent = writer.sent(tag.device, tag, value)
    except DriverError as error:
        raise RequestRefusedError(error.cause, **error.params) from error
    return fitting_sent(sent, value, rules)


async def write_and_look(writer: Writer, clock: Clock, tag: Tag, value: Value, rules: SetpointRules) -> Outcome:
    """Write once, and say what the device has afterwards. After an unsure write it is read in any case, and never written again.

    The outcome is `done`, `write_not_kept` (it has another value), `write_not_verified` (it could not be read), `write_unknown`, or what
    the driver says of a write that surely did not happen.
    """
    try:
        await writer.write(tag.device, tag, value, WRITE_S)
    except DriverError as error:
        if error.cause != NOT_KNOWN:
            return Outcome(error.cause, dict(error.params))
        kept = await _kept(writer, clock, tag, value, rules)
        if kept is None:
            return Outcome(NOT_KNOWN, dict(error.params))
        if kept[0]:
            return Outcome(DONE, {"value": value, "read_back": kept[1], "confirmed": "read_back"})
        return Outcome(NOT_KNOWN, {**error.params, "read_back": kept[1]})  # it may still take effect
    if not rules.read_back:
        return Outcome(DONE, {"value": value})
    kept = await _kept(writer, clock, tag, value, rules)
    if kept is None:
        return Outcome("write_not_verified", {"value": value})
    return Outcome(DONE if kept[0] else "write_not_kept", {"value": value, "read_back": kept[1]})


async def read_now(writer: Writer, tag: Tag) -> tuple[bool, Value]:
    """Read one tag; return whether it is good, and its value. False where it cannot be read."""
    try:
        scan = await writer.read(tag.device, tag, READ_S)
    except DriverError:
        return False, None
    if scan.statuses is not None and quality_of(scan.statuses[0]) is not Quality.GOOD:  # a good one may have info bits
        return False, None
    return True, scan.values[0]


async def _kept(writer: Writer, clock: Clock, tag: Tag, value: Value, rules: SetpointRules) -> tuple[bool, Value] | None:
    """Read until the device has the value or the time is over; return whether it has, and what was read; None without any reading."""
    started, wait_ms = clock.mono_ms(), READ_MS_FIRST
    ends = started + round(rules.read_back_s * 1000)
    read: tuple[bool, Value] = (False, None)
    while True:
        now = await read_now(writer, tag)
        if now[0]:
            read = now
            resolution = _resolution(writer, tag, value)
            if is_kept(value, now[1], tag, rules.tolerance, resolution, runs=runs_by_itself(writer, tag)):
                return True, now[1]
        if clock.mono_ms() + wait_ms > ends:
            return (False, read[1]) if read[0] else None
        await clock.sleep_until_mono(clock.mono_ms() + wait_ms)
        wait_ms *= 2


def runs_by_itself(writer: Writer, tag: Tag) -> bool:
    """Tell whether a tag's value is the time of a clock, so that each read has another one."""
    try:
        return isinstance(writer, Running) and writer.runs(tag.device, tag)
    except DriverError:  # the device was taken away meanwhile
        return False


def _resolution(writer: Writer, tag: Tag, value: Value) -> float | None:
    try:
        return writer.resolution(tag.device, tag, value) if isinstance(writer, Resolving) else None
    except DriverError:  # the device was taken away meanwhile
        return None
