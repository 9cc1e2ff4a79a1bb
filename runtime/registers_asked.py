"""The feed's requests `registers` and `identify`: what a polled device, or another unit on its line, holds and says that it is.

Room: hall. `app` answers faces through it. A line is shared with polling, so one such request is one look at no more than 125 registers
with a deadline, only for whoever may `device.look`; units that no device is configured for only while the configuration says
`commissioning = true`. It changes nothing and records nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from drivers.driver import DriverError
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor

LOOK_S: Final = 5.0


class RegisterField(Protocol):
    """The part of `acquisition.field.Field` that it uses."""

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register. Raises DriverError."""
        ...

    async def probe(self, device: str, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register of another unit on the device's line. Raises DriverError."""
        ...

    async def identify(self, device: str, unit: int | None, deadline_s: float) -> dict[str, str]:
        """Return what a unit says that it is. Raises DriverError."""
        ...


async def registers_asked(field: RegisterField, actor: Actor, params: Mapping[str, Any], *, commissioning: bool = False) -> list[list[int]]:
    """Return [address, register] of what could be read. Params: device, table, start, count; unit. Raises RequestRefusedError."""
    _check(actor)
    match params:
        case {"device": str(device), "table": str(table), "start": int(start), "count": int(count), **more}:
            unit = _unit(more, commissioning=commissioning)
            try:
                if unit is None:
                    found = await field.registers(device, table, start, count, LOOK_S)
                else:
                    found = await field.probe(device, unit, table, start, count, LOOK_S)
            except DriverError as error:
                raise RequestRefusedError(error.cause, **error.params) from error
            return [[at, word] for at, word in sorted(found.items())]
    raise RequestRefusedError("act_shape")


async def identify_asked(field: RegisterField, actor: Actor, params: Mapping[str, Any], *, commissioning: bool = False) -> dict[str, str]:
    """Return what a unit says that it is, by name. Params: device; unit. Raises RequestRefusedError."""
    _check(actor)
    match params:
        case {"device": str(device), **more}:
            unit = _unit(more, commissioning=commissioning)
            try:
                return await field.identify(device, unit, LOOK_S)
            except DriverError as error:
                raise RequestRefusedError(error.cause, **error.params) from error
    raise RequestRefusedError("act_shape")


def _check(actor: Actor) -> None:
    if not actor.may("device.look"):
        raise RequestRefusedError("permission_denied", action="device.look")


def _unit(more: Mapping[str, Any], *, commissioning: bool) -> int | None:
    """Return the other unit that is meant, None for the device itself."""
    unit = more.get("unit")
    if unit is None:
        return None
    if type(unit) is not int or not 0 <= unit <= 255:
        raise RequestRefusedError("act_shape")
    if not commissioning:
        raise RequestRefusedError("commissioning_off")
    return unit
