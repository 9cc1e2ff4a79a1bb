"""The door's tenant for setpoints: limits and interlocks before, the write, and what the device has afterwards.

Room: hall. `app` gives it to the door, which records the intent before `perform` and the outcome after it. It knows no protocol: a
driver writes and reads. It never writes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from drivers.driver import DriverError
from drivers.reading import Scan, Tag, Value
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.door_tenants import DONE, WRITE_S
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints
from runtime.setpoint import Known, SetpointRules, allowed_now, fitting, is_kept

READ_MS_FIRST: Final = 100
READ_S: Final = 2.0


class Writer(Protocol):
    """The part of `acquisition.field.Field` that a setpoint uses."""

    async def write(self, device: str, tag: Tag, value: Value, deadline_s: float) -> None:
        """Write one value. Raises DriverError."""
        ...

    async def read(self, device: str, tag: Tag, deadline_s: float) -> Scan:
        """Read one tag now. Raises DriverError."""
        ...


class DeviceWrite:
    """`device.write`: target `device/tag`, param `value`. Off unless the configuration says `device_writes = true`."""

    def __init__(
        self,
        writer: Writer,
        known: Callable[[str], Known | None],
        config: Callable[[], Config],
        devices: Callable[[], Mapping[str, DevicePoints]],
        clock: Clock,
    ) -> None:
        """`known` gives the newest value of a tag by its name."""
        self._writer, self._known, self._config, self._devices, self._clock = writer, known, config, devices, clock

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._judge(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. The plant is judged once more: it may have changed while the intent was recorded."""
        tag, value, rules = self._judge(act)
        try:
            await self._writer.write(tag.device, tag, value, WRITE_S)
        except DriverError as error:
            kept = await self._kept(tag, value, rules) if error.cause == "write_unknown" and rules.read_back else None
            if kept is not None and kept[0]:
                return Outcome(DONE, {"value": value, "read_back": kept[1], "confirmed": "read_back"})
            return Outcome(error.cause, dict(error.params))
        if not rules.read_back:
            return Outcome(DONE, {"value": value})
        kept = await self._kept(tag, value, rules)
        if kept is None:
            return Outcome("write_not_verified", {"value": value})
        return Outcome(DONE if kept[0] else "write_not_kept", {"value": value, "read_back": kept[1]})

    def _judge(self, act: Act) -> tuple[Tag, Value, SetpointRules]:
        if not self._config().gateway.device_writes:
            raise RequestRefusedError("device_writes_off")
        device, _, name = act.target.partition("/")
        points = self._devices().get(device)
        found = points.find(name) if points is not None else None
        if found is None:
            raise RequestRefusedError("tag_unknown", tag=act.target)
        tag, options = found
        if not tag.writable:
            raise RequestRefusedError("tag_not_writable", tag=act.target)
        value = fitting(act.params.get("value"), tag, options.write)
        allowed_now(value, act.target, options.write, self._known, self._clock.wall_ms())
        return tag, value, options.write

    async def _kept(self, tag: Tag, value: Value, rules: SetpointRules) -> tuple[bool, Value] | None:
        """Read until the device has the value or the time is over; return whether it has, and what was read; None without any reading."""
        started, wait_ms, read = self._clock.mono_ms(), READ_MS_FIRST, None
        ends = started + round(rules.read_back_s * 1000)
        while True:
            try:
                scan = await self._writer.read(tag.device, tag, READ_S)
            except DriverError:
                scan = None
            if scan is not None and (scan.statuses is None or scan.statuses[0] == 0):
                read = scan.values[0]
                if is_kept(value, read, tag, rules.tolerance):
                    return True, read
            if self._clock.mono_ms() + wait_ms > ends:
                return None if read is None else (False, read)
            await self._clock.sleep_until_mono(self._clock.mono_ms() + wait_ms)
            wait_ms *= 2
