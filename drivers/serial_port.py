"""Why a serial port of this machine could not be opened, as a fault that says it.

Room: ground. Drivers that open serial ports call `open_fault` with what opening raised. Opens nothing.
"""

from __future__ import annotations

import errno
from types import MappingProxyType
from typing import Final

from drivers.driver import DriverError
from drivers.reading import Status

reasons: Final = MappingProxyType(
    {
        errno.ENOENT: "port_missing",
        errno.ENODEV: "port_missing",
        errno.ENXIO: "port_missing",
        errno.EBUSY: "port_in_use",
        errno.EAGAIN: "port_in_use",  # somebody else has locked it
        errno.EACCES: "port_denied",
        errno.EPERM: "port_denied",
    }
)
"""What the system says of a port -> `because` of the fault."""


def open_fault(serial_port: str, error: OSError | None) -> DriverError:
    """Return `connect_failed` for a port; its param `because` says why, where the system did: missing, in use, or not for our user."""
    reason = reasons.get(error.errno) if error is not None and error.errno is not None else None
    told = {"because": reason} if reason is not None else {}
    return DriverError("connect_failed", Status.BAD_NOT_CONNECTED, serial_port=serial_port, **told)
