"""The feed's request `registers`: raw registers of one polled device, through the connection that it is polled on.

Room: hall. `app` answers faces through it. A line is shared with polling, so one such request is one look at no more than 125 registers
with a deadline, only for whoever may `device.look`. It changes nothing and records nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Protocol

from drivers.driver import DriverError
from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import allowed, role_of

LOOK_S: Final = 5.0


class RegisterField(Protocol):
    """The part of `acquisition.field.Field` that it uses."""

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        """Return address -> register. Raises DriverError."""
        ...


async def registers_asked(field: RegisterField, session: Session, params: Mapping[str, Any]) -> list[list[int]]:
    """Return [address, register] of what could be read. Params: device, table, start, count. Raises RequestRefusedError."""
    if not allowed(role_of(session.face, session.uid, own_uid=os.getuid()), "device.look"):
        raise RequestRefusedError("permission_denied", action="device.look")
    match params:
        case {"device": str(device), "table": str(table), "start": int(start), "count": int(count)}:
            try:
                found = await field.registers(device, table, start, count, LOOK_S)
            except DriverError as error:
                raise RequestRefusedError(error.cause, **error.params) from error
            return [[at, word] for at, word in sorted(found.items())]
    raise RequestRefusedError("act_shape")
