"""What the machine under the gateway says of itself: kernel, processors, memory, disks, interfaces, time. Blocking, milliseconds.

Room: hall, diagnostics. Read from /proc and /sys as any user; no program is started and nobody is asked over a network. What a kernel does
not have is None. Sources: proc(5), sysfs(5), adjtimex(2).
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any, Final

MEMORY: Final = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree", "Dirty", "Writeback")
TEXT_MAX: Final = 64 << 10


def machine_facts(state: Path) -> dict[str, Any]:
    """Return everything; `state` says which disk matters."""
    system = os.uname()
    return {
        "kernel": {"system": system.sysname, "release": system.release, "version": system.version, "machine": system.machine},
        "system": _os_release(),
        "python": {"version": sys.version.split()[0], "implementation": platform.python_implementation()},
        "processors": os.cpu_count(),
        "load": list(os.getloadavg()),
        "uptime_s": _first_number("/proc/uptime"),
        "memory_kb": memory_kb(),
        "pressure": {name: _text(f"/proc/pressure/{name}") for name in ("cpu", "memory", "io")},
        "disk": disk_facts(state),
        "temperature_c": _temperatures(),
        "interfaces": interfaces(),
        "resolv_conf": _text("/etc/resolv.conf"),
        "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
    }


def memory_kb() -> dict[str, int | None]:
    """Return the machine's memory."""
    rows = dict(line.split(":", 1) for line in (_text("/proc/meminfo") or "").splitlines() if ":" in line)
    return {name: int(rows[name].split()[0]) if name in rows else None for name in MEMORY}


def disk_facts(state: Path) -> dict[str, Any]:
    """Return how full the disk of the state folder is, and what kind of disk."""
    try:
        found = os.statvfs(state)
    except OSError as error:
        return {"error": error.strerror}
    mount = _mount_of(state)
    return {
        "size_bytes": found.f_blocks * found.f_frsize, "free_bytes": found.f_bavail * found.f_frsize,
        "inodes": found.f_files, "inodes_free": found.f_favail, "filesystem": mount[2], "device": mount[0], "options": mount[3],
    }  # fmt: skip


def interfaces() -> list[dict[str, Any]]:
    """Return the network's interfaces with what the kernel counts of each."""
    found = []
    for name in sorted(each for _, each in socket.if_nameindex()):
        at = Path("/sys/class/net") / name
        counts = {key: _number(at / "statistics" / key) for key in ("rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped")}
        row = {"name": name, "state": (_text(at / "operstate") or "").strip() or None, "mtu": _number(at / "mtu"), "counts": counts}
        speed = _number(at / "speed")
        found.append(row | {"speed_mbit": speed if speed is not None and speed > 0 else None, "carrier": _number(at / "carrier")})
    return found


def _mount_of(path: Path) -> tuple[str, str, str, str]:
    """Return (device, where, filesystem, options) of the mount that a path is on."""
    best = ("", "", "", "")
    real = os.path.realpath(path)
    for line in (_text("/proc/self/mounts") or "").splitlines():
        fields = line.split(" ")
        if len(fields) >= 4 and (real + "/").startswith(fields[1].rstrip("/") + "/") and len(fields[1]) >= len(best[1]):
            best = (fields[0], fields[1], fields[2], fields[3])
    return best


def _os_release() -> str | None:
    for line in (_text("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return None


def _temperatures() -> dict[str, float]:
    found = {}
    for at in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        milli = _number(at / "temp")
        if milli is not None:
            found[(_text(at / "type") or at.name).strip()] = round(milli / 1000, 1)
    return found


def _text(path: str | Path) -> str | None:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read(TEXT_MAX)
    return None


def _number(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.removeprefix("-").isdigit() else None


def _first_number(path: str) -> float | None:
    fields = (_text(path) or "").split()
    with contextlib.suppress(ValueError, IndexError):
        return float(fields[0])
    return None
