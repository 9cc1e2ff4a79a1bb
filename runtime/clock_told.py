"""What can be told of the clock, for a person: the kernel's figures, who steers it, when that last worked, the battery clock. Blocking.

Room: hall. `core_questions` asks it off the loop. It sets no clock and contacts no time server; it reads files and asks the services of
this machine that answer without rights. What a machine does not have is None, never a guess.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from runtime.network.commands import program, run
from runtime.network.settings import NetworkError

UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of adjtimex(2)."""
NANO: Final = 0x2000
TIMESYNC: Final = Path("/run/systemd/timesync")
CHRONY: Final = Path("/run/chrony")
RTC: Final = Path("/sys/class/rtc/rtc0")
SERVICE_S: Final = 2.0
TRACKING_FIELDS: Final = 5
"""Of `chronyc -c tracking`: reference id, its address, stratum, when it was last heard (s since 1970), the offset of the system's time
(s)."""


class Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), as far as it is read; what follows is room."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 512),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel's figures: how far off it is being steered, how far it can be off at most, whether anything steers it."""

    offset_us: float
    maxerror_us: int
    esterror_us: int
    is_steered: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A service that steers the clock: its name, the server that it follows, when that last worked (wall ms)."""

    service: str
    server: str
    heard_ms: int | None


def clock_told() -> dict[str, Any]:
    """Return everything, for a face."""
    kernel = kernel_figures()
    found = [each for each in (_timesyncd(), _chrony()) if each is not None]
    return {"kernel": None if kernel is None else asdict(kernel), "sources": [asdict(each) for each in found], "rtc_s": _battery_clock()}


def kernel_figures() -> Kernel | None:
    """Return what adjtimex(2) says, asked with modes 0, which changes nothing; None where there is no such call."""
    try:
        call = ctypes.CDLL(None, use_errno=True).ntp_adjtime
    except (OSError, AttributeError):
        return None
    told = Timex()
    if call(ctypes.byref(told)) < 0:
        return None
    offset_us = told.offset / 1000 if told.status & NANO else float(told.offset)
    return Kernel(offset_us, int(told.maxerror), int(told.esterror), not told.status & UNSYNCHRONISED)


def tracking_of(text: str) -> Source | None:
    """Read `chronyc -c tracking`; None where chrony follows nobody."""
    row = next(csv.reader(text.splitlines()), [])
    if len(row) < TRACKING_FIELDS or not row[1]:
        return None
    try:
        heard_s = float(row[3])
    except ValueError:
        return None
    return Source("chrony", row[1][:80], round(heard_s * 1000) if heard_s > 0 else None)


def _chrony() -> Source | None:
    if not CHRONY.exists() or program("chronyc") is None:
        return None
    with contextlib.suppress(NetworkError):
        return tracking_of(run("chronyc", "-n", "-c", "tracking", timeout_s=SERVICE_S))
    return Source("chrony", "", None)


def _timesyncd() -> Source | None:
    """systemd-timesyncd touches a file whenever a server answered; which one, the bus says where there is one."""
    if not TIMESYNC.exists():
        return None
    heard_ms, server = None, ""
    with contextlib.suppress(OSError):
        heard_ms = round((TIMESYNC / "synchronized").stat().st_mtime * 1000)
    with contextlib.suppress(NetworkError):
        server = run("timedatectl", "show-timesync", "-p", "ServerName", "--value", timeout_s=SERVICE_S).strip()[:80]
    return Source("systemd-timesyncd", server, heard_ms)


def _battery_clock() -> int | None:
    """Return what the battery clock shows, s since 1970; None without one."""
    try:
        return int((RTC / "since_epoch").read_text()[:20])
    except (OSError, ValueError):
        return None
